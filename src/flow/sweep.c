#include "flow/emit.h"
#include "flow/fragment.h"
#include "flow/track.h"

#define PREFETCH_FLOWS 8
#define OUT_SLACK 4 /* what one visit may add */

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
}

static inline void visit(struct flow_table *t, uint32_t index, uint64_t now_ns, struct flow_out *out)
{
    struct flow_hot *h = &t->hot[index];

    if (h->packets[0] | h->packets[1]) {
        flow_fold(t, index, out);
    } else if (t->repricing) {
        if (h->kind != KIND_KEY)
            flow_arm(t, index);
    }
    if ((now_ns >> TICK_SHIFT) >= h->last[0] && h->kind != KIND_KEY)
        flow_due(t, index, now_ns, 2u * t->pressure, out);
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

bool flow_sweep_step(struct flow_table *t, uint64_t now_ns, uint32_t max_flows, struct flow_out *out)
{
    if (t->position == 0) {
        if (!sweep_fragments(t, now_ns, false, out))
            return false;
        turn_begin(t);
    }
    for (; max_flows && t->position < t->high_water; max_flows--, t->position++) {
        if (out_full(out))
            return false;
        __builtin_prefetch(&t->cold[t->position + PREFETCH_FLOWS].total);
        __builtin_prefetch(&t->cold[t->position + PREFETCH_FLOWS].base);
        visit(t, t->position, now_ns, out);
    }
    if (t->position < t->high_water)
        return false;
    t->position = 0;
    t->this_turn_ts = t->newest_ts;
    return true;
}

bool flow_table_drain(struct flow_table *t, struct flow_out *out)
{
    if (!sweep_fragments(t, 0, true, out))
        return false;
    if (t->position == 0)
        t->position = 1;
    for (; t->position < t->high_water; t->position++) {
        struct flow_hot *h = &t->hot[t->position];
        if (out_full(out))
            return false;
        if (h->kind == KIND_KEY)
            continue;
        flow_fold(t, t->position, out);
        flow_finish(t, t->position, flow_is_closed(h) ? END_DETECTED : END_FORCED, out);
    }
    t->position = 0;
    return true;
}
