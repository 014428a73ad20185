#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/heartbeat.h"

#define SECOND UINT64_C(1000000000)

static void a_worker_that_moves_is_never_stuck(void **state)
{
    (void)state;
    struct heartbeats h;

    heartbeats_init(&h, 1, 2 * SECOND, 5 * SECOND);
    for (uint64_t i = 1; i < 100; i++)
        assert_int_equal(heartbeats_see(&h, 0, i, (5 + i) * SECOND), HEARTBEAT_NONE);
    assert_false(h.worker[0].stuck);
    assert_int_equal(h.stuck_total, 0);
}

static void a_stuck_worker_is_told_once_and_counted_each_time(void **state)
{
    (void)state;
    struct heartbeats h;

    heartbeats_init(&h, 3, 2 * SECOND, 0);
    assert_int_equal(heartbeats_see(&h, 1, 7, SECOND), HEARTBEAT_NONE);
    assert_int_equal(heartbeats_see(&h, 1, 7, 3 * SECOND - 1), HEARTBEAT_NONE);
    assert_int_equal(heartbeats_see(&h, 1, 7, 3 * SECOND), HEARTBEAT_STUCK);
    assert_int_equal(h.worker[1].moved_ns, SECOND);
    assert_int_equal(heartbeats_see(&h, 1, 7, 4 * SECOND), HEARTBEAT_NONE);
    assert_true(h.worker[1].stuck);
    assert_int_equal(heartbeats_see(&h, 1, 8, 5 * SECOND), HEARTBEAT_MOVES_AGAIN);
    assert_false(h.worker[1].stuck);
    assert_int_equal(heartbeats_see(&h, 1, 8, 7 * SECOND), HEARTBEAT_STUCK);
    assert_int_equal(h.stuck_total, 2);
}

static void a_worker_that_never_began_is_stuck(void **state)
{
    (void)state;
    struct heartbeats h;

    heartbeats_init(&h, 1, 2 * SECOND, 10 * SECOND);
    assert_int_equal(heartbeats_see(&h, 0, 0, 12 * SECOND), HEARTBEAT_STUCK);
}

static void a_keep_alive_needs_every_worker(void **state)
{
    (void)state;
    struct heartbeats h;

    heartbeats_init(&h, 2, 2 * SECOND, 0);
    assert_false(heartbeats_all_moved(&h));
    heartbeats_see(&h, 0, 1, SECOND);
    assert_false(heartbeats_all_moved(&h));
    heartbeats_see(&h, 1, 1, SECOND);
    assert_true(heartbeats_all_moved(&h));
    assert_false(heartbeats_all_moved(&h));
    heartbeats_see(&h, 0, 2, 2 * SECOND);
    heartbeats_see(&h, 0, 3, 2 * SECOND);
    assert_false(heartbeats_all_moved(&h));
    heartbeats_see(&h, 1, 2, 2 * SECOND);
    assert_true(heartbeats_all_moved(&h));
}

static void describes_a_thread(void **state)
{
    (void)state;
    char line[256], start[64], tiny[8];

    heartbeat_describe(gettid(), line, sizeof(line));
    snprintf(start, sizeof(start), "thread %d, state R, last on core ", gettid());
    assert_memory_equal(line, start, strlen(start));
    size_t len = heartbeat_describe(gettid(), tiny, sizeof(tiny));
    assert_int_equal(len, sizeof(tiny) - 1);
    assert_int_equal(strlen(tiny), len);
    heartbeat_describe(0x7ffffff0, line, sizeof(line));
    assert_string_equal(line, "thread 2147483632 has ended");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_worker_that_moves_is_never_stuck),
        cmocka_unit_test(a_stuck_worker_is_told_once_and_counted_each_time),
        cmocka_unit_test(a_worker_that_never_began_is_stuck),
        cmocka_unit_test(a_keep_alive_needs_every_worker),
        cmocka_unit_test(describes_a_thread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
