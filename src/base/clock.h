/*
 * The sensor's clock: cheap to read, never running backwards, near UTC.
 *
 * Two times come out of one read. Steady time is for deadlines: nanoseconds since 1970 as they were
 * when the clock was made, plus what has passed since; it is drawn to UTC slowly and never jumps.
 * UTC is steady time plus an offset, which is 0 until somebody sets the system's clock: then the
 * offset jumps, and steady time does not.
 *
 * Ticks are the processor's time stamp counter where it runs at a constant rate, else
 * CLOCK_MONOTONIC. Their rate is measured against CLOCK_MONOTONIC, never taken from the processor's
 * word (a library's rounded frequency was 0.19 % off, 165 s a day). Error of a rate measured over
 * 20 ms is some 5 ppm; it improves with every correction.
 *
 * One thread corrects the clock, once a second. Each thread that reads has a reader of its own,
 * which keeps the last parameters: a read touches a shared line that changes once a second.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct clock;

#define NS_PER_S UINT64_C(1000000000)
#define NS_PER_MS UINT64_C(1000000)
#define CLOCK_STEP_NS 128000000 /* a larger difference to UTC is a step, not drift */

enum clock_ticks {
    CLOCK_TICKS_BEST, /* the time stamp counter where it may be used */
    CLOCK_TICKS_PORTABLE,
    CLOCK_TICKS_FAKE /* time stands still until clock_fake_set() */
};

/* Takes some 20 ms, to measure. Returns 0 or -ENOMEM. */
int clock_create(enum clock_ticks, struct clock **);
void clock_destroy(struct clock *);

/* What ticks are, for the log: "tsc 2095.995 MHz". */
void clock_describe(const struct clock *, char *line, uint32_t room);

/* A moment on all clocks at once. */
struct clock_sample {
    uint64_t ticks, monotonic_ns, utc_ns;
};
void clock_sample(const struct clock *, struct clock_sample *);

/* Corrects rate and offset. Returns 0; or, when the system's clock was stepped, by how much, in ns.
 */
int64_t clock_correct(struct clock *, const struct clock_sample *);

/* UTC minus steady time of the last correction and its steps so far; for the correcting thread. */
int64_t clock_offset_ns(const struct clock *);
uint64_t clock_steps(const struct clock *);

/* Parameters as they are published: whole words. */
struct clock_rate {
    uint64_t ticks;       /* base */
    uint64_t steady_ns;   /* at the base */
    uint64_t ns_per_tick; /* 32.32 fixed point */
    int64_t utc_offset_ns;
};

struct clock_reader {
    const struct clock *clock;
    uint64_t version;
    uint64_t last_ns;
    struct clock_rate rate;
};

void clock_reader_init(struct clock_reader *, const struct clock *);

/* Steady time now; one read per burst. */
uint64_t clock_read(struct clock_reader *);

/* UTC minus steady time, as of the last read. */
static inline int64_t clock_reader_offset_ns(const struct clock_reader *r)
{
    return r->rate.utc_offset_ns;
}

/* The system's own clocks, where a call of the kernel's vDSO is cheap enough. */
uint64_t clock_monotonic_ns(void);
uint64_t clock_utc_ns(void);

/* Fake ticks are nanoseconds since 1970; they may only grow. */
void clock_fake_set(struct clock *, uint64_t ns);
