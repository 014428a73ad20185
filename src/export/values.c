#include "export/values.h"

#include <stddef.h>
#include <string.h>

#include "base/clock.h"
#include "weir/flow.h"
#include "weir/packet.h"
#include "weir/wire.h"

#define NTP_OF_1970 UINT64_C(2208988800)
#define SEGMENT_VXLAN (UINT64_C(1) << 56)
#define FLAG_SYN 0x02

static uint32_t at_most_u32(uint64_t value)
{
    return value < UINT32_MAX ? (uint32_t)value : UINT32_MAX;
}

static uint64_t ms_between(uint64_t from_ns, uint64_t to_ns)
{
    uint64_t from = from_ns / NS_PER_MS, to = to_ns / NS_PER_MS;
    return to > from ? to - from : 0;
}

/* The first 32 bits wrap in 2036 (RFC 7011 §6.1.10 refers to RFC 5905's eras). */
static uint64_t ntp_from_ns(uint64_t ns)
{
    uint64_t s = ns / NS_PER_S + NTP_OF_1970;
    return s << 32 | ((ns % NS_PER_S) << 32) / NS_PER_S;
}

uint64_t export_ns_of_ntp(uint64_t ntp)
{
    uint64_t s = ntp >> 32;
    uint64_t ns = ((ntp & UINT32_MAX) * NS_PER_S + UINT32_MAX) >> 32;

    s += s < NTP_OF_1970 ? UINT64_C(1) << 32 : 0;
    return (s - NTP_OF_1970) * NS_PER_S + ns;
}

/* Where nothing was sent, min and max say so in the record; zero in a field. */
static void fill_side(struct export_values *v, const struct flow_record *r, unsigned side)
{
    bool sent = r->delta.packets[side] != 0;

    v->ttl_min[side] = sent ? r->ttl_min[side] : 0;
    v->ttl_max[side] = sent ? r->ttl_max[side] : 0;
    /* Only the connection's first packet is told apart. Behind it a SYN is a retransmitted one,
     * which is rare; every other flag may have come again. */
    bool first = r->record_no == 1;
    v->first_flags[side] = first ? r->first_flags[side] : 0;
    v->rest_flags[side] =
        first ? r->flags[side] & ~(r->first_flags[side] & FLAG_SYN) : r->flags[side];
    if (first && r->delta.packets[side] < 2)
        v->rest_flags[side] = 0;
}

static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff}; /* RFC 4291 §2.5.5.2 */

static void fill_address(uint8_t to[16], uint8_t version, const uint8_t *address)
{
    if (version == 6) {
        memcpy(to, address, 16);
        return;
    }
    memcpy(to, mapped, sizeof(mapped));
    memcpy(to + sizeof(mapped), address, 4);
}

static void restore_address(const uint8_t from[16], uint8_t version, uint8_t *address)
{
    memcpy(address, from + (version == 4 ? sizeof(mapped) : 0), version == 4 ? 4 : 16);
}

static void fill_aggregate(struct export_values *v, const struct flow_record *r)
{
    unsigned side = r->aggregate == AGGREGATE_TO;

    v->flows = r->delta.packets[0];
    v->distinct32 = r->distinct;
    v->distinct64 = r->distinct;
    v->prefix_length = r->prefix_length;
    memcpy(v->prefix4, r->address[side], sizeof(v->prefix4));
    memcpy(v->prefix6, r->address[side], sizeof(v->prefix6));
    memset(v->sample, 0, sizeof(v->sample));
    for (unsigned i = 0; i < r->sample_count && i < AGGREGATE_SAMPLES; i++)
        fill_address(v->sample[i], r->ip_version, r->sample[i]);
}

void export_values_fill(struct export_values *v, const struct flow_record *r)
{
    if (flow_record_is_aggregate(r))
        fill_aggregate(v, r);
    v->start_ms = r->start_ns / NS_PER_MS;
    v->end_ms = r->end_ns / NS_PER_MS;
    v->reverse_start_ms = r->first_ns[1] / NS_PER_MS;
    v->reverse_end_ms = r->last_ns[1] / NS_PER_MS;
    v->duration_ms = at_most_u32(ms_between(r->start_ns, r->end_ns));
    v->reverse_delta_ms = at_most_u32(ms_between(r->start_ns, r->first_ns[1]));
    v->ingress = r->ingress[r->delta.packets[0] == 0] + 1u;
    v->reverse_ingress = r->ingress[1] + 1u;
    v->observation_point = v->ingress;
    v->egress = 0;
    v->icmp = (uint16_t)(r->icmp_type << 8 | r->icmp_code);
    v->biflow_direction = DIRECTION_INITIATOR;
    fill_side(v, r, 0);
    fill_side(v, r, 1);
}

static const char states[CONN_STATE_COUNT][8] = {
#define X(symbol, help) [CONN_##symbol] = #symbol,
    CONN_STATES(X)
#undef X
};

void export_values_fill_rich(struct export_values *v, const struct flow_record *r)
{
    v->start_ntp = ntp_from_ns(r->start_ns);
    v->end_ntp = ntp_from_ns(r->end_ns);
    v->conn_start_ntp = ntp_from_ns(r->conn_start_ns);
    v->segment = SEGMENT_VXLAN | r->tunnel_id;
    v->open = r->open ? 1 : 2;
    v->mpls[0] = (uint8_t)(r->mpls_top >> 24);
    v->mpls[1] = (uint8_t)(r->mpls_top >> 16);
    v->mpls[2] = (uint8_t)(r->mpls_top >> 8);
    memcpy(v->state, states[r->conn_state < CONN_STATE_COUNT ? r->conn_state : CONN_OTH],
           sizeof(v->state));
    for (unsigned side = 0; side < 2; side++)
        fill_address(v->outer[side], r->outer_version, r->outer_address[side]);
}

/* The type that answers or asks for type; -1 = none (ICMP ports: see decode.h). */
static int counterpart(uint8_t version, uint8_t type)
{
#define X(ask, answer) {ask, answer},
    static const uint8_t v4[][2] = {WIRE_ICMP_PAIRS(X)}, v6[][2] = {WIRE_ICMP6_PAIRS(X)};
#undef X
    const uint8_t(*pair)[2] = version == 6 ? v6 : v4;
    size_t count = version == 6 ? sizeof(v6) / sizeof(*v6) : sizeof(v4) / sizeof(*v4);

    for (size_t i = 0; i < count; i++)
        for (unsigned k = 0; k < 2; k++)
            if (pair[i][k] == type)
                return pair[i][1 - k];
    return -1;
}

#define SWAP(field)                                                                                \
    do {                                                                                           \
        __typeof__((field)[0]) kept;                                                               \
        memcpy(&kept, &(field)[0], sizeof(kept));                                                  \
        memcpy(&(field)[0], &(field)[1], sizeof(kept));                                            \
        memcpy(&(field)[1], &kept, sizeof(kept));                                                  \
    } while (0)

static void swap_counts(struct flow_counts *c)
{
    SWAP(c->packets);
    SWAP(c->octets);
    SWAP(c->payload);
}

/* Answers carry code 0; their type is the port that Community ID gives the responder. Where types
 * are no pair, the ports are type and code. */
static void swap_sides(struct flow_record *r)
{
    swap_counts(&r->delta);
    swap_counts(&r->total);
    SWAP(r->first_ns);
    SWAP(r->last_ns);
    SWAP(r->address);
    SWAP(r->outer_address);
    SWAP(r->mac);
    SWAP(r->port);
    SWAP(r->ingress);
    SWAP(r->flags);
    SWAP(r->flags_total);
    SWAP(r->first_flags);
    SWAP(r->tos);
    SWAP(r->ttl_min);
    SWAP(r->ttl_max);
    if (r->has_icmp) {
        r->icmp_type = (uint8_t)r->port[0];
        r->icmp_code =
            counterpart(r->ip_version, r->icmp_type) == r->port[1] ? 0 : (uint8_t)r->port[1];
    }
}

void export_split(const struct flow_record *record, unsigned side, struct flow_record *half)
{
    *half = *record;
    if (side)
        swap_sides(half);
    half->start_ns = half->first_ns[0];
    half->end_ns = half->last_ns[0];
    half->delta.packets[1] = half->delta.octets[1] = half->delta.payload[1] = 0;
    half->first_ns[1] = half->last_ns[1] = 0;
    half->flags[1] = 0;
}

/* Milliseconds are all that most profiles tell; nanoseconds win. */
static void restore_times(const struct export_values *v, struct flow_record *r)
{
    r->start_ns = v->start_ntp ? export_ns_of_ntp(v->start_ntp) : v->start_ms * NS_PER_MS;
    r->end_ns = v->end_ntp ? export_ns_of_ntp(v->end_ntp) : v->end_ms * NS_PER_MS;
    r->conn_start_ns = v->conn_start_ntp ? export_ns_of_ntp(v->conn_start_ntp) : r->start_ns;
    if (r->delta.packets[0]) {
        r->first_ns[0] = r->start_ns;
        r->last_ns[0] = r->end_ns;
    }
    if (r->delta.packets[1]) {
        r->first_ns[1] = v->reverse_start_ms * NS_PER_MS;
        r->last_ns[1] = v->reverse_end_ms * NS_PER_MS;
    }
}

static void restore_outer(const struct export_values *v, struct flow_record *r)
{
    if (!r->tunnel)
        return;
    r->outer_version = memcmp(v->outer[0], mapped, sizeof(mapped)) ? 6 : 4;
    for (unsigned side = 0; side < 2; side++)
        restore_address(v->outer[side], r->outer_version, r->outer_address[side]);
}

static void restore_icmp(const struct export_values *v, struct flow_record *r)
{
    r->has_icmp = 1;
    r->icmp_type = (uint8_t)(v->icmp >> 8);
    r->icmp_code = (uint8_t)v->icmp;
    int other = counterpart(r->ip_version, r->icmp_type);
    r->port[0] = r->icmp_type;
    r->port[1] = other < 0 ? r->icmp_code : (uint16_t)other;
}

static void restore_ingress(const struct export_values *v, struct flow_record *r)
{
    uint32_t forward = v->ingress ? v->ingress - 1 : 0;
    uint32_t reverse = v->reverse_ingress ? v->reverse_ingress - 1 : forward;

    r->ingress[0] = (uint16_t)forward;
    r->ingress[1] = (uint16_t)reverse;
}

void export_values_restore(const struct export_values *v, bool has_icmp, struct flow_record *r)
{
    if (has_icmp)
        restore_icmp(v, r);
    restore_times(v, r);
    restore_ingress(v, r);
    restore_outer(v, r);
    r->mpls_top =
        (uint32_t)v->mpls[0] << 24 | (uint32_t)v->mpls[1] << 16 | (uint32_t)v->mpls[2] << 8;
    for (unsigned side = 0; side < 2; side++) {
        r->ttl_min[side] = r->delta.packets[side] ? v->ttl_min[side] : 255;
        r->ttl_max[side] = v->ttl_max[side];
        r->first_flags[side] = v->first_flags[side];
    }
    r->open = v->open == 1;
    for (unsigned state = 0; state < CONN_STATE_COUNT; state++)
        if (strncmp(v->state, states[state], sizeof(v->state)) == 0)
            r->conn_state = (uint8_t)state;
    if (v->biflow_direction == DIRECTION_REVERSE_INITIATOR)
        swap_sides(r);
}

void export_values_restore_aggregate(const struct export_values *v, struct flow_record *r)
{
    static const uint8_t none[16];
    unsigned side = r->aggregate == AGGREGATE_TO;

    memcpy(r->address[side], r->ip_version == 4 ? v->prefix4 : v->prefix6,
           r->ip_version == 4 ? sizeof(v->prefix4) : sizeof(v->prefix6));
    memset(r->sample, 0, sizeof(r->sample));
    r->sample_count = 0;
    r->prefix_length = v->prefix_length;
    r->distinct = v->distinct32 ? v->distinct32 : at_most_u32(v->distinct64);
    while (r->sample_count < AGGREGATE_SAMPLES && memcmp(v->sample[r->sample_count], none, 16)) {
        restore_address(v->sample[r->sample_count], r->ip_version, r->sample[r->sample_count]);
        r->sample_count++;
    }
    r->tunnel = 0;
    r->port[0] = 0;
    if (r->has_icmp)
        r->port[1] = 0;
}
