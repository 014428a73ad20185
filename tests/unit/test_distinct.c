#include "host_fixture.h"

#include "hosts/distinct.h"
#include "mix.h"

#define TRIALS 40

static void exact_to_32(void **state)
{
    (void)state;
    struct distinct_pools pools;
    struct distinct d = {0};

    assert_int_equal(distinct_pools_init(&pools, 4, 4, 4), 0);
    for (uint32_t n = 1; n <= DISTINCT_EXACT; n++) {
        assert_true(distinct_add(&pools, &d, mix(n)));
        for (uint32_t i = 1; i <= n; i++)
            assert_false(distinct_add(&pools, &d, mix(i)));
        assert_int_equal(distinct_count(&pools, &d), n);
    }
    distinct_clear(&pools, &d);
    assert_int_equal(distinct_count(&pools, &d), 0);
    distinct_pools_fini(&pools);
}

static double mean_error(struct distinct_pools *pools, uint32_t size)
{
    double sum = 0;

    for (uint64_t trial = 0; trial < TRIALS; trial++) {
        struct distinct d = {0};
        for (uint64_t i = 0; i < size; i++)
            distinct_add(pools, &d, mix(trial << 32 | i));
        double off = ((double)distinct_count(pools, &d) - size) / size;
        sum += off < 0 ? -off : off;
        distinct_clear(pools, &d);
    }
    return sum / TRIALS;
}

static void estimates_are_near_beyond(void **state)
{
    (void)state;
    static const uint32_t sizes[] = {33, 50, 100, 300, 1000, 3000, 5000, 8000, 20000, 100000};
    struct distinct_pools pools;

    assert_int_equal(distinct_pools_init(&pools, 4, 4, 4), 0);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        double error = mean_error(&pools, sizes[i]);
        if (error > 0.03)
            fail_msg("%u things: mean error %.2f %%", sizes[i], 100 * error);
    }
    distinct_pools_fini(&pools);
}

static void an_exhausted_pool_keeps_what_it_has(void **state)
{
    (void)state;
    struct distinct_pools pools;
    struct distinct a = {0}, b = {0};

    assert_int_equal(distinct_pools_init(&pools, 1, 1, 1), 0);
    for (uint64_t i = 0; i < 1000; i++)
        distinct_add(&pools, &a, mix(i));
    for (uint64_t i = 0; i < 20; i++) /* has the blocks that a gave back */
        distinct_add(&pools, &b, mix(i));
    assert_int_equal(distinct_count(&pools, &b), 20);
    assert_int_equal(pools.refused, 0);
    for (uint64_t i = 20; i < 60; i++) /* a has the only sketch */
        distinct_add(&pools, &b, mix(i));
    assert_int_equal(distinct_count(&pools, &b), DISTINCT_EXACT);
    assert_true(pools.refused > 0);
    distinct_clear(&pools, &a);
    distinct_add(&pools, &b, mix(1000));
    assert_true(distinct_count(&pools, &b) >= DISTINCT_EXACT);
    distinct_pools_fini(&pools);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exact_to_32),
        cmocka_unit_test(estimates_are_near_beyond),
        cmocka_unit_test(an_exhausted_pool_keeps_what_it_has),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
