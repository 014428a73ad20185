#include "core/record_deltas.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "weir/wire.h"

#define PROBES 16u
#define KEEP_TCP_NS UINT64_C(3600000000000)
#define KEEP_UDP_NS UINT64_C(120000000000)
#define KEEP_OTHER_NS UINT64_C(60000000000)

struct connection {
    uint64_t id; /* 0 = free */
    uint64_t start_ns, last_ns;
    struct flow_counts total;
    uint8_t accepted, age;
};

struct record_deltas {
    struct connection *connection;
    uint32_t mask;
};

int record_deltas_create(uint32_t max_open, struct record_deltas **out)
{
    struct record_deltas *t = calloc(1, sizeof(*t));
    uint32_t size = 64;

    if (!t)
        return -ENOMEM;
    while (size < max_open)
        size *= 2;
    t->mask = size - 1;
    t->connection = memory_reserve(sizeof(*t->connection) * size);
    if (!t->connection) {
        free(t);
        return -ENOMEM;
    }
    *out = t;
    return 0;
}

void record_deltas_destroy(struct record_deltas *t)
{
    if (!t)
        return;
    memory_release(t->connection, sizeof(*t->connection) * (t->mask + 1));
    free(t);
}

static uint64_t mix(uint64_t x, const void *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        x = (x ^ ((const uint8_t *)bytes)[i]) * 0x100000001b3u;
    return x;
}

static uint64_t id_of(const struct flow_record *r)
{
    uint64_t id = r->flow_id;

    if (!id) {
        id = mix(0xcbf29ce484222325u, r->address, sizeof(r->address));
        id = mix(id, r->port, sizeof(r->port));
        id = mix(id, &r->proto, 1);
    }
    return id ? id : 1;
}

static struct connection *find(struct record_deltas *t, uint64_t id)
{
    uint32_t home = (uint32_t)(id * 0x9e3779b97f4a7c15u >> 32);
    struct connection *oldest = &t->connection[home & t->mask];

    for (uint32_t i = 0; i < PROBES; i++) {
        struct connection *c = &t->connection[(home + i) & t->mask];
        if (c->id == id)
            return c;
        if (c->last_ns < oldest->last_ns)
            oldest = c;
    }
    memset(oldest, 0, sizeof(*oldest));
    return oldest;
}

/* As far as flags tell; without them, by whether the responder spoke at all. */
static bool is_accepted(const struct flow_record *r)
{
    uint8_t flags = r->flags[1] | r->flags_total[1];

    if (r->proto != PROTO_TCP || !flags)
        return r->delta.packets[1] || r->total.packets[1];
    if (r->delta.payload[1] || r->total.payload[1] || (flags & (TCP_SYN | TCP_FIN)))
        return true;
    return !(flags & TCP_RST);
}

/* A record that does not say so belongs to a connection that goes on when time alone ended it. */
static bool goes_on(const struct flow_record *r)
{
    return r->open || r->end_reason == END_ACTIVE || r->end_reason == END_IDLE;
}

/* Without flow_id, a silence as long as flow.keep's defaults parts two connections of a key. */
static bool is_another(const struct connection *c, const struct flow_record *r)
{
    uint64_t keep = r->proto == PROTO_TCP   ? KEEP_TCP_NS
                    : r->proto == PROTO_UDP ? KEEP_UDP_NS
                                            : KEEP_OTHER_NS;

    return !r->flow_id && r->start_ns > c->last_ns + keep;
}

static void add_counts(struct connection *c, const struct flow_record *r)
{
    for (int s = 0; s < 2; s++) {
        c->total.packets[s] += r->delta.packets[s];
        c->total.octets[s] += r->delta.octets[s];
        c->total.payload[s] += r->delta.payload[s];
        if (r->total.packets[s] > c->total.packets[s]) { /* the record knows better */
            c->total.packets[s] = r->total.packets[s];
            c->total.octets[s] = r->total.octets[s];
            c->total.payload[s] = r->total.payload[s];
        }
    }
}

static uint8_t come_of_age(struct connection *c, uint64_t age_ns)
{
    uint8_t age = c->age;

    while (age < FLOW_AGES && age_ns >= flow_ages_ns[age])
        age++;
    if (age == c->age)
        return 0;
    return c->age = age;
}

static void fill(struct flow_delta *d, const struct flow_record *r, struct connection *c,
                 uint32_t slot, bool opened)
{
    bool accepted = is_accepted(r);

    memset(d, 0, sizeof(*d));
    memcpy(d->address, r->address, sizeof(d->address));
    memcpy(d->port, r->port, sizeof(d->port));
    memcpy(d->octets, r->delta.octets, sizeof(d->octets));
    memcpy(d->payload, r->delta.payload, sizeof(d->payload));
    for (int s = 0; s < 2; s++)
        d->packets[s] =
            r->delta.packets[s] < UINT32_MAX ? (uint32_t)r->delta.packets[s] : UINT32_MAX;
    d->total = c->total;
    d->conn_start_ns = c->start_ns;
    d->last_ns = c->last_ns;
    d->flow_id = c->id;
    d->slot = slot;
    d->ip_version = r->ip_version;
    d->proto = r->proto;
    d->opened = opened;
    d->closed = !goes_on(r);
    d->accepted = accepted && !c->accepted;
    c->accepted |= accepted;
    d->failed = d->closed && !c->accepted;
    d->aged = come_of_age(c, c->last_ns - c->start_ns);
}

bool record_deltas_add(struct record_deltas *t, const struct flow_record *r, struct flow_delta *d)
{
    if (flow_record_is_notice(r) || flow_record_is_aggregate(r))
        return false;
    uint64_t id = id_of(r);
    struct connection *c = find(t, id);

    if (c->id == id && is_another(c, r))
        memset(c, 0, sizeof(*c));
    bool opened = c->id != id;

    if (opened) {
        c->id = id;
        c->start_ns =
            r->conn_start_ns && r->conn_start_ns < r->start_ns ? r->conn_start_ns : r->start_ns;
    }
    c->last_ns = r->end_ns > c->start_ns ? r->end_ns : c->start_ns;
    add_counts(c, r);
    fill(d, r, c, (uint32_t)(c - t->connection), opened);
    if (d->closed)
        memset(c, 0, sizeof(*c));
    return true;
}
