/*
 * Random packet sequences through the flow table and through the reference beside it: the same
 * records must come out, at the same turn, and the ledger must close after every burst.
 *
 *   model [--sequences N | --seconds N] [--seed N]
 *
 * Without arguments it runs for 50 s; with WEIR_LONG=1 in the environment, 1 000 000 sequences.
 */
#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "compare.h"
#include "generate.h"
#include "reference.h"
#include "weir/counters.h"

#define BATCH 16 /* sequences through one table, drained in between */
#define LONG_SEQUENCES 1000000
#define SHORT_SECONDS 50

static int usage(void)
{
    fputs("usage: model [--sequences N | --seconds N] [--seed N]\n", stderr);
    return 2;
}

struct plan {
    uint64_t seed, sequences, seconds;
};

static bool number(const char *text, uint64_t *value)
{
    char *end;

    errno = 0;
    *value = strtoull(text, &end, 10);
    return !errno && end != text && !*end;
}

static int parse(int argc, char **argv, struct plan *plan)
{
    const char *wants = getenv("WEIR_LONG");

    *plan = (struct plan){.seed = 1, .sequences = UINT64_MAX, .seconds = SHORT_SECONDS};
    if (wants && strcmp(wants, "1") == 0)
        *plan = (struct plan){.seed = 1, .sequences = LONG_SEQUENCES, .seconds = UINT64_MAX};
    for (int i = 1; i < argc; i += 2) {
        uint64_t value;
        if (i + 1 >= argc || !number(argv[i + 1], &value))
            return usage();
        if (strcmp(argv[i], "--sequences") == 0)
            plan->sequences = value, plan->seconds = UINT64_MAX;
        else if (strcmp(argv[i], "--seconds") == 0)
            plan->seconds = value;
        else if (strcmp(argv[i], "--seed") == 0)
            plan->seed = value;
        else
            return usage();
    }
    return 0;
}

/* In a full table the reference has no say, only the sums. */
static enum table_room room_of(uint64_t batch)
{
    switch (batch % 8) {
    case 7:
        return TABLE_FULL;
    case 6:
        return TABLE_CROWDED;
    default:
        return TABLE_ROOMY;
    }
}

static bool batch_run(struct comparison *c, uint64_t batch, uint64_t sequences)
{
    struct flow_table_options options;
    struct sequence sequence;
    bool same = true;

    generate_options(batch, room_of(batch), &options);
    if (!comparison_open(c, &options))
        return false;
    for (uint64_t i = 0; i < sequences && same; i++) {
        uint64_t seed = batch * BATCH + i;
        generate_sequence(seed, &options, &sequence);
        same = comparison_run(c, &sequence);
        if (!same)
            printf("sequence %" PRIu64 ", batch %" PRIu64 "\n", i, batch);
    }
    comparison_close(c);
    if (!same)
        comparison_shrink(c, &options, &sequence);
    return same;
}

int main(int argc, char **argv)
{
    struct plan plan;
    uint64_t done = 0, batch;
    time_t begun = time(NULL);
    int rc = parse(argc, argv, &plan);

    if (rc)
        return rc;
    struct comparison *c = comparison_create();
    if (!c)
        return 1;
    for (batch = plan.seed; done < plan.sequences; batch++) {
        uint64_t n = plan.sequences - done < BATCH ? plan.sequences - done : BATCH;
        if ((uint64_t)(time(NULL) - begun) >= plan.seconds)
            break;
        if (!batch_run(c, batch, n)) {
            printf("DIFFERENCE: model --seed %" PRIu64 " --sequences %d\n", batch, BATCH);
            rc = 1;
            break;
        }
        done += n;
    }
    comparison_report(c, done);
    comparison_destroy(c);
    return rc;
}
