#include "base/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/seqlock.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <x86intrin.h>
#endif

#define MEASURE_NS 20000000
#define BASELINE_NS (32 * NS_PER_S) /* a rate is measured over one to two of these */
#define SLEW_NS (16 * NS_PER_S)     /* a difference to UTC goes away within about this */
#define SLEW_LIMIT 2000             /* at most one part in so many: 500 ppm */
#define SAMPLE_TRIES 20
#define SAMPLE_GOOD_NS 5000 /* between the reads: no better one is looked for */

struct clock {
    enum clock_ticks kind;
    /* written by the correcting thread, read by all */
    struct seqlock lock;
    _Atomic uint64_t published[SEQLOCK_WORDS(sizeof(struct clock_rate))];
    _Atomic uint64_t fake_ticks;
    /* the correcting thread's own */
    struct clock_rate rate;
    struct clock_sample baseline[2]; /* older, newer */
    uint64_t ns_per_tick;            /* measured, without slew */
    uint64_t steps;
};

static uint64_t clock_of(clockid_t id)
{
    struct timespec t;

    clock_gettime(id, &t);
    return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

uint64_t clock_monotonic_ns(void)
{
    return clock_of(CLOCK_MONOTONIC);
}

uint64_t clock_utc_ns(void)
{
    return clock_of(CLOCK_REALTIME);
}

#if defined(__x86_64__)
/* CPUID 8000_0007h EDX bit 8: the counter runs at a constant rate in all power states. */
static bool has_constant_counter(void)
{
    unsigned a, b, c, d;
    return __get_cpuid(0x80000007, &a, &b, &c, &d) && (d & (1u << 8));
}

static uint64_t counter_read(void)
{
    return __rdtsc();
}
#else
static bool has_constant_counter(void)
{
    return false;
}

static uint64_t counter_read(void)
{
    return 0;
}
#endif

static uint64_t ticks_read(const struct clock *c)
{
    switch (c->kind) {
    case CLOCK_TICKS_BEST:
        return counter_read();
    case CLOCK_TICKS_PORTABLE:
        return clock_monotonic_ns();
    default:
        return atomic_load_explicit(&c->fake_ticks, memory_order_acquire);
    }
}

/* The narrowest of a few tries: an interrupt between two reads would pass for drift. */
void clock_sample(const struct clock *c, struct clock_sample *out)
{
    uint64_t best = UINT64_MAX;

    for (int i = 0; i < SAMPLE_TRIES && best > SAMPLE_GOOD_NS; i++) {
        uint64_t before = clock_monotonic_ns();
        uint64_t ticks = ticks_read(c), utc = clock_utc_ns();
        uint64_t after = clock_monotonic_ns();
        if (after - before < best) {
            best = after - before;
            *out = (struct clock_sample){ticks, before + best / 2, utc};
        }
    }
}

static uint64_t scale(uint64_t ticks, uint64_t ns_per_tick)
{
    return (uint64_t)(((unsigned __int128)ticks * ns_per_tick) >> 32);
}

static uint64_t steady_at(const struct clock_rate *rate, uint64_t ticks)
{
    /* a core's counter may be a little behind the one that corrected; after a suspend far behind */
    if (ticks < rate->ticks)
        return rate->steady_ns;
    return rate->steady_ns + scale(ticks - rate->ticks, rate->ns_per_tick);
}

static uint64_t measured(const struct clock_sample *from, const struct clock_sample *to)
{
    uint64_t ticks = to->ticks - from->ticks;
    return (uint64_t)(((unsigned __int128)(to->monotonic_ns - from->monotonic_ns) << 32) / ticks);
}

/* Takes the sample into the baselines and measures the rate from the older one. A counter that went
 * back begins anew. */
static void measure(struct clock *c, const struct clock_sample *now)
{
    if (!c->baseline[0].ticks || now->ticks <= c->baseline[1].ticks ||
        now->monotonic_ns < c->baseline[0].monotonic_ns) {
        c->baseline[0] = c->baseline[1] = *now;
        return;
    }
    c->ns_per_tick = measured(&c->baseline[0], now);
    if (now->monotonic_ns - c->baseline[1].monotonic_ns >= BASELINE_NS) {
        c->baseline[0] = c->baseline[1];
        c->baseline[1] = *now;
    }
}

static void publish(struct clock *c)
{
    seqlock_write(&c->lock, c->published, &c->rate, sizeof(c->rate));
}

/* The measured rate, faster or slower so that the error goes away slowly. */
static uint64_t slewed(uint64_t ns_per_tick, int64_t error_ns)
{
    int64_t most = (int64_t)(ns_per_tick / SLEW_LIMIT);
    int64_t by = (int64_t)((__int128)(int64_t)ns_per_tick * error_ns / (int64_t)SLEW_NS);

    by = by > most ? most : by < -most ? -most : by;
    return ns_per_tick + (uint64_t)by;
}

int64_t clock_correct(struct clock *c, const struct clock_sample *now)
{
    uint64_t steady = steady_at(&c->rate, now->ticks);
    int64_t error = (int64_t)(now->utc_ns - steady) - c->rate.utc_offset_ns;
    int64_t step = 0;

    measure(c, now);
    if (error > CLOCK_STEP_NS || error < -CLOCK_STEP_NS) {
        step = error;
        c->rate.utc_offset_ns += step;
        c->steps++;
        error = 0;
    }
    c->rate.ticks = now->ticks;
    c->rate.steady_ns = steady;
    c->rate.ns_per_tick = slewed(c->ns_per_tick, error);
    publish(c);
    return step;
}

static void calibrate(struct clock *c)
{
    struct clock_sample first, second;
    struct timespec pause = {0, MEASURE_NS};

    clock_sample(c, &first);
    nanosleep(&pause, NULL);
    clock_sample(c, &second);
    c->baseline[0] = c->baseline[1] = first;
    c->ns_per_tick = measured(&first, &second);
    c->rate = (struct clock_rate){second.ticks, second.utc_ns, c->ns_per_tick, 0};
    publish(c);
}

int clock_create(enum clock_ticks kind, struct clock **out)
{
    struct clock *c = calloc(1, sizeof(*c));

    if (!c)
        return -ENOMEM;
    c->kind = kind == CLOCK_TICKS_BEST && !has_constant_counter() ? CLOCK_TICKS_PORTABLE : kind;
    if (c->kind == CLOCK_TICKS_FAKE) {
        c->ns_per_tick = UINT64_C(1) << 32;
        c->rate.ns_per_tick = c->ns_per_tick;
        publish(c);
    } else {
        calibrate(c);
    }
    *out = c;
    return 0;
}

void clock_destroy(struct clock *c)
{
    free(c);
}

void clock_describe(const struct clock *c, char *line, uint32_t room)
{
    if (c->kind == CLOCK_TICKS_BEST)
        snprintf(line, room, "time stamp counter, %.3f MHz", 4294967296e3 / (double)c->ns_per_tick);
    else
        snprintf(line, room, "CLOCK_MONOTONIC");
}

int64_t clock_offset_ns(const struct clock *c)
{
    return c->rate.utc_offset_ns;
}

uint64_t clock_steps(const struct clock *c)
{
    return c->steps;
}

void clock_reader_init(struct clock_reader *r, const struct clock *c)
{
    *r = (struct clock_reader){.clock = c};
    do
        r->version = seqlock_version(&c->lock);
    while (!seqlock_try_read(&c->lock, c->published, &r->rate, sizeof(r->rate)));
}

/* While a correction is being written the old parameters do: both say nearly the same. */
static void take_correction(struct clock_reader *r, uint64_t version)
{
    struct clock_rate rate;

    if (!seqlock_try_read(&r->clock->lock, r->clock->published, &rate, sizeof(rate)))
        return;
    r->rate = rate;
    r->version = version;
}

uint64_t clock_read(struct clock_reader *r)
{
    uint64_t version = seqlock_version(&r->clock->lock);

    if (version != r->version)
        take_correction(r, version);
    uint64_t now = steady_at(&r->rate, ticks_read(r->clock));
    if (now > r->last_ns)
        r->last_ns = now;
    return r->last_ns;
}

void clock_fake_set(struct clock *c, uint64_t ns)
{
    atomic_store_explicit(&c->fake_ticks, ns, memory_order_release);
}
