/*
 * Where host windows and alerts are kept, so that others can read them, and a fleet of sensors can
 * add up what each of them saw. src/hosts/memory.c keeps them in this process; src/redis in a
 * Redis.
 *
 * The analyst is the only caller, and is never made to wait: a store copies what it is given and
 * works in its own time. Rows hold absolute values of this sensor run, so that a push may be
 * repeated, and a later row of the same host and window stands for all before it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "weir/alert.h"
#include "weir/host.h"

struct store;

/* A connection of some age, the longest first. */
struct store_connection {
    struct host_key host, peer; /* initiator, responder */
    uint64_t flow_id;
    uint64_t start_ns, last_ns;
    uint64_t octets[2]; /* of the connection */
    uint16_t port;      /* of the responder */
    uint8_t proto;
};

/* Whether an alert is new to the fleet. */
enum store_verdict {
    VERDICT_NEW,     /* tell it */
    VERDICT_KNOWN,   /* another sensor has told it */
    VERDICT_PENDING, /* asked; the answer comes by verdicts() */
};

struct store_answer {
    uint64_t id; /* alert.id */
    enum store_verdict verdict;
};

/* One thing seen by a host for the first time in a window, for stores that unite the sets of
 * several sensors. */
struct store_element {
    struct host_key host;
    uint64_t start_ns;   /* of the window */
    uint8_t element[18]; /* address as a key; HOST_PORTS: protocol, port, zeros */
    uint8_t window;      /* enum host_window */
    uint8_t set;         /* enum host_set */
};

struct store_ops {
    const char *name;

    /* Rows that changed since the last push: inside hosts, kept outside hosts and `other`; and those
     * of hosts that are gone, whose rows go too. */
    void (*hosts)(struct store *, const struct host_row *, size_t count);

    /* Elements of distinct sets; NULL where the store does not unite sets. */
    void (*elements)(struct store *, const struct store_element *, size_t count);

    /* The longest open connections; stands for the list before. */
    void (*connections)(struct store *, const struct store_connection *, size_t count);

    /* Registers the alert. A store that cannot be reached answers VERDICT_NEW: better twice than
     * never. */
    enum store_verdict (*alert)(struct store *, const struct alert *);

    /* Answers to pending alerts; returns how many were written, at most max. */
    size_t (*verdicts)(struct store *, struct store_answer *, size_t max);

    /* Fleet sums of rows pushed before, as far as they are new; counters summed over all sensors,
     * distinct numbers united, the oldest start the least. A store of one sensor has none. */
    size_t (*sums)(struct store *, struct host_row *, size_t max);

    /* What is kept: for views. The rows of one window that is current at now_ns, alerts and
     * connections, newest or longest first; each returns how many were written. */
    size_t (*read_hosts)(struct store *, enum host_window, uint64_t now_ns, struct host_row *,
                         size_t max);
    size_t (*read_connections)(struct store *, struct store_connection *, size_t max);
    size_t (*read_alerts)(struct store *, struct alert *, size_t max);

    void (*destroy)(struct store *);
};

struct store {
    const struct store_ops *ops;
};
