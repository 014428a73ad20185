#include "host_fixture.h"

#include "hunt/raised.h"

#define HOUR (3600 * SECOND)

static struct raised *open_raised(uint32_t max)
{
    struct raised *r;

    assert_int_equal(raised_create(max, &r), 0);
    return r;
}

static struct alert alert_of(uint64_t id, uint8_t level, uint64_t window_ns)
{
    return (struct alert){.id = id, .level = level, .window_ns = window_ns, .flow_id = 7};
}

static void told_once_and_higher_once(void **state)
{
    (void)state;
    struct raised *r = open_raised(64);
    struct alert a = alert_of(5, 0, HOUR);

    assert_false(raised_is_known(r, 5, 0, START_NS));
    assert_int_equal(raised_note(r, &a, START_NS, HOUR), RAISED_NEW);
    assert_int_equal(raised_note(r, &a, START_NS + 1, HOUR), RAISED_NOTHING);
    assert_true(raised_is_known(r, 5, 0, START_NS));
    assert_false(raised_is_known(r, 5, 1, START_NS));
    a.level = 2;
    assert_int_equal(raised_note(r, &a, START_NS + 2, HOUR), RAISED_HIGHER);
    a.level = 1;
    assert_int_equal(raised_note(r, &a, START_NS + 3, HOUR), RAISED_NOTHING);
    assert_int_equal(raised_count(r), 1);
    raised_destroy(r);
}

static void a_window_without_cause_clears(void **state)
{
    (void)state;
    struct raised *r = open_raised(64);
    struct alert a = alert_of(5, 0, 60 * SECOND), cleared;
    uint32_t cursor = 0;

    raised_note(r, &a, START_NS + 30 * SECOND, HOUR);
    assert_false(raised_next_over(r, START_NS + 119 * SECOND, &cursor, &cleared));
    cursor = 0;
    assert_true(raised_next_over(r, START_NS + 120 * SECOND, &cursor, &cleared));
    assert_int_equal(cleared.state, ALERT_CLEARED);
    assert_int_equal(cleared.ts_ns, START_NS + 120 * SECOND);
    cursor = 0;
    assert_false(raised_next_over(r, START_NS + 121 * SECOND, &cursor, &cleared));
    assert_int_equal(raised_count(r), 0);
    /* silence, and then it is news again */
    assert_int_equal(raised_note(r, &a, START_NS + 200 * SECOND, HOUR), RAISED_NOTHING);
    assert_int_equal(raised_note(r, &a, START_NS + 30 * SECOND + HOUR, HOUR), RAISED_NEW);
    raised_destroy(r);
}

static void a_higher_level_breaks_the_silence(void **state)
{
    (void)state;
    struct raised *r = open_raised(64);
    struct alert a = alert_of(5, 0, 60 * SECOND), cleared;
    uint32_t cursor = 0;

    raised_note(r, &a, START_NS, HOUR);
    assert_true(raised_next_over(r, START_NS + 200 * SECOND, &cursor, &cleared));
    a.level = 1;
    assert_int_equal(raised_note(r, &a, START_NS + 300 * SECOND, HOUR), RAISED_HIGHER);
    assert_int_equal(raised_count(r), 1);
    raised_destroy(r);
}

static void the_end_of_its_flow_clears(void **state)
{
    (void)state;
    struct raised *r = open_raised(64);
    struct alert a = alert_of(5, 0, 0), cleared;

    raised_note(r, &a, START_NS, HOUR);
    assert_false(raised_flow_ended(r, 5, 8, START_NS + 1, &cleared)); /* another flow */
    assert_true(raised_flow_ended(r, 5, 7, START_NS + 1, &cleared));
    assert_int_equal(cleared.state, ALERT_CLEARED);
    assert_false(raised_flow_ended(r, 5, 7, START_NS + 2, &cleared));
    raised_destroy(r);
}

static void it_is_bounded(void **state)
{
    (void)state;
    struct raised *r = open_raised(64);

    for (uint64_t id = 1; id <= 1000; id++) {
        struct alert a = alert_of(id, 0, HOUR);
        assert_int_equal(raised_note(r, &a, START_NS, HOUR), RAISED_NEW);
    }
    assert_true(raised_count(r) <= 64);
    assert_int_equal(raised_count(r) + raised_forgotten(r), 1000);
    raised_destroy(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(told_once_and_higher_once),
        cmocka_unit_test(a_window_without_cause_clears),
        cmocka_unit_test(a_higher_level_breaks_the_silence),
        cmocka_unit_test(the_end_of_its_flow_clears),
        cmocka_unit_test(it_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
