/*
 * A host against its group: the median of what hosts with the same tag, or of the same subnet, have
 * of a measure in the same window.
 *
 * Design note. All inside hosts that have the window, sorted by group and value: 24 octets each,
 * for every measure and window that a rule compares, made when a host is to be compared. An old
 * table understates what the others did meanwhile, so it lasts for an eighth of the window's age
 * when it was made, at most PEERS_MAX_NS: many hosts over a threshold cost a search each, and a
 * table now and then.
 */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "core/analyst_internal.h"

#define PEERS_MAX_NS UINT64_C(10000000000)
#define PEERS_SHARE 8
#define SUBNET_BIT (UINT64_C(1) << 63) /* groups of tags have small numbers */

static size_t peers_size(const struct analyst *a)
{
    return sizeof(struct analyst_peer) * (size_t)a->options.config->hosts.max_inside;
}

static uint64_t group_of(const struct analyst *a, const struct host_key *host)
{
    int tag = hunt_tag_of(&a->generation->rules.tags, host);
    struct host_key subnet = analyst_subnet(host);

    return tag >= 0 ? (uint64_t)tag : book_hash(a->book, subnet.address) >> 2 | SUBNET_BIT;
}

static int by_group_and_value(const void *a, const void *b)
{
    const struct analyst_peer *x = a, *y = b;

    if (x->group != y->group)
        return x->group < y->group ? -1 : 1;
    return (x->value > y->value) - (x->value < y->value);
}

static void peers_fill(struct analyst *a, struct analyst_peers *p, enum host_window w,
                       enum hunt_measure m)
{
    const struct book *b = a->book;
    struct host_row row;
    struct hunt_subject s = {.host_row = &row};

    p->count = 0;
    p->made_ns = a->clock_ns;
    p->window_start_ns = host_window_start(w, a->clock_ns);
    for (uint32_t i = 1; i < b->high_water; i++) {
        const struct book_host *h = &b->host[i];
        if (!h->used || !h->inside || !book_row(b, h, w, a->clock_ns, &row))
            continue;
        p->peer[p->count++] = (struct analyst_peer){group_of(a, &h->key), hunt_value(m, w, &s), i};
    }
    qsort(p->peer, p->count, sizeof(*p->peer), by_group_and_value);
}

static bool is_stale(const struct analyst *a, const struct analyst_peers *p, enum host_window w)
{
    uint64_t lasts = (p->made_ns - p->window_start_ns) / PEERS_SHARE;

    return !p->made_ns || p->window_start_ns != host_window_start(w, a->clock_ns) ||
           a->clock_ns - p->made_ns > (lasts < PEERS_MAX_NS ? lasts : PEERS_MAX_NS);
}

/* NULL: no memory. */
static const struct analyst_peers *peers_of(struct analyst *a, enum host_window w,
                                            enum hunt_measure m)
{
    struct analyst_peers *p = &a->peers[w][m];

    if (!p->peer)
        p->peer = memory_reserve(peers_size(a));
    if (!p->peer)
        return NULL;
    if (is_stale(a, p, w))
        peers_fill(a, p, w, m);
    return p;
}

/* The first of a group, or of the one behind it. */
static uint32_t first_of(const struct analyst_peers *p, uint64_t group)
{
    uint32_t low = 0, high = p->count;

    while (low < high) {
        uint32_t at = low + (high - low) / 2;
        if (p->peer[at].group < group)
            low = at + 1;
        else
            high = at;
    }
    return low;
}

/* Of a large group every n-th, which has the same median. */
static void measure_group(struct analyst *a, const struct analyst_peers *p, uint64_t group,
                          uint32_t own, struct hunt_group *out)
{
    uint32_t first = first_of(p, group), end = first_of(p, group + 1);
    uint32_t step = (end - first) / ANALYST_GROUP + 1, count = 0, others = end - first;
    double value = out->own;

    for (uint32_t i = first; i < end; i++) {
        others -= p->peer[i].host == own;
        if ((i - first) % step == 0 && p->peer[i].host != own)
            a->group[count++] = p->peer[i].value;
    }
    *out = hunt_group_of(a->group, count);
    out->hosts = others;
    out->own = value;
}

static const char *tag_name(const struct analyst *a, const struct host_key *host)
{
    int tag = hunt_tag_of(&a->generation->rules.tags, host);

    return tag >= 0 ? a->generation->rules.tags.name[tag] : NULL;
}

/* What this sensor counted of a host is compared with what it counted of the others, also when the
 * rule was judged by the sum of a fleet. */
static void compare(struct analyst *a, const struct hunt_rule *r, const struct host_key *host,
                    struct hunt_group *out)
{
    enum hunt_measure m = hunt_compared(r);
    enum host_window w = hunt_compared_window(r);
    const struct book_host *h = book_find(a->book, host);
    const struct analyst_peers *p = peers_of(a, w, m);
    struct host_row row;
    struct hunt_subject s = {.host_row = &row};

    *out = (struct hunt_group){0};
    if (!p || !h || !h->inside || !book_row(a->book, h, w, a->clock_ns, &row))
        return;
    out->own = hunt_value(m, w, &s);
    measure_group(a, p, group_of(a, host), (uint32_t)(h - a->book->host), out);
    out->tag = tag_name(a, host);
}

bool analyst_compare(struct analyst *a, const struct hunt_rule *r, const struct hunt_subject *s,
                     struct hunt_group *out)
{
    *out = (struct hunt_group){0};
    if (hunt_compared(r) != MEASURE_COUNT && s->inside & INSIDE_INITIATOR)
        compare(a, r, &s->host, out);
    return hunt_stands_out(r, out);
}

void analyst_compare_anew(struct analyst *a)
{
    for (int w = 0; w < WINDOW_COUNT; w++)
        for (int m = 0; m < MEASURE_COUNT; m++)
            a->peers[w][m].made_ns = 0;
}

void analyst_compare_fini(struct analyst *a)
{
    for (int w = 0; w < WINDOW_COUNT; w++)
        for (int m = 0; m < MEASURE_COUNT; m++)
            memory_release(a->peers[w][m].peer, peers_size(a));
}
