#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "core/worker_internal.h"
#include "worker_fixture.h"

#define TURN (500 * MS)

/* A record of a silent link is in the ring half a second after its deadline, whatever happens. */
static void idle_flows_leave_a_silent_link_in_time(void **state)
{
    (void)state;
    for (uint64_t step = 1 * MS; step <= 10 * MS; step += 9 * MS) {
        struct rig *rig = rig_open(1);
        struct flow_record r;
        rig_start(rig);
        rig_put(rig, 0, 1000, 0);
        worker_poll(rig->worker);
        rig_run(rig, 30 * SECOND - 1 * MS, step);
        assert_int_equal(rig_take(rig, LANE_ONE, &r, 1), 0);
        rig_run(rig, 1 * MS + TURN, step);
        assert_int_equal(rig_take(rig, LANE_ONE, &r, 1), 1);
        assert_int_equal(r.end_reason, END_IDLE);
        assert_true(r.end_ns == START_NS);
        check_ledger(rig);
        rig_close(rig);
    }
}

/* The same with full bursts all the time: the sweep gets its share. */
static void idle_flows_leave_a_busy_link_in_time(void **state)
{
    (void)state;
    struct rig *rig = rig_open(1);
    struct flow_record r[64];
    uint64_t out_ns = 0;

    rig_start(rig);
    rig_put(rig, 0, 1, 0);
    worker_poll(rig->worker);
    while (!out_ns && rig->now_ns < START_NS + 40 * SECOND) {
        rig_clock(rig, rig->now_ns + 5 * MS);
        rig->queue[0].from = rig->queue[0].to = 0;
        for (uint16_t i = 0; i < 2 * PACKET_BURST_MAX; i++)
            rig_put(rig, 0, (uint16_t)(1000 + i % 100), 0);
        worker_poll(rig->worker);
        worker_poll(rig->worker);
        uint32_t n = rig_take(rig, LANE_ONE, r, 64);
        for (uint32_t i = 0; i < n; i++)
            if (r[i].port[0] == 1)
                out_ns = rig->now_ns;
    }
    assert_in_range(out_ns, START_NS + 30 * SECOND, START_NS + 30 * SECOND + TURN);
    rig_close(rig);
}

static void active_flows_report_every_minute(void **state)
{
    (void)state;
    struct rig *rig = rig_open(1);
    struct flow_record r[4];

    rig_start(rig);
    for (int second = 0; second < 61; second++) {
        rig->queue[0].from = rig->queue[0].to = 0;
        rig_put(rig, 0, 1000, 0);
        rig_run(rig, SECOND, 10 * MS);
    }
    assert_int_equal(rig_take(rig, LANE_MANY, r, 4), 1);
    assert_int_equal(r[0].end_reason, END_ACTIVE);
    assert_int_equal(r[0].open, 1);
    assert_in_range(r[0].delta.packets[0], 60, 61);
    check_ledger(rig);
    rig_close(rig);
}

/* On by itself, but not where each connection is to be told; aggregates go with the flows of many
 * packets. */
static void floods_are_folded(void **state)
{
    (void)state;
    static const struct {
        uint64_t mode;
        bool notices;
        uint32_t records; /* of one packet */
    } cases[] = {{FOLD_AUTO, false, 10},
                 {FOLD_AUTO, true, 100},
                 {FOLD_OFF, false, 100},
                 {FOLD_ON, true, 10}};

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct rig *rig = rig_open(1);
        struct flow_record r[128];
        rig->config.flow.fold = cases[i].mode;
        rig->options.notices = cases[i].notices;
        rig->options.fold_rate = 10;
        rig_start(rig);
        for (uint16_t port = 0; port < 100; port++)
            rig_put(rig, 0, port, 0);
        rig_run(rig, 31 * SECOND, 10 * MS);
        check_ledger(rig);
        assert_int_equal(rig_take(rig, LANE_ONE, r, 128), cases[i].records);
        assert_int_equal(rig_take(rig, LANE_MANY, r, 128), 0);
        rig_run(rig, 31 * SECOND, 10 * MS);
        check_ledger(rig);
        assert_int_equal(rig_take(rig, LANE_MANY, r, 128), cases[i].records == 10);
        if (cases[i].records == 10)
            assert_int_equal(r->delta.packets[0], 90);
        rig_close(rig);
    }
}

/* What floods has a lane of its own. */
static void a_full_ring_is_counted_by_lane(void **state)
{
    (void)state;
    struct rig *rig = rig_open(1);
    struct flow_record r[64];
    struct worker_snapshot s;

    rig->config.exports.ring = 64;
    rig_start(rig);
    for (uint16_t i = 0; i < 300; i++)
        rig_put(rig, 0, (uint16_t)(1000 + i), 0);
    for (uint16_t i = 0; i < 10; i++)
        rig_put(rig, 0, 1000, 0);
    rig_run(rig, 31 * SECOND, 10 * MS);
    s = rig_snapshot(rig);
    assert_int_equal(s.handed[LANE_ONE].records, 64);
    assert_int_equal(s.dropped[LANE_ONE].records, 299 - 64);
    assert_int_equal(s.dropped[LANE_ONE].packets, 299 - 64);
    assert_int_equal(s.dropped[LANE_ONE].octets, (299 - 64) * (32 + 28));
    assert_int_equal(s.handed[LANE_MANY].records, 1);
    assert_int_equal(s.dropped[LANE_MANY].records, 0);
    assert_true(s.first_dropped_ns >= START_NS && s.last_dropped_ns >= s.first_dropped_ns);
    check_ledger(rig);
    assert_int_equal(rig_take(rig, LANE_ONE, r, 64), 64);
    assert_int_equal(rig_take(rig, LANE_MANY, r, 64), 1);
    assert_int_equal(r[0].delta.packets[0], 11);
    rig_close(rig);
}

/* What waits in the queues is received, all flows end with reason 4, and the books close. */
static void drain_takes_all_and_ends_all(void **state)
{
    (void)state;
    struct rig *rig = rig_open(2);
    struct flow_record r[300];
    struct worker_snapshot s;

    rig_start(rig);
    rig_put(rig, 0, 999, 0);
    worker_poll(rig->worker);
    for (uint16_t i = 0; i < 200; i++)
        rig_put(rig, i & 1, (uint16_t)(1000 + i), 0);
    worker_order_drain(rig->worker, rig->now_ns + SECOND);
    worker_drain(rig->worker);
    assert_int_equal(worker_state(rig->worker), WORKER_DONE);
    s = rig_snapshot(rig);
    assert_int_equal(s.delivered, 201);
    assert_int_equal(s.census.flows, 0);
    assert_int_equal(rig_take(rig, LANE_ONE, r, 300), 201);
    for (int i = 0; i < 201; i++)
        assert_int_equal(r[i].end_reason, END_FORCED);
    check_ledger(rig);
    rig_close(rig);
}

static void drain_without_time_counts_what_finds_no_room(void **state)
{
    (void)state;
    struct rig *rig = rig_open(1);

    rig->config.exports.ring = 64;
    rig_start(rig);
    for (uint16_t i = 0; i < 100; i++)
        rig_put(rig, 0, (uint16_t)(1000 + i), 0);
    while (worker_poll(rig->worker))
        ;
    worker_order_drain(rig->worker, rig->now_ns);
    worker_drain(rig->worker);
    assert_int_equal(rig_snapshot(rig).dropped[LANE_ONE].records, 36);
    check_ledger(rig);
    rig_close(rig);
}

static void every_poll_beats(void **state)
{
    (void)state;
    struct rig *rig = rig_open(1);

    rig_start(rig);
    uint64_t before = worker_beats(rig->worker);
    for (int i = 0; i < 10; i++)
        worker_poll(rig->worker);
    assert_int_equal(worker_beats(rig->worker), before + 10);
    rig_close(rig);
}

static void a_generation_is_adopted_at_the_next_poll(void **state)
{
    (void)state;
    struct rig *rig = rig_open(1);
    struct generation one = {.number = 1}, two = {.number = 2};

    rig_start(rig);
    assert_int_equal(worker_generation(rig->worker), 0);
    worker_offer(rig->worker, &one);
    assert_int_equal(worker_generation(rig->worker), 0);
    worker_poll(rig->worker);
    assert_int_equal(worker_generation(rig->worker), 1);
    worker_offer(rig->worker, &two);
    worker_poll(rig->worker);
    assert_int_equal(worker_generation(rig->worker), 2);
    rig_close(rig);
}

/* A source's time is taken within a second of the clock, clamped when it is a little ahead, and
 * else refused. */
static void a_sources_time_is_believed_within_a_second(void **state)
{
    (void)state;
    static const struct {
        int64_t off_ms;
        int64_t taken_ms;
        unsigned refused;
    } cases[] = {{0, 0, 0},        {-400, -400, 0}, {-1000, -1000, 0}, {-1001, 0, 1},
                 {-3600000, 0, 1}, {5, 0, 0},       {1000, 0, 0},      {1001, 0, 1}};

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct rig *rig = rig_open(1);
        struct flow_record r;
        rig_start(rig);
        rig_put(rig, 0, 1000, START_NS + (uint64_t)cases[i].off_ms * MS);
        worker_poll(rig->worker);
        worker_order_drain(rig->worker, 1);
        worker_drain(rig->worker);
        assert_int_equal(rig_take(rig, LANE_ONE, &r, 1), 1);
        assert_true(r.start_ns == START_NS + (uint64_t)cases[i].taken_ms * MS);
        assert_int_equal(rig_snapshot(rig).counters.note[NOTE_TIMES_REFUSED], cases[i].refused);
        rig_close(rig);
    }
}

/* The system's clock is set back an hour: records follow, the flow alive keeps start <= end, and no
 * deadline moves. */
static void a_step_of_utc_moves_records_and_no_deadline(void **state)
{
    (void)state;
    for (int sign = -1; sign <= 1; sign += 2) {
        struct rig *rig = rig_open(1);
        struct flow_record r[4];
        int64_t hour = sign * 3600 * (int64_t)SECOND;
        rig_start(rig);
        rig_put(rig, 0, 1000, 0);
        rig_run(rig, 10 * SECOND, 10 * MS);
        struct clock_sample s = {rig->now_ns, 10 * SECOND, rig->now_ns + (uint64_t)hour};
        assert_true(clock_correct(rig->clock, &s) == hour);
        rig_run(rig, 2 * TURN, 10 * MS);
        rig_put(rig, 0, 1000, 0);
        rig_put(rig, 0, 2000, 0);
        worker_poll(rig->worker);
        uint64_t seen = rig->now_ns;
        rig_run(rig, 30 * SECOND - 20 * MS, 10 * MS);
        assert_int_equal(rig_take(rig, LANE_ONE, r, 4) + rig_take(rig, LANE_MANY, r, 4), 0);
        rig_run(rig, 20 * MS + TURN, 10 * MS);
        assert_int_equal(rig_take(rig, LANE_ONE, r, 4), 1);
        assert_true(r[0].start_ns == seen + (uint64_t)hour);
        assert_int_equal(rig_take(rig, LANE_MANY, r, 4), 1);
        assert_true(r[0].start_ns <= r[0].end_ns && r[0].delta.packets[0] == 2);
        assert_int_equal(rig_snapshot(rig).counters.note[NOTE_CLOCK_REBASED], 1);
        check_ledger(rig);
        rig_close(rig);
    }
}

/* Flows that are alive while the queue loses packets say so, later ones do not. */
static void losses_mark_the_flows_alive(void **state)
{
    (void)state;
    struct rig *rig = rig_open(1);
    struct flow_record r[4];

    rig_start(rig);
    rig_put(rig, 0, 1000, 0);
    rig_run(rig, 2 * TURN, 10 * MS);
    rig->queue[0].missed += 7;
    rig_run(rig, 2 * TURN, 10 * MS);
    rig_put(rig, 0, 2000, 0);
    rig_run(rig, 2 * TURN, 10 * MS);
    worker_tell_loss(rig->worker);
    rig_run(rig, 2 * TURN, 10 * MS);
    rig_put(rig, 0, 3000, 0);
    rig_run(rig, 40 * SECOND, 10 * MS);
    assert_int_equal(rig_take(rig, LANE_ONE, r, 4), 3);
    for (int i = 0; i < 3; i++)
        assert_int_equal((r[i].quality & QUALITY_SENSOR_LOSS) != 0, r[i].port[0] != 3000);
    check_ledger(rig);
    rig_close(rig);
}

/* Filtered and broken frames are forwarded like any other, after they were counted. */
static void inline_forwards_every_burst(void **state)
{
    (void)state;
    struct rig *rig = rig_open(2);

    rig->options.inline_mode = true;
    rig_start(rig);
    for (uint16_t i = 0; i < 100; i++)
        rig_put(rig, 0, 1000, 0);
    rig->queue[0].waiting[3].cap_len = 5;
    rig->queue[0].waiting[4].fate = FATE_FILTERED;
    rig_put(rig, 1, 2000, 0);
    rig_run(rig, 2 * TURN, 10 * MS);
    struct worker_snapshot s = rig_snapshot(rig);
    assert_int_equal(s.forwarded, 101);
    assert_int_equal(rig->queue[0].forwards, 2);
    assert_int_equal(rig->queue[1].forwards, 1);
    assert_int_equal(s.queue[0].sent + s.queue[0].send_failed, 100);
    assert_int_equal(s.counters.fate_packets[FATE_FILTERED], 1);
    check_ledger(rig);
    rig_close(rig);
}

static void a_queue_that_fails_or_ends_is_left_alone(void **state)
{
    (void)state;
    struct rig *rig = rig_open(2);

    rig_start(rig);
    rig_put(rig, 0, 1000, 0);
    rig->queue[0].fails = true;
    worker_poll(rig->worker);
    assert_int_equal(worker_failed_queue(rig->worker), 0);
    assert_false(worker_sources_ended(rig->worker));
    rig_put(rig, 0, 1000, 0);
    rig_put(rig, 1, 1000, 0);
    rig->queue[1].end = true;
    rig_run(rig, 2 * TURN, 10 * MS);
    assert_true(worker_sources_ended(rig->worker));
    assert_int_equal(rig_snapshot(rig).delivered, 2);
    assert_int_equal(rig->queue[0].from, 1);
    check_ledger(rig);
    rig_close(rig);
}

static void a_queue_that_cannot_be_entered_is_told(void **state)
{
    (void)state;
    struct rig *rig = rig_open(1);

    rig->queue[0].refuses = true;
    rig_start(rig);
    assert_int_equal(worker_run(rig->worker), -5);
    assert_int_equal(worker_state(rig->worker), WORKER_DONE);
    assert_int_equal(worker_failed_queue(rig->worker), 0);
    rig_close(rig);
}

static void deltas_reach_who_asked(void **state)
{
    (void)state;
    struct rig *rig = rig_open(1);

    rig->options.deltas = count_deltas;
    rig->options.context = rig;
    rig_start(rig);
    for (uint16_t i = 0; i < 1500; i++)
        rig_put(rig, 0, (uint16_t)(1000 + i % 700), 0);
    rig_run(rig, 2 * TURN, 10 * MS);
    assert_int_equal(rig->delta_packets, 1500);
    rig_close(rig);
}

/* A worker that stands still in the middle of a snapshot leaves the one before it readable. */
static void a_half_written_snapshot_keeps_nobody_waiting(void **state)
{
    (void)state;
    struct rig *rig = rig_open(1);
    struct worker_snapshot s;

    rig_start(rig);
    rig_put(rig, 0, 1000, 0);
    rig_run(rig, 2 * TURN, MS);
    uint64_t turns = rig_snapshot(rig).turns;
    struct worker_report *report = &rig->worker->report;
    struct seqlock *next = &report->slot[(report->published + 1) % 2].lock;
    next->version++;
    assert_true(worker_snapshot_read(rig->worker, &s));
    assert_true(s.turns == turns);
    next->version++;
    rig_close(rig);
}

/* Snapshots come once a turn, each whole; there is none before the first turn's end. */
static void a_snapshot_is_published_each_turn(void **state)
{
    (void)state;
    struct rig *rig = rig_open(1);
    struct worker_snapshot s = {.turns = 77};

    rig_start(rig);
    worker_poll(rig->worker);
    assert_false(worker_snapshot_read(rig->worker, &s));
    assert_int_equal(s.turns, 77);
    for (uint64_t turn = 1; turn < 20; turn++) {
        for (uint16_t i = 0; i < 100; i++)
            rig_put(rig, 0, (uint16_t)(1000 + i), 0);
        while (!worker_snapshot_read(rig->worker, &s) || s.turns < turn)
            rig_run(rig, MS, MS);
        assert_int_equal(s.turns, turn);
        assert_in_range(s.turn_ns, 400 * MS, TURN);
        assert_in_range(s.utc_ns, rig->now_ns - MS, rig->now_ns);
        assert_true(s.turn_goal_ns == TURN);
        check_ledger(rig);
    }
    assert_int_equal(rig_snapshot(rig).census.flows, 100);
    rig_close(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(idle_flows_leave_a_silent_link_in_time),
        cmocka_unit_test(idle_flows_leave_a_busy_link_in_time),
        cmocka_unit_test(active_flows_report_every_minute),
        cmocka_unit_test(a_full_ring_is_counted_by_lane),
        cmocka_unit_test(floods_are_folded),
        cmocka_unit_test(drain_takes_all_and_ends_all),
        cmocka_unit_test(drain_without_time_counts_what_finds_no_room),
        cmocka_unit_test(every_poll_beats),
        cmocka_unit_test(a_generation_is_adopted_at_the_next_poll),
        cmocka_unit_test(a_sources_time_is_believed_within_a_second),
        cmocka_unit_test(a_step_of_utc_moves_records_and_no_deadline),
        cmocka_unit_test(losses_mark_the_flows_alive),
        cmocka_unit_test(inline_forwards_every_burst),
        cmocka_unit_test(a_queue_that_fails_or_ends_is_left_alone),
        cmocka_unit_test(a_queue_that_cannot_be_entered_is_told),
        cmocka_unit_test(deltas_reach_who_asked),
        cmocka_unit_test(a_half_written_snapshot_keeps_nobody_waiting),
        cmocka_unit_test(a_snapshot_is_published_each_turn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
