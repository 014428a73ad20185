#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"

#define SECOND UINT64_C(1000000000)
#define START (1700000000 * SECOND)

static struct clock *fake(void)
{
    struct clock *c;

    assert_int_equal(clock_create(CLOCK_TICKS_FAKE, &c), 0);
    clock_fake_set(c, START);
    return c;
}

static uint64_t monotonic(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * SECOND + (uint64_t)t.tv_nsec;
}

static uint64_t realtime(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * SECOND + (uint64_t)t.tv_nsec;
}

static void fake_time_stands_still(void **state)
{
    (void)state;
    struct clock *c = fake();
    struct clock_reader r;

    clock_reader_init(&r, c);
    assert_true(clock_read(&r) == START && clock_read(&r) == START);
    clock_fake_set(c, START + 5);
    assert_true(clock_read(&r) == START + 5);
    clock_fake_set(c, START + 3);
    assert_true(clock_read(&r) == START + 5);
    clock_destroy(c);
}

/* Ticks of 2 ns that gain 0.1 % on what UTC says: the rate is measured, the difference fades. */
static void rate_follows_what_is_measured(void **state)
{
    (void)state;
    struct clock *c = fake();
    struct clock_reader r;
    uint64_t ticks = START, last = 0;

    clock_reader_init(&r, c);
    for (unsigned second = 1; second <= 120; second++) {
        ticks += SECOND / 2;
        struct clock_sample s = {ticks, second * SECOND, START + second * SECOND};
        clock_fake_set(c, ticks);
        uint64_t now = clock_read(&r);
        assert_true(now >= last);
        last = now;
        clock_correct(c, &s);
    }
    clock_fake_set(c, ticks + SECOND / 2);
    int64_t off =
        (int64_t)(clock_read(&r) + (uint64_t)clock_reader_offset_ns(&r) - (START + 121 * SECOND));
    assert_in_range(off + 1000000, 0, 2000000);
    clock_destroy(c);
}

/* UTC that differs a little is approached by 500 ppm at most, from both sides, never backwards. */
static void drift_fades_slowly(void **state)
{
    (void)state;
    for (int sign = -1; sign <= 1; sign += 2) {
        struct clock *c = fake();
        struct clock_reader r;
        int64_t offset = sign * 100000000;
        uint64_t last = START;

        clock_reader_init(&r, c);
        for (unsigned second = 1; second <= 600; second++) {
            uint64_t t = START + second * SECOND;
            struct clock_sample s = {t, second * SECOND, t + (uint64_t)offset};
            clock_fake_set(c, t);
            uint64_t now = clock_read(&r);
            assert_in_range(now - last, SECOND - SECOND / 1900, SECOND + SECOND / 1900);
            last = now;
            assert_int_equal(clock_correct(c, &s), 0);
        }
        int64_t off = (int64_t)(last - (START + 600 * SECOND + (uint64_t)offset));
        assert_in_range(off + 1000000, 0, 2000000);
        assert_int_equal(clock_steps(c), 0);
        clock_destroy(c);
    }
}

/* Somebody sets the system's clock, there and back: told, counted, and deadlines do not feel it. */
static void a_step_moves_the_offset_alone(void **state)
{
    (void)state;
    struct clock *c = fake();
    struct clock_reader r;
    const int64_t set[] = {0, 3600, -7200, 0};
    int64_t before = 0;

    clock_reader_init(&r, c);
    for (unsigned i = 0; i < 4; i++) {
        uint64_t t = START + (i + 1) * SECOND;
        struct clock_sample s = {t, (i + 1) * SECOND, t + (uint64_t)(set[i] * (int64_t)SECOND)};
        clock_fake_set(c, t);
        assert_true(clock_correct(c, &s) == (set[i] - before) * (int64_t)SECOND);
        assert_true(clock_read(&r) == t);
        assert_true(clock_reader_offset_ns(&r) == set[i] * (int64_t)SECOND);
        assert_true(clock_offset_ns(c) == set[i] * (int64_t)SECOND);
        before = set[i];
    }
    assert_int_equal(clock_steps(c), 3);
    clock_destroy(c);
}

/* A counter that starts anew, as after a suspend: time stands still until the next correction, and
 * goes on. */
static void a_counter_that_went_back_does_not_turn_time(void **state)
{
    (void)state;
    struct clock *c = fake();
    struct clock_reader r;

    clock_reader_init(&r, c);
    for (unsigned i = 1; i <= 3; i++) {
        struct clock_sample s = {START + i * SECOND, i * SECOND, START + i * SECOND};
        clock_fake_set(c, s.ticks);
        clock_correct(c, &s);
    }
    uint64_t before = clock_read(&r);
    clock_fake_set(c, 1000);
    assert_true(clock_read(&r) == before);
    struct clock_sample s = {1000, 4 * SECOND, START + 4 * SECOND};
    clock_correct(c, &s);
    clock_fake_set(c, 1000 + SECOND);
    assert_true(clock_read(&r) >= before + SECOND / 2);
    clock_destroy(c);
}

/* The real ones: within 2 ms of the system's clocks over a tenth of a second. */
static void real_ticks_keep_time(void **state)
{
    (void)state;
    for (int kind = CLOCK_TICKS_BEST; kind <= CLOCK_TICKS_PORTABLE; kind++) {
        struct clock *c;
        struct clock_reader r;
        char line[80];
        uint64_t last = 0;

        assert_int_equal(clock_create((enum clock_ticks)kind, &c), 0);
        clock_reader_init(&r, c);
        clock_describe(c, line, sizeof(line));
        assert_true(strlen(line) > 5);
        uint64_t end = monotonic() + SECOND / 10;
        while (monotonic() < end) {
            uint64_t now = clock_read(&r);
            assert_true(now >= last);
            last = now;
        }
        /* the narrowest of some pairs: this thread may be put aside between two reads */
        uint64_t best = UINT64_MAX;
        for (int i = 0; i < 100; i++) {
            int64_t off = (int64_t)(clock_read(&r) - realtime());
            uint64_t size = (uint64_t)(off < 0 ? -off : off);
            best = size < best ? size : best;
        }
        assert_in_range(best, 0, 2000000);
        clock_destroy(c);
    }
}

struct shared {
    struct clock *clock;
    _Atomic int stop;
};

static void *read_all_the_time(void *context)
{
    struct shared *shared = context;
    struct clock_reader r;
    uint64_t last = 0;

    clock_reader_init(&r, shared->clock);
    while (!atomic_load(&shared->stop)) {
        uint64_t now = clock_read(&r);
        if (now < last)
            return shared;
        last = now;
    }
    return NULL;
}

static void readers_never_see_half_a_correction(void **state)
{
    (void)state;
    struct shared shared = {0};
    struct clock_sample s;
    pthread_t thread;
    void *failed;

    assert_int_equal(clock_create(CLOCK_TICKS_BEST, &shared.clock), 0);
    assert_int_equal(pthread_create(&thread, NULL, read_all_the_time, &shared), 0);
    for (int i = 0; i < 20000; i++) {
        clock_sample(shared.clock, &s);
        s.utc_ns += (uint64_t)(i % 7) * 1000000; /* a restless UTC */
        clock_correct(shared.clock, &s);
    }
    atomic_store(&shared.stop, 1);
    pthread_join(thread, &failed);
    assert_null(failed);
    clock_destroy(shared.clock);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fake_time_stands_still),
        cmocka_unit_test(rate_follows_what_is_measured),
        cmocka_unit_test(drift_fades_slowly),
        cmocka_unit_test(a_step_moves_the_offset_alone),
        cmocka_unit_test(a_counter_that_went_back_does_not_turn_time),
        cmocka_unit_test(real_ticks_keep_time),
        cmocka_unit_test(readers_never_see_half_a_correction),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
