#include "export/group.h"

#include "weir/config.h"

/* splitmix64: the members' numbers for one flow are unlike each other. */
static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
    x = (x ^ x >> 27) * 0x94d049bb133111ebull;
    return x ^ x >> 31;
}

static bool is_any(const struct group *g, const bool available[])
{
    for (uint32_t i = 0; i < g->count; i++)
        if (available[i])
            return true;
    return false;
}

static uint32_t first(const struct group *g, const bool available[])
{
    for (uint32_t i = 0; i < g->count; i++)
        if (available[i])
            return i;
    return 0;
}

/* The member whose number for this flow is greatest (rendezvous hashing). */
static uint32_t greatest(const struct group *g, const bool available[], bool any, uint64_t flow_id)
{
    uint32_t best = 0;
    uint64_t most = 0;

    for (uint32_t i = 0; i < g->count; i++) {
        uint64_t number = mix(flow_id + (i + 1) * 0x9e3779b97f4a7c15ull) | 1;
        if ((available[i] || !any) && number > most) {
            most = number;
            best = i;
        }
    }
    return best;
}

uint32_t group_choose(const struct group *g, const bool available[], uint64_t flow_id)
{
    if (g->mode == GROUP_BALANCE)
        return greatest(g, available, is_any(g, available), flow_id);
    return first(g, available);
}
