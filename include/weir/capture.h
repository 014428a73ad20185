/*
 * Sources of packets. One set of operations per kind, called once per burst, never per packet.
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

/* What a source knows of its own packets. */
struct capture_stats {
    uint64_t received;                  /* by the source, before its filter */
    uint64_t filtered;                  /* left out by its filter */
    uint64_t filtered_octets;           /* their wire octets */
    uint64_t octets_done, octets_total; /* progress through a file; 0 = not known */
};

struct capture_ops {
    /* Fills count, data, ts_ns, cap_len, wire_len, port, link of up to PACKET_BURST_MAX packets.
     * Their data stay valid until the next call. */
    enum capture_status (*receive)(struct capture *, struct burst *);
    void (*stats)(const struct capture *, struct capture_stats *);
    /* After CAPTURE_ERROR: one line that names the source. */
    const char *(*error)(const struct capture *);
    void (*close)(struct capture *);
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
