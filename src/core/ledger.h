/*
 * The loss ledger: every packet and every record has exactly one fate. Each line is an equation
 * whose sides were counted in different places; it is closed when both sides agree.
 *
 * `weir read` has one ledger of one pipeline. `weir run` has one per worker, of that worker's last
 * snapshot, and their sum; the collectors' own line stands in export/exporter.h
 * (collector_stats_closed()).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "flow/table.h"
#include "weir/capture.h"
#include "weir/counters.h"

struct ledger {
    uint64_t received;           /* counted by the capture sources, before their filters */
    uint64_t missed[MISS_COUNT]; /* received, never handed out */
    uint64_t pending;            /* received, still in a ring */
    uint64_t filtered;           /* received, left out before they were handed out */
    uint64_t delivered;          /* counted where the bursts came in */
    uint64_t handed;             /* records that went on: by the output, or to the exporter */
    uint64_t lost;               /* records that the output or the ring did not take */
    uint64_t forwarded;          /* inline: packets handed back to their source to be sent */
    uint64_t sent, send_failed;  /* inline: what became of them */
    struct counters counters;
    struct flow_census census;
};

enum ledger_line {
    LEDGER_RECEIVED,  /* received = delivered + filtered + missed + pending */
    LEDGER_DELIVERED, /* delivered = in flows + not IP + malformed + filtered + duplicates */
    LEDGER_FLOWS,     /* in flows = in records + live + held fragments + folded */
    LEDGER_FOLDED,    /* folded = in aggregates made + in open ones, in packets */
    LEDGER_OCTETS,    /* the same in octets */
    LEDGER_RECORDS,   /* flow records and aggregates made = handed on + lost */
    LEDGER_ENTRIES,   /* connections begun = ended + live */
    LEDGER_INLINE,    /* forwarded = sent + send failures */
    LEDGER_LINES
};

/* Left side minus right side of a line; 0 = closed. */
int64_t ledger_difference(const struct ledger *, enum ledger_line);

/* The line as an equation in words. */
const char *ledger_line_name(enum ledger_line);

uint64_t ledger_missed(const struct ledger *);

bool ledger_closed(const struct ledger *);

/* Adds every term. */
void ledger_add(struct ledger *, const struct ledger *more);

/* All lines, the fates and notes that are not 0, and `ledger closed` or the lines that are not. */
void ledger_print(const struct ledger *, FILE *);
