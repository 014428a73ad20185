/*
 * Time per packet of the engine (decode, flow table, its share of the sweep) beside the floor: the
 * same burst loop that only reads each frame's first line.
 *
 *   engine [--flows N] [--family 4|6] [--mix MIX] [--new PERCENT] [--frame OCTETS] [--fill PERCENT]
 *          [--passes N] [--cpu N] [--deltas | --hosts | --hunts] [--active SECONDS] [--export]
 *          [--phases] [--quick]
 *
 * A pass goes over 16384 frames in buffers of 2 KB. Frames are written and flushed from the cache
 * outside the measured time; floor and engine take turns pass by pass over the same frames, and the
 * figures are medians over the passes. Packet time runs such that ten packets per flow go by in a
 * turn of the sweep, and the measured passes hold at least three turns. A JSON line per case; exit
 * 1 when the ledger is open or the table does not hold what it should, 3 when all that failed is
 * that the machine has too little memory for a case.
 *
 *   --mix     known, new (both by default), mixed (known, and newcomers that fill the rest of the
 * table and then push out each other), crafted (new with keys that collide under another secret
 * than the table's) or exposed (the same, and the table's secret is known)
 *   --new     percent of the packets of mixed that begin a flow, 1 to 50 (default 10)
 *   --frame   octets of all frames, up to 1518 (default: as short as they come)
 *   --fill    percent of the table that known flows take (default: known 50, mixed 80); new fills
 * its table
 *   --deltas  the sweep fills deltas too, as it does when hosts are counted
 *   --hosts   and hosts are counted: what the worker does for them is a part of the engine's time
 * and told as hosts_ns, the analyst's as analyst_ns. Every host has room, so that none is cheap for
 * being refused
 *   --hunts   and hunts looked at too, by the built-in rules
 *   --active  flow.active, so that records are made within the turns measured; mean_ns tells what a
 * packet took over all passes, since records come in some of them only
 *   --export  records go into a ring as they do to the exporter; it is emptied outside the time
 *   --phases  read the clock three times a burst more, and print the phases
 *   --quick   one turn at least instead of three
 */
#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine_arguments.h"
#include "engine_case.h"
#include "engine_pass.h"
#include "engine_report.h"
#include "flow/table.h"

#define SEED UINT64_C(20)
#define MIN_PASSES 128u
#define EXIT_TOO_LITTLE_MEMORY 3

static uint64_t pass_count(const struct bench *b)
{
    uint64_t turns = b->arguments->quick ? 1 : 3, active_ns = b->arguments->active_s * 1000000000U;

    if (active_ns) /* in which each flow has one record */
        turns = active_ns / FLOW_TURN_NS;
    uint64_t passes = turns * TRAFFIC_TURN * b->traffic.flows / POOL_BUFFERS + 2;

    if (b->arguments->passes)
        return b->arguments->passes;
    return passes < MIN_PASSES ? MIN_PASSES : passes;
}

static int measure(struct bench *b)
{
    const uint64_t passes = pass_count(b);
    uint64_t *sample = calloc(TIMED_COUNT * passes, sizeof(*sample));
    double ns[TIMED_COUNT + 1]; /* and the engine's mean */

    if (!sample)
        return -ENOMEM;
    pass_warm_up(b);
    uint64_t turns = b->turns;
    b->analyst_ns = b->records = 0;
    for (uint64_t i = 0; i < passes; i++) {
        pass_measure(b);
        for (unsigned k = 0; k < TIMED_COUNT; k++)
            sample[k * passes + i] = b->pass_ns[k];
    }
    ns[TIMED_COUNT] = report_mean(sample + TIMED_ENGINE * passes, passes);
    for (unsigned k = 0; k < TIMED_COUNT; k++)
        ns[k] = report_median(sample + k * passes, passes);
    report_print(b, ns, passes, b->turns - turns);
    free(sample);
    return report_verify(b) ? 0 : -EPROTO;
}

static int run_case(const struct arguments *a, struct pool *pool, const struct mix *mix,
                    const struct traffic *traffic)
{
    struct bench *b = calloc(1, sizeof(*b));
    int rc = -ENOMEM;

    if (b)
        rc = bench_open(b, a, pool, mix, traffic);
    if (!rc)
        rc = measure(b);
    bench_close(b);
    free(b);
    return rc;
}

/* Of the cases of a family and mix that fail, the error of the last. */
static int run_sizes(const struct arguments *a, struct pool *pool, const struct mix *mix,
                     uint8_t family)
{
    static const uint64_t sizes[] = {10000, 100000, 1000000, 4000000};
    const size_t size_count = a->flows ? 1 : sizeof(sizes) / sizeof(sizes[0]);
    struct traffic traffic = {.seed = SEED,
                              .family = family,
                              .frame_len = (uint16_t)a->frame_len,
                              .new_percent = mix_new_percent(mix, a)};
    int rc = 0;

    for (size_t i = 0; i < size_count; i++) {
        traffic.flows = a->flows ? a->flows : sizes[i];
        int failed = run_case(a, pool, mix, &traffic);
        rc = failed ? failed : rc;
    }
    return rc;
}

static int run_all(const struct arguments *a, struct pool *pool)
{
    int rc = 0;

    for (uint8_t family = 4; family <= 6; family += 2) {
        for (const struct mix *mix = mixes; mix < mixes + MIX_COUNT; mix++) {
            bool wanted = (!a->family || a->family == family) &&
                          (a->mix ? !strcmp(a->mix, mix->name) : !mix->asked);
            int failed = wanted ? run_sizes(a, pool, mix, family) : 0;
            rc = failed ? failed : rc;
        }
    }
    return rc;
}

/* So that the scheduler does not carry it from cache to cache; without the right to, it runs
 * unpinned. */
static void pin(int cpu)
{
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(cpu < 0 ? sched_getcpu() : cpu, &set);
    if (sched_setaffinity(0, sizeof(set), &set))
        fprintf(stderr, PROGRAM ": not pinned to a processor: %s\n", strerror(errno));
}

int main(int argc, char **argv)
{
    struct arguments a;
    struct pool pool;

    if (!arguments_read(argc, argv, &a))
        return 2;
    pin(a.cpu);
    int rc = pool_init(&pool, SEED);
    if (!rc) {
        rc = run_all(&a, &pool);
        pool_fini(&pool);
    }
    if (rc)
        fprintf(stderr, PROGRAM ": failed: %s\n", strerror(-rc));
    return rc == -ENOMEM ? EXIT_TOO_LITTLE_MEMORY : rc ? 1 : 0;
}
