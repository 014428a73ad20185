#include "flow/rate.h"

#include <assert.h>
#include <errno.h>

#include "base/memory.h"

#define SETS 4096u
#define WAYS 4u
#define PAST_S 60 /* further from the second that is counted, a slot is the first to go */

struct slot {
    uint64_t key;
    uint32_t second;
    uint32_t count; /* 0 = free */
};

struct rates {
    struct slot set[SETS][WAYS];
};
static_assert(sizeof(struct slot) * WAYS == 64, "a set is a cache line");

int rates_create(struct rates **out)
{
    struct rates *r = memory_reserve(sizeof(*r));

    if (!r)
        return -ENOMEM;
    *out = r;
    return 0;
}

void rates_destroy(struct rates *r)
{
    if (r)
        memory_release(r, sizeof(*r));
}

static uint32_t worth(const struct slot *slot, uint32_t second)
{
    uint32_t apart = slot->second > second ? slot->second - second : second - slot->second;

    return apart > PAST_S ? 0 : slot->count;
}

uint32_t rates_count(struct rates *r, uint64_t key, uint32_t second)
{
    struct slot *set = r->set[key % SETS], *least = set;
    uint32_t least_worth = UINT32_MAX;

    for (unsigned i = 0; i < WAYS; i++) {
        if (set[i].key == key && set[i].count)
            return set[i].count < UINT32_MAX ? ++set[i].count : UINT32_MAX;
        uint32_t w = worth(&set[i], second);
        least = w < least_worth ? &set[i] : least;
        least_worth = w < least_worth ? w : least_worth;
    }
    *least = (struct slot){.key = key, .second = second, .count = 1};
    return 1;
}
