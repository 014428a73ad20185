/*
 * The stages in their order, for captures that are read: capture, decode, flow, sweep, records.
 * Packet time is the clock.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/ledger.h"
#include "weir/capture.h"

struct config;
struct flow_delta;
struct flow_record;
struct pipeline;

struct pipeline_options {
    const struct config *config;
    bool notices; /* closing notices are wanted */
    void (*record)(void *context, const struct flow_record *);
    /* What flows did, for hosts and hunts, and the end of each turn on the clock; NULL = nobody
     * asks. */
    void (*deltas)(void *context, const struct flow_delta *, uint32_t count);
    void (*turn)(void *context, uint64_t clock_ns);
    void *context;
};

int pipeline_create(const struct pipeline_options *, struct pipeline **);
void pipeline_destroy(struct pipeline *);

/* One burst of the source through all stages. */
enum capture_status pipeline_step(struct pipeline *, struct capture *);

/* Takes over what the source counted; call it once per source, at its end. */
void pipeline_source_done(struct pipeline *, const struct capture *);

/* Ends all flows. */
void pipeline_drain(struct pipeline *);

/* Everything but the records handed on and lost, which the caller knows. */
void pipeline_ledger(const struct pipeline *, struct ledger *);

uint64_t pipeline_packets(const struct pipeline *);
