#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/sketch.h"
#include "mix.h"

#define TRIALS 40

static void estimates_are_near(void **state)
{
    (void)state;
    static const struct {
        uint32_t size;
        double error; /* mean, at most */
    } want[] = {{1, 0.001}, {10, 0.01}, {100, 0.02}, {1000, 0.02}, {10000, 0.03}, {1000000, 0.03}};

    for (size_t i = 0; i < sizeof(want) / sizeof(*want); i++) {
        double sum = 0;
        for (uint64_t trial = 0; trial < TRIALS; trial++) {
            struct sketch s;
            sketch_clear(&s);
            for (uint64_t n = 0; n < want[i].size; n++)
                sketch_add(&s, mix(trial << 32 | n));
            double off = (double)sketch_estimate(&s) / want[i].size - 1;
            sum += off < 0 ? -off : off;
        }
        if (sum / TRIALS > want[i].error)
            fail_msg("%u things: mean error %.2f %%", want[i].size, 100 * sum / TRIALS);
    }
}

static void what_is_known_changes_nothing(void **state)
{
    (void)state;
    struct sketch s;

    sketch_clear(&s);
    assert_int_equal(sketch_estimate(&s), 0);
    for (uint64_t n = 0; n < 500; n++)
        sketch_add(&s, mix(n));
    uint32_t before = sketch_estimate(&s);
    for (uint64_t n = 0; n < 500; n++)
        assert_false(sketch_add(&s, mix(n)));
    assert_int_equal(sketch_estimate(&s), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(estimates_are_near),
        cmocka_unit_test(what_is_known_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
