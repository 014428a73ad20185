#include "base/prefetch.h"
#include "flow/bucket.h"
#include "flow/emit.h"
#include "flow/fold.h"
#include "flow/fragment.h"
#include "flow/track.h"

#define PREFETCH_FLOWS 16
#define OUT_SLACK 8 /* what one visit or one orphan may add */

static bool out_full(const struct flow_out *out)
{
    return out->record_count + OUT_SLACK > FLOW_RECORD_BURST ||
           out->delta_count + OUT_SLACK > FLOW_DELTA_BURST;
}

static uint8_t pressure_of(const struct flow_table *t)
{
    uint64_t percent = (uint64_t)t->live * 100 / t->max_flows;

    if (!t->config.timeouts || percent < 85)
        return 0;
    return percent < 90 ? 1 : percent < 95 ? 2 : 3;
}

static void turn_begin(struct flow_table *t)
{
    uint8_t pressure = pressure_of(t);

    t->repricing = pressure != t->pressure;
    t->pressure = pressure;
    t->position = 1;
    t->walked_flows = t->walked_packets = 0;
}

static inline bool is_due(const struct flow_hot *h, uint32_t tick)
{
    return !flow_has_counts(h) && tick >= h->last[0] && h->kind != KIND_KEY;
}

static inline void visit(struct flow_table *t, uint32_t index, uint64_t now_ns,
                         struct flow_out *out)
{
    struct flow_hot *h = &t->hot[index];

    if (flow_has_counts(h))
        flow_fold(t, index, out);
    else if (t->repricing && h->kind != KIND_KEY)
        flow_arm(t, index);
    if (is_due(h, clock_tick(now_ns)))
        flow_due(t, index, now_ns, 2u * t->pressure, out);
}

/* Adds an entry that was just visited, its hot counts 0, to the sums. */
static inline void walk(struct flow_table *t, uint32_t index)
{
    const struct flow_hot *h = &t->hot[index];

    t->walked_flows += h->kind != KIND_KEY;
    if (__builtin_expect(h->last[1] < UINT32_MAX, 1))
        t->walked_packets += h->last[1];
    else
        for (int s = 0; s < 2; s++)
            t->walked_packets += t->cold[index].total.packets[s] - flow_base(t, index)->packets[s];
}

static bool sweep_fragments(struct flow_table *t, uint64_t now_ns, bool all, struct flow_out *out)
{
    struct fragment orphan;

    while (!out_full(out)) {
        if (!fragments_expire(t->fragments, now_ns, all, &orphan))
            return true;
        track_orphan(t, &orphan, out);
    }
    return false;
}

static bool sweep_aggregates(struct flow_table *t, uint64_t now_ns, bool all, struct flow_out *out)
{
    while (t->fold) {
        struct flow_record *r = &out->record[out->record_count];
        if (out_full(out))
            return false;
        if (!fold_expire(t->fold, now_ns, all, r))
            break;
        flow_put_aggregate(t, out);
    }
    return true;
}

/* The bucket that the cold lines, asked for before, name. */
static inline void prefetch_bucket(const struct flow_table *t, uint32_t index)
{
    prefetch_write(&t->bucket[bucket_first(t, t->cold[index].hash)]);
}

/* Only what the visit will read: most flows are silent, their hot line says all. */
static inline void prefetch_visit(const struct flow_table *t, uint32_t position, uint32_t tick)
{
    uint32_t far = position + PREFETCH_FLOWS, near = position + PREFETCH_FLOWS / 2;
    const struct flow_hot *h = &t->hot[far];

    if (flow_has_counts(h)) {
        prefetch_write(&t->cold[far].total);
        prefetch_write(&t->cold[far].arrival_ns);
    } else if (is_due(h, tick)) {
        flow_prefetch_cold(t, far);
    }
    /* who ends is taken out of its bucket; who is no elephant yet may rise in it */
    if (is_due(&t->hot[near], tick) ||
        (flow_has_counts(&t->hot[near]) && t->cold[near].rank < RANK_MANY))
        prefetch_bucket(t, near);
}

bool flow_sweep_step(struct flow_table *t, uint64_t now_ns, uint32_t max_flows,
                     struct flow_out *out)
{
    if (t->position == 0) {
        if (!sweep_fragments(t, now_ns, false, out) || !sweep_aggregates(t, now_ns, false, out))
            return false;
        turn_begin(t);
    }
    uint32_t tick = clock_tick(now_ns);
    for (; max_flows && t->position < t->high_water; max_flows--, t->position++) {
        if (out_full(out))
            return false;
        prefetch_visit(t, t->position, tick);
        visit(t, t->position, now_ns, out);
        walk(t, t->position);
    }
    if (t->position < t->high_water)
        return false;
    t->position = 0;
    t->folded_ts = t->newest_ts;
    return true;
}

bool flow_table_drain(struct flow_table *t, struct flow_out *out)
{
    if (!sweep_fragments(t, 0, true, out))
        return false;
    if (!t->draining)
        t->position = 1; /* whatever turn the sweep was in */
    t->draining = true;
    for (; t->position < t->high_water; t->position++) {
        struct flow_hot *h = &t->hot[t->position];
        if (out_full(out))
            return false;
        if (h->kind == KIND_KEY)
            continue;
        flow_prefetch_cold(t, t->position + PREFETCH_FLOWS);
        prefetch_bucket(t, t->position + PREFETCH_FLOWS / 2);
        flow_finish(t, t->position, flow_is_closed(h) ? END_DETECTED : END_FORCED, out);
    }
    if (!sweep_aggregates(t, 0, true, out))
        return false;
    t->draining = false;
    t->position = 0;
    return true;
}
