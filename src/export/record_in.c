/* From data records back to flow records, by the same table that made them. */
#include <string.h>

#include "export/reader.h"
#include "export/schema.h"
#include "export/values.h"
#include "weir/flow.h"
#include "weir/packet.h"

uint64_t ipfix_value_number(const struct ipfix_value *v)
{
    uint64_t number = 0;

    if (v->len > 8)
        return 0;
    for (uint16_t i = 0; i < v->len; i++)
        number = number << 8 | v->octets[i];
    return number;
}

/* What other writers say in other words: elements that stand for one of ours. */
struct alias {
    uint16_t from, to;
};
static const struct alias aliases[] = {
    {154, 156}, /* microseconds and nanoseconds are both NTP's (RFC 7011 §6.1.9, §6.1.10) */
    {155, 157},
};

static const struct schema_field *meaning(const struct ipfix_field *f)
{
    if (f->schema || f->element.pen)
        return f->schema;
    for (size_t i = 0; i < sizeof(aliases) / sizeof(*aliases); i++)
        if (aliases[i].from == f->element.id)
            return schema_find(0, aliases[i].to);
    return NULL;
}

static void store_number(uint8_t *to, uint16_t size, uint64_t number)
{
    uint64_t most = size < 8 ? (UINT64_C(1) << size * 8) - 1 : UINT64_MAX;
    uint64_t kept = number < most ? number : most;
    uint8_t u8 = (uint8_t)kept;
    uint16_t u16 = (uint16_t)kept;
    uint32_t u32 = (uint32_t)kept;

    memcpy(to,
           size == 1   ? (void *)&u8
           : size == 2 ? (void *)&u16
           : size == 4 ? (void *)&u32
                       : &kept,
           size);
}

static void store(const struct schema_source *s, const struct ipfix_value *v, uint8_t *base)
{
    uint8_t *to = base + s->offset;

    switch ((enum schema_encoding)s->encoding) {
    case ENCODE_NUMBER:
        store_number(to, s->size, ipfix_value_number(v));
        break;
    case ENCODE_OCTETS:
        if (v->len == s->size)
            memcpy(to, v->octets, s->size);
        break;
    case ENCODE_TEXT:
        memset(to, 0, s->size);
        memcpy(to, v->octets, v->len < s->size ? v->len : s->size - 1u);
        break;
    }
}

/* What was there. */
struct found {
    bool v4, v6, icmp, octets, totals, record_no;
    bool flows, from, to; /* of an aggregate */
    uint8_t tunnel;
};

static void note(struct found *found, const struct schema_field *f)
{
    if (f->pen == PEN_OWN)
        found->record_no |= f->id == 2;
    if (f->pen)
        return;
    found->v4 |= f->id == 8;
    found->v6 |= f->id == 27;
    found->icmp |= f->id == 32 || f->id == 139;
    found->octets |= f->id == 1;
    found->totals |= f->id == 85;
    found->flows |= f->id == 375;
    found->from |= f->id == 44 || f->id == 170;
    found->to |= f->id == 45 || f->id == 169;
    if (f->id == 351)
        found->tunnel = TUNNEL_VXLAN;
    if (f->id == 296)
        found->tunnel = TUNNEL_GRE;
    if (f->id == 507)
        found->tunnel = TUNNEL_GTPU;
}

/* Many records have prefixes of both sides, of routing; with a number of flows and one prefix it is
 * an aggregate. */
static enum flow_aggregate aggregate_of(const struct found *found)
{
    if (!found->flows || found->from == found->to)
        return AGGREGATE_NONE;
    return found->from ? AGGREGATE_FROM : AGGREGATE_TO;
}

static void complete(struct flow_record *r, const struct found *found,
                     const struct export_values *v)
{
    if (!r->ip_version)
        r->ip_version = found->v6 ? 6 : 4;
    if (!found->octets && found->totals)
        r->delta = r->total;
    if (!found->totals)
        r->total = r->delta;
    memcpy(r->total.payload, r->delta.payload, sizeof(r->total.payload)); /* a lower bound */
    memcpy(r->flags_total, r->flags, sizeof(r->flags_total));             /* likewise */
    if (!found->record_no)
        r->record_no = 1;
    if (!r->tunnel)
        r->tunnel = found->tunnel;
    if (found->tunnel == TUNNEL_VXLAN)
        r->tunnel_id = (uint32_t)(v->segment & 0xffffff);
}

bool ipfix_record_to_flow(const struct ipfix_record *in, struct flow_record *out)
{
    struct export_values values = {0};
    struct found found = {0};
    uint8_t *const base[BASE_COUNT] = {
        [BASE_RECORD] = (uint8_t *)out, [BASE_VALUES] = (uint8_t *)&values};

    if (in->scope_count)
        return false;
    memset(out, 0, sizeof(*out));
    for (uint16_t i = 0; i < in->count; i++) {
        const struct schema_field *f = meaning(&in->field[i]);
        if (!f || in->field[i].occurrence)
            continue;
        store(&f->source, &in->value[i], base[f->source.base]);
        note(&found, f);
    }
    if (!found.v4 && !found.v6)
        return false;
    complete(out, &found, &values);
    export_values_restore(&values, found.icmp, out);
    out->aggregate = (uint8_t)aggregate_of(&found);
    if (flow_record_is_aggregate(out))
        export_values_restore_aggregate(&values, out);
    return true;
}
