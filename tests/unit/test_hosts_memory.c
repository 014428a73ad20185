#include "host_fixture.h"

#include "hosts/memory.h"

static struct host_row row(uint32_t address, enum host_window w, uint64_t start, uint64_t octets)
{
    struct host_row r = {.key = key4(address), .start_ns = start, .window = (uint8_t)w};

    r.counters.value[HOST_OCTETS_OUT] = octets;
    return r;
}

static void the_last_row_of_a_window_stands(void **state)
{
    (void)state;
    struct store *s;
    struct host_row rows[3] = {row(1, WINDOW_MINUTE, START_NS, 5),
                               row(1, WINDOW_MINUTE, START_NS, 7),
                               row(1, WINDOW_HOUR, START_NS, 9)};
    struct host_row got[4];

    assert_int_equal(store_memory_create(100, &s), 0);
    s->ops->hosts(s, rows, 3);
    assert_int_equal(s->ops->read_hosts(s, WINDOW_MINUTE, START_NS + 59 * SECOND, got, 4), 1);
    assert_int_equal(got[0].counters.value[HOST_OCTETS_OUT], 7);
    assert_int_equal(s->ops->read_hosts(s, WINDOW_MINUTE, START_NS + 60 * SECOND, got, 4), 0);
    assert_int_equal(s->ops->read_hosts(s, WINDOW_HOUR, START_NS + 60 * SECOND, got, 4), 1);
    s->ops->destroy(s);
}

static void a_host_that_is_gone_has_no_row(void **state)
{
    (void)state;
    struct store *s;
    struct host_row rows[3] = {row(1, WINDOW_MINUTE, START_NS, 5),
                               row(2, WINDOW_MINUTE, START_NS, 7),
                               row(1, WINDOW_MINUTE, START_NS, 0)};
    struct host_row got[4];

    rows[2].gone = 1;
    assert_int_equal(store_memory_create(100, &s), 0);
    s->ops->hosts(s, rows, 3);
    assert_int_equal(s->ops->read_hosts(s, WINDOW_MINUTE, START_NS, got, 4), 1);
    assert_int_equal(got[0].counters.value[HOST_OCTETS_OUT], 7);
    s->ops->hosts(s, &rows[2], 1);
    s->ops->hosts(s, rows, 1);
    assert_int_equal(s->ops->read_hosts(s, WINDOW_MINUTE, START_NS, got, 4), 2);
    s->ops->destroy(s);
}

static void it_holds_what_it_was_made_for(void **state)
{
    (void)state;
    struct store *s;
    static struct host_row got[2000];

    assert_int_equal(store_memory_create(1000, &s), 0);
    for (uint64_t minute = 0; minute < 10; minute++)
        for (uint32_t i = 0; i < 1000; i++)
            for (int w = 0; w < WINDOW_COUNT; w++) {
                struct host_row r =
                    row(i, (enum host_window)w, START_NS + (w ? 0 : minute * 60 * SECOND), i);
                s->ops->hosts(s, &r, 1);
            }
    uint64_t now = START_NS + 9 * 60 * SECOND;
    assert_int_equal(s->ops->read_hosts(s, WINDOW_MINUTE, now, got, 2000), 1000);
    assert_int_equal(s->ops->read_hosts(s, WINDOW_HOUR, now, got, 2000), 1000);
    s->ops->destroy(s);
}

static void alerts_and_connections_come_back(void **state)
{
    (void)state;
    struct store *s;
    struct alert alert = {0}, alerts[3];
    struct store_connection c[2] = {{.flow_id = 1}, {.flow_id = 2}}, got[3];

    assert_int_equal(store_memory_create(10, &s), 0);
    for (uint64_t i = 1; i <= 5000; i++) {
        alert.id = i;
        assert_int_equal(s->ops->alert(s, &alert), VERDICT_NEW);
    }
    assert_int_equal(s->ops->read_alerts(s, alerts, 3), 3);
    assert_int_equal(alerts[0].id, 5000);
    assert_int_equal(alerts[2].id, 4998);
    s->ops->connections(s, c, 2);
    assert_int_equal(s->ops->read_connections(s, got, 3), 2);
    assert_int_equal(got[1].flow_id, 2);
    assert_int_equal(s->ops->verdicts(s, NULL, 0), 0);
    assert_int_equal(s->ops->sums(s, NULL, 0), 0);
    s->ops->destroy(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_row_of_a_window_stands),
        cmocka_unit_test(a_host_that_is_gone_has_no_row),
        cmocka_unit_test(it_holds_what_it_was_made_for),
        cmocka_unit_test(alerts_and_connections_come_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
