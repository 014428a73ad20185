#include <sched.h>
#include <time.h>

#include "base/spsc.h"
#include "core/audit.h"
#include "core/worker_internal.h"

#define WAIT_NS 500000 /* while draining, for the exporter to make room */

const char *const worker_lane_label[LANE_COUNT] = {
#define X(symbol, label) [LANE_##symbol] = label,
    WORKER_LANES(X)
#undef X
};

static enum worker_lane lane_of(const struct flow_record *r)
{
    if (flow_record_is_aggregate(r))
        return LANE_MANY;
    return r->total.packets[0] + r->total.packets[1] > 1 ? LANE_MANY : LANE_ONE;
}

static void count_handed(struct export_count *to, const struct flow_record *r, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        to->records += !flow_record_is_notice(&r[i]);
        to->packets += r[i].delta.packets[0] + r[i].delta.packets[1];
        to->octets += r[i].delta.octets[0] + r[i].delta.octets[1];
    }
}

static void count_dropped(struct worker_snapshot *s, enum worker_lane lane,
                          const struct flow_record *r, uint32_t n)
{
    count_handed(&s->dropped[lane], r, n);
    for (uint32_t i = 0; i < n; i++) {
        s->notices_dropped += flow_record_is_notice(&r[i]);
        if (!s->first_dropped_ns)
            s->first_dropped_ns = r[i].end_ns;
        if (r[i].end_ns > s->last_dropped_ns)
            s->last_dropped_ns = r[i].end_ns;
    }
}

/* At the end there is time: the exporter empties the ring, until the moment when all must be out.
 */
static bool room_may_come(struct worker *w)
{
    struct timespec pause = {0, WAIT_NS};

    if (clock_read(&w->clock) >= w->drain_until_ns)
        return false;
    nanosleep(&pause, NULL);
    return true;
}

static void push(struct worker *w, enum worker_lane lane, const struct flow_record *r, uint32_t n)
{
    uint32_t done = spsc_push_burst(w->ring[lane], r, n);

    while (done < n && w->drain_until_ns && room_may_come(w))
        done += spsc_push_burst(w->ring[lane], r + done, n - done);
    count_handed(&w->counts.handed[lane], r, done);
    count_dropped(&w->counts, lane, r + done, n - done);
}

static void hand_on_records(struct worker *w)
{
    const struct flow_record *r = w->out.record;

    for (uint32_t from = 0, to; from < w->out.record_count; from = to) {
        enum worker_lane lane = lane_of(&r[from]);
        for (to = from + 1; to < w->out.record_count && lane_of(&r[to]) == lane;)
            to++;
        push(w, lane, r + from, to - from);
    }
}

static void sample(struct worker *w)
{
    struct worker_snapshot *s = &w->counts;

    for (uint32_t i = 0; i < w->out.record_count && s->sample_count < WORKER_SAMPLES; i++) {
        if (flow_record_is_aggregate(&w->out.record[i]))
            continue;
        uint64_t digest = audit_digest(w->options.audit, &w->out.record[i]);
        if (audit_takes(digest))
            s->sample[s->sample_count++] = digest;
    }
}

void worker_hand_on(struct worker *w)
{
    if (w->options.audit)
        sample(w);
    hand_on_records(w);
    if (w->options.deltas && w->out.delta_count)
        w->options.deltas(w->options.context, w->out.delta, w->out.delta_count);
    w->out.record_count = w->out.delta_count = 0;
}
