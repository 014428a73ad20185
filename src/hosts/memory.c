/*
 * The embedded store. Rows are found by host and window in one table of fixed size; when there is
 * no room near a row's place, the one of the oldest window goes.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/memory.h"
#include "hosts/memory.h"

#define PROBES 16u
#define ALERTS_KEPT 1024u
#define CONNECTIONS_KEPT 256u

struct memory_store {
    struct store store;
    struct host_row *row; /* start_ns 0 = free */
    uint32_t mask;
    struct store_connection connection[CONNECTIONS_KEPT];
    size_t connections;
    struct alert alert[ALERTS_KEPT]; /* ring */
    uint64_t alerts;
};

static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 32) * 0x9e3779b97f4a7c15u;
    return x ^ x >> 32;
}

static uint32_t row_home(const struct memory_store *m, const struct host_row *r)
{
    uint64_t half[2];

    memcpy(half, r->key.address, sizeof(half));
    return (uint32_t)mix(mix(half[0] ^ r->window) ^ mix(half[1])) & m->mask;
}

static void row_put(struct memory_store *m, const struct host_row *r)
{
    uint32_t home = row_home(m, r);
    struct host_row *at = &m->row[home];

    for (uint32_t i = 0; i < PROBES; i++) {
        struct host_row *have = &m->row[(home + i) & m->mask];
        if (have->start_ns && have->window == r->window &&
            memcmp(&have->key, &r->key, sizeof(r->key)) == 0) {
            at = have;
            break;
        }
        if (have->start_ns < at->start_ns)
            at = have;
    }
    if (!r->gone)
        *at = *r;
    else if (at->window == r->window && memcmp(&at->key, &r->key, sizeof(r->key)) == 0)
        at->start_ns = 0;
}

static void memory_hosts(struct store *s, const struct host_row *row, size_t count)
{
    for (size_t i = 0; i < count; i++)
        row_put((struct memory_store *)s, &row[i]);
}

static void memory_connections(struct store *s, const struct store_connection *c, size_t count)
{
    struct memory_store *m = (struct memory_store *)s;

    m->connections = count < CONNECTIONS_KEPT ? count : CONNECTIONS_KEPT;
    memcpy(m->connection, c, m->connections * sizeof(*c));
}

static enum store_verdict memory_alert(struct store *s, const struct alert *alert)
{
    struct memory_store *m = (struct memory_store *)s;

    m->alert[m->alerts++ % ALERTS_KEPT] = *alert;
    return VERDICT_NEW;
}

static size_t memory_verdicts(struct store *s, struct store_answer *out, size_t max)
{
    (void)s, (void)out, (void)max;
    return 0;
}

static size_t memory_sums(struct store *s, struct host_row *out, size_t max)
{
    (void)s, (void)out, (void)max;
    return 0;
}

static size_t memory_read_hosts(struct store *s, enum host_window w, uint64_t now_ns,
                                struct host_row *out, size_t max)
{
    const struct memory_store *m = (const struct memory_store *)s;
    uint64_t start = now_ns - now_ns % host_window_ns[w];
    size_t count = 0;

    for (uint32_t i = 0; i <= m->mask && count < max; i++)
        if (m->row[i].window == w && m->row[i].start_ns == start && start)
            out[count++] = m->row[i];
    return count;
}

static size_t memory_read_connections(struct store *s, struct store_connection *out, size_t max)
{
    const struct memory_store *m = (const struct memory_store *)s;
    size_t count = m->connections < max ? m->connections : max;

    memcpy(out, m->connection, count * sizeof(*out));
    return count;
}

static size_t memory_read_alerts(struct store *s, struct alert *out, size_t max)
{
    const struct memory_store *m = (const struct memory_store *)s;
    size_t kept = m->alerts < ALERTS_KEPT ? (size_t)m->alerts : ALERTS_KEPT, count = 0;

    while (count < kept && count < max) {
        out[count] = m->alert[(m->alerts - 1 - count) % ALERTS_KEPT];
        count++;
    }
    return count;
}

static void memory_destroy(struct store *s)
{
    struct memory_store *m = (struct memory_store *)s;

    memory_release(m->row, sizeof(*m->row) * (m->mask + 1));
    free(m);
}

static const struct store_ops memory_ops = {
    .name = "memory",
    .hosts = memory_hosts,
    .connections = memory_connections,
    .alert = memory_alert,
    .verdicts = memory_verdicts,
    .sums = memory_sums,
    .read_hosts = memory_read_hosts,
    .read_connections = memory_read_connections,
    .read_alerts = memory_read_alerts,
    .destroy = memory_destroy,
};

int store_memory_create(uint32_t max_hosts, struct store **out)
{
    struct memory_store *m = calloc(1, sizeof(*m));
    uint64_t size = 1024;

    if (!m)
        return -ENOMEM;
    while (size < 4 * (uint64_t)max_hosts && size < 1u << 30)
        size *= 2;
    m->store.ops = &memory_ops;
    m->mask = (uint32_t)size - 1;
    m->row = memory_reserve(sizeof(*m->row) * size);
    if (!m->row) {
        free(m);
        return -ENOMEM;
    }
    *out = &m->store;
    return 0;
}
