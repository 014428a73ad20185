/*
 * The canonical key of a packet: lower endpoint first, whichever way it travelled.
 */
#pragma once

#include <endian.h>
#include <stddef.h>
#include <string.h>

#include "base/bytes.h"
#include "flow/entry.h"

static inline struct flow_head *key_head(struct flow_probe *probe)
{
    return (struct flow_head *)(void *)probe->input.block[0];
}

static inline uint64_t key_scope(const struct flow_table *t, const struct packet *p)
{
    uint64_t scope = 0;
    if (t->config.vlan_in_key)
        scope = (uint64_t)p->vlan[0] << 16 | p->vlan[1];
    if (t->config.tunnel_in_key)
        scope ^= ((uint64_t)p->tunnel_id << 24 ^ (uint64_t)p->tunnel << 56) + 1;
    return scope;
}

/* Whether the sender is the upper side. Either is as likely: no branch. */
static inline int key_side(const struct packet *p, const uint8_t *src, const uint8_t *dst,
                           size_t len)
{
    uint64_t s, d;

    if (len == 4) {
        s = load_be32(src);
        d = load_be32(dst);
    } else {
        uint64_t high_s = load_be64(src), high_d = load_be64(dst);
        bool low = high_s == high_d;
        s = low ? load_be64(src + 8) : high_s;
        d = low ? load_be64(dst + 8) : high_d;
    }
    return (s > d) | ((s == d) & (p->src_port > p->dst_port));
}

/* Fills input, blocks and side. The side is a coin's toss from packet to packet: halves change
 * places by rotation, since a branch would be mispredicted, and are not put together in memory,
 * where a wide load would wait for the narrow stores. */
static inline void key_build(const struct flow_table *t, const struct packet *p, bool orphan,
                             struct flow_probe *probe)
{
    struct flow_head *head = key_head(probe);
    uint8_t kind = orphan ? KIND_ORPHAN : 0;
    size_t len = p->ip_version == 4 ? 4 : 16;
    const uint8_t *src = p->addresses, *dst = p->addresses + len;
    int side = key_side(p, src, dst, len);

    uint32_t ports = (uint32_t)p->dst_port << 16 | p->src_port;
    ports = ports << (16 & -side) | ports >> (16 & -side);
    head->port[0] = (uint16_t)ports;
    head->port[1] = (uint16_t)(ports >> 16);
    head->proto = p->proto;
    head->zero = 0;
    if (p->flags & PACKET_ICMP_ONE_WAY)
        kind |= side ? KIND_ONE_WAY_DOWN : KIND_ONE_WAY_UP;
    probe->side = (uint8_t)side;
    if (len == 4) {
        uint64_t both;
        memcpy(&both, src, 8);
        head->address = both << (32 & -side) | both >> (32 & -side);
        probe->blocks = 1;
        if (t->scoped) {
            uint64_t scope[2] = {key_scope(t, p), 0};
            memcpy(probe->input.block[1], scope, 16);
            probe->blocks = 2;
        }
    } else {
        kind |= KIND_IP6;
        head->address = t->scoped ? key_scope(t, p) : 0;
        memcpy(probe->input.block[1 + side], src, 16);
        memcpy(probe->input.block[2 - side], dst, 16);
        probe->blocks = 3;
    }
    head->kind = kind;
}

/* After hashing: an IPv6 head stands for its addresses by the hash's second half. */
static inline void key_finish(struct flow_probe *probe)
{
    if (probe->blocks == 3)
        memcpy(probe->input.block[0], &probe->hash.second, 8);
}

bool key_scope_equal(const struct flow_table *, uint32_t index, const struct packet *);

/* Hot line and head begin alike, up to the bits of kind that are not part of the key. */
static_assert(offsetof(struct flow_hot, port) == offsetof(struct flow_head, port) &&
                  offsetof(struct flow_hot, proto) == offsetof(struct flow_head, proto) &&
                  offsetof(struct flow_hot, kind) == offsetof(struct flow_head, kind),
              "compared in one go");

static inline bool head_equal(const struct flow_hot *h, const struct flow_head *want)
{
    static const struct flow_head key_bits = {
        .port = {UINT16_MAX, UINT16_MAX}, .proto = UINT8_MAX, .kind = KIND_KEY};
    uint64_t mine, theirs, mask;

    memcpy(&mine, h->port, sizeof(mine));
    memcpy(&theirs, want->port, sizeof(theirs));
    memcpy(&mask, key_bits.port, sizeof(mask));
    return ((h->address ^ want->address) | ((mine ^ theirs) & mask)) == 0;
}

/* Compares the whole key. */
static inline bool key_equal(const struct flow_table *t, uint32_t index,
                             const struct flow_probe *probe, const struct packet *p)
{
    struct flow_head want;
    memcpy(&want, probe->input.block[0], sizeof(want));

    bool equal = head_equal(&t->hot[index], &want);
    if (equal && (want.kind & KIND_IP6))
        equal = memcmp(&t->key6[index], probe->input.block[1], 32) == 0;
    if (equal && t->scoped)
        equal = key_scope_equal(t, index, p);
    return equal;
}
