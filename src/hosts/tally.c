#include "hosts/tally.h"

#include <errno.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/number.h"
#include "weir/host_class.h"

#define SLOTS_MIN 64
#define CHUNK 32u /* deltas of one pass: their 64 hosts stay in the nearest cache */

struct chunk {
    struct host_key key[2 * CHUNK];
    struct hash_job hash[2 * CHUNK];
    struct tally_entry *entry[2 * CHUNK];
};

static uint32_t sets_for(uint32_t max_outside)
{
    return power_of_two(max64((max_outside + TALLY_WAYS - 1) / TALLY_WAYS, SLOTS_MIN));
}

static void table_fini(const struct tally *t, struct tally_table *b)
{
    uint32_t sets = t->set_mask + 1;

    memory_release(b->inside, sizeof(*b->inside) * t->max_inside);
    memory_release(b->inside_slot, sizeof(*b->inside_slot) * t->max_inside);
    memory_release(b->index, sizeof(*b->index) * (t->index_mask + 1));
    memory_release(b->outside, sizeof(*b->outside) * sets * TALLY_WAYS);
    memory_release(b->set, sizeof(*b->set) * sets);
    memory_release(b->used_set, sizeof(*b->used_set) * sets);
    memory_release(b->event, sizeof(*b->event) * t->max_events);
}

static int table_init(const struct tally *t, struct tally_table *b)
{
    uint32_t sets = t->set_mask + 1;

    b->inside = memory_reserve(sizeof(*b->inside) * t->max_inside);
    b->inside_slot = memory_reserve(sizeof(*b->inside_slot) * t->max_inside);
    b->index = memory_reserve(sizeof(*b->index) * (t->index_mask + 1));
    b->outside = memory_reserve(sizeof(*b->outside) * sets * TALLY_WAYS);
    b->set = memory_reserve(sizeof(*b->set) * sets);
    b->used_set = memory_reserve(sizeof(*b->used_set) * sets);
    b->event = memory_reserve(sizeof(*b->event) * t->max_events);
    return b->inside && b->inside_slot && b->index && b->outside && b->set && b->used_set &&
                   b->event
               ? 0
               : -ENOMEM;
}

static int secret_init(struct tally *t, bool fixed)
{
    t->hash_burst = hash_burst_best();
    if (!fixed)
        return hash_secret_random(&t->secret);
    hash_secret_fixed(&t->secret);
    return 0;
}

int tally_create(const struct tally_options *o, struct tally **out)
{
    struct tally *t = aligned_alloc(64, (sizeof(*t) + 63) / 64 * 64);

    if (!t)
        return -ENOMEM;
    memset(t, 0, sizeof(*t));
    t->max_inside = o->max_inside;
    t->index_mask = power_of_two(max64(2 * (uint64_t)o->max_inside, SLOTS_MIN)) - 1;
    t->set_mask = sets_for(o->max_outside) - 1;
    t->max_events = o->max_events;
    t->filling = &t->table[0];
    inside_init(&t->inside, o->networks);
    int rc = secret_init(t, o->fixed_secret);
    for (int i = 0; i < 2 && !rc; i++)
        rc = table_init(t, &t->table[i]);
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
        table_fini(t, &t->table[i]);
    free(t);
}

void tally_networks(struct tally *t, const struct ip_prefixes *networks)
{
    inside_init(&t->inside, networks);
}

void tally_inside_burst(const struct tally *t, const struct flow_delta *d, uint32_t count,
                        uint8_t inside[])
{
    for (uint32_t i = 0; i < count; i++)
        inside[i] = inside_of(&t->inside, &d[i]);
}

static uint32_t tag_of(const struct hash_value *h)
{
    return (uint32_t)(h->place >> 32) | 1;
}

static bool same_key(const struct host_key *a, const struct host_key *b)
{
    return memcmp(a, b, sizeof(*a)) == 0;
}

/* Pass 1: keys, hashes, and the lines that will be looked up. */
static void chunk_hash(const struct tally *t, const struct flow_delta *d, uint32_t count,
                       const uint8_t inside[], struct chunk *c)
{
    for (uint32_t i = 0; i < 2 * count; i++) {
        c->key[i] = host_key_of(d[i / 2].ip_version, d[i / 2].address[i % 2]);
        memcpy(c->hash[i].block[0], c->key[i].address, sizeof(c->key[i]));
        c->hash[i].blocks = 1;
    }
    t->hash_burst(&t->secret, c->hash, 2 * count, sizeof(c->hash[0]));
    for (uint32_t i = 0; i < 2 * count; i++) {
        if (inside[i / 2] & (1 << i % 2))
            __builtin_prefetch(&t->filling->index[c->hash[i].value.place & t->index_mask]);
        else
            __builtin_prefetch(&t->filling->set[c->hash[i].value.place & t->set_mask]);
    }
}

static struct tally_entry *inside_new(struct tally *t, uint32_t slot, uint32_t tag,
                                      const struct host_key *key)
{
    struct tally_table *b = t->filling;

    if (b->inside_count == t->max_inside) {
        b->inside_refused++;
        return &b->other;
    }
    struct tally_entry *e = &b->inside[b->inside_count++];
    e->key = *key;
    b->inside_slot[b->inside_count - 1] = slot;
    b->index[slot] = (struct tally_slot){.tag = tag, .entry = b->inside_count};
    return e;
}

static struct tally_entry *inside_find(struct tally *t, const struct host_key *key,
                                       const struct hash_value *hash)
{
    struct tally_table *b = t->filling;
    uint32_t tag = tag_of(hash);

    for (uint32_t i = (uint32_t)hash->place & t->index_mask;; i = (i + 1) & t->index_mask) {
        const struct tally_slot *s = &b->index[i];
        if (!s->entry)
            return inside_new(t, i, tag, key);
        if (s->tag == tag && same_key(&b->inside[s->entry - 1].key, key))
            return &b->inside[s->entry - 1];
    }
}

static uint64_t weight(const struct tally_entry *e)
{
    return e->counters.value[HOST_OCTETS_OUT] + e->counters.value[HOST_OCTETS_IN];
}

static void counters_add(struct host_counters *to, const struct host_counters *from)
{
    for (int i = 0; i < HOST_COUNTER_COUNT; i++)
        to->value[i] += from->value[i];
}

static struct tally_entry *outside_take(struct tally_table *b, uint32_t set, uint32_t way,
                                        uint32_t tag, const struct host_key *key)
{
    struct tally_entry *e = &b->outside[set * TALLY_WAYS + way];

    if (way == 0 && !b->set[set].tag[0])
        b->used_set[b->used_sets++] = set;
    counters_add(&b->other.counters, &e->counters);
    memset(&e->counters, 0, sizeof(e->counters));
    e->key = *key;
    b->set[set].tag[way] = tag;
    return e;
}

/* octets: what it brings; the least of a full set must have less to give way. */
static struct tally_entry *outside_find(struct tally *t, const struct host_key *key,
                                        const struct hash_value *hash, uint64_t octets)
{
    struct tally_table *b = t->filling;
    uint32_t set = (uint32_t)hash->place & t->set_mask, tag = tag_of(hash), least = 0;
    struct tally_entry *e = &b->outside[set * TALLY_WAYS];

    for (uint32_t way = 0; way < TALLY_WAYS; way++) {
        if (!b->set[set].tag[way])
            return outside_take(b, set, way, tag, key);
        if (b->set[set].tag[way] == tag && same_key(&e[way].key, key))
            return &e[way];
    }
    for (uint32_t way = 1; way < TALLY_WAYS; way++)
        if (weight(&e[way]) < weight(&e[least]))
            least = way;
    return weight(&e[least]) < octets ? outside_take(b, set, least, tag, key) : &b->other;
}

/* The entry that the set's tags point to. */
static void outside_prefetch(const struct tally *t, const struct hash_value *hash)
{
    const struct tally_table *b = t->filling;
    uint32_t set = (uint32_t)hash->place & t->set_mask, tag = tag_of(hash), way = 0;

    while (way + 1 < TALLY_WAYS && b->set[set].tag[way] && b->set[set].tag[way] != tag)
        way++;
    __builtin_prefetch(&b->outside[set * TALLY_WAYS + way], 1);
}

/* Pass 2: entries. A pointer into a set may be overtaken by a later delta of the chunk, which then
 * took over the entry: so outside hosts are looked up when they are counted. */
static void chunk_find(struct tally *t, uint32_t count, const uint8_t inside[], struct chunk *c)
{
    for (uint32_t i = 0; i < 2 * count; i++) {
        if (inside[i / 2] & (1 << i % 2)) {
            c->entry[i] = inside_find(t, &c->key[i], &c->hash[i].value);
            __builtin_prefetch(c->entry[i], 1);
            __builtin_prefetch((char *)c->entry[i] + 64, 1);
        } else {
            c->entry[i] = NULL;
            outside_prefetch(t, &c->hash[i].value);
        }
    }
}

static void count_class(uint64_t *value, const struct flow_delta *d, int side)
{
    static const uint8_t out[CLASS_COUNT] = {[CLASS_DNS] = HOST_DNS_OUT,
                                             [CLASS_TLS] = HOST_TLS_OUT,
                                             [CLASS_ICMP] = HOST_ICMP_OUT,
                                             [CLASS_ADMIN] = HOST_ADMIN_OUT};
    enum host_class class = host_class_of(d->proto, d->port);

    if (class == CLASS_OTHER)
        return;
    value[out[class]] += d->octets[side];
    value[out[class] + 1] += d->octets[!side];
}

static void count_flags(uint64_t *value, const struct flow_delta *d, int side)
{
    uint64_t *flows = &value[side ? HOST_OPENED_IN : HOST_OPENED];

    flows[0] += d->opened;
    flows[1] += d->accepted;
    flows[2] += d->failed;
    value[HOST_CLOSED] += d->closed;
}

static void count_side(struct tally_entry *e, const struct flow_delta *d, int side,
                       bool peer_outside)
{
    uint64_t *value = e->counters.value;

    value[HOST_OCTETS_OUT] += d->octets[side];
    value[HOST_OCTETS_IN] += d->octets[!side];
    value[HOST_PACKETS_OUT] += d->packets[side];
    value[HOST_PACKETS_IN] += d->packets[!side];
    value[HOST_PAYLOAD_OUT] += d->payload[side];
    value[HOST_PAYLOAD_IN] += d->payload[!side];
    if (peer_outside) {
        value[HOST_OUTSIDE_OUT] += d->octets[side];
        value[HOST_OUTSIDE_IN] += d->octets[!side];
    }
    count_class(value, d, side);
    if (d->opened | d->accepted | d->failed | d->closed)
        count_flags(value, d, side);
}

static void count_total(struct tally_table *b, const struct flow_delta *d)
{
    uint64_t *value = b->total.value;

    value[HOST_OCTETS_OUT] += d->octets[0] + d->octets[1];
    value[HOST_PACKETS_OUT] += (uint64_t)d->packets[0] + d->packets[1];
    value[HOST_PAYLOAD_OUT] += d->payload[0] + d->payload[1];
    value[HOST_OPENED] += d->opened;
    value[HOST_CLOSED] += d->closed;
    if (!b->first_ns)
        b->first_ns = d->last_ns;
    if (d->last_ns > b->last_ns)
        b->last_ns = d->last_ns;
}

/* Pass 3: counts. */
static void chunk_count(struct tally *t, const struct flow_delta *d, uint32_t count,
                        const uint8_t inside[], const struct chunk *c)
{
    for (uint32_t i = 0; i < count; i++) {
        uint64_t octets = d[i].octets[0] + d[i].octets[1];
        for (int s = 0; s < 2; s++) {
            uint32_t at = 2 * i + (uint32_t)s;
            struct tally_entry *e = c->entry[at];
            if (!e)
                e = outside_find(t, &c->key[at], &c->hash[at].value, octets);
            count_side(e, &d[i], s, !(inside[i] & (1 << !s)));
        }
        count_total(t->filling, &d[i]);
    }
}

/* Whole steps on the way; at the end of the connection the rest. */
static uint64_t news(const struct flow_delta *d, int side)
{
    uint64_t now = d->total.octets[side], before = now - d->octets[side];

    if (!d->closed)
        now -= now % HOST_STEP_OCTETS;
    return now - (before - before % HOST_STEP_OCTETS);
}

static void add_event(struct tally *t, const struct flow_delta *d, uint8_t inside, bool marked)
{
    struct tally_table *b = t->filling;
    uint64_t octets[2] = {news(d, 0), news(d, 1)};
    unsigned kind = (d->opened ? EVENT_OPENED : 0u) | (d->closed ? EVENT_CLOSED : 0u) |
                    (d->accepted ? EVENT_ACCEPTED : 0u) | (d->failed ? EVENT_FAILED : 0u) |
                    (d->aged ? EVENT_AGED : 0u) | (marked ? EVENT_NOTABLE : 0u) |
                    (!d->closed && (octets[0] | octets[1]) ? EVENT_STEP : 0u);

    if (!kind || !inside)
        return;
    if (b->events == t->max_events) {
        b->events_missed++;
        return;
    }
    struct host_event *e = &b->event[b->events++];
    e->delta = *d;
    memcpy(e->octets, octets, sizeof(octets));
    e->kind = (uint8_t)kind;
    e->inside = inside;
}

void tally_burst(struct tally *t, const struct flow_delta *d, uint32_t count,
                 const uint8_t inside[], const uint8_t mark[])
{
    struct chunk c;

    for (uint32_t from = 0; from < count; from += CHUNK) {
        uint32_t n = count - from < CHUNK ? count - from : CHUNK;
        chunk_hash(t, d + from, n, inside + from, &c);
        chunk_find(t, n, inside + from, &c);
        chunk_count(t, d + from, n, inside + from, &c);
    }
    for (uint32_t i = 0; i < count; i++)
        add_event(t, &d[i], inside[i], mark && mark[i]);
}

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

static void table_empty(struct tally_table *b)
{
    for (uint32_t i = 0; i < b->inside_count; i++) {
        b->index[b->inside_slot[i]] = (struct tally_slot){0};
        memset(&b->inside[i], 0, sizeof(b->inside[i]));
    }
    for (uint32_t i = 0; i < b->used_sets; i++) {
        uint32_t set = b->used_set[i];
        memset(&b->set[set], 0, sizeof(b->set[set]));
        memset(&b->outside[set * TALLY_WAYS], 0, TALLY_WAYS * sizeof(*b->outside));
    }
    b->inside_count = b->used_sets = b->events = 0;
    b->events_missed = b->inside_refused = 0;
    b->first_ns = b->last_ns = 0;
    memset(&b->other, 0, sizeof(b->other));
    memset(&b->total, 0, sizeof(b->total));
}

void tally_give(struct tally *t, struct tally_table *b)
{
    table_empty(b);
    __atomic_store_n(&t->offered, NULL, __ATOMIC_RELEASE);
}
