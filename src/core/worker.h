/*
 * A worker: one thread with its queues, flow table and counters, which nobody else touches.
 * worker_poll() is the journey of a burst.
 *
 * Others learn of a worker by its snapshot, written whole once per turn of the sweep, and by its
 * beats; they order it about by two words that it looks at in each poll.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "export/exporter.h"
#include "flow/table.h"
#include "weir/capture.h"
#include "weir/config.h"
#include "weir/counters.h"

struct flow_delta;
struct generation;
struct hash_secret;
struct ledger;
struct spsc;
struct worker;

/* Records of one-packet flows have a ring of their own: a scan must not take the room of the
 * others. X(SYMBOL, label) */
#define WORKER_LANES(X) X(MANY, "many") X(ONE, "one")

enum worker_lane {
#define X(symbol, label) LANE_##symbol,
    WORKER_LANES(X)
#undef X
        LANE_COUNT
};
extern const char *const worker_lane_label[LANE_COUNT];

#define WORKER_SAMPLES 64 /* digests of connections in a snapshot, for the auditor */

struct worker_options {
    uint16_t index;
    const struct config *config; /* must outlive the worker */
    const struct clock *clock;
    uint32_t max_flows; /* of this worker */
    uint64_t fold_rate; /* of this worker; 0 = flow.fold_rate */
    uint16_t queue_count;
    struct capture *queue[CONFIG_PORTS_MAX]; /* one of each port that has one for it */
    bool inline_mode;
    bool notices;                    /* closing notices are wanted */
    const struct hash_secret *audit; /* of the samples' digests, the same for all; NULL: none */
    /* What flows did in a turn, for hosts and hunts; NULL = nobody asks. Called by the worker. */
    void (*deltas)(void *context, const struct flow_delta *, uint32_t count);
    void (*turn)(void *context); /* a turn's deltas are all out; NULL = nobody asks */
    void *context;
};

/* Everything a worker has counted, of one moment: between two bursts, at the end of a turn. Words
 * of 64 bits only. */
struct worker_snapshot {
    uint64_t turns;        /* since the start; 0 = there is no snapshot yet */
    uint64_t utc_ns;       /* when */
    uint64_t turn_ns;      /* how long the last turn took */
    uint64_t busy_ns;      /* of polls that had work; its share of time is the load */
    uint64_t turn_goal_ns; /* how long one is to take: longer in a table above 4 M flows */
    uint64_t delivered;    /* packets that came out of the queues */
    uint64_t tcp_packets;
    uint64_t forwarded;
    struct export_count handed[LANE_COUNT];  /* to the exporter's ring */
    struct export_count dropped[LANE_COUNT]; /* the ring was full */
    uint64_t notices_dropped;
    uint64_t first_dropped_ns, last_dropped_ns; /* end times of dropped records */
    uint64_t sample_count;
    uint64_t sample[WORKER_SAMPLES];
    struct counters counters;
    struct flow_census census;
    struct capture_stats queue[CONFIG_PORTS_MAX]; /* by index in options.queue */
};

enum worker_state {
    WORKER_IDLE, /* its thread does not run yet */
    WORKER_RUNNING,
    WORKER_DRAINING,
    WORKER_DONE /* every flow is out; queues and table are no longer touched */
};

int worker_create(const struct worker_options *, struct worker **);
/* Its thread must have ended. NULL is fine. */
void worker_destroy(struct worker *);

/* The worker's thread. */

/* Adopts, receives, counts, sweeps, hands on: at most a burst of each queue and a slice of the
 * sweep. True when something came. */
bool worker_poll(struct worker *);

/* Takes what waits in the queues, then ends all flows. Waits for room in the rings until the moment
 * that worker_order_drain() named. */
void worker_drain(struct worker *);

/* All of it: enters the queues, polls until it is told to drain, drains, leaves. Returns 0, or
 * -errno when a queue could not be entered. */
int worker_run(struct worker *);

/* The control thread. */

/* Drain from now on, until that time of the worker's (steady) clock at most. */
void worker_order_drain(struct worker *, uint64_t until_ns);

/* Takes effect at the next poll; worker_generation() tells when the one before is no longer used.
 */
void worker_offer(struct worker *, const struct generation *);

/* A port lost packets that no queue counts: flows alive will say so. */
void worker_tell_loss(struct worker *);

/* Any thread. */

/* False: there is none yet, *out is untouched. */
bool worker_snapshot_read(const struct worker *, struct worker_snapshot *out);
enum worker_state worker_state(const struct worker *);
uint64_t worker_beats(const struct worker *);      /* polls so far */
uint64_t worker_generation(const struct worker *); /* number of the one it uses */
int worker_thread_id(const struct worker *);       /* of the kernel; 0 = not running */
/* A queue that failed: its index in options.queue, -1 = none. What it says of itself may be asked
 * from then on. */
int worker_failed_queue(const struct worker *);
bool worker_sources_ended(const struct worker *); /* every queue has ended or failed */

/* The popping side belongs to the exporter thread. */
struct spsc *worker_ring(const struct worker *, enum worker_lane);

/* The snapshot's lines. */
void worker_snapshot_ledger(const struct worker_snapshot *, struct ledger *);
