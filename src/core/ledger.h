/*
 * The loss ledger: every packet and every record has exactly one fate. Each line is an equation
 * whose sides were counted in different places; it is closed when both sides agree.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "flow/table.h"
#include "weir/counters.h"

struct ledger {
    uint64_t received;  /* counted by the capture sources, before their filters */
    uint64_t delivered; /* counted where the bursts came in */
    uint64_t written;   /* records that left by the output */
    uint64_t lost;      /* records that the output did not take */
    struct counters counters;
    struct flow_census census;
};

enum ledger_line {
    LEDGER_RECEIVED,  /* received = delivered + filtered */
    LEDGER_DELIVERED, /* delivered = in flows + not IP + malformed + duplicates */
    LEDGER_FLOWS,     /* in flows = in records + live + held fragments */
    LEDGER_RECORDS,   /* records made = written + lost at the output */
    LEDGER_ENTRIES,   /* connections begun = ended + live */
    LEDGER_LINES
};

/* Left side minus right side of a line; 0 = closed. */
int64_t ledger_difference(const struct ledger *, enum ledger_line);

bool ledger_closed(const struct ledger *);

/* All lines, the fates and notes that are not 0, and `ledger closed` or the lines that are not. */
void ledger_print(const struct ledger *, FILE *);
