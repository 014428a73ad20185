/*
 * How many one-packet flows a prefix has in a second, for prefixes of either side and seconds in
 * any order: records of one second leave the table in many turns, and all that is left at a drain.
 *
 * Design note. 4096 sets of 4 slots of 16 octets, one cache line a set, 256 KiB. A slot counts one
 * prefix in one second; a keyed hash of both stands for them. A new one takes the slot of a second
 * long past, else the one with the least count: what is frequent stays, however many prefixes come
 * once. A prefix that is pushed out begins again at 0, so counts are never too high.
 */
#pragma once

#include <stdint.h>

struct rates;

/* Returns 0 or -ENOMEM. */
int rates_create(struct rates **);
void rates_destroy(struct rates *);

/* Counts one more of key in that second; returns its count, this one included. key: a hash of
 * prefix, side and second that an outsider cannot choose. */
uint32_t rates_count(struct rates *, uint64_t key, uint32_t second);
