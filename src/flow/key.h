/*
 * The canonical key of a packet: lower endpoint first, whichever way it travelled.
 */
#pragma once

#include <endian.h>
#include <stddef.h>
#include <string.h>

#include "base/bytes.h"
#include "flow/entry.h"

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
static inline unsigned key_side4(const struct packet *p)
{
    uint64_t both = load_be64(p->addresses);
    uint64_t src = both >> 32 << 16 | p->src_port, dst = (uint32_t)both;

    return src > (dst << 16 | p->dst_port);
}

static inline unsigned key_side6(const struct packet *p)
{
    uint64_t src = load_be64(p->addresses), dst = load_be64(p->addresses + 16);
    bool low = src == dst;

    src = low ? load_be64(p->addresses + 8) : src;
    dst = low ? load_be64(p->addresses + 24) : dst;
    return (src > dst) | ((src == dst) & (p->src_port > p->dst_port));
}

/* Ports by side, protocol and kind as they lie in memory: the head behind its address. */
static inline uint64_t key_word(const struct packet *p, unsigned side, uint8_t kind)
{
    uint32_t ports = (uint32_t)p->dst_port << 16 | p->src_port;

    ports = ports << 16 * side | ports >> (-16 * side & 31);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    return ports | (uint64_t)p->proto << 32 | (uint64_t)kind << 40;
#else
    return (uint64_t)(ports << 16 | ports >> 16) << 32 | (uint64_t)p->proto << 24 |
           (uint64_t)kind << 16;
#endif
}

static inline void key_build4(const struct flow_table *t, const struct packet *p, uint8_t kind,
                              struct flow_probe *probe)
{
    unsigned side = probe->side;
    uint64_t both;

    memcpy(&both, p->addresses, 8);
    both = both << 32 * side | both >> (-32 * side & 63);
    uint64_t head[2] = {both, key_word(p, side, kind)};
    memcpy(probe->key.block[0], head, sizeof(head));
    probe->key.blocks = 1;
    if (t->scoped) {
        uint64_t scope[2] = {key_scope(t, p), 0};
        memcpy(probe->key.block[1], scope, sizeof(scope));
        probe->key.blocks = 2;
    }
}

static inline void key_build6(const struct flow_table *t, const struct packet *p, uint8_t kind,
                              struct flow_probe *probe)
{
    unsigned side = probe->side;
    uint64_t head[2] = {t->scoped ? key_scope(t, p) : 0, key_word(p, side, kind | KIND_IP6)};

    memcpy(probe->key.block[0], head, sizeof(head));
    memcpy(probe->key.block[1 + side], p->addresses, 16);
    memcpy(probe->key.block[2 - side], p->addresses + 16, 16);
    probe->key.blocks = 3;
}

/* Fills the key and the side. The side is a coin's toss from packet to packet: halves change places
 * without a branch, which would be mispredicted, and are not put together in memory, where a wide
 * load would wait for the narrow stores. */
static inline void key_build(const struct flow_table *t, const struct packet *p, bool orphan,
                             struct flow_probe *probe)
{
    uint8_t kind = orphan ? KIND_ORPHAN : 0;

    probe->side = (uint8_t)(p->ip_version == 4 ? key_side4(p) : key_side6(p));
    if (p->flags & PACKET_ICMP_ONE_WAY)
        kind |= probe->side ? KIND_ONE_WAY_DOWN : KIND_ONE_WAY_UP;
    if (p->ip_version == 4)
        key_build4(t, p, kind, probe);
    else
        key_build6(t, p, kind, probe);
}

/* After hashing: an IPv6 head stands for its addresses by the hash's second half. */
static inline void key_finish(struct flow_probe *probe)
{
    if (probe->key.blocks == 3)
        memcpy(probe->key.block[0], &probe->key.value.second, 8);
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

/* What head_equal leaves out: IPv6 addresses, and the scope. */
static inline bool key_rest_equal(const struct flow_table *t, uint32_t index,
                                  const struct flow_probe *probe, const struct packet *p)
{
    if (probe->key.blocks == 3 && memcmp(&t->key6[index], probe->key.block[1], 32) != 0)
        return false;
    return !t->scoped || key_scope_equal(t, index, p);
}

static inline bool key_equal(const struct flow_table *t, uint32_t index,
                             const struct flow_probe *probe, const struct packet *p)
{
    struct flow_head want;
    memcpy(&want, probe->key.block[0], sizeof(want));

    return head_equal(&t->hot[index], &want) && key_rest_equal(t, index, probe, p);
}
