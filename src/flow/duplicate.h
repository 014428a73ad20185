/*
 * SPAN duplicates: a SPAN port of several VLANs or ports delivers one frame more than once, often
 * changed in TTL, MAC or VLAN only. A direct-mapped cache of digests over what does not change on
 * the way tells the second copy within 10 ms.
 */
#pragma once

#include <stdbool.h>

#include "flow/entry.h"

#define DUPLICATE_SLOTS 4096
#define DUPLICATE_NS 10000000ULL

struct duplicate {
    uint64_t digest;
    uint64_t ts_ns;
};

struct duplicates {
    struct duplicate slot[DUPLICATE_SLOTS];
};

/* A packet without identification, checksum and payload looks like the next one of its kind: no
 * digest. Nor has a later fragment, whose place in the datagram is not known here. */
static inline uint64_t duplicate_digest(const struct flow_probe *probe, const struct packet *p)
{
    if ((!p->fragment_id && !p->payload) || !(p->fragment_id | p->checksum) ||
        (p->flags & PACKET_FRAGMENT_LATER))
        return 0;
    uint64_t x = probe->hash.place + probe->side;
    x = (x ^ ((uint64_t)p->tcp_seq << 32 | p->tcp_ack)) * 0x9e3779b97f4a7c15ULL;
    x = (x ^ x >> 29 ^
         ((uint64_t)p->checksum << 48 | (uint64_t)p->fragment_id << 16 | p->payload)) *
        0xbf58476d1ce4e5b9ULL;
    return x ^ x >> 32;
}

static inline void duplicate_prefetch(const struct duplicates *d, uint64_t digest)
{
    __builtin_prefetch(&d->slot[digest % DUPLICATE_SLOTS], 1);
}

static inline bool duplicate_seen(struct duplicates *d, uint64_t digest, const struct packet *p)
{
    struct duplicate *slot = &d->slot[digest % DUPLICATE_SLOTS];

    if (!digest)
        return false;
    bool seen = slot->digest == digest && p->ts_ns - slot->ts_ns <= DUPLICATE_NS;
    slot->digest = digest;
    slot->ts_ns = p->ts_ns;
    return seen;
}
