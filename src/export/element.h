/*
 * Information elements by number: what they are called and what their octets mean.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define IPFIX_NAME_MAX 80 /* longest name and its end */

/* RFC 5610 §3.1; values as in the registry "IPFIX Information Element Data Types". */
enum ipfix_type {
    TYPE_OCTETS = 0,
    TYPE_U8,
    TYPE_U16,
    TYPE_U32,
    TYPE_U64,
    TYPE_S8,
    TYPE_S16,
    TYPE_S32,
    TYPE_S64,
    TYPE_F32,
    TYPE_F64,
    TYPE_BOOL,
    TYPE_MAC,
    TYPE_STRING,
    TYPE_S,  /* seconds since 1970 */
    TYPE_MS, /* milliseconds since 1970 */
    TYPE_US, /* NTP: seconds since 1900, 2^-32 s */
    TYPE_NS, /* the same */
    TYPE_IP4,
    TYPE_IP6,
    TYPE_LIST, /* basicList, subTemplateList, subTemplateMultiList (RFC 6313) */
};

/* RFC 5610 §3.6, §3.7. */
enum ipfix_semantics {
    SEMANTICS_DEFAULT = 0,
    SEMANTICS_QUANTITY = 1,
    SEMANTICS_IDENTIFIER = 4,
    SEMANTICS_FLAGS = 5,
};
enum ipfix_units { UNITS_NONE = 0, UNITS_MICROSECONDS = 7 };

struct ipfix_element {
    uint32_t pen;
    uint16_t id;
    uint8_t type;      /* enum ipfix_type */
    uint8_t semantics; /* enum ipfix_semantics, of own elements */
    uint8_t units;     /* enum ipfix_units, of own elements */
    bool reverse;      /* RFC 5103: of the other direction */
    const char *name;  /* of the forward element */
};

/* False: not known. Own elements are those of PEN_OWN (export/schema.h). */
bool ipfix_element_find(uint32_t pen, uint16_t id, struct ipfix_element *out);

/* "octetDeltaCount", "reverseOctetDeltaCount"; returns the length. */
size_t ipfix_element_name(const struct ipfix_element *, char out[IPFIX_NAME_MAX]);
