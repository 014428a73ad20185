#include "hosts/tally.h"

#include <errno.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/number.h"
#include "base/prefetch.h"
#include "hosts/tally_count.h"

#define SLOTS_MIN 64
#define CHUNK 32u /* deltas of one pass: their 64 hosts stay in the nearest cache */

/* Ends of the deltas of a chunk, two for each: their keys, numbers, and hashes where needed. */
struct chunk {
    struct host_key key[2 * CHUNK];
    uint32_t number[2 * CHUNK]; /* TALLY_NONE: to be found, by job hashed[] */
    uint8_t hashed[2 * CHUNK];
    uint32_t jobs;
    struct hash_job job[2 * CHUNK];
    bool job_inside[2 * CHUNK];
};

/* --- Its life --- */

static int secret_init(struct tally_shape *s, bool fixed)
{
    s->hash_burst = hash_burst_best();
    if (!fixed)
        return hash_secret_random(&s->secret);
    hash_secret_fixed(&s->secret);
    return 0;
}

static int shape_init(struct tally_shape *s, const struct tally_options *o)
{
    uint32_t sets = (o->max_outside + TALLY_WAYS - 1) / TALLY_WAYS;

    s->max_inside = o->max_inside;
    s->max_slots = o->max_flows + 1;
    s->max_events = o->max_events;
    s->index_mask = power_of_two(max64(2 * (uint64_t)o->max_inside, SLOTS_MIN)) - 1;
    s->set_mask = power_of_two(max64(sets, SLOTS_MIN)) - 1;
    return secret_init(s, o->fixed_secret);
}

int tally_create(const struct tally_options *o, struct tally **out)
{
    struct tally *t = memory_lines(sizeof(*t));

    if (!t)
        return -ENOMEM;
    t->filling = &t->table[0];
    inside_init(&t->inside, o->networks);
    int rc = shape_init(&t->shape, o);
    for (int i = 0; i < 2 && !rc; i++)
        rc = tally_table_init(&t->table[i], &t->shape);
    if (rc) {
        tally_destroy(t);
        return rc;
    }
    *out = t;
    return 0;
}

void tally_destroy(struct tally *t)
{
    if (!t)
        return;
    for (int i = 0; i < 2; i++)
        tally_table_fini(&t->table[i]);
    free(t);
}

void tally_networks(struct tally *t, const struct ip_prefixes *networks)
{
    inside_init(&t->inside, networks);
}

/* --- A burst of deltas --- */

static const struct tally_hint no_hint;

static inline const struct tally_hint *hint_of(const struct tally_table *b,
                                               const struct flow_delta *d)
{
    return d->slot < b->shape->max_slots ? &b->hint[d->slot] : &no_hint;
}

void tally_look_burst(const struct tally *t, const struct flow_delta *d, uint32_t count,
                      uint8_t inside[])
{
    const struct tally_table *b = t->filling;

    for (uint32_t i = 0; i < count; i++) {
        const struct tally_hint *hint = hint_of(b, &d[i]);
        prefetch_write(&b->line[hint->number[0]]);
        prefetch_write(&b->line[hint->number[1]]);
    }
    for (uint32_t i = 0; i < count; i++)
        inside[i] = inside_of(&t->inside, &d[i]);
}

static inline bool is_host(const struct tally_table *b, uint32_t number, const struct host_key *key)
{
    return memcmp(&b->line[number].key, key, sizeof(*key)) == 0;
}

static void ask_hash(struct chunk *c, uint32_t end, bool is_inside)
{
    struct hash_job *job = &c->job[c->jobs];

    job->blocks = 1;
    memcpy(job->block[0], &c->key[end], sizeof(c->key[end]));
    c->job_inside[c->jobs] = is_inside;
    c->number[end] = TALLY_NONE;
    c->hashed[end] = (uint8_t)c->jobs++;
}

/* Pass 1: whose hints are true. An inside host's number is its own from here to the end of the
 * turn, an outside host may have to give way to another of the chunk. */
static void chunk_prove(struct tally_table *b, const struct flow_delta *d, uint32_t count,
                        const uint8_t inside[], struct chunk *c)
{
    c->jobs = 0;
    for (uint32_t end = 0; end < 2 * count; end++) {
        const struct flow_delta *one = &d[end / 2];
        uint32_t number = hint_of(b, one)->number[end % 2];
        bool is_inside = inside[end / 2] >> end % 2 & 1;
        c->key[end] = host_key_of(one->ip_version, one->address[end % 2]);
        if (number == TALLY_NONE || tally_is_inside(b, number) != is_inside ||
            !is_host(b, number, &c->key[end])) {
            ask_hash(c, end, is_inside);
            continue;
        }
        c->number[end] = number;
        tally_line_begin(b, number);
    }
}

static inline void prefetch_set(const struct tally_table *b, const struct hash_value *hash)
{
    const struct tally_line *first = &b->line[tally_set_first(b, hash)];

    for (uint32_t way = 0; way < TALLY_WAYS; way++)
        prefetch_write(first + way);
}

/* Pass 2: hashes of the others, and the lines where they will be looked for. */
static void chunk_hash(const struct tally_table *b, struct chunk *c)
{
    const uint32_t mask = b->shape->index_mask;

    b->shape->hash_burst(&b->shape->secret, c->job, c->jobs, sizeof(c->job[0]));
    for (uint32_t j = 0; j < c->jobs; j++)
        if (c->job_inside[j])
            prefetch_read(&b->index[c->job[j].value.place & mask]);
        else
            prefetch_set(b, &c->job[j].value);
    for (uint32_t j = 0; j < c->jobs; j++)
        if (c->job_inside[j])
            prefetch_write(&b->line[b->index[c->job[j].value.place & mask].number]);
}

static struct hash_value hash_of(const struct tally_table *b, const struct host_key *key)
{
    struct hash_job job = {.blocks = 1};

    memcpy(job.block[0], key, sizeof(*key));
    b->shape->hash_burst(&b->shape->secret, &job, 1, sizeof(job));
    return job.value;
}

/* A number for an end without a hint that is true; it becomes the hint. */
static uint32_t find(struct tally_table *b, const struct flow_delta *d, uint32_t end,
                     bool is_inside, const struct chunk *c)
{
    const struct host_key *key = &c->key[end];
    struct hash_value hash = c->number[end] ? hash_of(b, key) : c->job[c->hashed[end]].value;
    uint32_t number = is_inside ? tally_table_inside(b, key, &hash)
                                : tally_table_outside(b, key, &hash, d->octets[0] + d->octets[1]);

    if (d->slot < b->shape->max_slots)
        b->hint[d->slot].number[end % 2] = number;
    return number;
}

/* Pass 3: counts. */
static void chunk_count(struct tally_table *b, const struct flow_delta *d, uint32_t count,
                        const uint8_t inside[], const struct chunk *c)
{
    for (uint32_t i = 0; i < count; i++) {
        const struct tally_kind kind = tally_kind_of(&d[i]);
        for (int s = 0; s < 2; s++) {
            uint32_t end = 2 * i + (uint32_t)s, number = c->number[end];
            bool is_inside = inside[i] >> s & 1;
            if (number == TALLY_NONE || (!is_inside && !is_host(b, number, &c->key[end])))
                number = find(b, &d[i], end, is_inside, c);
            tally_count_end(b, number, &d[i], s, !(inside[i] >> !s & 1), kind);
        }
    }
}

static void count_totals(struct tally_table *b, const struct flow_delta *d, uint32_t count)
{
    uint64_t octets = 0, packets = 0, payload = 0, opened = 0, closed = 0, last_ns = b->last_ns;

    for (uint32_t i = 0; i < count; i++) {
        octets += d[i].octets[0] + d[i].octets[1];
        packets += (uint64_t)d[i].packets[0] + d[i].packets[1];
        payload += d[i].payload[0] + d[i].payload[1];
        opened += d[i].opened;
        closed += d[i].closed;
        last_ns = max64(last_ns, d[i].last_ns);
    }
    b->total.value[HOST_OCTETS_OUT] += octets;
    b->total.value[HOST_PACKETS_OUT] += packets;
    b->total.value[HOST_PAYLOAD_OUT] += payload;
    b->total.value[HOST_OPENED] += opened;
    b->total.value[HOST_CLOSED] += closed;
    b->first_ns = b->first_ns ? b->first_ns : d[0].last_ns;
    b->last_ns = last_ns;
}

/* --- Events --- */

/* Whole steps on the way; at the end of the connection the rest. */
static uint64_t news(const struct flow_delta *d, int side)
{
    uint64_t now = d->total.octets[side], before = now - d->octets[side];

    if (!d->closed)
        now -= now % HOST_STEP_OCTETS;
    return now - (before - before % HOST_STEP_OCTETS);
}

static inline bool has_stepped(const struct flow_delta *d, int side)
{
    uint64_t now = d->total.octets[side];

    return (now ^ (now - d->octets[side])) >> HOST_STEP_SHIFT != 0;
}

static void add_event(struct tally_table *b, const struct flow_delta *d, uint8_t inside,
                      unsigned kind)
{
    if (b->events == b->shape->max_events) {
        b->events_missed++;
        return;
    }
    struct host_event *e = &b->event[b->events++];
    e->delta = *d;
    for (int s = 0; s < 2; s++)
        e->octets[s] = news(d, s);
    e->kind = (uint8_t)kind;
    e->inside = inside;
}

static unsigned event_kind(const struct flow_delta *d, bool marked)
{
    bool step = has_stepped(d, 0) | has_stepped(d, 1);

    return (d->opened ? EVENT_OPENED : 0u) | (d->closed ? EVENT_CLOSED : 0u) |
           (d->accepted ? EVENT_ACCEPTED : 0u) | (d->failed ? EVENT_FAILED : 0u) |
           (d->aged ? EVENT_AGED : 0u) | (marked ? EVENT_NOTABLE : 0u) |
           (step && !d->closed ? EVENT_STEP : 0u);
}

static void add_events(struct tally_table *b, const struct flow_delta *d, uint32_t count,
                       const uint8_t inside[], const uint8_t mark[])
{
    for (uint32_t i = 0; i < count; i++) {
        unsigned kind = event_kind(&d[i], mark && mark[i]);
        if (kind && inside[i])
            add_event(b, &d[i], inside[i], kind);
    }
}

void tally_burst(struct tally *t, const struct flow_delta *d, uint32_t count,
                 const uint8_t inside[], const uint8_t mark[])
{
    struct tally_table *b = t->filling;
    struct chunk c;

    for (uint32_t from = 0; from < count; from += CHUNK) {
        uint32_t n = (uint32_t)min64(count - from, CHUNK);
        chunk_prove(b, d + from, n, inside + from, &c);
        if (c.jobs)
            chunk_hash(b, &c);
        chunk_count(b, d + from, n, inside + from, &c);
    }
    if (count)
        count_totals(b, d, count);
    add_events(b, d, count, inside, mark);
}

/* --- The hand-over --- */

bool tally_offer(struct tally *t)
{
    if (__atomic_load_n(&t->offered, __ATOMIC_ACQUIRE))
        return false;
    struct tally_table *full = t->filling;
    t->filling = full == &t->table[0] ? &t->table[1] : &t->table[0];
    __atomic_store_n(&t->offered, full, __ATOMIC_RELEASE);
    return true;
}

struct tally_table *tally_take(struct tally *t)
{
    return __atomic_load_n(&t->offered, __ATOMIC_ACQUIRE);
}

void tally_give(struct tally *t, struct tally_table *b)
{
    tally_table_empty(b);
    __atomic_store_n(&t->offered, NULL, __ATOMIC_RELEASE);
}
