#include "core/pipeline.h"

#include <errno.h>
#include <stdlib.h>

#include "decode/decode.h"
#include "flow/table.h"
#include "weir/config.h"
#include "weir/flow.h"
#include "weir/packet.h"

#define REBASE_PACKETS 16 /* late ones in a row before the clock follows them */
#define SWEEP_ALL UINT32_MAX

/*
 * The clock of a capture: packet time plus an offset, never running backwards. A packet far behind
 * is late; when all packets are, the capture's time has jumped back (files in the wrong order, a
 * clock that was set), and the offset moves so that the clock goes on from where it was.
 */
struct packet_time {
    uint64_t now_ns;
    uint64_t newest_ts;
    int64_t offset_ns;
    uint64_t turn_end_ns;
    uint64_t late_run;      /* late packets in a row */
    uint64_t late_first_ts; /* of the first of them */
};

struct pipeline {
    struct pipeline_options options;
    struct decode_options decode;
    struct packet_time time;
    uint64_t turn_ns;
    struct counters counters;
    struct flow_table *table;
    const struct capture *source; /* of the burst before */
    uint64_t received, delivered, filtered;
    struct burst burst;
    struct flow_out out;
};

int pipeline_create(const struct pipeline_options *options, struct pipeline **out)
{
    struct pipeline *p = calloc(1, sizeof(*p));

    if (!p)
        return -ENOMEM;
    struct flow_table_options table = {.flow = options->config->flow,
                                       .dedup = options->config->capture.dedup,
                                       .notices = options->notices,
                                       .deltas = options->deltas != NULL,
                                       .fixed_secret = true,
                                       .grows = true};
    p->options = *options;
    p->turn_ns = flow_turn_ns(&options->config->flow);
    p->decode.tunnels = options->config->flow.decap;
    int rc = flow_table_create(&table, &p->counters, &p->table);
    if (rc) {
        free(p);
        return rc;
    }
    *out = p;
    return 0;
}

void pipeline_destroy(struct pipeline *p)
{
    if (!p)
        return;
    flow_table_destroy(p->table);
    free(p);
}

static void hand_on(struct pipeline *p)
{
    for (uint32_t i = 0; i < p->out.record_count; i++)
        p->options.record(p->options.context, &p->out.record[i]);
    if (p->out.delta_count)
        p->options.deltas(p->options.context, p->out.delta, p->out.delta_count);
    p->out.record_count = 0;
    p->out.delta_count = 0;
}

static void turn_over(struct pipeline *p)
{
    if (p->options.turn)
        p->options.turn(p->options.context, p->time.now_ns);
}

static void sweep_turn(struct pipeline *p)
{
    bool done;

    do {
        done = flow_sweep_step(p->table, p->time.now_ns, SWEEP_ALL, &p->out);
        hand_on(p);
    } while (!done);
    turn_over(p);
    p->time.turn_end_ns = p->time.now_ns + p->turn_ns;
}

static void rebase(struct pipeline *p, uint64_t ts_ns)
{
    struct packet_time *time = &p->time;

    /* the late ones took their time, too */
    if (ts_ns > time->late_first_ts)
        time->now_ns += ts_ns - time->late_first_ts;
    sweep_turn(p);
    time->offset_ns = (int64_t)(time->now_ns - ts_ns);
    time->newest_ts = ts_ns;
    time->late_run = 0;
    flow_table_clock_offset(p->table, time->offset_ns);
    p->counters.note[NOTE_CLOCK_REBASED]++;
}

/* Whether a turn is over with this packet: what came before must be counted first. */
static bool time_passes(const struct packet_time *time, uint64_t ts_ns)
{
    return ts_ns >= time->newest_ts && ts_ns + (uint64_t)time->offset_ns >= time->turn_end_ns;
}

/* Moves the clock to a packet. */
static void time_follow(struct packet_time *time, uint64_t ts_ns)
{
    if (ts_ns >= time->newest_ts) {
        time->newest_ts = ts_ns;
        time->now_ns = ts_ns + (uint64_t)time->offset_ns;
        time->late_run = 0;
    } else if (time->newest_ts - ts_ns <= FLOW_LATE_NS) {
        time->late_run = 0;
    } else if (!time->late_run++) {
        time->late_first_ts = ts_ns;
    }
}

static void count_range(struct pipeline *p, uint32_t from, uint32_t to)
{
    if (from == to)
        return;
    flow_table_burst(p->table, &p->burst.packet[from], to - from, &p->out);
    hand_on(p);
    for (uint32_t i = from; i < to; i++) {
        p->counters.fate_packets[p->burst.packet[i].fate]++;
        p->counters.fate_octets[p->burst.packet[i].fate] += p->burst.packet[i].wire_len;
    }
}

/* A rebase costs a turn: it must have been paid for by as many late packets as a turn has to visit,
 * roughly; save for the one at the beginning of a source. */
static bool time_jumped(const struct pipeline *p, bool new_source)
{
    if (new_source)
        return p->time.late_run > 0;
    return p->time.late_run >= REBASE_PACKETS &&
           p->time.late_run >=
               (p->counters.note[NOTE_FLOWS_CREATED] - p->counters.note[NOTE_FLOWS_ENDED]) / 8;
}

enum capture_status pipeline_step(struct pipeline *p, struct capture *source)
{
    p->burst.count = 0;
    enum capture_status status = capture_receive(source, &p->burst);
    uint32_t from = 0;
    bool new_source = source != p->source;

    p->source = source;
    p->delivered += p->burst.count;
    flow_table_grow(p->table);
    decode_burst(&p->decode, &p->burst, &p->counters);
    for (uint32_t i = 0; i < p->burst.count; i++) {
        uint64_t ts = p->burst.packet[i].ts_ns;
        bool turn_over = time_passes(&p->time, ts);
        if (turn_over) {
            count_range(p, from, i);
            from = i;
        }
        time_follow(&p->time, ts);
        if (turn_over)
            sweep_turn(p);
        if (time_jumped(p, new_source && i == 0)) {
            count_range(p, from, i);
            from = i;
            rebase(p, ts);
        }
    }
    count_range(p, from, p->burst.count);
    return status;
}

void pipeline_source_done(struct pipeline *p, const struct capture *source)
{
    struct capture_stats stats = {0};

    capture_stats(source, &stats);
    p->source = NULL;
    p->received += stats.received;
    p->filtered += stats.filtered;
}

void pipeline_drain(struct pipeline *p)
{
    sweep_turn(p);
    while (!flow_table_drain(p->table, &p->out))
        hand_on(p);
    hand_on(p);
    turn_over(p);
}

void pipeline_ledger(const struct pipeline *p, struct ledger *ledger)
{
    ledger->received = p->received;
    ledger->delivered = p->delivered;
    ledger->filtered = p->filtered;
    ledger->counters = p->counters;
    flow_table_census(p->table, &ledger->census);
}

uint64_t pipeline_packets(const struct pipeline *p)
{
    return p->delivered;
}
