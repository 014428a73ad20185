#include "flow/fragment.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

struct fragments {
    struct fragment *entry;
    uint32_t sets; /* power of two */
    uint32_t used;
    uint32_t held;
    uint32_t scan; /* where fragments_expire goes on */
    uint64_t timeout_ns;
    uint64_t oldest_ns; /* nothing is older than this */
};

static size_t fragments_octets(const struct fragments *f)
{
    return (size_t)f->sets * FRAGMENT_WAYS * sizeof(struct fragment);
}

int fragments_create(uint64_t max, uint64_t timeout_ns, struct fragments **out)
{
    struct fragments *f = memory_lines(sizeof(*f));

    if (!f)
        return -ENOMEM;
    f->timeout_ns = timeout_ns;
    f->sets = 1;
    while ((uint64_t)f->sets * FRAGMENT_WAYS < max)
        f->sets *= 2;
    f->entry = memory_reserve(fragments_octets(f));
    if (!f->entry) {
        free(f);
        return -ENOMEM;
    }
    *out = f;
    return 0;
}

void fragments_destroy(struct fragments *f)
{
    if (!f)
        return;
    memory_release(f->entry, fragments_octets(f));
    free(f);
}

static size_t address_len(const struct packet *p)
{
    return p->ip_version == 4 ? 8 : 32;
}

static struct fragment *set_of(struct fragments *f, struct flow_table *t, const struct packet *p)
{
    struct hash_job job = {.blocks = 3};

    memcpy(job.block[0], &p->fragment_id, 4);
    job.block[0][4] = p->ip_version;
    job.block[0][5] = p->proto;
    memcpy(job.block[1], p->addresses, address_len(p));
    t->hash_burst(&t->secret, &job, 1, sizeof(job));
    return &f->entry[(job.value.place & (f->sets - 1)) * FRAGMENT_WAYS];
}

static bool same(const struct fragment *e, const struct packet *p)
{
    return e->state != FRAGMENT_FREE && e->id == p->fragment_id && e->proto == p->proto &&
           e->ip_version == p->ip_version && memcmp(e->address, p->addresses, address_len(p)) == 0;
}

static void entry_free(struct fragments *f, struct fragment *e)
{
    if (e->state == FRAGMENT_HELD)
        f->held--;
    if (e->state != FRAGMENT_FREE)
        f->used--;
    e->state = FRAGMENT_FREE;
}

/* A copy outlives its entry: its sample points into the copy. */
static void entry_release(struct fragments *f, struct fragment *e, struct fragment *released)
{
    *released = *e;
    released->sample.addresses = released->address;
    if (released->sample.outer_addresses)
        released->sample.outer_addresses = released->outer;
    entry_free(f, e);
}

static void entry_begin(struct fragments *f, struct fragment *e, const struct packet *p,
                        uint64_t clock_ns)
{
    memset(e, 0, sizeof(*e));
    e->clock_ns = clock_ns;
    e->id = p->fragment_id;
    e->ip_version = p->ip_version;
    e->proto = p->proto;
    memcpy(e->address, p->addresses, address_len(p));
    if (!f->used || clock_ns < f->oldest_ns)
        f->oldest_ns = clock_ns;
    f->used++;
}

static void entry_know(struct fragment *e, const struct packet *p)
{
    e->state = FRAGMENT_KNOWN;
    e->flags = p->flags & (PACKET_ICMP_ONE_WAY | PACKET_HAS_PORTS);
    e->port[0] = p->src_port;
    e->port[1] = p->dst_port;
    e->icmp_type = p->icmp_type;
    e->icmp_code = p->icmp_code;
}

static void entry_hold(struct fragments *f, struct fragment *e, const struct packet *p)
{
    if (e->state != FRAGMENT_HELD) {
        e->state = FRAGMENT_HELD;
        f->held++;
        e->sample = *p;
        e->sample.macs = NULL;
        if (p->outer_addresses)
            memcpy(e->outer, p->outer_addresses, p->outer_version == 4 ? 8 : 32);
        e->held.first_ts = e->held.last_ts = p->ts_ns;
    }
    e->held.packets++;
    e->held.octets += p->octets;
    e->held.payload += p->payload;
    if (p->ts_ns < e->held.first_ts)
        e->held.first_ts = p->ts_ns;
    if (p->ts_ns > e->held.last_ts)
        e->held.last_ts = p->ts_ns;
}

static void join(const struct fragment *e, struct packet *p)
{
    p->src_port = e->port[0];
    p->dst_port = e->port[1];
    p->icmp_type = e->icmp_type;
    p->icmp_code = e->icmp_code;
    p->flags |= e->flags;
}

/* The way that holds the datagram, or one to take for it: free, or the oldest. */
static struct fragment *find_way(struct fragment *set, const struct packet *p)
{
    struct fragment *take = set;

    for (int i = 0; i < FRAGMENT_WAYS; i++) {
        if (same(&set[i], p))
            return &set[i];
        if (take->state != FRAGMENT_FREE &&
            (set[i].state == FRAGMENT_FREE || set[i].clock_ns < take->clock_ns))
            take = &set[i];
    }
    return take;
}

enum fragment_fate fragments_see(struct fragments *f, struct flow_table *t, struct packet *p,
                                 struct fragment *released)
{
    uint64_t clock = packet_arrival(t, p);
    struct fragment *e = find_way(set_of(f, t, p), p);
    bool first = p->flags & PACKET_FRAGMENT_FIRST, pushed = false;

    if (same(e, p) && clock >= e->clock_ns + f->timeout_ns) {
        /* too old: an identification that came round again */
        pushed = e->state == FRAGMENT_HELD;
        entry_release(f, e, released);
    } else if (same(e, p)) {
        if (!first && e->state == FRAGMENT_KNOWN) {
            join(e, p);
            t->counters->note[NOTE_FRAGMENTS_JOINED]++;
            return FRAGMENT_GOES_ON;
        }
        if (!first) {
            entry_hold(f, e, p);
            t->counters->note[NOTE_FRAGMENTS_HELD]++;
            return FRAGMENT_WAITS;
        }
        bool waiting = e->state == FRAGMENT_HELD;
        if (waiting) {
            entry_release(f, e, released);
            t->counters->note[NOTE_FRAGMENTS_JOINED] += released->held.packets;
            entry_begin(f, e, p, clock);
        }
        entry_know(e, p);
        return waiting ? FRAGMENT_JOINED : FRAGMENT_GOES_ON;
    } else if (e->state != FRAGMENT_FREE) {
        pushed = e->state == FRAGMENT_HELD;
        entry_release(f, e, released);
    }
    entry_begin(f, e, p, clock);
    if (first) {
        entry_know(e, p);
        return pushed ? FRAGMENT_PUSHED : FRAGMENT_GOES_ON;
    }
    entry_hold(f, e, p);
    t->counters->note[NOTE_FRAGMENTS_HELD]++;
    return pushed ? FRAGMENT_PUSHED_WAITS : FRAGMENT_WAITS;
}

bool fragments_expire(struct fragments *f, uint64_t now_ns, bool all, struct fragment *released)
{
    uint32_t count = f->sets * FRAGMENT_WAYS, from = f->scan;
    uint64_t oldest = UINT64_MAX;

    if (!f->used || (!all && now_ns < f->oldest_ns + f->timeout_ns)) {
        f->scan = 0;
        return false;
    }
    for (; f->scan < count; f->scan++) {
        struct fragment *e = &f->entry[f->scan];
        if (e->state == FRAGMENT_FREE)
            continue;
        if (!all && now_ns < e->clock_ns + f->timeout_ns) {
            oldest = e->clock_ns < oldest ? e->clock_ns : oldest;
            continue;
        }
        if (e->state == FRAGMENT_HELD) {
            entry_release(f, e, released);
            return true; /* the scan goes on from here */
        }
        entry_free(f, e);
    }
    f->scan = 0;
    /* entries before the place where a broken-off scan went on were not looked at again: 0 is safe
     */
    f->oldest_ns = from || oldest == UINT64_MAX ? 0 : oldest;
    return all && from && fragments_expire(f, now_ns, true, released);
}

void fragments_held(const struct fragments *f, uint64_t *packets, uint64_t *octets)
{
    uint32_t count = f->sets * FRAGMENT_WAYS;

    *packets = *octets = 0;
    for (uint32_t i = 0; f->held && i < count; i++)
        if (f->entry[i].state == FRAGMENT_HELD) {
            *packets += f->entry[i].held.packets;
            *octets += f->entry[i].held.octets;
        }
}
