#include "export/options.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "export/element.h"
#include "export/values.h"
#include "weir/config.h"

#define PROCESS_ID 1 /* one Metering and one Exporting Process per sensor */
#define SELECTOR_ID 1
#define SELECTOR_SYSTEMATIC_COUNT 1 /* IE 304, RFC 5477 §8.2.1 */

#define SIZE(field) sizeof(((struct options_values *)0)->field)
#define NUMBER(field)                                                                              \
    {                                                                                              \
        .source = {                                                                                \
            BASE_OPTIONS,                                                                          \
            ENCODE_NUMBER,                                                                         \
            offsetof(struct options_values, field),                                                \
            SIZE(field)                                                                            \
        }
#define TEXT(field)                                                                                \
    {                                                                                              \
        .source = { BASE_OPTIONS, ENCODE_TEXT, offsetof(struct options_values, field), SIZE(field) }

#define STATISTIC(field) NUMBER(statistics.field)

struct options_field {
    uint8_t kind;  /* enum options_kind */
    uint8_t scope; /* 1: a scope field, which stand first (RFC 7011 §3.4.2.2) */
    struct schema_field field;
};

/* clang-format off */
static const struct options_field fields[] = {
    {OPTIONS_METERING, 1, NUMBER(domain), .id = 149}},
    {OPTIONS_METERING, 1, NUMBER(process), .id = 143}},
    {OPTIONS_METERING, 0, STATISTIC(exported_messages), .id = 41}},
    {OPTIONS_METERING, 0, STATISTIC(exported_records), .id = 42}},
    {OPTIONS_METERING, 0, STATISTIC(exported_octets), .id = 40}},

    {OPTIONS_METERING_LOSS, 1, NUMBER(domain), .id = 149}},
    {OPTIONS_METERING_LOSS, 1, NUMBER(process), .id = 143}},
    {OPTIONS_METERING_LOSS, 0, STATISTIC(ignored_packets), .id = 164}},
    {OPTIONS_METERING_LOSS, 0, STATISTIC(ignored_octets), .id = 165}},
    {OPTIONS_METERING_LOSS, 0, STATISTIC(ignored_first_ms), .id = 323}},
    {OPTIONS_METERING_LOSS, 0, STATISTIC(ignored_last_ms), .id = 323}},

    {OPTIONS_EXPORTING_LOSS, 1, NUMBER(process), .id = 144}},
    {OPTIONS_EXPORTING_LOSS, 0, STATISTIC(not_sent_flows), .id = 166}},
    {OPTIONS_EXPORTING_LOSS, 0, STATISTIC(not_sent_packets), .id = 167}},
    {OPTIONS_EXPORTING_LOSS, 0, STATISTIC(not_sent_octets), .id = 168}},
    {OPTIONS_EXPORTING_LOSS, 0, STATISTIC(not_sent_first_ms), .id = 323}},
    {OPTIONS_EXPORTING_LOSS, 0, STATISTIC(not_sent_last_ms), .id = 323}},

    {OPTIONS_KEYS, 1, NUMBER(template_id), .id = 145}},
    {OPTIONS_KEYS, 0, NUMBER(keys), .id = 173}},

    {OPTIONS_DOMAIN, 1, NUMBER(domain), .id = 149}},
    {OPTIONS_DOMAIN, 0, TEXT(domain_name), .id = 300}},
    {OPTIONS_DOMAIN, 0, NUMBER(biflow_direction), .id = 239}},
    {OPTIONS_DOMAIN, 0, NUMBER(active_s), .id = 36}},
    {OPTIONS_DOMAIN, 0, NUMBER(idle_s), .id = 37}},

    {OPTIONS_SELECTOR, 1, NUMBER(selector), .id = 302}},
    {OPTIONS_SELECTOR, 0, NUMBER(algorithm), .id = 304}},
    {OPTIONS_SELECTOR, 0, NUMBER(interval), .id = 305}},
    {OPTIONS_SELECTOR, 0, NUMBER(space), .id = 306}},

    {OPTIONS_INTERFACE, 1, NUMBER(interface), .id = 10}},
    {OPTIONS_INTERFACE, 0, TEXT(interface_name), .id = 82}},

    {OPTIONS_TYPE, 1, NUMBER(pen), .id = 346}},
    {OPTIONS_TYPE, 1, NUMBER(element), .id = 303}},
    {OPTIONS_TYPE, 0, NUMBER(type), .id = 339}},
    {OPTIONS_TYPE, 0, NUMBER(semantics), .id = 344}},
    {OPTIONS_TYPE, 0, NUMBER(units), .id = 345}},
    {OPTIONS_TYPE, 0, NUMBER(range_begin), .id = 342}},
    {OPTIONS_TYPE, 0, NUMBER(range_end), .id = 343}},
    {OPTIONS_TYPE, 0, TEXT(name), .id = 341}},
    {OPTIONS_TYPE, 0, TEXT(description), .id = 340}},
};
/* clang-format on */

/* Logstash fails on an element that stands twice in a template, as RFC 7011 §4.2 wants it. */
bool options_wanted(uint64_t profile)
{
    return profile != PROFILE_ELK && profile < PROFILE_ECS;
}

void options_templates(uint16_t first_id, struct export_template out[OPTIONS_COUNT])
{
    memset(out, 0, OPTIONS_COUNT * sizeof(*out));
    for (uint16_t kind = 0; kind < OPTIONS_COUNT; kind++)
        out[kind].id = (uint16_t)(first_id + kind);
    for (size_t i = 0; i < sizeof(fields) / sizeof(*fields); i++) {
        struct export_template *t = &out[fields[i].kind];
        t->scope_count = (uint16_t)(t->scope_count + fields[i].scope);
        template_add(t, &fields[i].field, fields[i].field.pen, false);
    }
}

static uint16_t seconds(uint64_t ns)
{
    uint64_t s = ns / NS_PER_S;
    return s < UINT16_MAX ? (uint16_t)s : UINT16_MAX;
}

void options_values_init(struct options_values *v, const struct config *config)
{
    *v = (struct options_values){
        .domain = message_domain(config),
        .process = PROCESS_ID,
        .biflow_direction = DIRECTION_INITIATOR,
        .active_s = seconds(config->flow.active_ns),
        .idle_s = seconds(config->flow.idle_ns),
        .selector = SELECTOR_ID,
        .algorithm = SELECTOR_SYSTEMATIC_COUNT,
        .interval = 1,
        .space = 0,
    };
    memcpy(v->domain_name, config->sensor.name, sizeof(v->domain_name));
}

bool options_values_type(struct options_values *v, const struct schema_field *f, uint32_t pen)
{
    struct ipfix_element element;

    if (f->pen != PEN_OWN || !ipfix_element_find(PEN_OWN, f->id, &element))
        return false;
    v->pen = pen;
    v->element = f->id;
    v->type = element.type;
    v->semantics = element.semantics;
    v->units = element.units;
    ipfix_element_name(&element, v->name);
    snprintf(v->description, sizeof(v->description), "%s", f->help);
    return true;
}
