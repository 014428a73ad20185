/*
 * The flow table of one worker: packets in, records and deltas out. One thread uses it; there is no
 * lock.
 *
 *   flow_table_burst   decoded packets find or make their flow and are counted
 *   flow_sweep_step    walks the flows: folds what a turn counted, ends records and connections
 *   flow_table_drain   ends everything
 *
 * With flow.fold on, and neither VLAN nor tunnel in the key, one-packet flows above a rate are told
 * in aggregates: flow/fold.h.
 *
 * All three fill a flow_out; the caller empties it whenever they return. A burst may add up to
 * FLOW_RECORD_BURST / 2 records, so at most that many may be in it when a burst is handed in.
 *
 * Clocks: the sweep's now_ns is the worker's clock, which never runs backwards; every deadline is
 * on it. Packets carry their own time, ts_ns, which records report. ts + clock_offset is the
 * packet's place on the clock; packets over 1 s older than the newest are late and stay exact, at
 * the cost of a slower path.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "weir/config.h"

struct counters;
struct flow_out;
struct flow_table;
struct packet;

#define FLOW_TURN_NS 500000000ULL
#define FLOW_LATE_NS 1000000000ULL /* a packet this much older than the newest is late */

struct flow_table_options {
    struct flow_config flow;
    bool dedup;        /* leave SPAN duplicates out: packet.fate becomes FATE_DUPLICATE */
    bool deltas;       /* fill flow_out.delta */
    bool notices;      /* closing notices for connections without an open record */
    bool fixed_secret; /* same input, same output: hash secret and flow_id do not vary */
    bool portable;     /* the portable twins of what a processor may speed up */
    bool grows;        /* begin with few buckets: the caller calls flow_table_grow() */
    uint8_t worker;    /* for flow_id */
};

/* max_flows 0 means min(available memory / 4, 4 M flows). On failure -errno: -EINVAL when the
 * options contradict, -ENOMEM when the address space is not to be had. */
int flow_table_create(const struct flow_table_options *, struct counters *, struct flow_table **);
void flow_table_destroy(struct flow_table *);

/* Twice as many buckets, if the flows have become many for those there are; all flows then move.
 * Between bursts. Few buckets are few lines and pages, most of which are in a cache. Where memory
 * is short the table goes on as it is. */
void flow_table_grow(struct flow_table *);

/* What flow.max_flows means by auto. */
uint32_t flow_table_default_flows(void);

/* How long a turn of the sweep may take: FLOW_TURN_NS, but no longer than the shortest lifetime, so
 * that a silence that ends something always spans a turn. */
uint64_t flow_turn_ns(const struct flow_config *);

/* clock = packet time + offset. Changing it folds nothing: call it between a full turn and the next
 * burst. */
void flow_table_clock_offset(struct flow_table *, int64_t offset_ns);

/* Counts every packet whose fate is FATE_FLOW; may turn a fate into FATE_DUPLICATE. count is at
 * most PACKET_BURST_MAX, and the packets that are not late lie within one turn of the clock. */
void flow_table_burst(struct flow_table *, struct packet *, uint32_t count, struct flow_out *);

/* Visits up to max_flows entries; stops early when out is full. True when it reached the end of a
 * turn. */
bool flow_sweep_step(struct flow_table *, uint64_t now_ns, uint32_t max_flows, struct flow_out *);

/* Entries that a turn visits, as of now. */
uint32_t flow_table_span(const struct flow_table *);

/* Ends fragments, records, connections and aggregates (reason 4, or 3 where TCP had ended). True
 * when nothing is left; false when out is full: empty it and call again. */
bool flow_table_drain(struct flow_table *, struct flow_out *);

/* Flows alive from now on carry the sensor-loss quality bit. */
void flow_table_note_loss(struct flow_table *);

/* The flow lines of the ledger. Live, held and aggregating are summed by walking, made is counted
 * as records leave. */
struct flow_census {
    uint64_t flows; /* entries in use */
    uint64_t max_flows;
    uint64_t live_packets, live_octets;               /* in open records */
    uint64_t held_packets, held_octets;               /* fragments waiting for their first one */
    uint64_t made_records, made_packets, made_octets; /* flow records */
    uint64_t notices;
    uint64_t folded_packets, folded_octets; /* of flows that got no record: flow/fold.h */
    uint64_t aggregate_records, aggregate_packets, aggregate_octets; /* aggregates that are out */
    uint64_t aggregating_packets, aggregating_octets;                /* in those that are not */
};
void flow_table_census(const struct flow_table *, struct flow_census *);

/* The same, to be asked when a turn has just ended, from the sums that the sweep took on its way:
 * it costs nothing, however large the table. live_octets is left 0. */
void flow_table_turn_census(const struct flow_table *, struct flow_census *);
