#include <assert.h>
#include <sched.h>

#include "core/ledger.h"
#include "core/worker_internal.h"

#define READ_TRIES 64 /* before the writer gets the processor */

static uint64_t missed(const struct capture_stats *s)
{
    uint64_t sum = 0;

    for (int i = 0; i < MISS_COUNT; i++)
        sum += s->missed[i];
    return sum;
}

/* What a queue lost since the last turn, or a port elsewhere, may belong to any flow alive. */
static void note_losses(struct worker *w)
{
    uint64_t misses = 0;
    uint64_t losses = atomic_load_explicit(&w->orders.losses, memory_order_relaxed);

    for (uint16_t q = 0; q < w->options.queue_count; q++) {
        capture_stats(w->options.queue[q], &w->counts.queue[q]);
        misses += missed(&w->counts.queue[q]);
    }
    if (misses != w->misses || losses != w->losses)
        flow_table_note_loss(w->table);
    w->misses = misses;
    w->losses = losses;
}

void worker_publish(struct worker *w, bool complete)
{
    note_losses(w);
    if (w->options.turn)
        w->options.turn(w->options.context);
    w->counts.utc_ns = w->now_ns + (uint64_t)w->utc_offset_ns;
    if (complete)
        flow_table_census(w->table, &w->counts.census);
    else
        flow_table_turn_census(w->table, &w->counts.census);
    seqlock_write(&w->report.lock, w->report.snapshot, &w->counts, sizeof(w->counts));
    w->counts.sample_count = 0;
}

bool worker_snapshot_read(const struct worker *w, struct worker_snapshot *out)
{
    static_assert(sizeof(*out) % sizeof(uint64_t) == 0, "words");
    if (!seqlock_version(&w->report.lock))
        return false;
    for (unsigned i = 1; !seqlock_try_read(&w->report.lock, w->report.snapshot, out, sizeof(*out));
         i++)
        if (i % READ_TRIES == 0)
            sched_yield();
    return true;
}

void worker_snapshot_ledger(const struct worker_snapshot *s, struct ledger *out)
{
    struct ledger l = {.delivered = s->delivered,
                       .forwarded = s->forwarded,
                       .counters = s->counters,
                       .census = s->census};

    for (int q = 0; q < CONFIG_PORTS_MAX; q++) {
        const struct capture_stats *queue = &s->queue[q];
        l.received += queue->received;
        l.filtered += queue->filtered;
        l.pending += queue->pending;
        l.sent += queue->sent;
        l.send_failed += queue->send_failed;
        for (int i = 0; i < MISS_COUNT; i++)
            l.missed[i] += queue->missed[i];
    }
    for (int lane = 0; lane < LANE_COUNT; lane++) {
        l.handed += s->handed[lane].records;
        l.lost += s->dropped[lane].records;
    }
    *out = l;
}
