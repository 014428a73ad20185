#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>

#include "capture/xdp_plan.h"

static struct xdp_plan plan;

/* Every socket stands in exactly one queue, among its neighbours there, and no worker twice. */
static void check_order(uint32_t workers)
{
    uint32_t next = 0;

    for (uint32_t q = 0; q < plan.queues; q++) {
        uint64_t seen = 0;
        assert_int_equal(plan.queue[q].first, next);
        assert_true(plan.queue[q].count > 0);
        for (uint32_t i = 0; i < plan.queue[q].count; i++, next++) {
            assert_int_equal(plan.socket[next].queue, q);
            assert_true(plan.socket[next].worker < workers);
            assert_false(seen >> plan.socket[next].worker & 1);
            seen |= UINT64_C(1) << plan.socket[next].worker;
        }
    }
    assert_int_equal(next, plan.sockets);
}

static uint64_t workers_with_sockets(void)
{
    uint64_t seen = 0;

    for (uint32_t i = 0; i < plan.sockets; i++)
        seen |= UINT64_C(1) << plan.socket[i].worker;
    return seen;
}

static void every_worker_has_a_socket(void **state)
{
    (void)state;
    for (uint32_t queues = 1; queues <= 24; queues++)
        for (uint32_t workers = 1; workers <= 24; workers++)
            for (int shared = 0; shared < 2; shared++) {
                enum capture_spread spread = shared ? SPREAD_SOFTWARE : SPREAD_IP;
                int status = xdp_plan_make(&plan, queues, workers, spread);
                if (shared && queues * workers > XDP_SOCKETS_MAX) {
                    assert_int_equal(status, -E2BIG);
                    continue;
                }
                assert_int_equal(status, 0);
                check_order(workers);
                assert_int_equal(workers_with_sockets(), (UINT64_C(1) << workers) - 1);
                assert_int_equal(plan.sockets, shared             ? queues * workers
                                               : queues > workers ? queues
                                                                  : workers);
            }
}

static void spread_is_chosen_only_where_there_is_a_choice(void **state)
{
    (void)state;
    assert_int_equal(xdp_plan_make(&plan, 4, 4, SPREAD_L4), 0);
    assert_int_equal(plan.spread, XDP_SPREAD_NONE);
    assert_int_equal(xdp_plan_make(&plan, 1, 1, SPREAD_SOFTWARE), 0);
    assert_int_equal(plan.spread, XDP_SPREAD_NONE);
    assert_int_equal(xdp_plan_make(&plan, 1, 2, SPREAD_IP), 0);
    assert_int_equal(plan.spread, XDP_SPREAD_ADDRESS);
    assert_int_equal(xdp_plan_make(&plan, 1, 2, SPREAD_L4), 0);
    assert_int_equal(plan.spread, XDP_SPREAD_ENDPOINT);
    assert_int_equal(xdp_plan_make(&plan, 2, 2, SPREAD_SOFTWARE), 0);
    assert_int_equal(plan.spread, XDP_SPREAD_ADDRESS);
}

static void worker_takes_every_nth_queue(void **state)
{
    (void)state;
    assert_int_equal(xdp_plan_make(&plan, 5, 2, SPREAD_IP), 0);
    for (uint32_t q = 0; q < 5; q++) {
        assert_int_equal(plan.queue[q].count, 1);
        assert_int_equal(plan.socket[plan.queue[q].first].worker, q % 2);
    }
}

static void too_many_are_refused(void **state)
{
    (void)state;
    assert_int_equal(xdp_plan_make(&plan, XDP_QUEUES_MAX, 1, SPREAD_IP), 0);
    assert_int_equal(xdp_plan_make(&plan, XDP_QUEUES_MAX + 1, 1, SPREAD_IP), -E2BIG);
    assert_int_equal(xdp_plan_make(&plan, XDP_QUEUES_MAX, 2, SPREAD_SOFTWARE), -E2BIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_worker_has_a_socket),
        cmocka_unit_test(spread_is_chosen_only_where_there_is_a_choice),
        cmocka_unit_test(worker_takes_every_nth_queue),
        cmocka_unit_test(too_many_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
