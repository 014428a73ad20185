#include <assert.h>

#include "core/ledger.h"
#include "core/worker_internal.h"

#define READ_TRIES 4 /* a reader that the writer overtook, by a whole turn, begins again */

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

static void publish(struct worker_report *report, const struct worker_snapshot *s)
{
    uint64_t next = atomic_load_explicit(&report->published, memory_order_relaxed) + 1;
    struct worker_slot *slot = &report->slot[next % 2];

    seqlock_write(&slot->lock, slot->words, s, sizeof(*s));
    atomic_store_explicit(&report->published, next, memory_order_release);
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
    publish(&w->report, &w->counts);
    w->counts.sample_count = 0;
}

bool worker_snapshot_read(const struct worker *w, struct worker_snapshot *out)
{
    static_assert(sizeof(*out) % sizeof(uint64_t) == 0, "words");
    for (int i = 0; i < READ_TRIES; i++) {
        uint64_t last = atomic_load_explicit(&w->report.published, memory_order_acquire);
        const struct worker_slot *slot = &w->report.slot[last % 2];
        if (!last)
            return false;
        if (seqlock_try_read(&slot->lock, slot->words, out, sizeof(*out)))
            return true;
    }
    return false;
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
