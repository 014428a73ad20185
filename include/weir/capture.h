/*
 * Sources of packets. One set of operations per kind, called once per burst, never per packet.
 *
 * A source is read by one thread: a file by `weir read`, one queue of a live port by its worker.
 * What a live port does as a whole (opening, link state, the interface's own counters) stands in
 * src/capture/port.h.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct burst;
struct capture;

#define CAPTURE_ERROR_MAX 512

enum capture_status {
    CAPTURE_OK,   /* the burst holds 0 or more packets, more may come */
    CAPTURE_END,  /* the source is exhausted; the burst may hold its last packets */
    CAPTURE_ERROR /* the source failed; the burst may hold what came before; capture_error() says
                     why */
};

/* Why a packet that reached the port never reached a worker. X(SYMBOL, label, help) */
#define CAPTURE_MISSES(X)                                                                          \
    X(RING_FULL, "ring_full", "the worker's receive ring was full: the worker is too slow")        \
    X(NO_BUFFER, "no_buffer", "no empty buffer was at hand: the worker is too slow")               \
    X(INVALID, "invalid", "the kernel refused the frame or its descriptor")                        \
    X(MISDIRECTED, "misdirected", "steered to a socket that the kernel did not deliver it to")     \
    X(HARDWARE, "hardware", "counted as missed by the port or its driver")                         \
    X(DISPATCH, "dispatch", "no room at the worker that software spread chose")

enum capture_miss {
#define X(symbol, label, help) MISS_##symbol,
    CAPTURE_MISSES(X)
#undef X
        MISS_COUNT
};

/*
 * What a source knows of its own packets:
 *     received = handed out by receive() + filtered + missed + pending
 * received and missed come from whoever feeds the source (kernel, XDP program, driver), never from
 * what receive() handed out, where the source has such a counter.
 */
struct capture_stats {
    uint64_t received;
    uint64_t filtered;        /* left out before receive() hands them out */
    uint64_t filtered_octets; /* their wire octets, where known */
    uint64_t missed[MISS_COUNT];
    uint64_t pending;                   /* received, still in a ring */
    uint64_t sent, send_failed;         /* inline: by forward() */
    uint64_t octets_done, octets_total; /* progress through a file; 0 = not known */
};

struct capture_ops {
    /* Fills count, data, ts_ns, cap_len, wire_len, port, link of up to PACKET_BURST_MAX packets;
     * ts_ns 0 = the source has no time of its own. Fate is FATE_FLOW or FATE_FILTERED. Their data
     * stay valid until the next call. Live sources never wait. */
    enum capture_status (*receive)(struct capture *, struct burst *);
    /* May be called by another thread than receive(). */
    void (*stats)(const struct capture *, struct capture_stats *);
    /* After CAPTURE_ERROR: one line that names the source. */
    const char *(*error)(const struct capture *);
    void (*close)(struct capture *);

    /* The rest is of live sources and may be NULL. */

    /* Called once by the thread that will receive, before its first call. 0 or -errno. */
    int (*enter)(struct capture *);
    void (*leave)(struct capture *);
    /* Inline: sends the frames of the last burst, unchanged, out of the port's pair; they may then
     * not be read any more. What could not be sent is counted and dropped. */
    void (*forward)(struct capture *);
    /* A file descriptor that polls readable when packets wait, or -1: what an idle worker may sleep
     * on. */
    int (*wait_fd)(const struct capture *);
};

/* Every implementation begins with this. */
struct capture {
    const struct capture_ops *ops;
};

static inline enum capture_status capture_receive(struct capture *c, struct burst *b)
{
    return c->ops->receive(c, b);
}

static inline void capture_stats(const struct capture *c, struct capture_stats *s)
{
    c->ops->stats(c, s);
}

static inline const char *capture_error(const struct capture *c)
{
    return c->ops->error(c);
}

static inline void capture_close(struct capture *c)
{
    if (c)
        c->ops->close(c);
}

static inline int capture_enter(struct capture *c)
{
    return c->ops->enter ? c->ops->enter(c) : 0;
}

static inline void capture_leave(struct capture *c)
{
    if (c->ops->leave)
        c->ops->leave(c);
}

static inline int capture_wait_fd(const struct capture *c)
{
    return c->ops->wait_fd ? c->ops->wait_fd(c) : -1;
}
