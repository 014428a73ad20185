/*
 * Rules over subnets: the rows of inside hosts of one /24 or /64 added up.
 */
#include <string.h>

#include "core/analyst_internal.h"

struct host_key analyst_subnet(const struct host_key *host)
{
    struct host_key key = *host;
    size_t len = host_key_version(host) == 4 ? 15 : 8;

    memset(key.address + len, 0, sizeof(key.address) - len);
    return key;
}

/* Up to GROUPS of them: subnets beyond are not looked at. */
static struct host_row *group_row(struct analyst *a, const struct host_row *row)
{
    struct host_key key = analyst_subnet(&row->key);
    uint32_t home = (uint32_t)book_hash(a->book, key.address);

    for (uint32_t i = 0; i < ANALYST_GROUPS; i++) {
        struct host_row *group = &a->groups[(home + i) % ANALYST_GROUPS];
        if (!group->start_ns) {
            *group = (struct host_row){
                .key = key, .start_ns = row->start_ns, .window = row->window, .inside = 1};
            return group;
        }
        if (memcmp(&group->key, &key, sizeof(key)) == 0)
            return group;
    }
    return NULL;
}

static void add_host(struct analyst *a, const struct host_row *row)
{
    struct host_row *group = group_row(a, row);

    for (int i = 0; group && i < HOST_COUNTER_COUNT; i++)
        group->counters.value[i] += row->counters.value[i];
}

static bool wants(const struct analyst *a, enum host_window w)
{
    const struct hunt_rules *rules = &a->generation->rules;

    for (uint32_t i = 0; i < rules->count; i++)
        if (rules->rule[i].enabled && rules->rule[i].scope == SCOPE_GROUP &&
            rules->rule[i].window == w)
            return true;
    return false;
}

static void judge_window(struct analyst *a, enum host_window w)
{
    struct host_row row;

    memset(a->groups, 0, sizeof(a->groups));
    for (uint32_t i = 1; i < a->book->high_water; i++) {
        const struct book_host *h = &a->book->host[i];
        if (h->used && h->inside && book_row(a->book, h, w, a->clock_ns, &row))
            add_host(a, &row);
    }
    for (uint32_t i = 0; i < ANALYST_GROUPS; i++)
        if (a->groups[i].start_ns)
            analyst_judge_group(a, &a->groups[i]);
}

void analyst_judge_groups(struct analyst *a)
{
    for (int w = 0; w < WINDOW_COUNT; w++)
        if (wants(a, (enum host_window)w))
            judge_window(a, (enum host_window)w);
}
