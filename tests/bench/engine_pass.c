#include "engine_pass.h"

#include <string.h>
#include <time.h>

#include "base/spsc.h"
#include "core/analyst.h"
#include "core/hunter.h"
#include "engine_case.h"
#include "engine_crafted.h"
#include "flow/table.h"

#define START_NS UINT64_C(1700000000000000000)
#define STEP_SHIFT 16      /* packet time in 2^-16 ns, since the step need not be whole */
#define SLICE_FLOWS 32u    /* of the sweep */
#define PREFETCH_AHEAD 16u /* as decode does */
#define HOST_TURNS 3u      /* two tables of hosts take turns: each has seen every host then */

static uint64_t clock_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

static uint64_t packet_time(const struct bench *b, uint64_t n)
{
    return START_NS + (n * b->step >> STEP_SHIFT);
}

/* What capture does. */
static void burst_fill(struct bench *b, uint32_t at)
{
    const uint32_t len = traffic_frame_len(&b->traffic);

    b->burst.count = PACKET_BURST_MAX;
    for (uint32_t i = 0; i < PACKET_BURST_MAX; i++) {
        struct packet *p = &b->burst.packet[i];
        p->data = b->pool->buffer[at + i];
        p->ts_ns = packet_time(b, b->packets + at + i);
        p->cap_len = p->wire_len = len;
        p->port = 0;
        p->link = LINK_ETHERNET;
        p->fate = FATE_FLOW;
    }
    b->burst.now_ns = b->burst.packet[PACKET_BURST_MAX - 1].ts_ns;
}

static uint64_t floor_burst(const struct burst *burst)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < PREFETCH_AHEAD; i++)
        __builtin_prefetch(burst->packet[i].data);
    for (uint32_t i = 0; i < burst->count; i++) {
        uint64_t word;
        if (i + PREFETCH_AHEAD < burst->count)
            __builtin_prefetch(burst->packet[i + PREFETCH_AHEAD].data);
        memcpy(&word, burst->packet[i].data + 24, sizeof(word));
        sum += word;
    }
    return sum;
}

static uint64_t floor_pass(struct bench *b)
{
    uint64_t begin = clock_ns();

    for (uint32_t at = 0; at < POOL_BUFFERS; at += PACKET_BURST_MAX) {
        burst_fill(b, at);
        b->sink += floor_burst(&b->burst);
    }
    return clock_ns() - begin;
}

/* What core does with bursts of records and deltas. */
static void hand_on(struct bench *b)
{
    if (b->ring && b->out.record_count)
        b->records += spsc_push_burst(b->ring, b->out.record, b->out.record_count);
    if (b->hunter && b->out.delta_count) {
        uint64_t begin = clock_ns();
        hunter_deltas(b->hunter, b->out.delta, b->out.delta_count);
        b->pass_ns[TIMED_HOSTS] += clock_ns() - begin;
    }
    b->out.record_count = b->out.delta_count = 0;
}

/* The analyst runs on another core: its time is not the engine's. */
static void end_turn(struct bench *b)
{
    if (!b->hunter)
        return;
    hunter_turn(b->hunter);
    uint64_t begin = clock_ns();
    analyst_step(b->analyst, &b->hunter, 1, b->burst.now_ns);
    b->analyst_pass_ns += clock_ns() - begin;
}

/* A turn visits every entry once while ten packets of each go by. */
static void sweep_share(struct bench *b)
{
    b->sweep_debt += PACKET_BURST_MAX;
    if (b->sweep_debt < SLICE_FLOWS * TRAFFIC_TURN)
        return;
    b->sweep_debt -= SLICE_FLOWS * TRAFFIC_TURN;
    bool ended = flow_sweep_step(b->table, b->burst.now_ns, SLICE_FLOWS, &b->out);
    hand_on(b);
    if (ended)
        end_turn(b);
    b->turns += ended;
}

static void engine_burst(struct bench *b)
{
    decode_burst(&b->decode, &b->burst, &b->counters);
    flow_table_burst(b->table, b->burst.packet, b->burst.count, &b->out);
    hand_on(b);
    sweep_share(b);
}

static void engine_burst_phases(struct bench *b)
{
    uint64_t t0 = clock_ns();
    decode_burst(&b->decode, &b->burst, &b->counters);
    uint64_t t1 = clock_ns();
    flow_table_burst(b->table, b->burst.packet, b->burst.count, &b->out);
    hand_on(b);
    uint64_t t2 = clock_ns();
    sweep_share(b);
    uint64_t t3 = clock_ns();
    b->pass_ns[TIMED_DECODE] += t1 - t0;
    b->pass_ns[TIMED_FLOW] += t2 - t1;
    b->pass_ns[TIMED_SWEEP] += t3 - t2;
}

static uint64_t engine_pass(struct bench *b)
{
    const bool phases = b->arguments->phases;
    uint64_t begin = clock_ns();

    b->analyst_pass_ns = 0;
    for (uint32_t at = 0; at < POOL_BUFFERS; at += PACKET_BURST_MAX) {
        burst_fill(b, at);
        if (phases)
            engine_burst_phases(b);
        else
            engine_burst(b);
    }
    b->analyst_ns += b->analyst_pass_ns;
    return clock_ns() - begin - b->analyst_pass_ns;
}

/* What the exporter does on another core. */
static void empty_ring(struct bench *b)
{
    static struct flow_record record[FLOW_RECORD_BURST];

    while (b->ring && spsc_pop_burst(b->ring, record, FLOW_RECORD_BURST))
        continue;
}

static void write_frames(struct bench *b)
{
    for (uint32_t i = 0; i < POOL_BUFFERS; i++)
        if (b->mix->crafted)
            crafted_write(&b->traffic, &b->next_crafted, b->pool->buffer[i]);
        else
            traffic_write(&b->traffic, b->packets + i, b->pool->buffer[i]);
}

static uint64_t warm_up_packets(const struct bench *b)
{
    const uint64_t fresh = 2 * b->max_flows, known = traffic_ready(&b->traffic) + b->traffic.flows;
    const uint64_t hosts = b->hunter ? HOST_TURNS * TRAFFIC_TURN * b->traffic.flows : 0;
    const uint64_t flows = b->mix->known ? known : fresh;

    return flows > hosts ? flows : hosts;
}

void pass_warm_up(struct bench *b)
{
    const uint64_t want = warm_up_packets(b);

    b->step = (FLOW_TURN_NS << STEP_SHIFT) / (TRAFFIC_TURN * b->traffic.flows);
    while (b->packets < want) {
        write_frames(b);
        (void)engine_pass(b);
        empty_ring(b);
        b->packets += POOL_BUFFERS;
    }
}

void pass_measure(struct bench *b)
{
    const uint32_t frame_len = traffic_frame_len(&b->traffic);

    write_frames(b);
    memset(b->pass_ns, 0, sizeof(b->pass_ns));
    pool_flush(b->pool, frame_len);
    b->pass_ns[TIMED_FLOOR] = floor_pass(b);
    pool_flush(b->pool, frame_len);
    b->pass_ns[TIMED_ENGINE] = engine_pass(b);
    empty_ring(b);
    b->packets += POOL_BUFFERS;
}
