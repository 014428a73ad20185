/*
 * AF_XDP sockets and the packet memory (UMEM) they share, as the kernel has them
 * (Documentation/networking/af_xdp.rst).
 *
 * All sockets of one queue share its UMEM and fill ring. Whoever has read frames gives them back
 * to the kernel himself, under a lock that is only tried: a worker that finds it taken keeps its
 * frames until its next call. So no worker waits, and one that stalls costs the others nothing but
 * what lies in its own ring, for which the UMEM has room.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/memory.h"

struct burst;
struct xdp_reading;

struct xdp_ring {
    _Atomic uint32_t *producer, *consumer, *flags;
    void *entries; /* uint64_t addresses, or struct xdp_desc */
    uint32_t mask;
    uint32_t own; /* our side's index */
    void *map;
    size_t map_octets;
};

struct xdp_umem {
    uint8_t *area;
    size_t octets;
    uint32_t chunk;  /* octets of a frame with the kernel's headroom, a power of two */
    uint32_t frames; /* fit into the fill ring, all of them */
    bool huge;       /* in huge pages that were set aside */
    bool shared;     /* by several sockets */
    atomic_flag taken;
    struct xdp_ring fill, completion;
} __attribute__((aligned(MEMORY_LINE)));

struct xdp_socket {
    int fd;
    struct xdp_umem *umem;
    struct xdp_ring rx;
    bool busy_poll;
    uint32_t held_count;
    uint64_t *held; /* frames that are read, to be given back */
    _Atomic uint64_t delivered;
} __attribute__((aligned(MEMORY_LINE))); /* each is another worker's */

/* The kernel's view of one socket since it was opened. */
struct xdp_losses {
    uint64_t no_buffer, ring_full, invalid;
};

/* What was being done when it failed. */
enum xdp_step { XDP_STEP_MEMORY, XDP_STEP_SOCKET, XDP_STEP_UMEM, XDP_STEP_RING, XDP_STEP_BIND };

struct xdp_socket_options {
    uint32_t interface, queue;
    uint32_t ring; /* entries, a power of two */
    uint32_t chunk;
    uint32_t sockets; /* of this queue */
    bool fragments;   /* frames may be longer than a chunk */
    bool generic;     /* behind the driver: copies only */
    bool busy_poll;
};

/*
 * Opens and binds; the first socket of a queue brings the UMEM (first = NULL), the others share
 * it. Returns 0 or -errno, with the step that failed. What is half open is closed by
 * xdp_socket_close() and xdp_umem_close(), which take zeroed objects with fd -1.
 */
int xdp_umem_open(struct xdp_umem *, const struct xdp_socket_options *, enum xdp_step *);
int xdp_socket_open(struct xdp_socket *, struct xdp_umem *, const struct xdp_socket *first,
                    const struct xdp_socket_options *, enum xdp_step *);
void xdp_socket_close(struct xdp_socket *);
void xdp_umem_close(struct xdp_umem *);

bool xdp_socket_copies(const struct xdp_socket *);

/* Octets of a frame that fit into a chunk, behind the headroom that the kernel keeps. */
uint32_t xdp_chunk_room(uint32_t chunk);

/*
 * Gives back the frames of the call before and fills data, cap_len and wire_len of up to
 * PACKET_BURST_MAX packets; of a frame in several chunks only the first is handed out. Returns how
 * many. By the socket's worker alone.
 */
uint32_t xdp_socket_receive(struct xdp_socket *, struct burst *);

/* By any thread. */
void xdp_socket_losses(const struct xdp_socket *, struct xdp_losses *);
uint32_t xdp_socket_pending(const struct xdp_socket *);
