#include "hosts/distinct.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/sketch.h"

#define RECENT 65536u

struct numbered_sketch {
    uint64_t number; /* of all that were ever made */
    struct sketch sketch;
};

static const uint32_t capacity[DISTINCT_SIZES - 1] = {8, DISTINCT_EXACT};

static int pool_init(struct distinct_pool *p, uint32_t size, uint32_t count)
{
    p->size = size;
    p->count = count;
    p->block = memory_reserve((size_t)size * count);
    p->free = memory_reserve(sizeof(*p->free) * count);
    return p->block && p->free ? 0 : -ENOMEM;
}

int distinct_pools_init(struct distinct_pools *p, uint32_t small, uint32_t exact, uint32_t sketches)
{
    memset(p, 0, sizeof(*p));
    int rc = pool_init(&p->pool[0], 8 * sizeof(uint64_t), small);
    rc = rc ? rc : pool_init(&p->pool[1], DISTINCT_EXACT * sizeof(uint64_t), exact);
    rc = rc ? rc : pool_init(&p->pool[2], sizeof(struct numbered_sketch), sketches);
    p->recent = memory_reserve(RECENT * sizeof(*p->recent));
    rc = rc ? rc : p->recent ? 0 : -ENOMEM;
    if (rc)
        distinct_pools_fini(p);
    return rc;
}

void distinct_pools_fini(struct distinct_pools *p)
{
    for (int i = 0; i < DISTINCT_SIZES; i++) {
        memory_release(p->pool[i].block, (size_t)p->pool[i].size * p->pool[i].count);
        memory_release(p->pool[i].free, sizeof(*p->pool[i].free) * p->pool[i].count);
    }
    memory_release(p->recent, RECENT * sizeof(*p->recent));
    memset(p, 0, sizeof(*p));
}

static void *block_at(const struct distinct_pool *p, uint32_t block)
{
    return p->block + (size_t)p->size * block;
}

/* False when the pool is exhausted. */
static bool block_take(struct distinct_pool *p, uint32_t *block)
{
    if (p->free_count)
        *block = p->free[--p->free_count];
    else if (p->used < p->count)
        *block = p->used++;
    else
        return false;
    return true;
}

static void block_give(struct distinct_pool *p, uint32_t block)
{
    p->free[p->free_count++] = block;
}

static const uint64_t *elements(const struct distinct_pools *p, const struct distinct *d)
{
    return d->count <= 1 ? &d->first : block_at(&p->pool[d->pool], d->block);
}

static bool is_sketch(const struct distinct *d)
{
    return d->count > DISTINCT_EXACT;
}

static struct sketch *sketch_of(const struct distinct_pools *p, const struct distinct *d)
{
    return &((struct numbered_sketch *)block_at(&p->pool[d->pool], d->block))->sketch;
}

/* Into a block of the next size; false when there is none. */
static bool grow(struct distinct_pools *p, struct distinct *d)
{
    uint16_t to = d->count == 1 ? 0 : d->pool + 1;
    uint32_t block;

    if (!block_take(&p->pool[to], &block)) {
        p->refused++;
        return false;
    }
    if (to == DISTINCT_SIZES - 1) {
        struct numbered_sketch *s = block_at(&p->pool[to], block);
        s->number = ++p->sketches;
        sketch_clear(&s->sketch);
        for (uint32_t i = 0; i < d->count; i++)
            sketch_add(&s->sketch, elements(p, d)[i]);
    } else {
        memcpy(block_at(&p->pool[to], block), elements(p, d), d->count * sizeof(uint64_t));
    }
    if (d->count > 1)
        block_give(&p->pool[d->pool], d->block);
    d->block = block;
    d->pool = to;
    return true;
}

static bool is_full(const struct distinct *d)
{
    return d->count == 1 || (d->count > 1 && d->count == capacity[d->pool]);
}

static bool add_exactly(struct distinct_pools *p, struct distinct *d, uint64_t hash)
{
    const uint64_t *known = elements(p, d);

    for (uint32_t i = 0; i < d->count; i++)
        if (known[i] == hash)
            return false;
    if (is_full(d) && !grow(p, d))
        return false;
    if (d->count == DISTINCT_EXACT)
        sketch_add(sketch_of(p, d), hash);
    else if (d->count == 0)
        d->first = hash;
    else
        ((uint64_t *)block_at(&p->pool[d->pool], d->block))[d->count] = hash;
    d->count++;
    return true;
}

bool distinct_add(struct distinct_pools *p, struct distinct *d, uint64_t hash)
{
    if (is_sketch(d))
        return sketch_add(sketch_of(p, d), hash);
    return add_exactly(p, d, hash);
}

bool distinct_may_be_new(struct distinct_pools *p, const struct distinct *d, uint64_t hash)
{
    if (!is_sketch(d))
        return false;
    const struct numbered_sketch *s = block_at(&p->pool[d->pool], d->block);
    uint64_t key = (hash ^ s->number * 0x9e3779b97f4a7c15u) | 1;
    uint64_t *place = &p->recent[key >> 32 & (RECENT - 1)];
    bool asked = *place == key;

    *place = key;
    return !asked;
}

uint32_t distinct_count(const struct distinct_pools *p, const struct distinct *d)
{
    return is_sketch(d) ? sketch_estimate(sketch_of(p, d)) : d->count;
}

void distinct_clear(struct distinct_pools *p, struct distinct *d)
{
    if (d->count > 1)
        block_give(&p->pool[d->pool], d->block);
    memset(d, 0, sizeof(*d));
}
