/*
 * The settled packet: one of a known flow in the middle of its life, which changes nothing but
 * counts. Nearly every packet is one, of TCP as of any other protocol, so what else a packet could
 * do is looked for without a branch: each reason raises a bit, and one test at the end tells. What
 * a packet must find in the hot line to be settled is put together as two words, to be compared in
 * one go:
 *
 *   who   ports, protocol, kind, TTLs    equal, as far as they are the sender's
 *   how   flags, seen, state, vlan       flags given before, TCP calm, the same VLAN
 *
 * Whatever is not settled goes the general way, which decides everything again.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "flow/entry.h"
#include "flow/key.h"
#include "weir/wire.h"

#define WHO_SHIFT(field) (8 * (offsetof(struct flow_hot, field) - offsetof(struct flow_hot, port)))
#define HOW_SHIFT(field) (8 * (offsetof(struct flow_hot, field) - offsetof(struct flow_hot, flags)))
#define WHO_KIND(bits) ((uint64_t)(bits) << WHO_SHIFT(kind))
#define WHO_MASK(side)                                                                             \
    (UINT64_C(0xffffffffff) | (UINT64_C(0xff) << (WHO_SHIFT(ttl) + 8 * (side))) |                  \
     WHO_KIND(KIND_KEY | KIND_DEEP | KIND_IN_RECORD << (side)))

static_assert(WHO_SHIFT(ttl) == 48 && HOW_SHIFT(vlan) == 48, "each word is eight octets");

static inline uint64_t hot_word(const void *first)
{
    uint64_t word;
    memcpy(&word, first, sizeof(word));
    return word;
}

/* Bits where the hot line is not that of the packet's flow, or not in the state that its sender
 * takes for granted. The tunnels and inner tags of a deep flow are not compared: it is never
 * settled. */
static inline uint64_t settled_who(const struct flow_hot *h, const struct flow_probe *probe,
                                   const struct packet *p)
{
    static const uint64_t mask[2] = {WHO_MASK(0), WHO_MASK(1)};
    uint64_t want = hot_word(probe->key.block[0] + 8) | WHO_KIND(KIND_IN_RECORD_BOTH) |
                    (uint64_t)p->ttl * 0x101 << WHO_SHIFT(ttl);

    return (h->address ^ hot_word(probe->key.block[0])) |
           ((hot_word(h->port) ^ want) & mask[probe->side]);
}

/* tcp: all ones for TCP, else 0. */
static inline uint64_t settled_how(const struct flow_hot *h, unsigned side, const struct packet *p,
                                   uint32_t tcp)
{
    uint64_t how = hot_word(h->flags);
    uint64_t seen = tcp & (p->payload ? SEEN_SEQ | SEEN_DATA : SEEN_SEQ | SEEN_ACK);
    uint64_t need = (seen << HOW_SHIFT(seen) | p->tcp_flags) << (8 * side) |
                    (uint64_t)(tcp & STATE_CALM << side) << HOW_SHIFT(state);

    return (need & ~how) | (how ^ (uint64_t)p->vlan[0] << HOW_SHIFT(vlan)) >> HOW_SHIFT(vlan);
}

/* Time that goes back, or the first packet after a silence in which something may have fallen due.
 */
static inline uint64_t settled_time(const struct flow_table *t, const struct flow_hot *h,
                                    const struct packet *p)
{
    bool due = packet_clock(t, p->ts_ns) >> TICK_SHIFT >= h->last[0];

    return (p->ts_ns < t->newest_ts) | ((hot_word(h->packets) == 0) & due);
}

/* Whether data begin before what is expected, or what is acknowledged was not seen. */
static inline uint64_t settled_sequence(const struct flow_hot *h, unsigned side,
                                        const struct packet *p, uint32_t data, int64_t ahead)
{
    int64_t beyond = (int32_t)(p->tcp_ack - h->seq_next[side ^ 1]);
    uint64_t peer_seq = hot_word(h->flags) >> (HOW_SHIFT(seen) + 7 + 8 * (side ^ 1));

    static_assert(SEEN_SEQ == 1 << 7, "the bit asked for");
    return ((uint64_t)(-beyond >> 63) & peer_seq & 1) |
           ((uint64_t)(ahead - 1) & -(uint64_t)data) >> 63;
}

/* True: counted. False: nothing was done. */
static inline bool settled_count(struct flow_table *t, const struct flow_probe *probe,
                                 const struct packet *p)
{
    struct flow_hot *h = &t->hot[probe->index]; /* of index 0, no side is in a record */
    unsigned side = probe->side;
    uint32_t tcp = -(uint32_t)((p->flags & PACKET_HAS_TCP) != 0);
    uint32_t data = p->payload & tcp;
    int32_t ahead = (int32_t)(p->tcp_seq + data - h->seq_next[side]);

    uint64_t odd = settled_who(h, probe, p) | settled_how(h, side, p, tcp) | settled_time(t, h, p);
    odd |= settled_sequence(h, side, p, data, ahead) | (~p->flags & PACKET_PLAIN);
    if (odd || !key_rest_equal(t, probe->index, probe, p))
        return false;
    h->seq_next[side] += ahead > 0 ? (uint32_t)ahead : 0;
    h->last[side] = (uint32_t)(p->ts_ns >> STAMP_SHIFT);
    h->packets[side]++;
    h->octets[side] += p->octets;
    h->payload[side] += p->payload;
    t->newest_ts = p->ts_ns;
    t->walked_packets += flow_walked(t, probe->index);
    return true;
}
