#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>

#include "base/spsc.h"

struct element { /* an odd size: elements straddle words and lines */
    uint32_t number;
    uint8_t check[9];
};

static struct element element_of(uint32_t number)
{
    struct element e = {.number = number};
    memset(e.check, (int)(number * 31 & 0xff), sizeof(e.check));
    return e;
}

static void check_element(const struct element *e, uint32_t number)
{
    struct element want = element_of(number);
    assert_int_equal(e->number, number);
    assert_memory_equal(e->check, want.check, sizeof(want.check));
}

static uint32_t push_some(struct spsc *r, uint32_t from, uint32_t count)
{
    struct element burst[64];
    for (uint32_t i = 0; i < count; i++)
        burst[i] = element_of(from + i);
    return spsc_push_burst(r, burst, count);
}

static void what_cannot_be_a_ring_is_refused(void **state)
{
    (void)state;
    struct spsc *r = NULL;

    assert_int_equal(spsc_create(0, 8, &r), -EINVAL);
    assert_int_equal(spsc_create(3, 8, &r), -EINVAL);
    assert_int_equal(spsc_create(1u << 31, 8, &r), -EINVAL);
    assert_int_equal(spsc_create(8, 0, &r), -EINVAL);
    assert_null(r);
    spsc_destroy(NULL);
}

static void every_slot_holds_an_element(void **state)
{
    (void)state;
    for (uint32_t capacity = 1; capacity <= 16; capacity *= 2) {
        struct spsc *r;
        struct element e[64];

        assert_int_equal(spsc_create(capacity, sizeof(struct element), &r), 0);
        assert_int_equal(spsc_capacity(r), capacity);
        assert_int_equal(spsc_pop_burst(r, e, 1), 0);
        assert_int_equal(push_some(r, 0, capacity + 1), capacity);
        assert_int_equal(spsc_count(r), capacity);
        assert_int_equal(push_some(r, 99, 1), 0);
        assert_int_equal(spsc_pop_burst(r, e, 64), capacity);
        for (uint32_t i = 0; i < capacity; i++)
            check_element(&e[i], i);
        assert_int_equal(spsc_count(r), 0);
        spsc_destroy(r);
    }
}

/* Bursts of every length at every place of the array: what fits is taken, in order. */
static void bursts_wrap(void **state)
{
    (void)state;
    struct spsc *r;
    struct element e[64];
    uint32_t pushed = 0, popped = 0, seed = 1;

    assert_int_equal(spsc_create(32, sizeof(struct element), &r), 0);
    for (int round = 0; round < 20000; round++) {
        seed = seed * 1664525 + 1013904223;
        uint32_t want = seed >> 27, room = 32 - (pushed - popped);
        uint32_t n = push_some(r, pushed, want);
        assert_int_equal(n, want < room ? want : room);
        pushed += n;
        seed = seed * 1664525 + 1013904223;
        want = seed >> 27;
        n = spsc_pop_burst(r, e, want);
        assert_int_equal(n, want < pushed - popped ? want : pushed - popped);
        for (uint32_t i = 0; i < n; i++)
            check_element(&e[i], popped + i);
        popped += n;
        assert_int_equal(spsc_count(r), pushed - popped);
    }
    spsc_destroy(r);
}

#define ELEMENTS 300000u

static void *pusher(void *context)
{
    struct spsc *r = context;
    uint32_t done = 0;

    while (done < ELEMENTS) {
        uint32_t want = done % 61 + 1, left = ELEMENTS - done;
        uint32_t n = push_some(r, done, want < left ? want : left);
        done += n;
        if (!n)
            sched_yield();
    }
    return NULL;
}

static void two_threads_lose_nothing(void **state)
{
    (void)state;
    struct spsc *r;
    struct element e[64];
    pthread_t thread;
    uint32_t got = 0;

    assert_int_equal(spsc_create(256, sizeof(struct element), &r), 0);
    assert_int_equal(pthread_create(&thread, NULL, pusher, r), 0);
    while (got < ELEMENTS) {
        assert_in_range(spsc_count(r), 0, 256);
        uint32_t n = spsc_pop_burst(r, e, got % 64 + 1);
        for (uint32_t i = 0; i < n; i++)
            check_element(&e[i], got + i);
        got += n;
        if (!n)
            sched_yield();
    }
    pthread_join(thread, NULL);
    assert_int_equal(spsc_count(r), 0);
    spsc_destroy(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_cannot_be_a_ring_is_refused),
        cmocka_unit_test(every_slot_holds_an_element),
        cmocka_unit_test(bursts_wrap),
        cmocka_unit_test(two_threads_lose_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
