#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "export/group.h"
#include "weir/config.h"

static void failover_takes_the_first_that_is_there(void **state)
{
    struct group g = {.mode = GROUP_FAILOVER, .count = 3};
    bool available[] = {true, true, true};

    (void)state;
    assert_int_equal(group_choose(&g, available, 5), 0);
    available[0] = false;
    assert_int_equal(group_choose(&g, available, 5), 1);
    available[1] = false;
    assert_int_equal(group_choose(&g, available, 5), 2);
    available[2] = false;
    assert_int_equal(group_choose(&g, available, 5), 0);
}

static void balance_spreads_evenly(void **state)
{
    struct group g = {.mode = GROUP_BALANCE, .count = 4};
    bool available[] = {true, true, true, true};
    unsigned count[4] = {0};

    (void)state;
    for (uint64_t id = 0; id < 40000; id++)
        count[group_choose(&g, available, id)]++;
    for (int i = 0; i < 4; i++)
        assert_in_range(count[i], 9500, 10500);
}

static void only_connections_of_the_failed_move(void **state)
{
    struct group g = {.mode = GROUP_BALANCE, .count = 4};
    bool all[] = {true, true, true, true}, some[] = {true, true, false, true};
    bool none[] = {false, false, false, false};

    (void)state;
    for (uint64_t id = 0; id < 10000; id++) {
        uint32_t before = group_choose(&g, all, id), after = group_choose(&g, some, id);
        assert_int_not_equal(after, 2);
        if (before != 2)
            assert_int_equal(before, after);
        assert_int_equal(group_choose(&g, none, id), before);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(failover_takes_the_first_that_is_there),
        cmocka_unit_test(balance_spreads_evenly),
        cmocka_unit_test(only_connections_of_the_failed_move),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
