/*
 * Whether workers move: judged from their loop counters by the control thread. Pure but for
 * heartbeat_describe().
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "weir/config_limits.h"

struct heartbeat {
    uint64_t loops;    /* last seen */
    uint64_t moved_ns; /* when it last changed */
    uint64_t pinged;   /* loops at the last keep-alive */
    bool stuck;        /* has been reported */
};

struct heartbeats {
    unsigned count;
    uint64_t timeout_ns;
    uint64_t stuck_total; /* times a worker became stuck */
    struct heartbeat worker[CONFIG_WORKERS_MAX];
};

enum heartbeat_event { HEARTBEAT_NONE, HEARTBEAT_STUCK, HEARTBEAT_MOVES_AGAIN };

void heartbeats_init(struct heartbeats *, unsigned workers, uint64_t timeout_ns, uint64_t now_ns);

/* A worker's loop counter as it is now. A worker that becomes stuck, or moves again, is told once.
 */
enum heartbeat_event heartbeats_see(struct heartbeats *, unsigned worker, uint64_t loops,
                                    uint64_t now_ns);

/* True when every worker has moved since the last time this was true: what allows a keep-alive. */
bool heartbeats_all_moved(struct heartbeats *);

/* What the kernel knows of a thread of this process: "state D, in do_sys_poll, on core 3". Returns
 * the length. */
size_t heartbeat_describe(int thread_id, char *line, size_t room);
