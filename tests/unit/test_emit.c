#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "flow/emit.h"
#include "flow_fixture.h"

static struct fixture *open_plain(void)
{
    struct flow_table_options options = fixture_options();
    return fixture_open(&options);
}

static struct fixture *open_noticing(void)
{
    struct flow_table_options options = fixture_options();
    options.notices = true;
    return fixture_open(&options);
}

static void a_record_has_the_initiator_first(void **state)
{
    (void)state;
    static const uint8_t macs[12] = {2, 2, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1};
    struct fixture *f = open_plain();
    struct packet ask = packet_udp(1, 1000, START_NS); /* the upper address asks */
    struct packet answer = packet_udp(0, 1000, START_NS + 40 * MS);

    ask.macs = macs;
    ask.tos = 0xb8;
    ask.ttl = 60;
    ask.port = 3;
    answer.octets = 500;
    answer.payload = 472;
    answer.port = 4;
    fixture_send(f, ask);
    answer.ttl = 50;
    fixture_send(f, answer);
    answer.ttl = 52;
    answer.ts_ns += MS;
    fixture_send(f, answer);
    fixture_drain(f);
    assert_int_equal(f->records, 1);
    const struct flow_record *r = fixture_last(f);
    assert_memory_equal(r->address[0], back4, 4);
    assert_memory_equal(r->address[1], there4, 4);
    assert_int_equal(r->port[0], 4000);
    assert_int_equal(r->port[1], 1000);
    assert_memory_equal(r->mac[0], macs + 6, 6);
    assert_memory_equal(r->mac[1], macs, 6);
    assert_int_equal(r->tos[0], 0xb8);
    assert_int_equal(r->ttl_min[0], 60);
    assert_int_equal(r->ttl_min[1], 50);
    assert_int_equal(r->ttl_max[1], 52);
    assert_int_equal(r->ingress[0], 3);
    assert_int_equal(r->ingress[1], 4);
    assert_int_equal(r->delta.packets[0], 1);
    assert_int_equal(r->delta.octets[0], 100);
    assert_int_equal(r->delta.payload[0], 72);
    assert_int_equal(r->delta.packets[1], 2);
    assert_int_equal(r->delta.octets[1], 1000);
    assert_int_equal(r->delta.payload[1], 944);
    assert_memory_equal(&r->delta, &r->total, sizeof(r->delta));
    assert_true(r->start_ns == START_NS && r->end_ns == START_NS + 41 * MS);
    assert_true(r->first_ns[0] == START_NS && r->last_ns[0] == START_NS);
    assert_true(r->first_ns[1] == START_NS + 40 * MS && r->last_ns[1] == START_NS + 41 * MS);
    assert_int_equal(r->end_reason, END_FORCED);
    assert_int_equal(r->conn_state, CONN_SF);
    assert_int_equal(r->open, 0);
    assert_int_equal(r->record_no, 1);
    fixture_close(f);
}

static void a_silent_side_has_no_times(void **state)
{
    (void)state;
    struct fixture *f = open_plain();

    fixture_send(f, packet_udp(0, 1000, START_NS));
    fixture_drain(f);
    const struct flow_record *r = fixture_last(f);
    assert_true(r->first_ns[1] == 0 && r->last_ns[1] == 0);
    assert_int_equal(r->ttl_min[1], 255);
    assert_int_equal(r->ttl_max[1], 0);
    fixture_close(f);
}

/* A talkative flow: a record per active time, one connection. */
static void the_active_deadline_cuts_records(void **state)
{
    (void)state;
    struct fixture *f = open_plain();
    uint64_t ts = START_NS;

    for (int i = 0; i < 150; i++, ts += SECOND) {
        fixture_turn(f, ts);
        fixture_send(f, packet_udp(i % 7 == 0, 1000, ts));
    }
    fixture_drain(f);
    assert_int_equal(f->records, 3);
    for (uint32_t i = 0; i < 3; i++) {
        const struct flow_record *r = &f->record[i];
        assert_true(r->flow_id == f->record[0].flow_id);
        assert_int_equal(r->record_no, i + 1);
        assert_true(r->conn_start_ns == START_NS);
        assert_int_equal(r->end_reason, i < 2 ? END_ACTIVE : END_FORCED);
        assert_int_equal(r->open, i < 2);
        assert_true(r->start_ns == START_NS + i * 60 * SECOND);
        assert_true(r->end_ns - r->start_ns < 60 * SECOND);
    }
    assert_int_equal(f->record[1].delta.packets[0] + f->record[1].delta.packets[1], 60);
    assert_int_equal(f->record[1].total.packets[0] + f->record[1].total.packets[1], 120);
    assert_int_equal(f->record[2].total.packets[0] + f->record[2].total.packets[1], 150);
    fixture_close(f);
}

/* The packet finds the deadline passed before the sweep does. */
static void a_packet_after_the_deadline_opens_the_next_record(void **state)
{
    (void)state;
    struct fixture *f = open_plain();

    fixture_send(f, packet_udp(0, 1000, START_NS));
    fixture_turn(f, START_NS + SECOND);
    fixture_send(f, packet_udp(0, 1000, START_NS + 45 * SECOND));
    assert_int_equal(f->records, 1);
    assert_int_equal(f->record[0].end_reason, END_IDLE);
    assert_int_equal(f->record[0].open, 1);
    fixture_send(f, packet_udp(0, 1000, START_NS + 46 * SECOND));
    fixture_drain(f);
    assert_int_equal(f->records, 2);
    assert_true(f->record[0].flow_id == f->record[1].flow_id);
    assert_int_equal(f->record[1].record_no, 2);
    assert_int_equal(f->record[1].delta.packets[0], 2);
    assert_int_equal(f->record[1].total.packets[0], 3);
    fixture_close(f);
}

/* Both its record's time and its own are over: the next packet is another connection. */
static void a_packet_after_the_end_opens_the_next_connection(void **state)
{
    (void)state;
    struct fixture *f = open_plain();

    fixture_send(f, packet_udp(0, 1000, START_NS));
    fixture_turn(f, START_NS + SECOND);
    fixture_send(f, packet_udp(0, 1000, START_NS + 121 * SECOND));
    fixture_drain(f);
    assert_int_equal(f->records, 2);
    assert_true(f->record[0].flow_id != f->record[1].flow_id);
    assert_int_equal(f->record[1].record_no, 1);
    assert_int_equal(f->counters.note[NOTE_FLOWS_CREATED], 2);
    assert_int_equal(f->counters.note[NOTE_FLOWS_ENDED], 2);
    fixture_close(f);
}

static void silence_that_ends_both_makes_one_closed_record(void **state)
{
    (void)state;
    struct flow_table_options options = fixture_options();
    options.flow.idle_ns = options.flow.keep_ns[KEEP_UDP] = 10 * SECOND;
    struct fixture *f = fixture_open(&options);

    fixture_send(f, packet_udp(0, 1000, START_NS));
    fixture_turn(f, START_NS + 11 * SECOND);
    assert_int_equal(f->records, 1);
    assert_int_equal(fixture_last(f)->open, 0);
    assert_int_equal(fixture_last(f)->end_reason, END_IDLE);
    assert_int_equal(f->table->live, 0);
    fixture_close(f);
}

static void notices_close_what_had_no_open_record(void **state)
{
    (void)state;
    struct fixture *f = open_noticing();

    fixture_send(f, packet_udp(0, 1000, START_NS));
    fixture_send(f, packet_udp(1, 1000, START_NS + 5 * MS));
    fixture_turn(f, START_NS + 31 * SECOND);
    assert_int_equal(f->records, 1);
    assert_int_equal(fixture_last(f)->open, 1);
    assert_false(flow_record_is_notice(fixture_last(f)));
    fixture_turn(f, START_NS + 121 * SECOND);
    assert_int_equal(f->records, 2);
    const struct flow_record *r = fixture_last(f);
    assert_true(flow_record_is_notice(r));
    assert_int_equal(r->open, 0);
    assert_int_equal(r->record_no, 1);
    assert_int_equal(r->end_reason, END_IDLE);
    assert_true(r->start_ns == START_NS && r->end_ns == START_NS + 5 * MS);
    assert_int_equal(r->total.packets[0], 1);
    assert_int_equal(r->total.packets[1], 1);
    assert_true(r->flow_id == f->record[0].flow_id);
    struct flow_census census;
    flow_table_census(f->table, &census);
    assert_int_equal(census.notices, 1);
    assert_int_equal(census.made_records, 1);
    assert_int_equal(census.made_packets, 2);
    fixture_close(f);
}

static void no_notice_where_the_record_says_it(void **state)
{
    (void)state;
    struct fixture *f = open_noticing();

    fixture_send(f, packet_udp(0, 1000, START_NS));
    fixture_drain(f);
    assert_int_equal(f->records, 1);
    assert_false(flow_record_is_notice(fixture_last(f)));
    fixture_close(f);
}

static void counters_pass_32_bits(void **state)
{
    (void)state;
    const uint32_t sizes[] = {65535, 1u << 30, (1u << 31) - 1, 1u << 31, UINT32_MAX};

    for (unsigned i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        struct fixture *f = open_plain();
        uint64_t want = 0;
        for (uint32_t n = 0; want <= 5ULL << 32; n++) {
            struct packet p = packet_udp(n >> 1 & 1, 1000, START_NS + n);
            p.octets = n & 1 ? sizes[i] : (1u << 31) - 1; /* just below where counts are folded */
            p.payload = p.octets - 28;
            want += p.octets;
            fixture_send(f, p);
        }
        fixture_drain(f);
        assert_int_equal(f->records, 1);
        const struct flow_record *r = fixture_last(f);
        assert_true(r->delta.octets[0] + r->delta.octets[1] == want);
        assert_true(r->delta.payload[0] + r->delta.payload[1] == want - 28 * f->delivered);
        assert_true(r->total.octets[0] > UINT32_MAX && r->total.octets[1] > UINT32_MAX);
        assert_true(f->delta_octets == want);
        assert_int_equal(f->counters.note[NOTE_LATE_PACKETS], 0);
        assert_true(r->start_ns == START_NS);
        assert_true(r->end_ns >> STAMP_SHIFT == (START_NS + f->delivered - 1) >> STAMP_SHIFT);
        fixture_close(f);
    }
}

static void late_packets_count_and_move_the_start(void **state)
{
    (void)state;
    struct fixture *f = open_plain();

    fixture_send(f, packet_udp(0, 1000, START_NS));
    fixture_send(f, packet_udp(0, 1000, START_NS - 20 * SECOND));
    fixture_send(f, packet_udp(1, 1000, START_NS - 25 * SECOND));
    fixture_send(f, packet_udp(0, 1000, START_NS + MS));
    assert_int_equal(f->counters.note[NOTE_LATE_PACKETS], 2);
    fixture_drain(f);
    assert_int_equal(f->records, 1);
    const struct flow_record *r = fixture_last(f);
    assert_int_equal(r->delta.packets[0], 3);
    assert_int_equal(r->delta.packets[1], 1);
    assert_true(r->start_ns == START_NS - 25 * SECOND);
    assert_true(r->conn_start_ns == r->start_ns);
    assert_true(r->first_ns[0] == START_NS - 20 * SECOND);
    assert_true(r->end_ns == START_NS + MS);
    assert_true(f->delta_packets == 4);
    fixture_close(f);
}

/* Packets that overtook each other by less than what makes them late, with and without a fold in
 * between. */
static void swapped_packets_have_the_right_start(void **state)
{
    (void)state;
    for (int fold = 0; fold < 2; fold++) {
        struct fixture *f = open_plain();
        fixture_send(f, packet_udp(0, 1, START_NS - 400 * MS));
        fixture_turn(f, START_NS - 300 * MS);
        fixture_send(f, packet_udp(0, 1000, START_NS));
        fixture_send(f, packet_udp(0, 2, START_NS));
        if (fold) /* the sweep has come by, and its turn is not over */
            assert_false(flow_sweep_step(f->table, START_NS, 2, &f->out));
        fixture_take(f);
        fixture_send(f, packet_udp(0, 1000, START_NS - 200 * MS));
        fixture_drain(f);
        const struct flow_record *r = &f->record[1];
        assert_int_equal(r->port[0], 1000);
        assert_int_equal(r->delta.packets[0], 2);
        assert_true(r->start_ns == START_NS - 200 * MS);
        assert_true(r->conn_start_ns == START_NS - 200 * MS);
        assert_true(r->end_ns == START_NS);
        fixture_close(f);
    }
}

static void times_beyond_the_stamp_widen_right(void **state)
{
    (void)state;
    struct flow_table t = {.newest_ts = START_NS};
    const uint64_t ago[] = {0, 8, 1000, SECOND, 30 * SECOND, 34 * SECOND};

    for (unsigned i = 0; i < sizeof(ago) / sizeof(*ago); i++) {
        uint64_t ts = START_NS - ago[i];
        assert_true(stamp_widen(&t, (uint32_t)(ts >> STAMP_SHIFT)) == (ts & ~7ULL));
    }
}

static void lost_packets_mark_those_alive(void **state)
{
    (void)state;
    struct fixture *f = open_plain();

    fixture_send(f, packet_udp(0, 1000, START_NS));
    flow_table_note_loss(f->table);
    fixture_send(f, packet_udp(0, 2000, START_NS + MS));
    fixture_drain(f);
    assert_int_equal(f->records, 2);
    for (uint32_t i = 0; i < 2; i++)
        assert_int_equal((f->record[i].quality & QUALITY_SENSOR_LOSS) != 0,
                         f->record[i].port[0] == 1000);
    fixture_close(f);
}

static void deltas_open_once_and_close_once(void **state)
{
    (void)state;
    struct fixture *f = open_plain();

    fixture_send(f, packet_udp(0, 1000, START_NS));
    flow_sweep_step(f->table, START_NS + SECOND, UINT32_MAX, &f->out);
    assert_int_equal(f->out.delta_count, 1);
    assert_int_equal(f->out.delta[0].opened, 1);
    assert_int_equal(f->out.delta[0].closed, 0);
    assert_int_equal(f->out.delta[0].packets[0], 1);
    assert_int_equal(f->out.delta[0].port[1], 4000);
    fixture_take(f);
    fixture_turn(f, START_NS + 2 * SECOND); /* nothing happened, nothing said */
    assert_int_equal(f->deltas, 1);
    fixture_send(f, packet_udp(1, 1000, START_NS + 3 * SECOND));
    assert_true(flow_table_drain(f->table, &f->out));
    assert_int_equal(f->out.delta_count, 2);
    assert_int_equal(f->out.delta[0].opened, 0);
    assert_int_equal(f->out.delta[0].packets[1], 1);
    assert_int_equal(f->out.delta[1].closed, 1);
    assert_int_equal(f->out.delta[1].packets[0] + f->out.delta[1].packets[1], 0);
    assert_true(f->out.delta[1].last_ns == START_NS + 3 * SECOND);
    fixture_take(f);
    fixture_close(f);
}

static void assert_flags(const struct flow_delta *d, int accepted, int failed)
{
    assert_int_equal(d->accepted, accepted);
    assert_int_equal(d->failed, failed);
}

static void a_delta_says_once_that_the_responder_accepted(void **state)
{
    (void)state;
    struct fixture *f = open_plain();

    fixture_send(f, packet_udp(0, 1000, START_NS));
    flow_sweep_step(f->table, START_NS + SECOND, UINT32_MAX, &f->out);
    assert_flags(&f->out.delta[0], 0, 0);
    fixture_take(f);
    for (int i = 2; i < 4; i++) {
        fixture_send(f, packet_udp(1, 1000, START_NS + (uint64_t)i * SECOND));
        flow_sweep_step(f->table, START_NS + (uint64_t)i * SECOND + SECOND / 2, UINT32_MAX,
                        &f->out);
        assert_flags(&f->out.delta[0], i == 2, 0);
        assert_int_equal(f->out.delta[0].total.packets[0], 1);
        assert_int_equal(f->out.delta[0].total.packets[1], i - 1);
        fixture_take(f);
    }
    assert_true(flow_table_drain(f->table, &f->out));
    assert_flags(&f->out.delta[0], 0, 0);
    fixture_take(f);
    fixture_close(f);
}

static void what_ends_without_answer_has_failed(void **state)
{
    (void)state;
    struct fixture *f = open_plain();

    fixture_send(f, packet_udp(0, 1000, START_NS));
    assert_true(flow_table_drain(f->table, &f->out));
    assert_int_equal(f->out.delta_count, 2);
    assert_flags(&f->out.delta[0], 0, 0);
    assert_flags(&f->out.delta[1], 0, 1);
    fixture_take(f);
    fixture_close(f);
}

static void ages_are_told_once_each(void **state)
{
    (void)state;
    struct fixture *f = open_plain();
    static const struct {
        uint64_t at_s;
        int aged;
    } step[] = {{0, 0}, {4, 0}, {6, 1}, {20, 0}, {59, 0}, {61, 2}, {100, 0}};

    for (size_t i = 0; i < sizeof(step) / sizeof(*step); i++) {
        fixture_send(f, packet_udp(0, 1000, START_NS + step[i].at_s * SECOND));
        flow_sweep_step(f->table, START_NS + step[i].at_s * SECOND, UINT32_MAX, &f->out);
        assert_int_equal(f->out.delta[f->out.delta_count - 1].aged, step[i].aged);
        fixture_take(f);
    }
    fixture_close(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_has_the_initiator_first),
        cmocka_unit_test(a_silent_side_has_no_times),
        cmocka_unit_test(the_active_deadline_cuts_records),
        cmocka_unit_test(a_packet_after_the_deadline_opens_the_next_record),
        cmocka_unit_test(a_packet_after_the_end_opens_the_next_connection),
        cmocka_unit_test(silence_that_ends_both_makes_one_closed_record),
        cmocka_unit_test(notices_close_what_had_no_open_record),
        cmocka_unit_test(no_notice_where_the_record_says_it),
        cmocka_unit_test(counters_pass_32_bits),
        cmocka_unit_test(late_packets_count_and_move_the_start),
        cmocka_unit_test(swapped_packets_have_the_right_start),
        cmocka_unit_test(times_beyond_the_stamp_widen_right),
        cmocka_unit_test(lost_packets_mark_those_alive),
        cmocka_unit_test(deltas_open_once_and_close_once),
        cmocka_unit_test(a_delta_says_once_that_the_responder_accepted),
        cmocka_unit_test(what_ends_without_answer_has_failed),
        cmocka_unit_test(ages_are_told_once_each),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
