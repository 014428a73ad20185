/*
 * The one table of what IPFIX records carry: element, length, source, and in which profiles and
 * variants of their templates it stands. Templates, encoders, the mapper back into flow records,
 * the element types that are told to collectors (RFC 5610) and `weir check --fields` all come from
 * it.
 *
 * A profile has one template per variant, so that no field stands in a record that it does not
 * apply to: IPv4 or IPv6, ICMP or not, with or without a reverse direction, tunnel by kind;
 * aggregates (flow/fold.h) by the side that their prefix is of. An aggregate has what a collector
 * asks of any flow, so that those that know no better show one from, or to, an address that is 0.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "weir/ipfix.h"

struct flow_record;

#define LEN_VARIABLE 65535 /* RFC 7011 §7 */

#define TEMPLATE_FIELDS_MAX 60 /* tshark refuses templates with more */

/* Bits of a variant. */
enum schema_variant {
    VARIANT_V6 = 1 << 0,
    VARIANT_ICMP = 1 << 1,
    VARIANT_REVERSE = 1 << 2, /* both directions */
    VARIANT_AGGREGATE = 1 << 6,
    VARIANT_AGGREGATE_TO = VARIANT_AGGREGATE | VARIANT_REVERSE, /* to a prefix, else from one */
    VARIANT_TUNNEL = 1 << 3,
    VARIANT_VXLAN = VARIANT_TUNNEL | 1 << 4, /* tunnels whose id has an element of its own */
    VARIANT_GRE = VARIANT_TUNNEL | 2 << 4,
    VARIANT_GTP = VARIANT_TUNNEL | 3 << 4,
    VARIANT_TUNNEL_MASK = VARIANT_TUNNEL | 3 << 4,
    VARIANT_COUNT = 1 << 7,
};

/* Where a value lies in memory, and how it goes onto the wire. */
enum schema_base { BASE_RECORD, BASE_VALUES, BASE_OPTIONS, BASE_COUNT };
enum schema_encoding {
    ENCODE_NUMBER, /* host order, 1, 2, 4 or 8 octets, the same on the wire */
    ENCODE_OCTETS, /* as they are */
    ENCODE_TEXT,   /* ends at a zero octet or the field's size; variable length on the wire */
};

struct schema_source {
    uint8_t base;     /* enum schema_base */
    uint8_t encoding; /* enum schema_encoding */
    uint16_t offset;  /* from the base */
    uint16_t size;    /* in memory */
};

struct schema_field {
    uint32_t pen; /* 0 = IANA */
    uint16_t id;
    struct schema_source source;
    uint8_t profiles;  /* mask of 1 << enum export_profile */
    uint8_t care, are; /* stands in variants with (variant & care) == are */
    uint8_t key;       /* enum schema_key */
    const char *help;
};

enum schema_key { KEY_NOT, KEY_ALWAYS, KEY_VLAN, KEY_TUNNEL };

/* In the order of the templates. */
const struct schema_field *schema_fields(size_t *count);

/* Octets on the wire, or LEN_VARIABLE. */
uint16_t schema_field_len(const struct schema_field *);

/* Whether a profile has a template of a variant. */
bool schema_has_variant(uint64_t profile, unsigned variant);

/* Which one a record belongs to. */
unsigned schema_variant_of(uint64_t profile, const struct flow_record *);

/* The field of an element, or NULL; own elements have PEN_OWN. */
const struct schema_field *schema_find(uint32_t pen, uint16_t id);
