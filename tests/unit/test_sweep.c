#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "flow_fixture.h"

static struct fixture *open_sized(uint64_t max_flows)
{
    struct flow_table_options options = fixture_options();
    options.flow.max_flows = max_flows;
    return fixture_open(&options);
}

static uint32_t next_random(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005ULL + 1442695040888963407ULL;
    return (uint32_t)(*seed >> 32);
}

#define STEP_NS (10 * MS)
#define STEPS_PER_TURN (FLOW_TURN_NS / STEP_NS)

/* The flow of this port fell silent at START_NS. Other flows talk with so many packets a step.
 * Returns the clock at which its record came out. */
static uint64_t idle_exported_at(uint32_t flows, uint32_t packets_per_step)
{
    struct fixture *f = open_sized(40000);
    uint64_t clock = START_NS, seed = 5;
    uint32_t looked = 0;

    for (uint32_t i = 0; i < flows / 2; i++)
        fixture_send(f, packet_udp(0, (uint16_t)(2000 + i), START_NS - 10 * MS));
    fixture_send(f, packet_udp(0, 1000, START_NS));
    for (uint32_t i = flows / 2; i < flows; i++)
        fixture_send(f, packet_udp(0, (uint16_t)(2000 + i), START_NS));
    for (; clock < START_NS + 40 * SECOND; clock += STEP_NS) {
        for (uint32_t i = 0; i < packets_per_step; i++)
            fixture_send(f, packet_udp(0, (uint16_t)(2000 + next_random(&seed) % flows), clock));
        flow_sweep_step(f->table, clock, (flows + 1) / STEPS_PER_TURN + 1, &f->out);
        fixture_take(f);
        for (; looked < f->records; looked++)
            if (f->record[looked].port[0] == 1000) {
                assert_int_equal(f->record[looked].end_reason, END_IDLE);
                fixture_close(f);
                return clock;
            }
    }
    fail_msg("never exported");
    return 0;
}

static void idle_flows_leave_within_a_second_of_their_deadline(void **state)
{
    (void)state;
    const struct {
        uint32_t flows, packets_per_step;
    } load[] = {{0, 0}, {1, 1}, {5000, 0}, {5000, 1}, {30000, 300}};

    for (unsigned i = 0; i < sizeof(load) / sizeof(*load); i++) {
        uint64_t at = idle_exported_at(load[i].flows, load[i].packets_per_step);
        assert_in_range(at, START_NS + 30 * SECOND, START_NS + 31 * SECOND);
    }
}

static void nothing_ends_before_its_deadline(void **state)
{
    (void)state;
    struct fixture *f = open_sized(1000);

    fixture_send(f, packet_udp(0, 1000, START_NS));
    for (uint64_t ms = 0; ms < 30000; ms += 7)
        fixture_turn(f, START_NS + ms * MS);
    assert_int_equal(f->records, 0);
    fixture_turn(f, START_NS + 30 * SECOND + 2 * MS);
    assert_int_equal(f->records, 1);
    fixture_close(f);
}

static void steps_stop_at_their_budget(void **state)
{
    (void)state;
    struct fixture *f = open_sized(1000);

    for (uint16_t i = 0; i < 100; i++)
        fixture_send(f, packet_udp(0, (uint16_t)(1000 + i), START_NS));
    for (int turn = 0; turn < 2; turn++) {
        for (int i = 0; i < 9; i++)
            assert_false(flow_sweep_step(f->table, START_NS, 10, &f->out));
        assert_true(flow_sweep_step(f->table, START_NS, 10, &f->out));
        fixture_take(f);
    }
    assert_int_equal(f->deltas, 100);
    fixture_close(f);
}

static void more_due_than_one_burst_of_records_holds(void **state)
{
    (void)state;
    struct fixture *f = open_sized(5000);
    uint32_t steps = 0;
    bool done;

    for (uint16_t i = 0; i < 3000; i++)
        fixture_send(f, packet_udp(0, (uint16_t)(1000 + i), START_NS));
    do {
        done = flow_sweep_step(f->table, START_NS + 31 * SECOND, UINT32_MAX, &f->out);
        assert_true(f->out.record_count <= FLOW_RECORD_BURST);
        assert_true(f->out.delta_count <= FLOW_DELTA_BURST);
        fixture_take(f);
        steps++;
    } while (!done);
    assert_int_equal(f->records, 3000);
    assert_int_equal(f->delta_packets, 3000);
    assert_in_range(steps, 6, 7);
    fixture_close(f);
}

static void without_timeouts_only_tcp_ends(void **state)
{
    (void)state;
    struct flow_table_options options = fixture_options();
    options.flow.timeouts = false;
    struct fixture *f = fixture_open(&options);

    fixture_send(f, packet_udp(0, 1000, START_NS));
    fixture_send(f, packet_tcp(0, 1000, TCP_SYN, START_NS));
    fixture_send(f, packet_tcp(0, 2000, TCP_SYN, START_NS));
    fixture_send(f, packet_tcp(1, 2000, TCP_RST | TCP_ACK, START_NS + MS));
    for (uint64_t s = 0; s < 8000; s += 100)
        fixture_turn(f, START_NS + s * SECOND);
    assert_int_equal(f->records, 1);
    assert_int_equal(fixture_last(f)->port[0], 2000);
    assert_int_equal(fixture_last(f)->end_reason, END_DETECTED);
    fixture_send(f, packet_udp(0, 1000, START_NS + 9000 * SECOND));
    fixture_drain(f);
    assert_int_equal(f->records, 3);
    fixture_close(f);
}

/* 1000 places, so many taken; how long a silent UDP flow stays. */
static uint64_t lifetime_at(uint32_t flows)
{
    struct flow_table_options options = fixture_options();
    options.notices = true;
    struct fixture *f = fixture_open(&options);
    uint64_t clock = START_NS;

    for (uint32_t i = 0; i < flows; i++)
        fixture_send(f, packet_udp(0, (uint16_t)(1000 + i), START_NS));
    while (!f->counters.note[NOTE_FLOWS_ENDED] && clock < START_NS + 200 * SECOND) {
        fixture_turn(f, clock);
        clock += 500 * MS;
    }
    if (flows >= 850) {
        assert_int_equal(f->counters.note[NOTE_FLOWS_PRESSED], f->counters.note[NOTE_FLOWS_ENDED]);
        assert_int_equal(fixture_last(f)->end_reason, END_RESOURCES);
        assert_true(fixture_last(f)->quality & QUALITY_EVICTED_EARLY);
    } else {
        assert_int_equal(f->counters.note[NOTE_FLOWS_PRESSED], 0);
    }
    fixture_close(f);
    return clock - START_NS;
}

/* idle 30 s and keep 120 s, both divided by 4, 16, 64. */
static void pressure_shortens_lives(void **state)
{
    (void)state;
    struct flow_table_options options = fixture_options();
    uint64_t keep = options.flow.keep_ns[KEEP_UDP];

    assert_in_range(lifetime_at(849), keep, keep + SECOND);
    assert_in_range(lifetime_at(850), keep / 4, keep / 4 + SECOND);
    assert_in_range(lifetime_at(900), keep / 16, keep / 16 + SECOND);
    assert_in_range(lifetime_at(950), keep / 64, keep / 64 + SECOND);
    assert_in_range(lifetime_at(1000), keep / 64, keep / 64 + SECOND);
}

/* Silent flows whose deadlines were set before the pressure: they are read anew, and again when it
 * is gone. */
static void deadlines_follow_the_pressure(void **state)
{
    (void)state;
    struct fixture *f = open_sized(1000);

    for (uint16_t i = 0; i < 800; i++)
        fixture_send(f, packet_udp(0, (uint16_t)(1000 + i), START_NS));
    fixture_turn(f, START_NS + SECOND);
    for (uint16_t i = 800; i < 860; i++)
        fixture_send(f, packet_udp(0, (uint16_t)(1000 + i), START_NS + 6 * SECOND));
    fixture_turn(f, START_NS + 7 * SECOND);
    assert_int_equal(f->records, 0);
    fixture_turn(f, START_NS + 8 * SECOND); /* idle / 4 = 7.5 s */
    assert_int_equal(f->records, 800);
    assert_int_equal(fixture_last(f)->open, 1);
    fixture_turn(f, START_NS + 30 * SECOND); /* keep / 4 */
    assert_true(f->counters.note[NOTE_FLOWS_ENDED] >= 800);
    fixture_close(f);
}

/* The capture's time jumps back a day, the clock goes on. */
static void deadlines_are_on_the_clock(void **state)
{
    (void)state;
    struct fixture *f = open_sized(1000);
    uint64_t back = 86400 * SECOND, ts = START_NS - back;

    fixture_send(f, packet_udp(0, 1000, START_NS));
    fixture_turn(f, START_NS + SECOND);
    flow_table_clock_offset(f->table, (int64_t)back);
    fixture_send(f, packet_udp(0, 2000, ts + 2 * SECOND));
    fixture_send(f, packet_udp(0, 1000, ts + 2 * SECOND));
    assert_int_equal(f->counters.note[NOTE_LATE_PACKETS], 0);
    fixture_turn(f, START_NS + 31 * SECOND);
    assert_int_equal(f->records, 0);
    fixture_turn(f, START_NS + 32 * SECOND + 2 * MS);
    assert_int_equal(f->records, 2);
    for (uint32_t i = 0; i < 2; i++) {
        assert_true(f->record[i].start_ns <= f->record[i].end_ns);
        if (f->record[i].port[0] == 2000)
            assert_true(f->record[i].start_ns == ts + 2 * SECOND);
    }
    fixture_close(f);
}

static void drain_ends_everything_with_its_reason(void **state)
{
    (void)state;
    struct fixture *f = open_sized(5000);

    for (uint16_t i = 0; i < 2000; i++)
        fixture_send(f, packet_udp(0, (uint16_t)(1000 + i), START_NS));
    fixture_send(f, packet_tcp(0, 1, TCP_SYN, START_NS));
    fixture_send(f, packet_tcp(1, 1, TCP_RST | TCP_ACK, START_NS + MS));
    assert_false(flow_table_drain(f->table, &f->out));
    fixture_drain(f);
    assert_int_equal(f->records, 2001);
    for (uint32_t i = 0; i < f->records; i++)
        assert_int_equal(f->record[i].end_reason,
                         f->record[i].proto == PROTO_TCP ? END_DETECTED : END_FORCED);
    assert_int_equal(f->table->live, 0);
    assert_true(flow_table_drain(f->table, &f->out));
    assert_int_equal(f->out.record_count, 0);
    /* and it can be used again */
    fixture_send(f, packet_udp(0, 1000, START_NS + SECOND));
    fixture_drain(f);
    assert_int_equal(f->records, 2002);
    fixture_close(f);
}

/* A drain that begins in the middle of a turn must not spare those already visited. */
static void drain_in_the_middle_of_a_turn_is_complete(void **state)
{
    (void)state;
    struct fixture *f = open_sized(1000);

    for (uint16_t i = 0; i < 100; i++)
        fixture_send(f, packet_udp(0, (uint16_t)(1000 + i), START_NS));
    assert_false(flow_sweep_step(f->table, START_NS + SECOND, 50, &f->out));
    fixture_take(f);
    fixture_drain(f);
    assert_int_equal(f->table->live, 0);
    assert_int_equal(f->records, 100);
    fixture_close(f);
}

static struct packet random_packet(uint64_t *seed, uint64_t ts_ns, uint8_t (*address)[32])
{
    static const uint8_t flags[] = {TCP_SYN, TCP_SYN | TCP_ACK, TCP_ACK,
                                    TCP_ACK, TCP_ACK,           TCP_ACK | TCP_FIN,
                                    TCP_RST, TCP_RST | TCP_ACK, 0};
    uint32_t x = next_random(seed), y = next_random(seed);
    bool wide = x & 1;
    struct packet p = packet_make(*address, wide ? 6 : 4, x & 2 ? PROTO_TCP : PROTO_UDP, ts_ns);
    size_t len = wide ? 16 : 4;

    memset(*address, 0, 32);
    (*address)[len - 1] = (uint8_t)(y & 7);
    (*address)[2 * len - 1] = (uint8_t)(y >> 3 & 7);
    p.src_port = (uint16_t)(y >> 6 & 15);
    p.dst_port = (uint16_t)(y >> 10 & 15);
    p.tcp_flags = flags[(x >> 8) % sizeof(flags)];
    p.tcp_seq = next_random(seed) % 3000000;
    p.tcp_ack = next_random(seed) % 3000000;
    p.tcp_window = (uint16_t)(x >> 16 & 3);
    p.octets = 60 + (x >> 20 & 1023);
    p.payload = x & 4 ? p.octets - 60 : 0;
    p.fragment_id = x >> 3 & 15;
    if (p.proto == PROTO_UDP)
        p.tcp_flags = 0;
    if ((x >> 28) == 0)
        p.flags |= PACKET_FRAGMENT_FIRST;
    if ((x >> 28) == 1) {
        p.flags = PACKET_FRAGMENT_LATER;
        p.src_port = p.dst_port = p.tcp_flags = 0;
    }
    return p;
}

static int by_id(const void *a, const void *b)
{
    const struct flow_record *x = a, *y = b;
    if (x->flow_id != y->flow_id)
        return x->flow_id < y->flow_id ? -1 : 1;
    if (x->record_no != y->record_no)
        return x->record_no < y->record_no ? -1 : 1;
    return flow_record_is_notice(x) - flow_record_is_notice(y);
}

/* Every connection: records 1, 2, ... whose counts add up to its total, one end at most. */
static void check_connections(struct fixture *f)
{
    qsort(f->record, f->records, sizeof(*f->record), by_id);
    struct flow_counts sum = {0};
    for (uint32_t i = 0; i < f->records; i++) {
        const struct flow_record *r = &f->record[i];
        bool same = i && r->flow_id == r[-1].flow_id;
        bool notice = flow_record_is_notice(r);
        if (!same)
            sum = (struct flow_counts){0};
        assert_int_equal(r->record_no, (same ? r[-1].record_no : 0) + !notice);
        if (same)
            assert_int_equal(r[-1].open, 1);
        assert_true(r->start_ns <= r->end_ns && r->start_ns && r->conn_start_ns <= r->start_ns);
        for (int s = 0; s < 2; s++) {
            sum.packets[s] += r->delta.packets[s];
            sum.octets[s] += r->delta.octets[s];
            sum.payload[s] += r->delta.payload[s];
            assert_int_equal(r->first_ns[s] != 0, r->delta.packets[s] != 0);
        }
        assert_memory_equal(&sum, &r->total, sizeof(sum));
        bool last = i + 1 == f->records || r[1].flow_id != r->flow_id;
        if (last && f->table->notices)
            assert_int_equal(r->open, 0);
    }
}

static void check_books(struct fixture *f)
{
    struct flow_census census;

    flow_table_census(f->table, &census);
    assert_true(census.live_packets + census.held_packets + census.made_packets ==
                f->counters.fate_packets[FATE_FLOW]);
    assert_true(census.live_octets + census.held_octets + census.made_octets ==
                f->delivered_octets);
    assert_int_equal(census.flows, f->table->live);
    assert_true(census.made_packets == fixture_record_packets(f));
    assert_true(census.made_octets == fixture_record_octets(f));
    assert_int_equal(census.flows,
                     f->counters.note[NOTE_FLOWS_CREATED] - f->counters.note[NOTE_FLOWS_ENDED]);
}

/* What the sweep summed up on its way is what a walk of the whole table finds at its end. */
static void check_walk(const struct fixture *f)
{
    struct flow_census exact, walked;

    flow_table_census(f->table, &exact);
    flow_table_turn_census(f->table, &walked);
    exact.live_octets = 0;
    assert_memory_equal(&walked, &exact, sizeof(exact));
}

/* Everything at once, in a table that is too small: nothing is lost, nothing is counted twice. */
static void random_traffic(uint64_t seed, uint64_t max_flows, bool notices)
{
    struct flow_table_options options = fixture_options();
    options.flow.max_flows = max_flows;
    options.flow.max_fragments = 16;
    options.flow.idle_ns = 2 * SECOND;
    options.flow.active_ns = 3 * SECOND;
    options.flow.keep_ns[KEEP_UDP] = 5 * SECOND;
    options.flow.fragment_ns = SECOND;
    options.notices = notices;
    struct fixture *f = fixture_open(&options);
    uint8_t address[PACKET_BURST_MAX][32];
    struct packet burst[PACKET_BURST_MAX];
    uint64_t clock = START_NS, turns = 0;

    for (int round = 0; round < 1500; round++) {
        uint32_t count = next_random(&seed) % PACKET_BURST_MAX;
        for (uint32_t i = 0; i < count; i++) {
            uint64_t ts = clock - (next_random(&seed) % 8 ? 0 : next_random(&seed) % (3 * SECOND));
            burst[i] = random_packet(&seed, ts, &address[i]);
            clock += next_random(&seed) % (400 * 1000);
        }
        fixture_burst(f, burst, count);
        if (flow_sweep_step(f->table, clock, next_random(&seed) % 200, &f->out)) {
            check_walk(f);
            turns++;
        }
        fixture_take(f);
        if (round % 100 == 0)
            check_books(f);
        if (round % 500 == 499)
            clock += 20 * SECOND;
    }
    assert_true(f->most_records <= FLOW_RECORD_BURST / 2);
    assert_true(f->most_deltas <= FLOW_DELTA_BURST / 2);
    assert_true(turns > 10);
    fixture_drain(f);
    check_books(f);
    assert_int_equal(f->table->live, 0);
    assert_true(fixture_record_packets(f) == f->delivered);
    assert_true(fixture_record_octets(f) == f->delivered_octets);
    assert_true(f->delta_packets == f->delivered);
    assert_true(f->delta_octets == f->delivered_octets);
    assert_true(f->opened == f->counters.note[NOTE_FLOWS_CREATED]);
    assert_true(f->closed == f->counters.note[NOTE_FLOWS_ENDED]);
    check_connections(f);
    fixture_close(f);
}

static void random_traffic_adds_up(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 4; seed++) {
        random_traffic(seed, 16, seed & 1);
        random_traffic(seed, 300, seed & 1);
        random_traffic(seed, 10000, !(seed & 1));
    }
}

/* More packets in one record than the hot line has room for are read from the cold lines. */
static void a_long_record_is_walked_whole(void **state)
{
    (void)state;
    struct flow_table_options options = fixture_options();
    struct fixture *f = fixture_open(&options);

    fixture_send(f, packet_udp(0, 1000, START_NS));
    f->table->cold[1].total.packets[1] = f->table->cold[1].open_packets = UINT32_MAX;
    fixture_turn(f, START_NS + SECOND);
    check_walk(f);
    assert_int_equal(f->table->hot[1].last[1], UINT32_MAX);
    fixture_close(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(idle_flows_leave_within_a_second_of_their_deadline),
        cmocka_unit_test(nothing_ends_before_its_deadline),
        cmocka_unit_test(steps_stop_at_their_budget),
        cmocka_unit_test(more_due_than_one_burst_of_records_holds),
        cmocka_unit_test(without_timeouts_only_tcp_ends),
        cmocka_unit_test(pressure_shortens_lives),
        cmocka_unit_test(deadlines_follow_the_pressure),
        cmocka_unit_test(deadlines_are_on_the_clock),
        cmocka_unit_test(drain_ends_everything_with_its_reason),
        cmocka_unit_test(drain_in_the_middle_of_a_turn_is_complete),
        cmocka_unit_test(random_traffic_adds_up),
        cmocka_unit_test(a_long_record_is_walked_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
