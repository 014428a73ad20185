#include "harness/round_trip.h"

#include <stdlib.h>
#include <string.h>

#include "export/message.h"
#include "export/reader.h"
#include "weir/config.h"
#include "weir/encode.h"
#include "weir/flow.h"
#include "weir/packet.h"
#include "weir/wire.h"

#define MS UINT64_C(1000000)
#define YEAR_2100_NS (UINT64_C(4102444800) * 1000 * MS)

struct trip {
    const struct flow_record *sent;
    uint32_t count, next;
    uint64_t profile;
    bool half_seen; /* uniflow: the initiator's half of sent[next] is done */
    bool own;       /* own elements are exported */
    const char *difference;
};

static size_t fixed_community_id(const struct flow_record *r, char *out)
{
    (void)r;
    memset(out, 'c', 30);
    return 30;
}

#define DIFFER(t, name)                                                                            \
    do {                                                                                           \
        if (!(t)->difference)                                                                      \
            (t)->difference = (name);                                                              \
    } while (0)
#define SAME(t, a, b, field)                                                                       \
    do {                                                                                           \
        if (memcmp(&(a)->field, &(b)->field, sizeof((a)->field)) != 0)                             \
            DIFFER(t, #field);                                                                     \
    } while (0)

/* Milliseconds where a profile has no more. */
static void same_time(struct trip *t, uint64_t sent, uint64_t got, const char *name)
{
    uint64_t unit = t->profile == PROFILE_RICH ? 1 : MS;
    if (sent / unit * unit != got)
        DIFFER(t, name);
}

static void same_side(struct trip *t, const struct flow_record *a, const struct flow_record *b,
                      unsigned side)
{
    size_t len = a->ip_version == 6 ? 16 : 4;

    SAME(t, a, b, delta.packets[side]);
    SAME(t, a, b, delta.octets[side]);
    if (!a->has_icmp)
        SAME(t, a, b, flags[side]);
    if (!a->delta.packets[side])
        return;
    if (side == 0 || t->profile == PROFILE_RICH || t->profile == PROFILE_UNIFLOW) {
        SAME(t, a, b, ttl_min[side]);
        SAME(t, a, b, ttl_max[side]);
        SAME(t, a, b, tos[side]);
        SAME(t, a, b, ingress[side]);
    }
    if (a->last_ns[side] / MS != b->last_ns[side] / MS && side == 1)
        DIFFER(t, "last_ns");
    if (memcmp(a->address[side], b->address[side], len) != 0)
        DIFFER(t, "address");
}

static void same_key(struct trip *t, const struct flow_record *a, const struct flow_record *b)
{
    SAME(t, a, b, ip_version);
    SAME(t, a, b, proto);
    SAME(t, a, b, port);
    SAME(t, a, b, flow_id);
    SAME(t, a, b, end_reason);
    SAME(t, a, b, mac);
    SAME(t, a, b, has_icmp);
    SAME(t, a, b, vlan[0]);
}

static void same_rich(struct trip *t, const struct flow_record *a, const struct flow_record *b)
{
    SAME(t, a, b, total.packets[0]);
    SAME(t, a, b, total.octets[0]);
    SAME(t, a, b, delta.payload);
    SAME(t, a, b, vlan);
    if (a->mpls_top >> 8 != b->mpls_top >> 8)
        DIFFER(t, "mpls_top");
    if (!t->own)
        return;
    SAME(t, a, b, conn_start_ns);
    SAME(t, a, b, record_no);
    SAME(t, a, b, open);
    SAME(t, a, b, conn_state);
    SAME(t, a, b, history);
    SAME(t, a, b, quality);
    SAME(t, a, b, direction_basis);
    SAME(t, a, b, tunnel);
    if (!a->has_icmp)
        SAME(t, a, b, rtt_us);
    if (!a->tunnel)
        return;
    SAME(t, a, b, tunnel_id);
    SAME(t, a, b, outer_version);
    SAME(t, a, b, outer_address);
}

static void same_aggregate(struct trip *t, const struct flow_record *a, const struct flow_record *b)
{
    SAME(t, a, b, aggregate);
    SAME(t, a, b, address);
    SAME(t, a, b, prefix_length);
    SAME(t, a, b, distinct);
    SAME(t, a, b, ip_version);
    SAME(t, a, b, proto);
    SAME(t, a, b, port);
    SAME(t, a, b, has_icmp);
    SAME(t, a, b, icmp_type);
    SAME(t, a, b, icmp_code);
    SAME(t, a, b, flow_id);
    SAME(t, a, b, end_reason);
    SAME(t, a, b, delta.packets);
    SAME(t, a, b, delta.octets);
    SAME(t, a, b, flags);
    SAME(t, a, b, ingress[0]);
    same_time(t, a->start_ns, b->start_ns, "start_ns");
    same_time(t, a->end_ns, b->end_ns, "end_ns");
    if (t->profile != PROFILE_RICH)
        return;
    SAME(t, a, b, delta.payload);
    if (!t->own)
        return;
    SAME(t, a, b, sample_count);
    SAME(t, a, b, sample);
}

static void same_record(struct trip *t, const struct flow_record *a, const struct flow_record *b)
{
    if (flow_record_is_aggregate(a)) {
        same_aggregate(t, a, b);
        return;
    }
    SAME(t, a, b, aggregate);
    same_key(t, a, b);
    same_side(t, a, b, 0);
    same_side(t, a, b, 1);
    same_time(t, a->start_ns, b->start_ns, "start_ns");
    same_time(t, a->end_ns, b->end_ns, "end_ns");
    if (a->has_icmp) {
        SAME(t, a, b, icmp_type);
        SAME(t, a, b, icmp_code);
    }
    if (t->profile == PROFILE_RICH)
        same_rich(t, a, b);
}

/* One direction of the record that is due. */
static void same_half(struct trip *t, const struct flow_record *a, const struct flow_record *got)
{
    unsigned side = got->delta.packets[0] == 0;

    if (side != (t->half_seen || !a->delta.packets[0]))
        DIFFER(t, "order of the halves");
    same_key(t, a, got);
    same_side(t, a, got, side);
    t->half_seen = side == 0 && a->delta.packets[1];
    t->next += !t->half_seen;
}

static void take_record(void *context, const struct ipfix_record *in)
{
    struct trip *t = context;
    struct flow_record got;

    if (!ipfix_record_to_flow(in, &got))
        return;
    if (t->next == t->count) {
        DIFFER(t, "number of records");
        return;
    }
    const struct flow_record *sent = &t->sent[t->next];
    if (t->profile == PROFILE_UNIFLOW && !flow_record_is_aggregate(sent)) {
        same_half(t, sent, &got);
        return;
    }
    same_record(t, sent, &got);
    t->next++;
}

static void take_problem(void *context, enum ipfix_problem problem, const char *text)
{
    (void)text;
    DIFFER((struct trip *)context, ipfix_problem_name[problem]);
}

struct line {
    struct message_builder *builder;
    struct ipfix_reader *reader;
    uint64_t profile;
    uint32_t sequence;
    uint8_t octets[MESSAGE_MAX];
};

static void pass(struct line *l, struct trip *t, struct message_info m)
{
    if (!m.len)
        return;
    message_stamp(l->profile, l->octets, 1700000000, l->sequence, 7);
    l->sequence += m.data_records;
    if (ipfix_reader_feed(l->reader, l->octets, m.len) != (ptrdiff_t)m.len)
        DIFFER(t, "length of a message");
}

static void pass_all(struct line *l, struct trip *t)
{
    for (uint32_t part = 0;; part++) {
        struct message_info m = message_templates(l->builder, part, l->octets);
        if (!m.len)
            break;
        pass(l, t, m);
    }
    for (uint32_t i = 0; i < t->count; i++)
        if (!message_builder_add(l->builder, &t->sent[i])) {
            pass(l, t, message_builder_take(l->builder, l->octets));
            if (!message_builder_add(l->builder, &t->sent[i]))
                DIFFER(t, "a record that does not fit an empty message");
        }
    pass(l, t, message_builder_take(l->builder, l->octets));
    if (t->next != t->count)
        DIFFER(t, "number of records");
}

const char *round_trip(const struct config *config, uint64_t profile, uint32_t message_size,
                       const struct flow_record *records, uint32_t count)
{
    struct message_options out = {.config = config,
                                  .profile = profile,
                                  .message_size = message_size,
                                  .community_id = fixed_community_id};
    struct trip t = {.sent = records,
                     .count = count,
                     .profile = profile,
                     .own = config->exports.enterprise != 0};
    struct ipfix_reader_options in = {.enterprise = (uint32_t)config->exports.enterprise,
                                      .record = take_record,
                                      .problem = take_problem,
                                      .context = &t};
    struct line *l = calloc(1, sizeof(*l));

    if (!l)
        abort();
    l->profile = profile;
    if (message_builder_create(&out, &l->builder) || ipfix_reader_create(&in, &l->reader))
        abort();
    pass_all(l, &t);
    message_builder_destroy(l->builder);
    ipfix_reader_destroy(l->reader);
    free(l);
    return t.difference;
}

static void tame_icmp(struct flow_record *r)
{
#define X(ask, answer) [ask] = {1, answer}, [answer] = {1, ask},
    static const uint8_t v4[256][2] = {WIRE_ICMP_PAIRS(X)}, v6[256][2] = {WIRE_ICMP6_PAIRS(X)};
#undef X
    const uint8_t *pair = r->ip_version == 6 ? v6[r->icmp_type] : v4[r->icmp_type];

    if (!pair[0]) /* only then can both sides share a flow */
        r->icmp_code = r->icmp_type;
    r->proto = r->ip_version == 6 ? PROTO_ICMP6 : PROTO_ICMP;
    r->port[0] = r->icmp_type;
    r->port[1] = pair[0] ? pair[1] : r->icmp_code;
}

static void tame_times(struct flow_record *r)
{
    r->start_ns %= YEAR_2100_NS;
    r->end_ns = r->start_ns + r->end_ns % (86400 * 1000 * MS);
    r->conn_start_ns = 1 + r->start_ns / 2;
    for (unsigned side = 0; side < 2; side++) {
        r->first_ns[side] = r->delta.packets[side] ? r->start_ns : 0;
        r->last_ns[side] = r->delta.packets[side] ? r->end_ns : 0;
    }
}

static void tame_side(struct flow_record *r, unsigned side, bool sent)
{
    r->ingress[side] %= UINT16_MAX;
    if (sent)
        return;
    r->delta.packets[side] = r->delta.octets[side] = r->delta.payload[side] = 0;
    r->flags[side] = 0;
}

/* An outer IPv4 address takes 4 octets. */
static void tame_tunnel(struct flow_record *r)
{
    r->tunnel %= TUNNEL_KIND_COUNT;
    r->outer_version = r->outer_version & 1 ? 6 : 4;
    r->outer_address[0][0] = r->outer_address[1][0] = 0x20; /* not ::ffff:0:0/96 */
    if (r->outer_version == 4)
        for (unsigned side = 0; side < 2; side++)
            memset(r->outer_address[side] + 4, 0, 12);
    if (r->tunnel == TUNNEL_VXLAN)
        r->tunnel_id &= 0xffffff;
}

/* What an aggregate has, and nothing else. */
static void tame_aggregate(struct flow_record *r)
{
    struct flow_record was = *r;
    unsigned to = r->aggregate >> 1 & 1;
    size_t len = r->ip_version == 6 ? 16 : 4;

    memset(r, 0, sizeof(*r));
    r->aggregate = to ? AGGREGATE_TO : AGGREGATE_FROM;
    r->ip_version = was.ip_version;
    r->proto = was.proto;
    r->end_reason = was.end_reason;
    r->flow_id = was.flow_id;
    r->start_ns = was.start_ns;
    r->end_ns = was.end_ns;
    r->first_ns[0] = r->start_ns;
    r->last_ns[0] = r->end_ns;
    r->delta.packets[0] = was.delta.packets[0] | 1;
    r->delta.octets[0] = was.delta.octets[0];
    r->delta.payload[0] = was.delta.payload[0];
    r->ingress[0] = was.ingress[0];
    r->has_icmp = was.has_icmp;
    r->icmp_type = was.has_icmp ? was.icmp_type : 0;
    r->icmp_code = was.has_icmp ? was.icmp_code : 0;
    r->port[1] = was.has_icmp ? 0 : was.port[1];
    r->flags[0] = was.has_icmp ? 0 : was.flags[0];
    memcpy(r->address[to], was.address[to], len);
    r->prefix_length = was.prefix_length;
    r->distinct = was.distinct | 1;
    r->sample_count = was.sample_count % (AGGREGATE_SAMPLES + 1);
    for (unsigned i = 0; i < r->sample_count; i++) {
        memcpy(r->sample[i], was.sample[i], len);
        r->sample[i][0] |= 1; /* not :: */
    }
}

static void tame_connection(struct flow_record *r)
{
    r->aggregate = AGGREGATE_NONE;
    tame_tunnel(r);
    r->open &= 1;
    r->conn_state %= CONN_STATE_COUNT;
    size_t len = strnlen(r->history, FLOW_HISTORY_MAX);
    memset(r->history + len, 0, sizeof(r->history) - len);
}

void round_trip_tame(struct flow_record *r)
{
    bool aggregate = r->aggregate & 1; /* an octet of any value */
    unsigned sides = r->missed % 3;    /* any octet will do */

    r->ip_version = r->ip_version & 1 ? 6 : 4;
    for (unsigned side = 0; side < 2; side++) /* their sum is a number, too */
        r->delta.packets[side] = r->delta.packets[side] >> 1 | 1;
    tame_side(r, 0, sides != 1);
    tame_side(r, 1, sides != 2);
    tame_times(r);
    r->has_icmp &= 1;
    if (r->has_icmp)
        tame_icmp(r);
    if (aggregate)
        tame_aggregate(r);
    else
        tame_connection(r);
}
