/* Rows on their way to Redis: merged, bounded, pushed again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "redis/key.h"
#include "redis/rows.h"

#define MINUTE UINT64_C(60000000000)

static struct host_row row(unsigned host, uint64_t minute, uint64_t octets)
{
    uint8_t address[4] = {10, (uint8_t)(host >> 16), (uint8_t)(host >> 8), (uint8_t)host};
    struct host_row r = {.key = host_key_of(4, address), .start_ns = minute * MINUTE, .inside = 1};

    r.counters.value[HOST_OCTETS_OUT] = octets;
    return r;
}

static void put(struct rows *t, unsigned host, uint64_t minute, uint64_t octets)
{
    struct host_row r = row(host, minute, octets);
    rows_put(t, &r);
}

static struct rows_stats stats_of(const struct rows *t)
{
    struct rows_stats s;
    rows_stats(t, &s);
    return s;
}

static struct rows *make(uint32_t max)
{
    struct rows *t;
    assert_int_equal(rows_create(max, &t), 0);
    return t;
}

static void a_later_row_replaces_an_earlier(void **state)
{
    struct rows *t = make(16);
    struct rows_taken taken[8];

    (void)state;
    put(t, 1, 5, 100);
    put(t, 2, 5, 7);
    put(t, 1, 5, 300);
    assert_int_equal(stats_of(t).waiting, 2);
    assert_int_equal(rows_take(t, taken, 8), 2);
    assert_int_equal(taken[0].row.counters.value[HOST_OCTETS_OUT], 300);
    assert_int_equal(taken[1].row.counters.value[HOST_OCTETS_OUT], 7);
    assert_int_equal(rows_take(t, taken, 8), 0);
    put(t, 2, 5, 8);
    assert_int_equal(rows_take(t, taken, 8), 1);
    assert_int_equal(taken[0].row.counters.value[HOST_OCTETS_OUT], 8);
    rows_destroy(t);
}

static void windows_and_their_kinds_are_apart(void **state)
{
    struct rows *t = make(16);
    struct host_row hour = row(1, 0, 9);
    struct rows_taken taken[8];

    (void)state;
    hour.window = WINDOW_HOUR;
    put(t, 1, 0, 1);
    put(t, 1, 1, 1);
    rows_put(t, &hour);
    assert_int_equal(rows_take(t, taken, 8), 3);
    rows_destroy(t);
}

static void what_did_not_arrive_goes_again_as_it_is_now(void **state)
{
    struct rows *t = make(16);
    struct rows_taken taken[8];

    (void)state;
    put(t, 1, 5, 100);
    assert_int_equal(rows_take(t, taken, 8), 1);
    struct rows_taken old = taken[0];
    put(t, 1, 5, 200);
    rows_again(t, &old);
    assert_int_equal(rows_take(t, taken, 8), 1);
    assert_int_equal(taken[0].row.counters.value[HOST_OCTETS_OUT], 200);
    rows_again(t, &old);
    assert_int_equal(rows_take(t, taken, 8), 1);
    rows_destroy(t);
}

static void gone(struct rows *t, unsigned host, uint64_t minute)
{
    struct host_row r = row(host, minute, 0);
    r.gone = 1;
    rows_put(t, &r);
}

static void a_host_that_made_room_leaves_nothing(void **state)
{
    struct rows *t = make(16);
    struct rows_taken taken[8];

    (void)state;
    put(t, 1, 5, 100); /* pushed, then gone: what is there must go */
    assert_int_equal(rows_take(t, taken, 8), 1);
    assert_false(taken[0].wipe);
    gone(t, 1, 5);
    struct host_row seen[4];
    assert_int_equal(rows_read(t, WINDOW_MINUTE, 5 * MINUTE, seen, 4), 0);
    assert_int_equal(rows_take(t, taken, 8), 1);
    assert_true(taken[0].wipe && taken[0].row.gone);
    rows_again(t, &taken[0]); /* Redis was away */
    assert_int_equal(rows_take(t, taken, 8), 1);
    assert_true(taken[0].wipe && taken[0].row.gone);
    rows_done(t, &taken[0]);
    assert_int_equal(stats_of(t).kept, 0);
    put(t, 2, 5, 100); /* never pushed: forgotten */
    gone(t, 2, 5);
    assert_int_equal(rows_take(t, taken, 8), 0);
    gone(t, 3, 5); /* never heard of */
    assert_int_equal(stats_of(t).kept, 0);
    assert_int_equal(stats_of(t).dropped, 0);
    rows_destroy(t);
}

static void a_host_that_comes_again_begins_anew(void **state)
{
    struct rows *t = make(16);
    struct rows_taken taken[8], first;

    (void)state;
    put(t, 1, 5, 100);
    assert_int_equal(rows_take(t, taken, 8), 1);
    gone(t, 1, 5);
    put(t, 1, 5, 7);
    assert_int_equal(rows_take(t, taken, 8), 1);
    assert_true(taken[0].wipe && !taken[0].row.gone);
    first = taken[0];
    put(t, 1, 5, 9); /* while that is on its way, which then does not arrive */
    rows_again(t, &first);
    assert_int_equal(rows_take(t, taken, 8), 1);
    assert_true(taken[0].wipe);
    assert_int_equal(taken[0].row.counters.value[HOST_OCTETS_OUT], 9);
    rows_done(t, &taken[0]);
    put(t, 1, 5, 10);
    assert_int_equal(rows_take(t, taken, 8), 1);
    assert_false(taken[0].wipe);
    gone(t, 1, 5); /* while one is on its way, which arrives */
    rows_done(t, &taken[0]);
    assert_int_equal(rows_take(t, taken, 8), 1);
    assert_true(taken[0].wipe && taken[0].row.gone);
    put(t, 1, 5, 3); /* while it goes, it is there again */
    rows_done(t, &taken[0]);
    assert_int_equal(rows_take(t, taken, 8), 1);
    assert_int_equal(taken[0].row.counters.value[HOST_OCTETS_OUT], 3);
    rows_destroy(t);
}

/* A flood of hosts that come and go while Redis is away takes no room from others. */
static void those_who_came_and_went_take_no_room(void **state)
{
    struct rows *t = make(16);
    struct rows_taken taken[32];

    (void)state;
    for (unsigned i = 0; i < 8; i++)
        put(t, i, 5, 1);
    for (unsigned i = 100; i < 1000; i++) {
        put(t, i, 5, 1);
        gone(t, i, 5);
    }
    for (unsigned i = 8; i < 16; i++)
        put(t, i, 5, 1);
    assert_int_equal(stats_of(t).dropped, 0);
    assert_int_equal(stats_of(t).kept, 16);
    assert_int_equal(rows_take(t, taken, 32), 16);
    rows_destroy(t);
}

static void all_go_again_when_their_reader_forgot_them(void **state)
{
    struct rows *t = make(64);
    struct rows_taken taken[64];

    (void)state;
    for (unsigned i = 0; i < 40; i++)
        put(t, i, 5, i + 1);
    assert_int_equal(rows_take(t, taken, 64), 40);
    rows_all_again(t);
    assert_true(stats_of(t).waiting >= 40);
    size_t count = 0, n;
    while ((n = rows_take(t, taken, 16)) > 0)
        count += n;
    assert_int_equal(count, 40);
    assert_int_equal(stats_of(t).waiting, 0);
    rows_destroy(t);
}

static void the_oldest_window_makes_room(void **state)
{
    struct rows *t = make(10);
    struct rows_taken taken[16];

    (void)state;
    for (unsigned i = 0; i < 5; i++)
        put(t, i, 5, 1);
    for (unsigned i = 0; i < 5; i++)
        put(t, i, 6, 1);
    put(t, 9, 7, 1);
    assert_int_equal(stats_of(t).dropped, 5);
    assert_int_equal(stats_of(t).kept, 6);
    size_t n = rows_take(t, taken, 16);
    assert_int_equal(n, 6);
    for (size_t i = 0; i < n; i++)
        assert_true(taken[i].row.start_ns >= 6 * MINUTE);
    rows_destroy(t);
}

static void a_full_window_refuses_and_counts(void **state)
{
    struct rows *t = make(4);

    (void)state;
    for (unsigned i = 0; i < 9; i++)
        put(t, i, 5, 1);
    assert_int_equal(stats_of(t).kept, 4);
    assert_int_equal(stats_of(t).dropped, 5);
    rows_destroy(t);
}

/* For ever away: memory stays as it is. */
static void years_without_a_reader(void **state)
{
    struct rows *t = make(32);

    (void)state;
    for (uint64_t minute = 1; minute < 2000; minute++)
        for (unsigned i = 0; i < 7; i++)
            put(t, i, minute, minute);
    assert_true(stats_of(t).kept <= 32);
    assert_true(stats_of(t).waiting <= 32);
    struct rows_taken taken[64];
    size_t n = rows_take(t, taken, 64);
    assert_int_equal(n, stats_of(t).kept);
    rows_destroy(t);
}

static void what_ended_is_given_back(void **state)
{
    struct rows *t = make(32);
    struct rows_taken taken[32];
    struct host_row read[32];

    (void)state;
    for (unsigned i = 0; i < 5; i++)
        put(t, i, 5, 1);
    assert_int_equal(rows_take(t, taken, 32), 5);
    put(t, 6, 5, 1); /* still to be pushed */
    assert_int_equal(rows_read(t, WINDOW_MINUTE, 5 * MINUTE + 1, read, 32), 6);
    assert_int_equal(rows_read(t, WINDOW_MINUTE, 6 * MINUTE, read, 32), 0);
    rows_age(t, 6 * MINUTE, 32);
    assert_int_equal(stats_of(t).kept, 6);
    rows_age(t, 7 * MINUTE, 32);
    assert_int_equal(stats_of(t).kept, 1);
    rows_age(t, 10 * MINUTE, 32);
    assert_int_equal(stats_of(t).kept, 0);
    assert_int_equal(stats_of(t).dropped, 1);
    assert_int_equal(rows_take(t, taken, 32), 0);
    rows_destroy(t);
}

static void a_gauge_that_was_is_remembered(void **state)
{
    struct rows *t = make(4);
    struct host_row r = row(1, 5, 1);
    struct rows_taken taken[4];

    (void)state;
    r.open = 3;
    rows_put(t, &r);
    r.open = 0;
    rows_put(t, &r);
    assert_int_equal(rows_take(t, taken, 4), 1);
    assert_int_equal(taken[0].had_gauge, 1 << GAUGE_OPEN);
    rows_destroy(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_later_row_replaces_an_earlier),
        cmocka_unit_test(windows_and_their_kinds_are_apart),
        cmocka_unit_test(what_did_not_arrive_goes_again_as_it_is_now),
        cmocka_unit_test(a_host_that_made_room_leaves_nothing),
        cmocka_unit_test(a_host_that_comes_again_begins_anew),
        cmocka_unit_test(those_who_came_and_went_take_no_room),
        cmocka_unit_test(all_go_again_when_their_reader_forgot_them),
        cmocka_unit_test(the_oldest_window_makes_room),
        cmocka_unit_test(a_full_window_refuses_and_counts),
        cmocka_unit_test(years_without_a_reader),
        cmocka_unit_test(what_ended_is_given_back),
        cmocka_unit_test(a_gauge_that_was_is_remembered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
