/*
 * Host rows on their way to Redis: the last state of every host and window, and which of them are
 * still to be pushed. A later row of the same host and window replaces the earlier, so memory is
 * bounded by hosts times windows, however long Redis is away. The caller locks.
 *
 * 256 octets per row, in pages touched when first used, and 8 octets of index. When all room is
 * taken, rows of the window that ended first go; those not yet pushed are counted as dropped.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "weir/host.h"

struct rows;

int rows_create(uint32_t max, struct rows **);
void rows_destroy(struct rows *);

/* Takes or replaces a row; it is to be pushed. One that is gone is forgotten at once when it was
 * never pushed. */
void rows_put(struct rows *, const struct host_row *);

/* Takes up to max rows that are to be pushed, oldest change first. had_gauge: the gauges (bits of
 * 1 << enum key_gauge) that a row before had, which so must be written though 0 now. wipe: what is
 * there must go first. */
struct rows_taken {
    struct host_row row;
    uint8_t had_gauge;
    bool wipe;
};
size_t rows_take(struct rows *, struct rows_taken *, size_t max);

/* A taken row has arrived; or not, and is to be pushed again, in the state it has now. */
void rows_done(struct rows *, const struct rows_taken *);
void rows_again(struct rows *, const struct rows_taken *);
/* What was pushed is gone: all is to be pushed again. */
void rows_all_again(struct rows *);

/* Looks at up to `step` rows and gives up those that ended over three of their windows before
 * now_ns, and those that ended and are pushed. */
void rows_age(struct rows *, uint64_t now_ns, uint32_t step);

/* The rows of a window that is current at now_ns; returns how many were written. */
size_t rows_read(const struct rows *, enum host_window, uint64_t now_ns, struct host_row *,
                 size_t max);

/* Bits of the gauges that are not 0. */
uint8_t rows_gauges(const struct host_row *);

struct rows_stats {
    uint32_t kept, waiting; /* waiting: to be pushed */
    uint64_t dropped;       /* given up before they were pushed */
};
void rows_stats(const struct rows *, struct rows_stats *);
