/* What the engine benchmark says of a case. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct bench;

/* ns per packet, of pass times; median sorts them. */
double report_mean(const uint64_t *sample, uint64_t count);
double report_median(uint64_t *sample, uint64_t count);

/* Prints a JSON line. ns: by enum timed, and behind them the engine's mean. */
void report_print(const struct bench *, const double ns[], uint64_t passes, uint64_t turns);

/* A line on stderr; returns false. */
bool report_complain(const struct bench *, const char *what);

/* Whether the ledger is closed and the case was what it says it is; complains if not. */
bool report_verify(const struct bench *);
