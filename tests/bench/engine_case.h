/*
 * One case of the engine benchmark: a table, the traffic that it gets, and what is timed. Floor and
 * engine go over the same frames, pass by pass.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "weir/config.h"
#include "decode/decode.h"
#include "engine_arguments.h"
#include "engine_pool.h"
#include "engine_traffic.h"
#include "weir/counters.h"
#include "weir/flow.h"
#include "weir/packet.h"

/* What is timed pass by pass. */
enum timed {
    TIMED_FLOOR,
    TIMED_ENGINE,
    TIMED_DECODE,
    TIMED_FLOW,
    TIMED_SWEEP,
    TIMED_HOSTS,
    TIMED_COUNT
};

struct bench {
    const struct arguments *arguments;
    const struct mix *mix;
    struct config config;
    struct traffic traffic;
    uint64_t next_crafted; /* connection to begin with */
    struct decode_options decode;
    struct flow_table *table;
    uint64_t max_flows; /* of the table */
    struct counters counters;
    struct pool *pool;
    uint64_t packets; /* sent so far */
    uint64_t turns;
    uint64_t sweep_debt;                /* packets not yet paid for by the sweep */
    uint64_t step;                      /* packet time, in 2^-16 ns */
    uint64_t pass_ns[TIMED_COUNT];      /* of the pass at hand */
    struct hunt_generation *generation; /* --hosts */
    struct hunter *hunter;
    struct analyst *analyst;
    uint64_t analyst_ns, analyst_pass_ns; /* all measured passes; this pass */
    struct spsc *ring;                    /* --export */
    uint64_t records;                     /* handed on, of the measured passes */
    uint64_t sink;
    struct burst burst;
    struct flow_out out;
};

/* Into a bench of zeroes. 0 or -errno; where the machine has too little memory, with a line on
 * stderr. */
int bench_open(struct bench *, const struct arguments *, struct pool *, const struct mix *,
               const struct traffic *);

/* Takes NULL, and what bench_open() left half open. */
void bench_close(struct bench *);
