/*
 * How many different things: exact up to 32, estimated beyond by a sketch (base/sketch.h: mean
 * error 1.8 %).
 *
 * Design note. A set is 16 octets: its first element lies in it, up to 8 in a block of 64 octets,
 * up to 32 in one of 256, more in a sketch of 2176. Blocks come from three pools of fixed size.
 * When a pool is exhausted a set stays as it is and is a lower bound; `refused` counts that.
 * Elements are given as 64-bit hashes that an outsider cannot choose.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define DISTINCT_EXACT 32
#define DISTINCT_SIZES 3

struct distinct {
    uint64_t first;
    uint32_t block;
    uint16_t count; /* elements held exactly; DISTINCT_EXACT + 1: a sketch */
    uint16_t pool;
};

struct distinct_pool {
    uint8_t *block;
    uint32_t *free;
    uint32_t size, count, used, free_count; /* octets of one; blocks; ever used */
};

struct distinct_pools {
    struct distinct_pool pool[DISTINCT_SIZES];
    uint64_t *recent; /* keys of what distinct_may_be_new() was asked for, the last of each place */
    uint64_t sketches; /* ever made */
    uint64_t refused;
};

/* Room for so many sets of up to 8, up to 32, and above. Returns 0 or -ENOMEM. */
int distinct_pools_init(struct distinct_pools *, uint32_t small, uint32_t exact, uint32_t sketches);
void distinct_pools_fini(struct distinct_pools *);

/* True when the element is new to the set, as far as the set can tell. */
bool distinct_add(struct distinct_pools *, struct distinct *, uint64_t hash);

/* For whoever keeps a finer sketch of the same set: true when the set is a sketch, which tells only
 * of elements that change it, and the element was not asked for lately. */
bool distinct_may_be_new(struct distinct_pools *, const struct distinct *, uint64_t hash);

uint32_t distinct_count(const struct distinct_pools *, const struct distinct *);
void distinct_clear(struct distinct_pools *, struct distinct *);
