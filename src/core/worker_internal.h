/*
 * The inside of a worker, for the files that make it up.
 */
#pragma once

#include <poll.h>
#include <stdatomic.h>

#include "base/seqlock.h"
#include "core/generation.h"
#include "core/worker.h"
#include "decode/decode.h"
#include "weir/flow.h"
#include "weir/packet.h"
#include "weir/wire.h"

/* Written by the control thread, read by the worker in each poll. */
struct worker_orders {
    _Atomic(const struct generation *) generation; /* NULL = the one it was created with */
    _Atomic uint64_t drain_until_ns;               /* steady time; 0 = go on */
    _Atomic uint64_t losses;                       /* times a port lost packets elsewhere */
} __attribute__((aligned(64)));

/* One of two, so that a worker that stands still while it writes one leaves the other readable. */
struct worker_slot {
    struct seqlock lock;
    _Atomic uint64_t words[SEQLOCK_WORDS(sizeof(struct worker_snapshot))];
};

/* Written by the worker, read by others. */
struct worker_report {
    _Atomic uint64_t beats;
    _Atomic uint64_t generation; /* number */
    _Atomic int state;           /* enum worker_state */
    _Atomic int thread_id;
    _Atomic int failed_queue;
    _Atomic bool sources_ended;
    _Atomic uint64_t published; /* snapshots so far; the nth is in slot n % 2 */
    struct worker_slot slot[2];
} __attribute__((aligned(64)));

struct worker {
    struct worker_orders orders;
    struct worker_report report;

    /* The rest is the worker's own. */
    struct worker_options options __attribute__((aligned(64)));
    const struct generation *generation;
    struct decode_options decode;
    struct flow_table *table;
    struct spsc *ring[LANE_COUNT]; /* the pushing side */
    struct pollfd wait[CONFIG_PORTS_MAX];
    bool ended[CONFIG_PORTS_MAX]; /* queues that are not polled any more */
    bool may_sleep;               /* every queue has a descriptor to sleep on */
    unsigned idle_polls;

    struct clock_reader clock;
    uint64_t now_ns; /* steady */
    uint64_t poll_began_ns;
    bool busy;             /* the last poll had work */
    int64_t utc_offset_ns; /* UTC minus steady, of the packets of this turn */
    uint64_t turn_began_ns;
    uint64_t turn_goal_ns;
    uint64_t swept;          /* entries of this turn that the sweep was told to visit */
    uint64_t misses, losses; /* known to the flow table */
    uint64_t drain_until_ns; /* 0 = records that find no room are dropped at once */

    struct worker_snapshot counts; /* what is published, as it grows */
    struct burst burst;
    struct flow_out out;
};

/* Records and deltas out of w->out, to the rings and to whoever asked; out is then empty. */
void worker_hand_on(struct worker *);

/* The end of a turn: losses, census, snapshot. complete: the table is at rest, and is walked. */
void worker_publish(struct worker *, bool complete);
