/*
 * SPAN duplicates: a SPAN port of several VLANs or ports delivers one frame more than once, often
 * changed in TTL, MAC or VLAN only. A direct-mapped cache of digests over what does not change on
 * the way tells the second copy within 10 ms.
 */
#pragma once

#include <stdbool.h>

#include "base/prefetch.h"
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

/* A packet without identification looks like the next one of its kind, unless it has a payload and
 * its checksum: no digest. Not for later fragments, whose place in the datagram is not known here.
 */
static inline uint64_t duplicate_digest(const struct flow_probe *probe, const struct packet *p)
{
    uint64_t what = ((uint64_t)p->fragment_id << 32 | p->payload) ^ (uint64_t)p->checksum << 48;
    uint64_t where = probe->key.value.place + probe->side;
    unsigned __int128 product =
        (unsigned __int128)(where ^ ((uint64_t)p->tcp_ack << 32 | p->tcp_seq)) *
        (what ^ 0x9e3779b97f4a7c15ULL);
    uint64_t digest = (uint64_t)product ^ (uint64_t)(product >> 64);
    bool telling = (p->fragment_id != 0) | ((p->payload != 0) & (p->checksum != 0));

    return digest & -(uint64_t)telling;
}

static inline void duplicate_prefetch(const struct duplicates *d, uint64_t digest)
{
    prefetch_write(&d->slot[digest % DUPLICATE_SLOTS]);
}

static inline bool duplicate_seen(struct duplicates *d, uint64_t digest, const struct packet *p)
{
    struct duplicate *slot = &d->slot[digest % DUPLICATE_SLOTS];
    bool seen = slot->digest == digest && digest && p->ts_ns - slot->ts_ns <= DUPLICATE_NS;

    slot->digest = digest;
    slot->ts_ns = p->ts_ns;
    return seen;
}
