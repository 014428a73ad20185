/*
 * Options templates and the values of their records: what an Exporting Process says of itself, of
 * the meters before it and of its own elements (RFC 7011 §4, RFC 5610).
 */
#pragma once

#include "export/message.h"
#include "export/template.h"
#include "weir/config_limits.h"

struct config;

/* In the order in which they are sent. */
enum options_kind {
    OPTIONS_METERING,       /* RFC 7011 §4.1 */
    OPTIONS_METERING_LOSS,  /* §4.2 */
    OPTIONS_EXPORTING_LOSS, /* §4.3 */
    OPTIONS_KEYS,           /* §4.4: which fields of a template are flow keys */
    OPTIONS_DOMAIN,         /* name, timeouts, meaning of direction */
    OPTIONS_SELECTOR,       /* every packet counts: sampling 1 in 1 */
    OPTIONS_INTERFACE,      /* names of ingress ports */
    OPTIONS_TYPE,           /* RFC 5610 §3.9: own elements */
    OPTIONS_COUNT
};

/* Host order, texts cut to their arrays. */
struct options_values {
    uint32_t domain, process;
    struct export_statistics statistics;
    uint16_t template_id;
    uint64_t keys;
    char domain_name[CONFIG_NAME_MAX];
    uint8_t biflow_direction;
    uint16_t active_s, idle_s;
    uint64_t selector;
    uint16_t algorithm;
    uint32_t interval, space;
    uint32_t interface;
    char interface_name[CONFIG_SOURCE_MAX];
    uint32_t pen;
    uint16_t element;
    uint8_t type, semantics;
    uint16_t units;
    uint64_t range_begin, range_end;
    char name[80];
    char description[224];
};

/* The profile tells of itself at all. */
bool options_wanted(uint64_t profile);

/* Ids count up from first_id. */
void options_templates(uint16_t first_id, struct export_template out[OPTIONS_COUNT]);

/* What stays the same: domain, timeouts, selector. */
void options_values_init(struct options_values *, const struct config *);

/* Of an own element; false: the field is none. */
bool options_values_type(struct options_values *, const struct schema_field *, uint32_t pen);
