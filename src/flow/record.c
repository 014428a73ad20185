#include "flow/record.h"

#include <string.h>

#include "flow/tcp.h"

void flow_put_addresses(const struct flow_table *t, uint32_t index, uint8_t address[2][16])
{
    const struct flow_hot *h = &t->hot[index];
    int turn = flow_initiator(h);

    if (h->kind & KIND_IP6) {
        memcpy(address[turn], t->key6[index].address[0], 16);
        memcpy(address[!turn], t->key6[index].address[1], 16);
        return;
    }
    memset(address, 0, 32);
    memcpy(address[turn], &h->address4[0], 4);
    memcpy(address[!turn], &h->address4[1], 4);
}

static uint16_t quality_now(const struct flow_table *t, const struct flow_hot *h,
                            const struct flow_cold *c)
{
    uint16_t quality = (uint16_t)(c->quality | h->quality << HOT_QUALITY_SHIFT);

    if (h->kind & KIND_ORPHAN)
        quality |= QUALITY_ORPHAN;
    if (c->loss_epoch != t->loss_epoch)
        quality |= QUALITY_SENSOR_LOSS;
    if (h->proto == PROTO_TCP && !(h->kind & KIND_ORPHAN))
        quality |= tcp_quality(h, c);
    return quality;
}

void flow_fold_fill(const struct flow_table *t, uint32_t index, struct fold_flow *f)
{
    const struct flow_hot *h = &t->hot[index];
    const struct flow_cold *c = &t->cold[index];
    int sender = c->total.packets[1] != 0;

    flow_put_addresses(t, index, f->address);
    if (sender != flow_initiator(h)) {
        uint8_t initiator[16];
        memcpy(initiator, f->address[0], 16);
        memcpy(f->address[0], f->address[1], 16);
        memcpy(f->address[1], initiator, 16);
    }
    f->time_ns = c->first_ns[sender];
    f->octets = c->total.octets[sender];
    f->payload = c->total.payload[sender];
    f->has_icmp = (c->marks & MARK_ICMP) != 0;
    f->port = f->has_icmp ? (uint16_t)(c->icmp_type << 8 | c->icmp_code) : h->port[!sender];
    f->ingress = c->ingress[sender];
    f->ip_version = h->kind & KIND_IP6 ? 6 : 4;
    f->proto = h->proto;
    f->flags = h->flags[sender];
}

static void put_icmp(const struct flow_cold *c, struct flow_record *r)
{
    r->has_icmp = (c->marks & MARK_ICMP) != 0;
    r->icmp_type = r->has_icmp ? c->icmp_type : 0;
    r->icmp_code = r->has_icmp ? c->icmp_code : 0;
}

static void put_history(const struct flow_table *t, uint32_t index, struct flow_record *r)
{
    const struct flow_cold *c = &t->cold[index];

    static_assert(sizeof(r->history) > COLD_HISTORY + sizeof(t->odd->history), "ends with a zero");
    memset(r->history, 0, sizeof(r->history));
    memcpy(r->history, c->history, sizeof(c->history));
    if (flow_has_odd(c))
        memcpy(r->history + COLD_HISTORY, t->odd[index].history, sizeof(t->odd[index].history));
}

static void put_deep(const struct flow_table *t, uint32_t index, struct flow_record *r)
{
    const struct flow_hot *h = &t->hot[index];
    const struct flow_deep *deep = flow_deep(t, index);

    r->mpls_top = deep->mpls_top;
    r->vlan[0] = h->vlan;
    r->vlan[1] = deep->inner_vlan;
    r->tunnel = deep->tunnel;
    r->tunnel_id = deep->tunnel_id;
    r->outer_version = deep->outer_version;
    memcpy(r->outer_address[0], deep->outer[flow_initiator(h)], 16);
    memcpy(r->outer_address[1], deep->outer[!flow_initiator(h)], 16);
}

/* What does not depend on the side. */
static void put_common(const struct flow_table *t, uint32_t index, struct flow_record *r)
{
    const struct flow_hot *h = &t->hot[index];
    const struct flow_cold *c = &t->cold[index];

    r->flow_id = c->flow_id;
    r->conn_start_ns = c->conn_start_ns;
    r->rtt_us = c->rtt_us;
    r->quality = quality_now(t, h, c);
    r->ip_version = h->kind & KIND_IP6 ? 6 : 4;
    r->proto = h->proto;
    r->direction_basis = c->basis;
    r->conn_state = (uint8_t)conn_state(h, c);
    r->missed = (c->marks & MARK_MISSED) != 0;
    r->aggregate = AGGREGATE_NONE;
    flow_put_addresses(t, index, r->address);
    put_icmp(c, r);
    put_history(t, index, r);
    put_deep(t, index, r);
}

/* Pairs by side, as the record has them: the initiator's first. */
static inline void turn8(uint8_t to[2], const uint8_t from[2], unsigned first)
{
    to[0] = from[first];
    to[1] = from[!first];
}

static inline void turn16(uint16_t to[2], const uint16_t from[2], unsigned first)
{
    to[0] = from[first];
    to[1] = from[!first];
}

static void put_sides(const struct flow_hot *h, const struct flow_cold *c, unsigned first,
                      struct flow_record *r)
{
    for (unsigned from = 0; from < 2; from++) {
        const unsigned to = from ^ first;
        const uint64_t in_record = -(uint64_t)(h->kind >> KIND_IN_RECORD_INDEX >> from & 1);
        r->first_ns[to] = c->first_ns[from] & in_record;
        /* hot stamps are rounded down, first times are not */
        r->last_ns[to] = max64(c->last_ns[from], c->first_ns[from]) & in_record;
        r->ttl_min[to] = (uint8_t)(c->ttl_min[from] | ~in_record);
        r->ttl_max[to] = (uint8_t)(c->ttl_max[from] & in_record);
        memcpy(r->mac[to], c->mac[from], 6);
    }
    turn16(r->port, h->port, first);
    turn16(r->ingress, c->ingress, first);
    turn8(r->flags, h->flags, first);
    turn8(r->flags_total, c->flags_total, first);
    turn8(r->first_flags, c->first_flags, first);
    turn8(r->tos, c->tos, first);
}

static void put_counts(struct flow_counts *to, const struct flow_counts *from, unsigned first)
{
    for (int s = 0; s < 2; s++) {
        to->packets[s] = from->packets[s ^ first];
        to->octets[s] = from->octets[s ^ first];
        to->payload[s] = from->payload[s ^ first];
    }
}

static void take_counts(struct flow_counts *of, const struct flow_counts *minus, unsigned first)
{
    for (int s = 0; s < 2; s++) {
        of->packets[s] -= minus->packets[s ^ first];
        of->octets[s] -= minus->octets[s ^ first];
        of->payload[s] -= minus->payload[s ^ first];
    }
}

/* First packet of the open record. */
static uint64_t record_start(const struct flow_hot *h, const struct flow_cold *c)
{
    uint64_t start = UINT64_MAX;

    for (int s = 0; s < 2; s++)
        start = min64(start, h->kind & (KIND_IN_RECORD << s) ? c->first_ns[s] : UINT64_MAX);
    return start;
}

void flow_record_fill(struct flow_table *t, uint32_t index, struct flow_record *r)
{
    struct flow_hot *h = &t->hot[index];
    struct flow_cold *c = &t->cold[index];
    const unsigned first = (unsigned)flow_initiator(h);

    for (int s = 0; s < 2; s++)
        c->flags_total[s] |= h->flags[s];
    put_sides(h, c, first, r);
    put_common(t, index, r);
    put_counts(&r->total, &c->total, first);
    put_counts(&r->delta, &c->total, first); /* a copy would have to wait for the stores above */
    if (c->record_no)
        take_counts(&r->delta, &t->past[index].total, first);
    if (record_open(h)) {
        r->start_ns = record_start(h, c);
        r->end_ns = flow_record_end(h, c);
        r->record_no = ++c->record_no;
    } else {
        r->start_ns = c->conn_start_ns;
        r->end_ns = t->past[index].end_ns;
        r->record_no = c->record_no;
    }
}
