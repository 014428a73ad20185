/*
 * A host among those that are like it.
 */
#include <math.h>

#include "base/ip.h"
#include "hunt/hunt.h"

enum hunt_measure hunt_compared(const struct hunt_rule *r)
{
    if (r->compare)
        return (enum hunt_measure)(r->compare - 1);
    return r->mads > 0 ? (enum hunt_measure)r->condition[0].measure : MEASURE_COUNT;
}

/* A connection has no window: its host is compared by the hour. */
enum host_window hunt_compared_window(const struct hunt_rule *r)
{
    return r->scope == SCOPE_FLOW ? WINDOW_HOUR : (enum host_window)r->window;
}

int hunt_tag_of(const struct hunt_tags *t, const struct host_key *host)
{
    int tag = -1, length = -1;

    for (uint32_t i = 0; i < t->prefix_count; i++) {
        if (t->prefix[i].length <= length ||
            !ip_prefix_contains(&t->prefix[i], host_key_version(host), host_key_address(host)))
            continue;
        tag = t->tag[i];
        length = t->prefix[i].length;
    }
    return tag;
}

static double middle(const double *v, uint32_t count)
{
    return count % 2 ? v[count / 2] : (v[count / 2 - 1] + v[count / 2]) / 2;
}

/* Deviations of rising values rise from the median to either side: merged, the middle one is found
 * halfway. */
static double deviation(const double *v, uint32_t count, double median)
{
    uint32_t below = count / 2, above = count / 2; /* taken: v[below] .. v[above - 1] */
    double before = 0, last = 0;

    while (above - below < count / 2 + 1) {
        double down = below ? median - v[below - 1] : INFINITY;
        double up = above < count ? v[above] - median : INFINITY;
        before = last;
        last = down < up ? down : up;
        if (down < up)
            below--;
        else
            above++;
    }
    return count % 2 ? last : (before + last) / 2;
}

struct hunt_group hunt_group_of(const double *v, uint32_t count)
{
    struct hunt_group g = {.hosts = count};

    if (!count)
        return g;
    g.median = middle(v, count);
    g.mad = deviation(v, count, g.median);
    return g;
}

bool hunt_stands_out(const struct hunt_rule *r, const struct hunt_group *g)
{
    double least = g->median * HUNT_MAD_LEAST;

    if (r->mads <= 0 || g->hosts < HUNT_GROUP_LEAST)
        return true;
    return g->own > g->median && g->own >= g->median + r->mads * (g->mad > least ? g->mad : least);
}
