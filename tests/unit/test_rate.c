#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "flow/rate.h"
#include "mix.h"

/* Seconds come in any order: each key has its own count. */
static void keys_are_counted_apart(void **state)
{
    (void)state;
    struct rates *r;

    assert_int_equal(rates_create(&r), 0);
    for (uint32_t n = 1; n <= 50; n++)
        for (uint32_t key = 0; key < 1000; key++)
            assert_int_equal(rates_count(r, mix(key), 1000 + (key * 7 + n) % 30), n);
    rates_destroy(r);
    rates_destroy(NULL);
}

/* A hundred frequent ones among a million that come once. */
static void what_is_frequent_stays(void **state)
{
    (void)state;
    struct rates *r;
    uint32_t count[100] = {0};

    assert_int_equal(rates_create(&r), 0);
    for (uint64_t i = 0; i < 1000000; i++) {
        rates_count(r, mix(1000 + i), 5);
        count[i % 100] = rates_count(r, mix(i % 100), 5);
    }
    for (unsigned i = 0; i < 100; i++)
        assert_in_range(count[i], 9900, 10000);
    rates_destroy(r);
}

static void what_is_past_goes_first(void **state)
{
    (void)state;
    struct rates *r;

    assert_int_equal(rates_create(&r), 0);
    for (uint64_t i = 0; i < 16; i++) /* all of one set */
        for (unsigned n = 0; n < 100; n++)
            rates_count(r, 4096 * i, 1000);
    for (uint64_t i = 16; i < 20; i++)
        assert_int_equal(rates_count(r, 4096 * i, 2000), 1);
    for (uint64_t i = 16; i < 20; i++)
        assert_int_equal(rates_count(r, 4096 * i, 2000), 2);
    rates_destroy(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_are_counted_apart),
        cmocka_unit_test(what_is_frequent_stays),
        cmocka_unit_test(what_is_past_goes_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
