#include "hosts/book.h"

#include <errno.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/prefetch.h"
#include "hosts/rank.h"
#include "hosts/memory.h"
#include "hosts/tally.h"
#include "weir/wire.h"

#define OTHER 0u
#define CHUNK 16u
#define SKETCHES_MAX 16384u

static uint32_t index_size(uint64_t hosts)
{
    uint32_t n = 1024;

    while (n < 2 * hosts && n < 1u << 31)
        n *= 2;
    return n;
}

static uint32_t host_limit(const struct book *b)
{
    return b->max_inside + b->max_outside + 1;
}

static int reserve(struct book *b)
{
    uint32_t hosts = host_limit(b);
    uint32_t sketches = b->max_inside / 8 + 64;

    b->host = memory_reserve(sizeof(*b->host) * hosts);
    b->index = memory_reserve(sizeof(*b->index) * (b->index_mask + 1));
    b->free_host = memory_reserve(sizeof(uint32_t) * hosts);
    b->changed = memory_reserve(sizeof(uint32_t) * hosts);
    b->heap = memory_reserve(sizeof(uint32_t) * (b->max_outside + 1));
    b->gone = memory_reserve(sizeof(*b->gone) * hosts);
    if (!b->host || !b->index || !b->free_host || !b->changed || !b->heap || !b->gone)
        return -ENOMEM;
    return distinct_pools_init(&b->pools, 3 * b->max_inside + 64, b->max_inside + 64,
                               sketches < SKETCHES_MAX ? sketches : SKETCHES_MAX);
}

static int secret_init(struct book *b, bool fixed)
{
    b->hash_burst = hash_burst_best();
    if (!fixed)
        return hash_secret_random(&b->secret);
    hash_secret_fixed(&b->secret);
    return 0;
}

int book_create(const struct book_options *o, struct book **out)
{
    struct book *b = calloc(1, sizeof(*b));

    if (!b)
        return -ENOMEM;
    b->max_inside = o->max_inside;
    b->max_outside = o->max_outside;
    b->index_mask = index_size(host_limit(b)) - 1;
    b->high_water = OTHER + 1;
    int rc = secret_init(b, o->fixed_secret);
    rc = rc ? rc : reserve(b);
    if (rc) {
        book_destroy(b);
        return rc;
    }
    b->host[OTHER].used = 1;
    b->host[OTHER].key = host_key_other();
    *out = b;
    return 0;
}

void book_destroy(struct book *b)
{
    if (!b)
        return;
    uint32_t hosts = host_limit(b);
    memory_release(b->host, sizeof(*b->host) * hosts);
    memory_release(b->index, sizeof(*b->index) * (b->index_mask + 1));
    memory_release(b->free_host, sizeof(uint32_t) * hosts);
    memory_release(b->changed, sizeof(uint32_t) * hosts);
    memory_release(b->heap, sizeof(uint32_t) * (b->max_outside + 1));
    memory_release(b->gone, sizeof(*b->gone) * hosts);
    distinct_pools_fini(&b->pools);
    free(b);
}

static struct hash_value hash_of(const struct book *b, const uint8_t element[16])
{
    struct hash_job job;

    job.blocks = 1;
    memcpy(job.block[0], element, HASH_BLOCK);
    b->hash_burst(&b->secret, &job, 1, sizeof(job));
    return job.value;
}

uint64_t book_hash(const struct book *b, const uint8_t element[16])
{
    return hash_of(b, element).second;
}

static uint32_t tag_of(const struct hash_value *h)
{
    return (uint32_t)(h->place >> 32);
}

/* The slot that holds the key, or the free one where it would go. */
static uint32_t slot_of(const struct book *b, const struct host_key *key,
                        const struct hash_value *hash)
{
    for (uint32_t i = (uint32_t)hash->place & b->index_mask;; i = (i + 1) & b->index_mask) {
        const struct book_slot *s = &b->index[i];
        if (!s->host ||
            (s->tag == tag_of(hash) && memcmp(&b->host[s->host - 1].key, key, sizeof(*key)) == 0))
            return i;
    }
}

/* Closes the gap of a slot that became free, as linear probing needs it. */
static void slot_free(struct book *b, uint32_t gap)
{
    for (uint32_t i = (gap + 1) & b->index_mask; b->index[i].host; i = (i + 1) & b->index_mask) {
        struct hash_value hash = hash_of(b, b->host[b->index[i].host - 1].key.address);
        uint32_t home = (uint32_t)hash.place & b->index_mask;
        if (((i - home) & b->index_mask) < ((i - gap) & b->index_mask))
            continue;
        b->index[gap] = b->index[i];
        gap = i;
    }
    b->index[gap] = (struct book_slot){0};
}

struct book_host *book_find(struct book *b, const struct host_key *key)
{
    struct hash_value hash = hash_of(b, key->address);
    uint32_t host = b->index[slot_of(b, key, &hash)].host;

    return host ? &b->host[host - 1] : NULL;
}

static uint32_t host_new(struct book *b, uint32_t slot, const struct host_key *key,
                         const struct hash_value *hash, bool inside)
{
    uint32_t at = b->free_count ? b->free_host[--b->free_count] : b->high_water++;
    struct book_host *h = &b->host[at];
    uint64_t changed_turn = h->changed_turn; /* it may be in lists already */
    uint8_t unsaid = h->unsaid;

    memset(h, 0, sizeof(*h));
    h->changed_turn = changed_turn;
    h->unsaid = unsaid;
    h->key = *key;
    h->inside = inside;
    h->used = 1;
    b->index[slot] = (struct book_slot){.tag = tag_of(hash), .host = at + 1};
    return at;
}

static void mark_changed(struct book *b, uint32_t at)
{
    if (b->host[at].changed_turn == b->turn + 1)
        return;
    b->host[at].changed_turn = b->turn + 1;
    b->changed[b->changed_count++] = at;
}

/* The windows current at clock_ns; a late table counts for the present ones. */
static void windows_turn(struct book *b, struct book_host *h, uint64_t clock_ns)
{
    for (int w = 0; w < WINDOW_COUNT; w++) {
        struct book_window *window = &h->window[w];
        uint64_t start = host_window_start((enum host_window)w, clock_ns);
        if (start <= window->start_ns)
            continue;
        memset(&window->counters, 0, sizeof(window->counters));
        for (int s = 0; s < HOST_SET_COUNT; s++)
            distinct_clear(&b->pools, &window->set[s]);
        window->start_ns = start;
        h->told &= (uint8_t) ~(1u << w);
    }
}

static void host_count(struct book *b, uint32_t at, const struct host_counters *c,
                       uint64_t clock_ns)
{
    struct book_host *h = &b->host[at];

    windows_turn(b, h, clock_ns);
    for (int i = 0; i < HOST_COUNTER_COUNT; i++) {
        if (!c->value[i])
            continue; /* most are 0, and lie in lines that need not be touched */
        for (int w = 0; w < WINDOW_COUNT; w++)
            h->window[w].counters.value[i] += c->value[i];
    }
    h->open += (int64_t)(c->value[HOST_OPENED] + c->value[HOST_OPENED_IN] - c->value[HOST_CLOSED]);
    mark_changed(b, at);
}

static uint32_t inside_place(struct book *b, const struct host_key *key,
                             const struct hash_value *known)
{
    struct hash_value hash = *known;
    uint32_t slot = slot_of(b, key, &hash);
    uint32_t host = b->index[slot].host;

    if (host && b->host[host - 1].inside)
        return host - 1;
    if (host || b->inside_count == b->max_inside) {
        b->inside_refused++;
        return OTHER;
    }
    b->inside_count++;
    return host_new(b, slot, key, &hash, true);
}

/* What is still in current windows goes to `other`, and the entry is free. */
static void host_fold(struct book *b, uint32_t at, uint64_t clock_ns)
{
    struct book_host *h = &b->host[at], *other = &b->host[OTHER];
    struct hash_value hash = hash_of(b, h->key.address);

    windows_turn(b, other, clock_ns);
    windows_turn(b, h, clock_ns);
    for (int w = 0; w < WINDOW_COUNT; w++) {
        for (int i = 0; i < HOST_COUNTER_COUNT; i++)
            other->window[w].counters.value[i] += h->window[w].counters.value[i];
        for (int s = 0; s < HOST_SET_COUNT; s++)
            distinct_clear(&b->pools, &h->window[w].set[s]);
    }
    other->open += h->open;
    mark_changed(b, OTHER);
    if (h->told) /* an entry can go but once after it was told of */
        b->gone[b->gone_count++] = (struct book_gone){h->key, h->told};
    slot_free(b, slot_of(b, &h->key, &hash));
    h->used = 0;
    b->free_host[b->free_count++] = at;
}

static uint32_t outside_new(struct book *b, const struct host_key *key, uint64_t weight)
{
    struct hash_value hash = hash_of(b, key->address);
    uint32_t at = host_new(b, slot_of(b, key, &hash), key, &hash, false);

    b->host[at].weight = weight;
    rank_add(b, at);
    return at;
}

static uint32_t outside_place(struct book *b, const struct host_key *key, uint64_t octets,
                              uint64_t clock_ns)
{
    struct book_host *known = book_find(b, key);

    if (known && !known->inside) {
        known->weight += octets;
        rank_grown(b, (uint32_t)(known - b->host));
        return (uint32_t)(known - b->host);
    }
    if (known || !b->max_outside)
        return OTHER;
    if (b->outside_count < b->max_outside)
        return outside_new(b, key, octets);
    uint32_t least = b->heap[0];
    uint64_t weight = b->host[least].weight;
    rank_remove_least(b);
    host_fold(b, least, clock_ns);
    return outside_new(b, key, weight + octets);
}

static void count_merged(struct book *b, const struct host_counters *c)
{
    for (int i = 0; i < HOST_COUNTER_COUNT; i++)
        b->merged.value[i] += c->value[i];
}

static void merge_outside(struct book *b, const struct host_key *key, const struct host_counters *c,
                          uint64_t clock_ns)
{
    uint64_t octets = c->value[HOST_OCTETS_OUT] + c->value[HOST_OCTETS_IN];

    host_count(b, outside_place(b, key, octets, clock_ns), c, clock_ns);
    count_merged(b, c);
}

/* Hosts of a chunk are looked up in passes, so that their lines come while others are waited for.
 */
static void prefetch_host(const struct book *b, const struct hash_value *hash)
{
    const struct book_slot *s = &b->index[(uint32_t)hash->place & b->index_mask];

    if (!s->host)
        return;
    const char *h = (const char *)&b->host[s->host - 1];
    for (size_t line = 0; line < sizeof(struct book_host); line += 64)
        prefetch_write(h + line);
}

static void merge_chunk(struct book *b, const struct tally_table *t, const uint32_t *number,
                        uint32_t count, uint64_t clock_ns)
{
    struct hash_value hash[CHUNK];
    struct host_counters counters;

    for (uint32_t i = 0; i < count; i++) {
        hash[i] = hash_of(b, t->line[number[i]].key.address);
        prefetch_read(&b->index[(uint32_t)hash[i].place & b->index_mask]);
    }
    for (uint32_t i = 0; i < count; i++)
        prefetch_host(b, &hash[i]);
    for (uint32_t i = 0; i < count; i++) {
        const struct tally_line *l = &t->line[number[i]];
        tally_line_counters(t, l, &counters);
        if (!tally_is_inside(t, number[i])) {
            merge_outside(b, &l->key, &counters, clock_ns);
            continue;
        }
        host_count(b, inside_place(b, &l->key, &hash[i]), &counters, clock_ns);
        count_merged(b, &counters);
    }
}

void book_merge(struct book *b, const struct tally_table *t, uint64_t clock_ns)
{
    for (uint32_t i = 0; i < t->used_count; i += CHUNK)
        merge_chunk(b, t, &t->used[i], t->used_count - i < CHUNK ? t->used_count - i : CHUNK,
                    clock_ns);
    host_count(b, OTHER, &t->other, clock_ns);
    count_merged(b, &t->other);
    for (int i = 0; i < HOST_COUNTER_COUNT; i++)
        b->dealt.value[i] += t->total.value[i];
    b->inside_refused += t->inside_refused;
    b->events_missed += t->events_missed;
}

/* One element into one set of a host, in both windows. */
static unsigned set_add(struct book *b, const struct host_key *key, enum host_set set,
                        const uint8_t element[16], uint64_t clock_ns, struct store_element *out)
{
    struct book_host *h = book_find(b, key);
    unsigned count = 0;

    if (!h || !h->inside)
        return 0;
    windows_turn(b, h, clock_ns);
    mark_changed(b, (uint32_t)(h - b->host));
    uint64_t hash = book_hash(b, element);
    for (int w = 0; w < WINDOW_COUNT; w++) {
        struct distinct *d = &h->window[w].set[set];
        bool is_new = distinct_add(&b->pools, d, hash);
        if (!out || !(is_new || distinct_may_be_new(&b->pools, d, hash)))
            continue;
        out[count] = (struct store_element){.host = *key,
                                            .start_ns = h->window[w].start_ns,
                                            .window = (uint8_t)w,
                                            .set = (uint8_t)set};
        memcpy(out[count++].element, element, 16);
    }
    return count;
}

static bool has_ports(uint8_t proto)
{
    return proto == PROTO_TCP || proto == PROTO_UDP || proto == PROTO_SCTP;
}

unsigned book_event(struct book *b, const struct host_event *e, uint64_t clock_ns,
                    struct store_element *out)
{
    const struct flow_delta *d = &e->delta;
    unsigned n = 0;

    if (!(e->kind & EVENT_OPENED))
        return 0;
    struct host_key from = host_key_of(d->ip_version, d->address[0]);
    struct host_key to = host_key_of(d->ip_version, d->address[1]);
    if (e->inside & INSIDE_INITIATOR) {
        uint8_t port[16] = {d->proto, (uint8_t)(d->port[1] >> 8), (uint8_t)d->port[1]};
        n += set_add(b, &from, HOST_PEERS, to.address, clock_ns, out ? out + n : NULL);
        if (has_ports(d->proto))
            n += set_add(b, &from, HOST_PORTS, port, clock_ns, out ? out + n : NULL);
    }
    if (e->inside & INSIDE_RESPONDER) {
        n += set_add(b, &to, HOST_PEERS, from.address, clock_ns, out ? out + n : NULL);
        if (!d->accepted)
            n += set_add(b, &to, HOST_CALLERS, from.address, clock_ns, out ? out + n : NULL);
    }
    return n;
}

const uint32_t *book_take_changed(struct book *b, uint32_t *count)
{
    *count = b->changed_count;
    b->changed_count = 0;
    b->turn++;
    return b->changed;
}

const struct book_gone *book_take_gone(struct book *b, uint32_t *count)
{
    *count = b->gone_count;
    b->gone_count = 0;
    return b->gone;
}

bool book_row(const struct book *b, const struct book_host *h, enum host_window w,
              uint64_t clock_ns, struct host_row *row)
{
    const struct book_window *window = &h->window[w];

    if (window->start_ns != host_window_start(w, clock_ns))
        return false;
    row->key = h->key;
    row->start_ns = window->start_ns;
    row->counters = window->counters;
    for (int s = 0; s < HOST_SET_COUNT; s++)
        row->distinct[s] = distinct_count(&b->pools, &window->set[s]);
    row->open = h->open > 0 ? (uint32_t)h->open : 0;
    row->oldest_start_ns = h->oldest_start_ns;
    row->window = (uint8_t)w;
    row->inside = h->inside;
    row->gone = 0;
    return true;
}

static bool is_over(const struct book_host *h, uint64_t clock_ns)
{
    return h->used && h->inside && h->open <= 0 &&
           h->window[WINDOW_HOUR].start_ns + 2 * host_window_ns[WINDOW_HOUR] <= clock_ns;
}

void book_age(struct book *b, uint64_t clock_ns, uint32_t max_hosts)
{
    if (clock_ns - b->decayed_ns >= host_window_ns[WINDOW_HOUR]) {
        for (uint32_t i = 0; b->decayed_ns && i < b->outside_count; i++)
            b->host[b->heap[i]].weight /= 2;
        b->decayed_ns = clock_ns;
    }
    for (uint32_t n = max_hosts < b->high_water ? max_hosts : b->high_water; n > 1; n--) {
        b->aging = b->aging + 1 < b->high_water ? b->aging + 1 : 1;
        if (!is_over(&b->host[b->aging], clock_ns))
            continue;
        host_fold(b, b->aging, clock_ns);
        b->inside_count--;
    }
}
