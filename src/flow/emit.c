#include "flow/emit.h"

#include <string.h>

#include "flow/bucket.h"
#include "flow/delta.h"
#include "flow/record.h"
#include "flow/tcp.h"

#define NEVER UINT64_MAX

static enum flow_keep keep_class(const struct flow_hot *h)
{
    if (h->kind & KIND_ORPHAN)
        return KEEP_OTHER; /* no port, no flag is known */
    if (h->proto == PROTO_TCP)
        return tcp_keep(h);
    return h->proto == PROTO_UDP ? KEEP_UDP : KEEP_OTHER;
}

bool flow_is_closed(const struct flow_hot *h)
{
    return keep_class(h) == KEEP_TCP_CLOSED;
}

static uint64_t after(uint64_t start, uint64_t span)
{
    return span > NEVER - start ? NEVER : start + span;
}

/* When a connection ends and when, if it goes on, its open record does, and why. NEVER: not by
 * itself. */
struct deadlines {
    uint64_t conn, record;
    enum flow_end_reason reason;
};

/* Lifetimes are shortened by shift bits. */
static inline struct deadlines deadlines_of(const struct flow_table *t, uint32_t index,
                                            unsigned shift)
{
    const struct flow_hot *h = &t->hot[index];
    const struct flow_cold *c = &t->cold[index];
    const enum flow_keep keep = keep_class(h);
    const bool closed = keep == KEEP_TCP_CLOSED;
    struct deadlines d = {.conn = NEVER, .record = NEVER, .reason = END_IDLE};

    if (t->config.timeouts || closed)
        d.conn = after(c->arrival_ns, t->config.keep_ns[keep] >> shift);
    if (!t->config.timeouts || closed || !record_open(h))
        return d;
    uint64_t idle = after(c->arrival_ns, t->config.idle_ns >> shift);
    uint64_t active = after(c->record_ns, t->config.active_ns);
    d.record = min64(active, idle);
    if (active <= idle)
        d.reason = END_ACTIVE;
    return d;
}

static uint64_t flow_packets(const struct flow_counts *counts)
{
    return counts->packets[0] + counts->packets[1];
}

static void open_packets_add(struct flow_cold *c, uint64_t packets)
{
    packets += c->open_packets;
    c->open_packets = packets < UINT32_MAX ? (uint32_t)packets : UINT32_MAX;
}

void flow_arm(struct flow_table *t, uint32_t index)
{
    struct deadlines d = deadlines_of(t, index, 2u * t->pressure);

    t->hot[index].last[0] = clock_tick(min64(d.conn, d.record));
    t->hot[index].last[1] = t->cold[index].open_packets;
}

static unsigned rank_of(uint64_t packets)
{
    return packets >= 16 ? RANK_MANY : packets >= 2 ? RANK_SEVERAL : RANK_NEW;
}

void flow_rank(struct flow_table *t, uint32_t index, unsigned rank)
{
    struct flow_cold *c = &t->cold[index];

    if (c->rank == rank)
        return;
    c->rank = (uint8_t)rank;
    bucket_promote(t, c->hash, index, rank);
}

static void rank_raise(struct flow_table *t, uint32_t index)
{
    unsigned rank = rank_of(flow_packets(&t->cold[index].total));

    if (rank > t->cold[index].rank)
        flow_rank(t, index, rank);
}

/* Moves the hot counts, which are not all 0, into the cold lines. */
static void fold_counts(struct flow_table *t, uint32_t index, struct flow_out *out)
{
    struct flow_hot *h = &t->hot[index];
    struct flow_cold *c = &t->cold[index];

    for (int s = 0; s < 2; s++) {
        /* no branch: which sides have sent is a coin's toss */
        uint64_t last = h->packets[s] ? stamp_widen(t, h->last[s]) : 0;
        c->total.packets[s] += h->packets[s];
        c->total.octets[s] += h->octets[s];
        c->total.payload[s] += h->payload[s];
        c->last_ns[s] = max64(c->last_ns[s], last);
        c->arrival_ns = max64(c->arrival_ns, last ? packet_clock(t, last) : 0);
    }
    open_packets_add(c, (uint64_t)h->packets[0] + h->packets[1]);
    if (t->deltas) {
        struct flow_delta *d = delta_add(t, index, out);
        for (int s = 0; s < 2; s++) {
            int side = s ^ flow_initiator(h);
            d->packets[s] = h->packets[side];
            d->octets[s] = h->octets[side];
            d->payload[s] = h->payload[side];
        }
    }
    memset(h->packets, 0, sizeof(h->packets) + sizeof(h->octets) + sizeof(h->payload));
}

/* The rank lies in a line that a fold does not touch otherwise. It can rise only where the count
 * passes a threshold, or with the first packets of a record, before which the flow may have been
 * parked. */
void flow_fold(struct flow_table *t, uint32_t index, struct flow_out *out)
{
    struct flow_hot *h = &t->hot[index];
    struct flow_cold *c = &t->cold[index];

    t->folded_ts = t->newest_ts;
    if (!flow_has_counts(h))
        return;
    uint64_t before = flow_packets(&c->total);
    bool rank_may_rise =
        !c->open_packets || rank_of(before) != rank_of(before + h->packets[0] + h->packets[1]);
    fold_counts(t, index, out);
    if (rank_may_rise)
        rank_raise(t, index);
    flow_arm(t, index);
}

void flow_add(struct flow_table *t, uint32_t index, int side, const struct flow_addition *a,
              struct flow_out *out)
{
    struct flow_cold *c = &t->cold[index];

    flow_fold(t, index, out);
    c->total.packets[side] += a->packets;
    c->total.octets[side] += a->octets;
    c->total.payload[side] += a->payload;
    open_packets_add(c, a->packets);
    c->first_ns[side] = min64(c->first_ns[side], a->first_ts);
    c->conn_start_ns = min64(c->conn_start_ns, a->first_ts);
    if (flow_walked(t, index))
        t->walked_packets += a->packets;
    c->last_ns[side] = max64(c->last_ns[side], a->last_ts);
    c->arrival_ns = max64(c->arrival_ns, packet_clock(t, t->newest_ts));
    if (t->deltas) {
        struct flow_delta *d = delta_add(t, index, out);
        int s = side ^ flow_initiator(&t->hot[index]);
        d->packets[s] = a->packets;
        d->octets[s] = a->octets;
        d->payload[s] = a->payload;
        d->packets[!s] = 0;
        d->octets[!s] = d->payload[!s] = 0;
    }
    rank_raise(t, index);
    flow_arm(t, index);
}

static void count_made(struct flow_table *t, const struct flow_record *r)
{
    t->made_records++;
    t->made_packets += flow_packets(&r->delta);
    t->made_octets += r->delta.octets[0] + r->delta.octets[1];
}

/* True: the connection's only packet went into an aggregate, the record that was to be is none. */
static bool record_fold(struct flow_table *t, uint32_t index, struct flow_out *out)
{
    struct flow_cold *c = &t->cold[index];
    struct flow_record *r = &out->record[out->record_count];
    struct fold_flow flow;
    bool pushed;

    if (!t->fold || c->record_no || flow_packets(&c->total) != 1 ||
        (t->hot[index].kind & KIND_ORPHAN))
        return false;
    flow_fold_fill(t, index, &flow);
    if (!fold_take(t->fold, &flow, r, &pushed))
        return false;
    if (pushed)
        flow_put_aggregate(t, out);
    for (int s = 0; s < 2; s++)
        c->flags_total[s] |= t->hot[index].flags[s];
    c->record_no = 1;
    c->reported |= REPORTED_FOLDED;
    return true;
}

/* What the open record holds is live no more, in the sums of a sweep that has passed the entry. */
static void record_unwalk(struct flow_table *t, uint32_t index)
{
    if (flow_walked(t, index))
        t->walked_packets -=
            flow_packets(&t->cold[index].total) - flow_packets(flow_base(t, index));
}

static void record_emit(struct flow_table *t, uint32_t index, enum flow_end_reason reason,
                        bool open, struct flow_out *out)
{
    const struct flow_cold *c = &t->cold[index];
    bool real = record_open(&t->hot[index]);

    if (!real && (c->reported & REPORTED_FOLDED) && flow_packets(&c->total) == 1)
        return; /* nothing is new to who got the aggregate */
    record_unwalk(t, index);
    if (real && record_fold(t, index, out))
        return;
    struct flow_record *r = &out->record[out->record_count++];
    flow_record_fill(t, index, r);
    r->end_reason = (uint8_t)reason;
    r->open = open;
    if (real)
        count_made(t, r);
    else
        t->made_notices++;
}

/* The record is out, the connection goes on. */
static void record_split(struct flow_table *t, uint32_t index, enum flow_end_reason reason,
                         struct flow_out *out)
{
    struct flow_hot *h = &t->hot[index];
    struct flow_cold *c = &t->cold[index];
    struct flow_past *past = &t->past[index];
    uint64_t end = flow_record_end(h, c);

    record_emit(t, index, reason, true, out);
    past->end_ns = c->record_no > 1 ? max64(past->end_ns, end) : end;
    past->total = c->total;
    c->open_packets = 0;
    h->last[1] = 0;
    memset(h->flags, 0, sizeof(h->flags));
    h->kind &= (uint8_t)~KIND_IN_RECORD_BOTH;
}

void flow_split(struct flow_table *t, uint32_t index, struct flow_out *out)
{
    record_split(t, index, END_ACTIVE, out);
}

/* Everything that is told of a connection at its end. */
static void connection_end(struct flow_table *t, uint32_t index, enum flow_end_reason reason,
                           struct flow_out *out)
{
    struct flow_hot *h = &t->hot[index];

    t->folded_ts = t->newest_ts;
    if (flow_has_counts(h))
        fold_counts(t, index, out);
    if (record_open(h) || t->notices)
        record_emit(t, index, reason, false, out);
    if (t->deltas)
        delta_close(t, index, out);
    t->counters->note[NOTE_FLOWS_ENDED]++;
}

static void entry_free(struct flow_table *t, uint32_t index)
{
    struct flow_hot *h = &t->hot[index];

    memset(h, 0, sizeof(*h));
    h->kind = KIND_KEY; /* no key has all of these */
    t->free_index[t->free_count++] = index;
    t->live--;
    t->walked_flows -= flow_walked(t, index);
}

void flow_finish(struct flow_table *t, uint32_t index, enum flow_end_reason reason,
                 struct flow_out *out)
{
    connection_end(t, index, reason, out);
    bucket_remove(t, t->cold[index].hash, index);
    entry_free(t, index);
}

void flow_evict(struct flow_table *t, const struct bucket_slot *victim, struct flow_out *out)
{
    const uint32_t index = victim->bucket->index[victim->slot];

    t->counters->note[NOTE_FLOWS_EVICTED]++;
    t->cold[index].quality |= QUALITY_EVICTED_EARLY;
    connection_end(t, index, END_RESOURCES, out);
    bucket_clear(t, t->cold[index].hash, victim);
    entry_free(t, index);
}

static void finish_due(struct flow_table *t, uint32_t index, uint64_t now_ns, struct flow_out *out)
{
    if (now_ns < deadlines_of(t, index, 0).conn) {
        t->counters->note[NOTE_FLOWS_PRESSED]++;
        t->cold[index].quality |= QUALITY_EVICTED_EARLY;
        flow_finish(t, index, END_RESOURCES, out);
    } else {
        flow_finish(t, index, flow_is_closed(&t->hot[index]) ? END_DETECTED : END_IDLE, out);
    }
}

bool flow_due(struct flow_table *t, uint32_t index, uint64_t now_ns, unsigned shift,
              struct flow_out *out)
{
    for (;;) {
        struct deadlines d = deadlines_of(t, index, shift);

        if (now_ns < d.record && now_ns < d.conn) {
            flow_arm(t, index);
            return false;
        }
        if (d.record >= d.conn) {
            finish_due(t, index, now_ns, out);
            return true;
        }
        record_split(t, index, d.reason, out);
        if (d.reason == END_IDLE)
            flow_rank(t, index, RANK_PARKED);
    }
}
