#include "export/message.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "export/options.h"
#include "export/schema.h"
#include "export/template.h"
#include "export/values.h"
#include "export/writer.h"
#include "weir/config.h"
#include "weir/encode.h"
#include "weir/flow.h"

/* Template ids differ between profiles, so that a collector that takes several and tells them apart
 * by domain and id alone (Logstash) does not mix them up. */
#define TEMPLATES_PER_PROFILE 256
#define OPTIONS_AT 128
static_assert(VARIANT_COUNT <= OPTIONS_AT, "a template id has one meaning");

struct message_builder {
    struct message_options options;
    uint32_t pen;                                 /* of own elements, 0 = they are left out */
    struct export_template *flow[VARIANT_COUNT];  /* by variant, NULL = there is none */
    struct export_template option[OPTIONS_COUNT]; /* by kind */
    struct writer writer;                         /* IPFIX */
    struct message_info waiting;                  /* len: octets of JSON lines */
    uint8_t *buffer;
};

bool message_is_ipfix(uint64_t profile)
{
    return profile < PROFILE_ECS;
}

static uint32_t fnv1a(const char *text, size_t size)
{
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < size && text[i]; i++)
        hash = (hash ^ (uint8_t)text[i]) * 16777619u;
    return hash;
}

uint32_t message_domain(const struct config *config)
{
    uint32_t domain = (uint32_t)config->exports.domain;

    if (!domain)
        domain = fnv1a(config->sensor.name, sizeof(config->sensor.name));
    return domain ? domain : 1;
}

/* --- Templates --- */

static bool field_wanted(const struct message_builder *b, const struct schema_field *f,
                         unsigned variant)
{
    if (!(f->profiles & 1u << b->options.profile) || (variant & f->care) != f->are)
        return false;
    if (f->pen == PEN_OWN && !b->pen)
        return false;
    return f->source.base != BASE_VALUES ||
           f->source.offset != offsetof(struct export_values, community_id) ||
           b->options.community_id;
}

static bool is_key(const struct message_builder *b, const struct schema_field *f)
{
    const struct flow_config *flow = &b->options.config->flow;

    return f->key == KEY_ALWAYS || (f->key == KEY_VLAN && flow->vlan_in_key) ||
           (f->key == KEY_TUNNEL && flow->tunnel_in_key);
}

static int create_template(struct message_builder *b, unsigned variant)
{
    size_t count;
    const struct schema_field *f = schema_fields(&count);
    struct export_template *t = calloc(1, sizeof(*t));

    if (!t)
        return -ENOMEM;
    t->id = (uint16_t)(TEMPLATES_PER_PROFILE * (1 + b->options.profile) + variant);
    for (; count; count--, f++)
        if (field_wanted(b, f, variant))
            template_add(t, f, f->pen == PEN_OWN ? b->pen : f->pen, is_key(b, f));
    b->flow[variant] = t;
    return 0;
}

static int create_templates(struct message_builder *b)
{
    int rc = 0;

    for (unsigned variant = 0; variant < VARIANT_COUNT && !rc; variant++)
        if (schema_has_variant(b->options.profile, variant))
            rc = create_template(b, variant);
    options_templates((uint16_t)(TEMPLATES_PER_PROFILE * (1 + b->options.profile) + OPTIONS_AT),
                      b->option);
    return rc;
}

/* --- Life --- */

uint32_t message_builder_room(const struct message_builder *b)
{
    uint32_t size = b->options.message_size;
    return message_is_ipfix(b->options.profile) || size > ENCODE_MAX ? size : ENCODE_MAX;
}

static bool options_hold(const struct message_options *o)
{
    return o->profile < PROFILE_COUNT && o->message_size >= MESSAGE_MIN &&
           o->message_size <= MESSAGE_MAX && (message_is_ipfix(o->profile) || o->encoder);
}

int message_builder_create(const struct message_options *options, struct message_builder **out)
{
    if (!options_hold(options))
        return -EINVAL;
    struct message_builder *b = calloc(1, sizeof(*b));
    if (!b)
        return -ENOMEM;
    b->options = *options;
    b->pen = (uint32_t)options->config->exports.enterprise;
    b->buffer = malloc((size_t)message_builder_room(b) + ENCODE_MAX);
    int rc = b->buffer ? create_templates(b) : -ENOMEM;
    if (rc) {
        message_builder_destroy(b);
        return rc;
    }
    writer_init(&b->writer, b->buffer, options->message_size);
    *out = b;
    return 0;
}

void message_builder_destroy(struct message_builder *b)
{
    if (!b)
        return;
    for (unsigned variant = 0; variant < VARIANT_COUNT; variant++)
        free(b->flow[variant]);
    free(b->buffer);
    free(b);
}

/* --- Records --- */

static void count_record(struct message_info *m, const struct flow_record *r)
{
    m->records++;
    m->packets += r->delta.packets[0] + r->delta.packets[1];
    m->octets += r->delta.octets[0] + r->delta.octets[1];
    if (!m->first_ns || r->end_ns < m->first_ns)
        m->first_ns = r->end_ns;
    if (r->end_ns > m->last_ns)
        m->last_ns = r->end_ns;
}

static void put_record(struct message_builder *b, const struct flow_record *r, uint8_t direction)
{
    const struct export_template *t = b->flow[schema_variant_of(b->options.profile, r)];
    struct export_values values;
    const uint8_t *const base[BASE_COUNT] = {
        [BASE_RECORD] = (const uint8_t *)r,
        [BASE_VALUES] = (const uint8_t *)&values,
    };

    export_values_fill(&values, r);
    values.biflow_direction = direction;
    if (b->options.profile == PROFILE_RICH) {
        export_values_fill_rich(&values, r);
        memset(values.community_id, 0, sizeof(values.community_id));
        if (b->options.community_id)
            b->options.community_id(r, values.community_id);
    }
    writer_open(&b->writer, t->id, false);
    b->writer.end = template_encode(t, base, b->writer.end);
    b->waiting.data_records++;
}

static bool add_whole(struct message_builder *b, const struct flow_record *r)
{
    const struct export_template *t = b->flow[schema_variant_of(b->options.profile, r)];

    if (!writer_fits(&b->writer, t->id, t->record_max))
        return false;
    put_record(b, r, DIRECTION_INITIATOR);
    return true;
}

/* Both halves stand in one message, so that a record is lost or sent as a whole. */
static bool add_split(struct message_builder *b, const struct flow_record *r)
{
    const struct export_template *t = b->flow[schema_variant_of(b->options.profile, r)];
    struct flow_record half;
    uint32_t halves = (r->delta.packets[0] != 0) + (r->delta.packets[1] != 0);

    if (!writer_fits(&b->writer, t->id, halves * t->record_max))
        return false;
    for (unsigned side = 0; side < 2; side++)
        if (r->delta.packets[side]) {
            export_split(r, side, &half);
            put_record(b, &half, side ? DIRECTION_REVERSE_INITIATOR : DIRECTION_INITIATOR);
        }
    return true;
}

/* False: the line does not fit. A line of no length says that the record is not for this face. */
static bool add_line(struct message_builder *b, const struct flow_record *r)
{
    struct message_info *m = &b->waiting;
    char *at = (char *)b->buffer + m->len;
    size_t len = b->options.encoder->record(b->options.config, r, at);

    if (m->len && m->len + len > b->options.message_size)
        return false;
    m->len += (uint32_t)len;
    if (len) {
        m->data_records++;
        count_record(m, r);
    }
    return true;
}

bool message_builder_add(struct message_builder *b, const struct flow_record *r)
{
    if (flow_record_is_notice(r))
        return true;
    if (!message_is_ipfix(b->options.profile))
        return add_line(b, r);
    bool fits = b->options.profile == PROFILE_UNIFLOW ? add_split(b, r) : add_whole(b, r);
    if (fits)
        count_record(&b->waiting, r);
    return fits;
}

uint32_t message_builder_count(const struct message_builder *b)
{
    return b->waiting.records;
}

struct message_info message_builder_take(struct message_builder *b, uint8_t *out)
{
    struct message_info taken = b->waiting;

    if (message_is_ipfix(b->options.profile))
        taken.len = writer_finish(&b->writer);
    memcpy(out, b->buffer, taken.len);
    b->waiting = (struct message_info){0};
    return taken;
}

/* --- What a session says of itself --- */

/* Sets go out in order; those of part wanted are written, of the others only lengths are kept. */
struct parts {
    struct writer writer;
    uint32_t part, wanted;
    struct message_info info;
};

static void finish_part(struct parts *p)
{
    uint32_t len = writer_finish(&p->writer);

    if (p->part == p->wanted)
        p->info.len = len;
    p->part++;
}

/* The writer fills the caller's buffer again and again; after the wanted part it is left alone. */
static bool parts_open(struct parts *p, uint16_t set, bool own_set, size_t len)
{
    if (p->info.len)
        return false;
    if (!writer_fits(&p->writer, set, (uint32_t)len + (own_set ? SET_HEADER : 0)))
        finish_part(p);
    if (p->info.len)
        return false;
    writer_open(&p->writer, set, own_set);
    return true;
}

static void put_template(struct parts *p, const struct export_template *t)
{
    uint16_t set = t->scope_count ? SET_OPTIONS_TEMPLATE : SET_TEMPLATE;

    /* Logstash reads only the first options template of a set. */
    if (parts_open(p, set, t->scope_count != 0, template_len(t)))
        p->writer.end = template_write(t, p->writer.end);
}

static void put_option(struct parts *p, const struct export_template *t,
                       const struct options_values *v)
{
    const uint8_t *const base[BASE_COUNT] = {[BASE_OPTIONS] = (const uint8_t *)v};

    if (!parts_open(p, t->id, false, t->record_max))
        return;
    p->writer.end = template_encode(t, base, p->writer.end);
    if (p->part == p->wanted)
        p->info.data_records++;
}

static void put_keys(struct parts *p, const struct message_builder *b, struct options_values *v)
{
    for (unsigned variant = 0; variant < VARIANT_COUNT; variant++)
        if (b->flow[variant]) {
            v->template_id = b->flow[variant]->id;
            v->keys = b->flow[variant]->keys;
            put_option(p, &b->option[OPTIONS_KEYS], v);
        }
}

static void put_interfaces(struct parts *p, const struct message_builder *b,
                           struct options_values *v)
{
    const struct capture_config *capture = &b->options.config->capture;

    for (uint32_t i = 0; i < capture->port_count; i++) {
        v->interface = i + 1;
        memcpy(v->interface_name, capture->port[i], sizeof(v->interface_name));
        put_option(p, &b->option[OPTIONS_INTERFACE], v);
    }
}

static void put_types(struct parts *p, const struct message_builder *b, struct options_values *v)
{
    size_t count;
    const struct schema_field *f = schema_fields(&count);

    if (b->options.profile != PROFILE_RICH || !b->pen)
        return;
    for (; count; count--, f++)
        if (options_values_type(v, f, b->pen))
            put_option(p, &b->option[OPTIONS_TYPE], v);
}

static void put_options(struct parts *p, const struct message_builder *b)
{
    struct options_values v;

    for (unsigned kind = 0; kind < OPTIONS_COUNT; kind++)
        put_template(p, &b->option[kind]);
    options_values_init(&v, b->options.config);
    put_keys(p, b, &v);
    put_option(p, &b->option[OPTIONS_DOMAIN], &v);
    put_option(p, &b->option[OPTIONS_SELECTOR], &v);
    put_interfaces(p, b, &v);
    put_types(p, b, &v);
}

struct message_info message_templates(const struct message_builder *b, uint32_t part, uint8_t *out)
{
    struct parts p = {.wanted = part};

    if (!message_is_ipfix(b->options.profile))
        return p.info;
    writer_init(&p.writer, out, b->options.message_size);
    for (unsigned variant = 0; variant < VARIANT_COUNT; variant++)
        if (b->flow[variant])
            put_template(&p, b->flow[variant]);
    if (options_wanted(b->options.profile))
        put_options(&p, b);
    if (!p.info.len)
        finish_part(&p);
    return p.info;
}

struct message_info message_statistics(const struct message_builder *b,
                                       const struct export_statistics *statistics, uint8_t *out)
{
    struct parts p = {0};
    struct options_values v;

    if (!options_wanted(b->options.profile))
        return p.info;
    options_values_init(&v, b->options.config);
    v.statistics = *statistics;
    writer_init(&p.writer, out, b->options.message_size);
    put_option(&p, &b->option[OPTIONS_METERING], &v);
    put_option(&p, &b->option[OPTIONS_METERING_LOSS], &v);
    put_option(&p, &b->option[OPTIONS_EXPORTING_LOSS], &v);
    finish_part(&p);
    return p.info;
}

void message_stamp(uint64_t profile, uint8_t *octets, uint32_t export_s, uint32_t sequence,
                   uint32_t domain)
{
    if (message_is_ipfix(profile))
        writer_stamp(octets, export_s, sequence, domain);
}
