#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "capture/xdp_account.h"

#define SECOND (2 * XDP_ACCOUNT_LAG_NS)

static void at_rest_the_count_is_exact(void **state)
{
    (void)state;
    struct xdp_account a = {0};
    struct xdp_reading r = {.steered = 1000, .delivered = 700, .missed = 90, .pending = 10};

    assert_int_equal(xdp_account_step(&a, &r, SECOND), 0); /* may still be under way */
    assert_int_equal(xdp_account_step(&a, &r, 2 * SECOND), 200);
    assert_int_equal(xdp_account_step(&a, &r, 3 * SECOND), 200);
}

static void nothing_lost_is_nothing(void **state)
{
    (void)state;
    struct xdp_account a = {0};
    struct xdp_reading r = {.steered = 1000, .delivered = 900, .missed = 90, .pending = 10};

    for (unsigned i = 1; i < 5; i++)
        assert_int_equal(xdp_account_step(&a, &r, i * SECOND), 0);
}

/* Under load, up to a second's traffic may be under way or counted twice, and is no loss. */
static void load_gives_no_false_alarm(void **state)
{
    (void)state;
    struct xdp_account a = {0};
    struct xdp_reading r = {0};

    for (uint64_t i = 1; i < 1000; i++) {
        uint64_t under_way = i * 37 % 999;
        r.steered = 1000 * i;
        r.delivered = 1000 * i - under_way;
        assert_int_equal(xdp_account_step(&a, &r, i * SECOND), 0);
    }
}

static void calls_in_quick_succession_wait_for_the_lag(void **state)
{
    (void)state;
    struct xdp_account a = {0};
    struct xdp_reading r = {.steered = 64};

    assert_int_equal(xdp_account_step(&a, &r, SECOND), 0);
    for (uint64_t i = 1; i < 100; i++)
        assert_int_equal(xdp_account_step(&a, &r, SECOND + i), 0);
    assert_int_equal(xdp_account_step(&a, &r, SECOND + XDP_ACCOUNT_LAG_NS), 64);
}

static void loss_under_load_shows_in_time_and_never_falls(void **state)
{
    (void)state;
    struct xdp_account a = {0};
    struct xdp_reading r = {0};
    uint64_t before = 0, found = 0;

    for (uint64_t i = 1; i <= 20; i++) { /* half of all is lost */
        r.steered = 1000 * i;
        r.delivered = 500 * i;
        found = xdp_account_step(&a, &r, i * SECOND);
        assert_true(found >= before && found <= 500 * i);
        before = found;
    }
    assert_int_equal(found, 9000);
    r.steered += 1000; /* and then no more */
    r.delivered += 1000;
    assert_int_equal(xdp_account_step(&a, &r, 21 * SECOND), 9000);
    assert_int_equal(xdp_account_step(&a, &r, 22 * SECOND), 10000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(at_rest_the_count_is_exact),
        cmocka_unit_test(nothing_lost_is_nothing),
        cmocka_unit_test(load_gives_no_false_alarm),
        cmocka_unit_test(calls_in_quick_succession_wait_for_the_lag),
        cmocka_unit_test(loss_under_load_shows_in_time_and_never_falls),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
