#include "host_fixture.h"

#include "core/record_deltas.h"

static struct flow_record record_of(uint64_t flow_id, uint64_t end_s, bool open)
{
    struct flow_record r = {.delta = {{2, 1}, {200, 100}, {120, 60}},
                            .flow_id = flow_id,
                            .start_ns = START_NS + (end_s - 1) * SECOND,
                            .end_ns = START_NS + end_s * SECOND,
                            .port = {40000, 443},
                            .ip_version = 4,
                            .proto = PROTO_TCP,
                            .open = open};

    r.conn_start_ns = r.start_ns;
    put_ip4(r.address[0], 0x0a000001);
    put_ip4(r.address[1], 0xc6000001);
    return r;
}

static void records_of_a_connection_add_up(void **state)
{
    (void)state;

    for (uint64_t id = 0; id < 2; id++) { /* without flow_id the key tells */
        struct record_deltas *t;
        struct flow_delta d;
        assert_int_equal(record_deltas_create(64, &t), 0);
        for (uint64_t i = 1; i <= 4; i++) {
            struct flow_record r = record_of(id * 77, i * 60, i < 4);
            assert_true(record_deltas_add(t, &r, &d));
            assert_int_equal(d.opened, i == 1);
            assert_int_equal(d.accepted, i == 1);
            assert_int_equal(d.closed, i == 4);
            assert_int_equal(d.octets[0], 200);
            assert_int_equal(d.total.octets[0], 200 * i);
            assert_int_equal(d.conn_start_ns, START_NS + 59 * SECOND);
            assert_int_equal(d.aged, i == 2 ? 2 : 0);
        }
        struct flow_record r = record_of(id * 77, 300, false); /* the next connection */
        assert_true(record_deltas_add(t, &r, &d));
        assert_int_equal(d.opened, 1);
        assert_int_equal(d.total.octets[0], 200);
        record_deltas_destroy(t);
    }
}

static void totals_that_a_record_knows_stand(void **state)
{
    (void)state;
    struct record_deltas *t;
    struct flow_delta d;
    struct flow_record r = record_of(5, 60, true);

    r.total = (struct flow_counts){{50, 40}, {5000, 4000}, {500, 400}};
    assert_int_equal(record_deltas_create(64, &t), 0);
    assert_true(record_deltas_add(t, &r, &d));
    assert_int_equal(d.total.octets[0], 5000);
    assert_int_equal(d.octets[0], 200);
    record_deltas_destroy(t);
}

static void a_reset_or_silence_is_a_failure(void **state)
{
    (void)state;
    struct record_deltas *t;
    struct flow_delta d;
    static const struct {
        uint8_t flags;
        uint64_t packets, payload;
        int accepted;
    } c[] = {{TCP_RST | TCP_ACK, 1, 0, 0}, {TCP_SYN | TCP_ACK, 1, 0, 1}, {0, 0, 0, 0},
             {TCP_ACK | TCP_RST, 3, 9, 1}, {TCP_ACK, 1, 0, 1},           {0, 1, 0, 1}};

    assert_int_equal(record_deltas_create(64, &t), 0);
    for (size_t i = 0; i < sizeof(c) / sizeof(*c); i++) {
        struct flow_record r = record_of(100 + i, 1, false);
        r.flags[1] = c[i].flags;
        r.delta.packets[1] = c[i].packets;
        r.delta.payload[1] = c[i].payload;
        assert_true(record_deltas_add(t, &r, &d));
        assert_int_equal(d.accepted, c[i].accepted);
        assert_int_equal(d.failed, !c[i].accepted);
    }
    struct flow_record notice = record_of(1, 1, false);
    memset(&notice.delta, 0, sizeof(notice.delta));
    assert_false(record_deltas_add(t, &notice, &d));
    record_deltas_destroy(t);
}

static void without_flow_id_time_parts_connections(void **state)
{
    (void)state;
    struct record_deltas *t;
    struct flow_delta d;

    assert_int_equal(record_deltas_create(64, &t), 0);
    static const struct {
        uint64_t at_s;
        uint8_t reason;
        int opened, closed;
    } c[] = {{60, END_ACTIVE, 1, 0},   {120, END_IDLE, 0, 0},      {3700, END_ACTIVE, 0, 0},
             {7400, END_ACTIVE, 1, 0}, {7500, END_DETECTED, 0, 1}, {7600, END_ACTIVE, 1, 0}};
    for (size_t i = 0; i < sizeof(c) / sizeof(*c); i++) {
        struct flow_record r = record_of(0, c[i].at_s, false);
        r.end_reason = c[i].reason;
        assert_true(record_deltas_add(t, &r, &d));
        assert_int_equal(d.opened, c[i].opened);
        assert_int_equal(d.closed, c[i].closed);
    }
    record_deltas_destroy(t);
}

static void it_is_bounded(void **state)
{
    (void)state;
    struct record_deltas *t;
    struct flow_delta d;

    assert_int_equal(record_deltas_create(64, &t), 0);
    for (uint64_t i = 1; i < 10000; i++) {
        struct flow_record r = record_of(i, i, true);
        assert_true(record_deltas_add(t, &r, &d));
        assert_int_equal(d.opened, 1);
    }
    record_deltas_destroy(t);
}

static void aggregates_tell_of_no_connection(void **state)
{
    (void)state;
    struct record_deltas *t;
    struct flow_delta d;
    struct flow_record r = record_of(5, 60, false);

    assert_int_equal(record_deltas_create(64, &t), 0);
    r.aggregate = AGGREGATE_FROM;
    assert_false(record_deltas_add(t, &r, &d));
    r.aggregate = AGGREGATE_NONE;
    assert_true(record_deltas_add(t, &r, &d));
    record_deltas_destroy(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_of_a_connection_add_up),
        cmocka_unit_test(aggregates_tell_of_no_connection),
        cmocka_unit_test(totals_that_a_record_knows_stand),
        cmocka_unit_test(a_reset_or_silence_is_a_failure),
        cmocka_unit_test(without_flow_id_time_parts_connections),
        cmocka_unit_test(it_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
