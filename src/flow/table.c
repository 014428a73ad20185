#include "flow/table.h"

#include <errno.h>
#include <stdlib.h>

#include "base/memory.h"
#include "flow/bucket.h"
#include "flow/duplicate.h"
#include "flow/entry.h"
#include "flow/fold.h"
#include "flow/fragment.h"

#define DEFAULT_FLOWS (4u << 20)
#define MIN_FLOWS 16
#define MIN_BUCKETS 4
#define FIRST_BUCKETS 4096 /* of a table that grows: 256 KiB */
#define BUCKET_FLOWS 5     /* on average, before a table that grows gets more buckets */
#define PADDING 16         /* entries behind the last that a prefetch may name */

#define FLOW_OCTETS                                                                                \
    (sizeof(struct flow_hot) + sizeof(struct flow_cold) + sizeof(struct flow_odd) +                \
     sizeof(struct flow_past) + sizeof(struct flow_key6) + sizeof(struct bucket) / 5)

uint32_t flow_table_default_flows(void)
{
    uint64_t fits = memory_available() / 4 / FLOW_OCTETS;

    if (fits > DEFAULT_FLOWS)
        return DEFAULT_FLOWS;
    return fits < MIN_FLOWS ? MIN_FLOWS : (uint32_t)fits;
}

uint64_t flow_turn_ns(const struct flow_config *flow)
{
    uint64_t turn = FLOW_TURN_NS;

    turn = flow->idle_ns < turn ? flow->idle_ns : turn;
    turn = flow->active_ns < turn ? flow->active_ns : turn;
    for (int i = 0; i < KEEP_COUNT; i++)
        turn = flow->keep_ns[i] < turn ? flow->keep_ns[i] : turn;
    return turn;
}

/* Between 1.4 and 2.8 slots per flow. */
static uint32_t bucket_count(uint32_t max_flows)
{
    uint32_t buckets = MIN_BUCKETS;

    while ((uint64_t)buckets * BUCKET_SLOTS * 10 < (uint64_t)max_flows * 14)
        buckets *= 2;
    return buckets;
}

static void set_buckets(struct flow_table *t, uint32_t buckets)
{
    t->bucket_mask = buckets - 1;
    t->grow_at = buckets < bucket_count(t->max_flows) ? buckets * BUCKET_FLOWS : UINT32_MAX;
}

static int reserve_arrays(struct flow_table *t)
{
    size_t n = (size_t)t->max_flows + 1 + PADDING;

    t->hot = memory_reserve(n * sizeof(*t->hot));
    t->cold = memory_reserve(n * sizeof(*t->cold));
    t->key6 = memory_reserve(n * sizeof(*t->key6));
    t->deep = memory_reserve(n * sizeof(*t->deep));
    t->odd = memory_reserve(n * sizeof(*t->odd));
    t->past = memory_reserve(n * sizeof(*t->past));
    t->free_index = memory_reserve(n * sizeof(*t->free_index));
    t->bucket = memory_reserve(((size_t)t->bucket_mask + 1) * sizeof(*t->bucket));
    t->duplicates = memory_reserve(sizeof(*t->duplicates));
    if (!t->hot || !t->cold || !t->key6 || !t->deep || !t->odd || !t->past || !t->free_index ||
        !t->bucket || !t->duplicates)
        return -ENOMEM;
    return fragments_create(t->config.max_fragments, t->config.fragment_ns, &t->fragments);
}

/* 16 bits of this boot, 8 of the worker, 40 that count. */
static int identify(struct flow_table *t, const struct flow_table_options *options)
{
    struct hash_secret boot;
    int rc = 0;

    hash_secret_fixed(&t->secret);
    hash_secret_fixed(&boot);
    if (!options->fixed_secret) {
        rc = hash_secret_random(&t->secret);
        if (!rc)
            rc = hash_secret_random(&boot);
    }
    t->next_flow_id = (uint64_t)boot.octet[0] << 56 | (uint64_t)boot.octet[1] << 48 |
                      (uint64_t)options->worker << 40 | 1;
    return rc;
}

static int create_fold(struct flow_table *t)
{
    const struct fold_options options = {.rate = t->config.fold_rate,
                                         .idle_ns = t->config.idle_ns,
                                         .active_ns = t->config.active_ns,
                                         .timeouts = t->config.timeouts,
                                         .hash_burst = t->hash_burst,
                                         .secret = &t->secret};

    if (t->config.fold != FOLD_ON || t->scoped)
        return 0;
    return fold_create(&options, &t->fold);
}

int flow_table_create(const struct flow_table_options *options, struct counters *counters,
                      struct flow_table **out)
{
    struct flow_table *t = memory_lines(sizeof(*t));
    int rc;

    if (!t)
        return -ENOMEM;
    t->config = options->flow;
    t->dedup = options->dedup;
    t->deltas = options->deltas;
    t->notices = options->notices;
    t->portable = options->portable || __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__;
    t->scoped = t->config.vlan_in_key || t->config.tunnel_in_key;
    t->counters = counters;
    t->max_flows = t->config.max_flows ? (uint32_t)t->config.max_flows : flow_table_default_flows();
    uint32_t buckets = bucket_count(t->max_flows);
    set_buckets(t, options->grows && buckets > FIRST_BUCKETS ? FIRST_BUCKETS : buckets);
    t->high_water = 1;
    t->hash_burst = options->portable ? hash_burst_siphash : hash_burst_best();
    rc = t->config.max_flows && t->config.max_flows < MIN_FLOWS ? -EINVAL : 0;
    if (!rc)
        rc = identify(t, options);
    if (!rc)
        rc = reserve_arrays(t);
    if (!rc)
        rc = create_fold(t);
    if (rc) {
        flow_table_destroy(t);
        return rc;
    }
    *out = t;
    return 0;
}

void flow_table_destroy(struct flow_table *t)
{
    if (!t)
        return;
    size_t n = (size_t)t->max_flows + 1 + PADDING;
    memory_release(t->hot, n * sizeof(*t->hot));
    memory_release(t->cold, n * sizeof(*t->cold));
    memory_release(t->key6, n * sizeof(*t->key6));
    memory_release(t->deep, n * sizeof(*t->deep));
    memory_release(t->odd, n * sizeof(*t->odd));
    memory_release(t->past, n * sizeof(*t->past));
    memory_release(t->free_index, n * sizeof(*t->free_index));
    memory_release(t->bucket, ((size_t)t->bucket_mask + 1) * sizeof(*t->bucket));
    memory_release(t->duplicates, sizeof(*t->duplicates));
    fragments_destroy(t->fragments);
    fold_destroy(t->fold);
    free(t);
}

void flow_table_grow(struct flow_table *t)
{
    struct bucket *before = t->bucket;
    const uint32_t count = t->bucket_mask + 1;
    const size_t size = count * sizeof(*before);

    if (t->live < t->grow_at)
        return;
    t->bucket = memory_reserve(2 * size);
    set_buckets(t, 2 * count);
    if (t->bucket && bucket_insert_all(t)) {
        memory_release(before, size);
        return;
    }
    memory_release(t->bucket, 2 * size);
    t->bucket = before;
    set_buckets(t, count);
    t->grow_at = UINT32_MAX;
}

void flow_table_clock_offset(struct flow_table *t, int64_t offset_ns)
{
    t->clock_offset = offset_ns;
    t->newest_ts = 0;
    t->folded_ts = 0;
}

void flow_table_note_loss(struct flow_table *t)
{
    t->loss_epoch++;
}

uint32_t flow_table_span(const struct flow_table *t)
{
    return t->high_water;
}

static struct flow_census census_begin(const struct flow_table *t)
{
    struct flow_census c = {.max_flows = t->max_flows,
                            .made_records = t->made_records,
                            .made_packets = t->made_packets,
                            .made_octets = t->made_octets,
                            .notices = t->made_notices};

    fragments_held(t->fragments, &c.held_packets, &c.held_octets);
    fold_census(t->fold, &c);
    return c;
}

void flow_table_turn_census(const struct flow_table *t, struct flow_census *census)
{
    *census = census_begin(t);
    census->flows = t->walked_flows;
    census->live_packets = t->walked_packets;
}

void flow_table_census(const struct flow_table *t, struct flow_census *census)
{
    struct flow_census c = census_begin(t);

    for (uint32_t i = 1; i < t->high_water; i++) {
        const struct flow_hot *h = &t->hot[i];
        const struct flow_cold *cold = &t->cold[i];
        if (h->kind == KIND_KEY)
            continue;
        c.flows++;
        const struct flow_counts *base = flow_base(t, i);
        for (int s = 0; s < 2; s++) {
            c.live_packets += h->packets[s] + cold->total.packets[s] - base->packets[s];
            c.live_octets += h->octets[s] + cold->total.octets[s] - base->octets[s];
        }
    }
    *census = c;
}
