/*
 * Durations, counts and sizes as people write them. Pure.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define NUMBER_TEXT_MAX 32 /* longest text of a *_format() and its end */

/* "500ms", "15s", "2m", "1h", "1d", "1h30m" (units falling, each once); a bare number is seconds.
 * Returns 0 and the nanoseconds, UINT64_MAX when there are more than that; or -EINVAL. */
int duration_parse(const char *text, uint64_t *ns);

/* The shortest such text, whole milliseconds. Returns out. */
const char *duration_format(uint64_t ns, char out[NUMBER_TEXT_MAX]);

/* "4096", "100k", "4M", "1G" (powers of 1000). Returns 0 and the number, UINT64_MAX when it is
 * larger; or -EINVAL. */
int count_parse(const char *text, uint64_t *count);
const char *count_format(uint64_t count, char out[NUMBER_TEXT_MAX]);

/* "1400", "8MiB", "1GiB" (powers of 1024), "1M" (of 1000); likewise. */
int octets_parse(const char *text, uint64_t *octets);
const char *octets_format(uint64_t octets, char out[NUMBER_TEXT_MAX]);

/* "4739": digits alone; likewise. */
int digits_parse(const char *text, uint64_t *number);
const char *digits_format(uint64_t number, char out[NUMBER_TEXT_MAX]);
