#include "hosts/open.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/memory.h"
#include "hosts/book.h"
#include "hosts/tally.h"

#define PROBES 16u

struct open_flows {
    struct open_flow *flow;
    uint32_t mask;
    uint64_t refused;
};

int open_flows_create(uint32_t max, struct open_flows **out)
{
    struct open_flows *o = calloc(1, sizeof(*o));
    uint32_t size = 64;

    if (!o)
        return -ENOMEM;
    while (size < max)
        size *= 2;
    o->mask = size - 1;
    o->flow = memory_reserve(sizeof(*o->flow) * size);
    if (!o->flow) {
        free(o);
        return -ENOMEM;
    }
    *out = o;
    return 0;
}

void open_flows_destroy(struct open_flows *o)
{
    if (!o)
        return;
    memory_release(o->flow, sizeof(*o->flow) * (o->mask + 1));
    free(o);
}

/* Places are looked for within PROBES of home, whatever lies between is no end: so forgetting
 * needs no repair. */
static uint32_t home_of(const struct open_flows *o, uint64_t flow_id)
{
    return (uint32_t)(flow_id * 0x9e3779b97f4a7c15u >> 32) & o->mask;
}

static struct open_flow *find(struct open_flows *o, uint64_t flow_id)
{
    uint32_t home = home_of(o, flow_id);

    for (uint32_t i = 0; i < PROBES; i++)
        if (o->flow[(home + i) & o->mask].delta.flow_id == flow_id)
            return &o->flow[(home + i) & o->mask];
    return NULL;
}

static bool is_young(const struct open_flow *f)
{
    return f->delta.last_ns - f->delta.conn_start_ns < flow_ages_ns[1];
}

static struct open_flow *place(struct open_flows *o, const struct flow_delta *d)
{
    uint32_t home = home_of(o, d->flow_id);
    struct open_flow *young = NULL;

    for (uint32_t i = 0; i < PROBES; i++) {
        struct open_flow *f = &o->flow[(home + i) & o->mask];
        if (!f->delta.flow_id)
            return f;
        if (is_young(f))
            young = f;
    }
    return d->aged == FLOW_AGES ? young : NULL;
}

void open_flows_event(struct open_flows *o, const struct host_event *e)
{
    struct open_flow *f = find(o, e->delta.flow_id);

    if (e->delta.closed) {
        if (f)
            f->delta.flow_id = 0;
        return;
    }
    if (!f && e->delta.aged) {
        f = place(o, &e->delta);
        o->refused += !f;
    }
    if (f) {
        f->delta = e->delta;
        f->inside = e->inside;
    }
}

const struct open_flow *open_flows_next(const struct open_flows *o, size_t *cursor)
{
    while (*cursor <= o->mask) {
        const struct open_flow *f = &o->flow[(*cursor)++];
        if (f->delta.flow_id)
            return f;
    }
    return NULL;
}

static void note_oldest(struct book *b, const struct flow_delta *d, int side)
{
    struct host_key key = host_key_of(d->ip_version, d->address[side]);
    struct book_host *h = book_find(b, &key);

    if (h && (!h->oldest_start_ns || d->conn_start_ns < h->oldest_start_ns))
        h->oldest_start_ns = d->conn_start_ns;
}

void open_flows_oldest(const struct open_flows *o, struct book *b)
{
    const struct open_flow *f;
    size_t cursor = 0;

    for (uint32_t i = 0; i < b->high_water; i++)
        b->host[i].oldest_start_ns = 0;
    while ((f = open_flows_next(o, &cursor)) != NULL)
        for (int side = 0; side < 2; side++)
            note_oldest(b, &f->delta, side);
}

static void connection_of(const struct flow_delta *d, struct store_connection *out)
{
    out->host = host_key_of(d->ip_version, d->address[0]);
    out->peer = host_key_of(d->ip_version, d->address[1]);
    out->flow_id = d->flow_id;
    out->start_ns = d->conn_start_ns;
    out->last_ns = d->last_ns;
    out->octets[0] = d->total.octets[0];
    out->octets[1] = d->total.octets[1];
    out->port = d->port[1];
    out->proto = d->proto;
}

/* Insertion into a short sorted list: max is small. */
size_t open_flows_longest(const struct open_flows *o, struct store_connection *out, size_t max)
{
    const struct open_flow *f;
    size_t cursor = 0, count = 0;

    while ((f = open_flows_next(o, &cursor)) != NULL) {
        if (count == max && (!max || f->delta.conn_start_ns >= out[max - 1].start_ns))
            continue;
        size_t at = count < max ? count++ : max - 1;
        for (; at && out[at - 1].start_ns > f->delta.conn_start_ns; at--)
            out[at] = out[at - 1];
        connection_of(&f->delta, &out[at]);
    }
    return count;
}

uint64_t open_flows_refused(const struct open_flows *o)
{
    return o->refused;
}
