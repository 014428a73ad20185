/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * What the XDP program (bpf/xdp_redirect.bpf.c) and user space (src/capture/xdp_*.c) share: the
 * layout of its maps, and the hash that chooses a socket.
 */
#pragma once

#include <stdint.h>

#define XDP_SOCKETS_MAX 128 /* of one port */
#define XDP_QUEUES_MAX 128
#define XDP_PORT_WORDS (65536 / 64)

/* What is ignored lies in two sets; a set has two tables of networks, for IPv4 and IPv6. */
#define XDP_SETS 2
#define XDP_TABLES (2 * XDP_SETS)
#define XDP_NETWORKS_MAX 256 /* of a table */
#define XDP_NETWORK_ENTRIES (XDP_TABLES * XDP_NETWORKS_MAX)
#define XDP_PORT_ENTRIES (XDP_SETS * XDP_PORT_WORDS)

/* How much of a packet chooses among the sockets of its queue. */
enum xdp_spread {
    XDP_SPREAD_NONE,     /* one socket per queue: the packet is not looked at */
    XDP_SPREAD_ADDRESS,  /* pair of addresses */
    XDP_SPREAD_ENDPOINT, /* and ports of TCP, UDP and SCTP, unless fragmented */
    XDP_SPREAD_COUNT
};

/* Set before the program is loaded. */
struct xdp_settings {
    uint64_t key[2]; /* of the hash */
    uint32_t spread; /* enum xdp_spread */
    uint32_t unused;
};

/* That of IPv4 is the low half. */
struct xdp_address {
    uint64_t high, low;
};

/* The addresses of a network, from first to last. In a table they ascend, and none meets another.
 */
struct xdp_range {
    struct xdp_address first, last;
};

/* The sockets of one queue: first, first + 1, ... first + count - 1 in the map of sockets. */
struct xdp_queue_sockets {
    uint32_t first;
    uint32_t count; /* 0: its packets go on to the operating system */
};

/*
 * Written by user space through a mapping, read by the program. Steering begins with running = 1
 * and ends with 0; meanwhile packets go on to the operating system.
 */
struct xdp_control {
    uint32_t running;
    uint32_t ignoring; /* 0: nothing is ignored; 1, 2: what the first or second set says */
    struct xdp_queue_sockets queue[XDP_QUEUES_MAX];
};

/*
 * Counters of one processor, written by it alone; user space reads them through a mapping. Each
 * frame that the program sees is counted once:
 *     seen = steered + ignored + passed
 */
struct xdp_counters {
    uint64_t ignored;
    uint64_t ignored_octets;           /* of the frames */
    uint64_t passed;                   /* before running, or no socket takes it */
    uint64_t steered[XDP_SOCKETS_MAX]; /* handed to the kernel for this socket */
    uint64_t padding[5];               /* to whole cache lines */
};

/* One end of a conversation. */
struct xdp_endpoint {
    struct xdp_address address;
    uint32_t port;
};

/* Finalizer of MurmurHash3 (public domain): every bit of the input reaches every bit of the
 * output. */
static inline uint64_t xdp_mix(uint64_t x)
{
    x ^= x >> 33;
    x *= 0xff51afd7ed558ccdULL;
    x ^= x >> 33;
    x *= 0xc4ceb9fe1a85ec53ULL;
    return x ^ x >> 33;
}

static inline uint64_t xdp_endpoint_hash(const struct xdp_endpoint *e, const uint64_t key[2])
{
    const struct xdp_address *a = &e->address;

    return xdp_mix(xdp_mix(xdp_mix(a->low ^ key[0]) ^ a->high ^ key[1]) + e->port + key[0]);
}

/* The same for both directions: the sum does not tell its terms apart. Without the key nobody can
 * aim packets at one socket. */
static inline uint32_t xdp_pair_hash(const struct xdp_endpoint *a, const struct xdp_endpoint *b,
                                     const uint64_t key[2])
{
    return (uint32_t)(xdp_mix(xdp_endpoint_hash(a, key) + xdp_endpoint_hash(b, key) + key[1]) >>
                      32);
}

/* 0 ... count - 1, each alike. */
static inline uint32_t xdp_pick(uint32_t hash, uint32_t count)
{
    return (uint32_t)((uint64_t)hash * count >> 32);
}
