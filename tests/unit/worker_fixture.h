/*
 * A worker on a fake clock, with queues that hand out what a test puts into them.
 */
#pragma once

#include <stdlib.h>
#include <string.h>

#include "base/spsc.h"
#include "config/config.h"
#include "core/generation.h"
#include "core/ledger.h"
#include "core/worker.h"
#include "harness/packets.h"
#include "weir/flow.h"
#include "weir/packet.h"
#include "weir/wire.h"

#define SECOND UINT64_C(1000000000)
#define MS UINT64_C(1000000)
#define START_NS (1700000000 * SECOND)
#define QUEUE_ROOM 4096

struct fake_queue {
    struct capture base;
    struct packet waiting[QUEUE_ROOM];
    uint32_t from, to;
    uint64_t received, handed, filtered, missed, sent, send_failed;
    uint32_t given; /* packets of the last burst */
    bool end, fails, refuses;
    unsigned forwards; /* calls */
};

struct rig {
    struct config config;
    struct clock *clock;
    uint64_t now_ns;
    struct worker_options options;
    struct worker *worker;
    struct fake_queue queue[2];
    struct frame frame;
    uint64_t delta_packets;
};

static inline enum capture_status fake_receive(struct capture *capture, struct burst *b)
{
    struct fake_queue *q = (struct fake_queue *)capture;

    b->count = 0;
    while (q->from < q->to && b->count < PACKET_BURST_MAX)
        b->packet[b->count++] = q->waiting[q->from++];
    q->handed += b->count;
    q->given = b->count;
    if (q->from < q->to)
        return CAPTURE_OK;
    return q->fails ? CAPTURE_ERROR : q->end ? CAPTURE_END : CAPTURE_OK;
}

static inline void fake_stats(const struct capture *capture, struct capture_stats *s)
{
    const struct fake_queue *q = (const struct fake_queue *)capture;

    *s = (struct capture_stats){.received = q->received + q->filtered + q->missed,
                                .filtered = q->filtered,
                                .missed = {[MISS_RING_FULL] = q->missed},
                                .pending = q->to - q->from,
                                .sent = q->sent,
                                .send_failed = q->send_failed};
}

static inline const char *fake_error(const struct capture *capture)
{
    (void)capture;
    return "fake0: it broke";
}

static inline void fake_close(struct capture *capture)
{
    (void)capture;
}

static inline void fake_forward(struct capture *capture)
{
    struct fake_queue *q = (struct fake_queue *)capture;

    q->sent += q->given - (q->given > 1);
    q->send_failed += q->given > 1;
    q->forwards++;
}

static inline int fake_enter(struct capture *capture)
{
    return ((struct fake_queue *)capture)->refuses ? -5 : 0;
}

static const struct capture_ops fake_ops = {.receive = fake_receive,
                                            .stats = fake_stats,
                                            .error = fake_error,
                                            .close = fake_close,
                                            .enter = fake_enter,
                                            .forward = fake_forward};

static inline void count_deltas(void *context, const struct flow_delta *d, uint32_t count)
{
    struct rig *rig = context;

    for (uint32_t i = 0; i < count; i++)
        rig->delta_packets += d[i].packets[0] + d[i].packets[1];
}

/* Fills options; a test may change them before rig_start(). */
static inline struct rig *rig_open(uint16_t queues)
{
    struct rig *rig = calloc(1, sizeof(*rig));

    assert_non_null(rig);
    config_defaults(&rig->config);
    rig->config.exports.ring = 1024;
    assert_int_equal(clock_create(CLOCK_TICKS_FAKE, &rig->clock), 0);
    rig->now_ns = START_NS;
    clock_fake_set(rig->clock, START_NS);
    rig->options = (struct worker_options){
        .config = &rig->config, .clock = rig->clock, .max_flows = 4096, .queue_count = queues};
    for (uint16_t i = 0; i < queues; i++) {
        rig->queue[i].base.ops = &fake_ops;
        rig->options.queue[i] = &rig->queue[i].base;
    }
    frame_init(&rig->frame, 32);
    frame_udp(&rig->frame, 4000, 53);
    frame_ip4(&rig->frame, 0, 0);
    frame_ethernet(&rig->frame);
    return rig;
}

static inline void rig_start(struct rig *rig)
{
    assert_int_equal(worker_create(&rig->options, &rig->worker), 0);
}

static inline void rig_close(struct rig *rig)
{
    worker_destroy(rig->worker);
    clock_destroy(rig->clock);
    free(rig);
}

/* A UDP packet whose source port names its flow. */
static inline void rig_put(struct rig *rig, unsigned queue, uint16_t port, uint64_t ts_ns)
{
    struct fake_queue *q = &rig->queue[queue];
    static uint8_t frames[2][QUEUE_ROOM][128];
    uint8_t *octets = frames[queue][q->to];
    uint32_t len = frame_len(&rig->frame);

    assert_true(q->to < QUEUE_ROOM && len <= sizeof(frames[0][0]));
    memcpy(octets, frame_data(&rig->frame), len);
    octets[ETHERNET_LEN + IP4_LEN] = (uint8_t)(port >> 8);
    octets[ETHERNET_LEN + IP4_LEN + 1] = (uint8_t)port;
    q->waiting[q->to++] = (struct packet){
        .data = octets, .ts_ns = ts_ns, .cap_len = len, .wire_len = len, .link = LINK_ETHERNET};
    q->received++;
}

static inline void rig_clock(struct rig *rig, uint64_t ns)
{
    rig->now_ns = ns;
    clock_fake_set(rig->clock, ns);
}

/* Time goes on in steps, with polls until the worker has nothing to do. */
static inline void rig_run(struct rig *rig, uint64_t ns, uint64_t step_ns)
{
    uint64_t end = rig->now_ns + ns;

    while (rig->now_ns < end) {
        rig_clock(rig, rig->now_ns + step_ns < end ? rig->now_ns + step_ns : end);
        while (worker_poll(rig->worker))
            ;
    }
}

static inline struct worker_snapshot rig_snapshot(const struct rig *rig)
{
    struct worker_snapshot s;

    assert_true(worker_snapshot_read(rig->worker, &s));
    return s;
}

static inline void check_ledger(const struct rig *rig)
{
    struct worker_snapshot s = rig_snapshot(rig);
    struct ledger l;

    worker_snapshot_ledger(&s, &l);
    if (!ledger_closed(&l))
        ledger_print(&l, stderr);
    assert_true(ledger_closed(&l));
}

static inline uint32_t rig_take(struct rig *rig, enum worker_lane lane, struct flow_record *r,
                                uint32_t room)
{
    return spsc_pop_burst(worker_ring(rig->worker, lane), r, room);
}
