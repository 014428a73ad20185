#include "core/worker.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/spsc.h"
#include "core/worker_internal.h"

#define SLICE 4096u             /* entries that the sweep visits in one poll at most */
#define TURN_FLOWS (4u << 20)   /* entries that a turn of the usual length has time for */
#define PACE_SHARE 16           /* a turn aims at this part less, so that delays do not add to it */
#define NAP_NS 20000            /* with the timer's slack under 0.1 ms: 2048 packets at 20 M/s */
#define SPIN_POLLS 256          /* without a packet, before a worker sleeps */
#define SLEEP_MS 10             /* at most */
#define TIME_BACK_NS 1000000000 /* a source's time may be older than the clock by this */
#define DRAIN_SHARE 4           /* what waits may take this part of the time to drain */

/* --- One poll --- */

static void adopt(struct worker *w)
{
    const struct generation *offered =
        atomic_load_explicit(&w->orders.generation, memory_order_acquire);

    if (offered == w->generation)
        return;
    w->generation = offered;
    atomic_store_explicit(&w->report.generation, offered->number, memory_order_release);
}

/* The burst's clock where a source has no time of its own; its time where that can be believed. */
static void stamp(struct worker *w)
{
    uint64_t utc = w->now_ns + (uint64_t)w->utc_offset_ns;

    for (uint32_t i = 0; i < w->burst.count; i++) {
        struct packet *p = &w->burst.packet[i];
        if (p->ts_ns && utc - p->ts_ns <= TIME_BACK_NS)
            continue;
        /* a clock that is a little ahead of ours is usual, more is not to be believed */
        if (p->ts_ns && p->ts_ns - utc > TIME_BACK_NS)
            w->counts.counters.note[NOTE_TIMES_REFUSED]++;
        p->ts_ns = utc;
    }
    w->burst.now_ns = utc;
}

static void count_fates(struct worker *w)
{
    struct counters *c = &w->counts.counters;

    for (uint32_t i = 0; i < w->burst.count; i++) {
        const struct packet *p = &w->burst.packet[i];
        c->fate_packets[p->fate]++;
        c->fate_octets[p->fate] += p->wire_len;
        w->counts.tcp_packets += p->proto == PROTO_TCP;
    }
}

static void queue_ended(struct worker *w, uint16_t q, enum capture_status status)
{
    bool all = true;

    w->ended[q] = true;
    w->wait[q].fd = -1;
    if (status == CAPTURE_ERROR)
        atomic_store_explicit(&w->report.failed_queue, q, memory_order_release);
    for (uint16_t i = 0; i < w->options.queue_count; i++)
        all = all && w->ended[i];
    atomic_store_explicit(&w->report.sources_ended, all, memory_order_release);
}

/* A burst of one queue, through all stages. Returns its packets. */
static uint32_t receive(struct worker *w, uint16_t q)
{
    struct capture *queue = w->options.queue[q];

    if (w->ended[q])
        return 0;
    w->burst.count = 0;
    enum capture_status status = capture_receive(queue, &w->burst);
    if (w->burst.count) {
        w->counts.delivered += w->burst.count;
        stamp(w);
        decode_burst(&w->decode, &w->burst, &w->counts.counters);
        flow_table_burst(w->table, w->burst.packet, w->burst.count, &w->out);
        count_fates(w);
        worker_hand_on(w);
    }
    if (w->options.inline_mode && w->burst.count) {
        w->counts.forwarded += w->burst.count;
        queue->ops->forward(queue);
    }
    if (status != CAPTURE_OK)
        queue_ended(w, q, status);
    return w->burst.count;
}

static void turn_begin(struct worker *w)
{
    uint64_t goal = flow_turn_ns(&w->options.config->flow);
    uint64_t span = flow_table_span(w->table);

    w->turn_goal_ns = span > TURN_FLOWS ? goal * span / TURN_FLOWS : goal;
    w->counts.turn_goal_ns = w->turn_goal_ns;
    w->turn_began_ns = w->now_ns;
    w->swept = 0;
}

/* Between a turn and the next burst is the time to follow a step of the system's clock. */
static void follow_utc(struct worker *w)
{
    int64_t offset = clock_reader_offset_ns(&w->clock);

    if (offset == w->utc_offset_ns)
        return;
    w->utc_offset_ns = offset;
    flow_table_clock_offset(w->table, -offset);
    w->counts.counters.note[NOTE_CLOCK_REBASED]++;
}

static void turn_end(struct worker *w)
{
    w->counts.turns++;
    w->counts.turn_ns = w->now_ns - w->turn_began_ns;
    follow_utc(w);
    worker_publish(w, false);
    turn_begin(w);
}

/* Visits what is due of this turn by now, a slice at most. True when there is no more to do yet. */
static bool sweep(struct worker *w)
{
    uint64_t pace = w->turn_goal_ns - w->turn_goal_ns / PACE_SHARE;
    uint64_t elapsed = w->now_ns - w->turn_began_ns, span = flow_table_span(w->table);
    bool all = elapsed >= pace;
    uint64_t due = all ? span : span * elapsed / pace;

    if (!all && due <= w->swept)
        return true;
    uint32_t slice = all || due - w->swept > SLICE ? SLICE : (uint32_t)(due - w->swept);
    bool ended = flow_sweep_step(w->table, w->now_ns, slice, &w->out);
    worker_hand_on(w);
    w->swept += slice;
    if (ended)
        turn_end(w);
    return ended;
}

static void beat(struct worker *w)
{
    uint64_t beats = atomic_load_explicit(&w->report.beats, memory_order_relaxed);
    atomic_store_explicit(&w->report.beats, beats + 1, memory_order_relaxed);
}

/* The time since the last poll began counts as load when that poll had work. */
static void count_busy(struct worker *w)
{
    if (w->busy)
        w->counts.busy_ns += w->now_ns - w->poll_began_ns;
    w->poll_began_ns = w->now_ns;
}

bool worker_poll(struct worker *w)
{
    uint32_t packets = 0;

    adopt(w);
    for (uint16_t q = 0; q < w->options.queue_count; q++) {
        w->now_ns = clock_read(&w->clock);
        if (q == 0)
            count_busy(w);
        packets += receive(w, q);
    }
    w->now_ns = clock_read(&w->clock);
    bool on_pace = sweep(w);
    beat(w);
    w->busy = packets || !on_pace;
    return w->busy;
}

/* --- Its life --- */

static void pause_a_little(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* Nothing came. A sleep ends with the first packet, so that the ring holds what comes meanwhile; a
 * source that nothing can be waited for on is looked at again before its ring is full. */
static void idle(struct worker *w)
{
    const struct timespec nap = {.tv_nsec = NAP_NS};

    if (++w->idle_polls < SPIN_POLLS || w->options.config->capture.busy_poll)
        pause_a_little();
    else if (w->may_sleep)
        (void)poll(w->wait, w->options.queue_count, SLEEP_MS);
    else
        (void)nanosleep(&nap, NULL);
}

static int enter(struct worker *w)
{
    atomic_store_explicit(&w->report.thread_id, (int)syscall(SYS_gettid), memory_order_release);
    w->may_sleep = true;
    for (uint16_t q = 0; q < w->options.queue_count; q++) {
        int rc = capture_enter(w->options.queue[q]);
        if (rc) {
            queue_ended(w, q, CAPTURE_ERROR);
            return rc;
        }
        w->wait[q] = (struct pollfd){capture_wait_fd(w->options.queue[q]), POLLIN, 0};
        w->may_sleep = w->may_sleep && w->wait[q].fd >= 0;
    }
    return 0;
}

static void set_state(struct worker *w, enum worker_state state)
{
    atomic_store_explicit(&w->report.state, state, memory_order_release);
}

static uint64_t drain_until(const struct worker *w)
{
    return atomic_load_explicit(&w->orders.drain_until_ns, memory_order_acquire);
}

int worker_run(struct worker *w)
{
    int rc = enter(w);

    set_state(w, WORKER_RUNNING);
    while (!rc && !drain_until(w)) {
        if (worker_poll(w))
            w->idle_polls = 0;
        else
            idle(w);
    }
    for (uint16_t q = 0; rc && q < w->options.queue_count; q++)
        w->ended[q] = true;
    worker_drain(w);
    for (uint16_t q = 0; q < w->options.queue_count; q++)
        capture_leave(w->options.queue[q]);
    atomic_store_explicit(&w->report.thread_id, 0, memory_order_release);
    return rc;
}

/* What waits in a queue: up to its first empty burst, or until time is short. */
static void drain_queue(struct worker *w, uint16_t q, uint64_t until_ns)
{
    do {
        w->now_ns = clock_read(&w->clock);
        beat(w);
    } while (receive(w, q) && w->now_ns < until_ns);
}

void worker_drain(struct worker *w)
{
    uint64_t now = clock_read(&w->clock);

    set_state(w, WORKER_DRAINING);
    w->drain_until_ns = drain_until(w);
    uint64_t left = w->drain_until_ns > now ? w->drain_until_ns - now : 0;
    for (uint16_t q = 0; q < w->options.queue_count; q++)
        drain_queue(w, q, now + left / DRAIN_SHARE);
    while (!flow_table_drain(w->table, &w->out)) {
        worker_hand_on(w);
        beat(w);
    }
    worker_hand_on(w);
    w->counts.turns++;
    worker_publish(w, true);
    set_state(w, WORKER_DONE);
}

static int create_rings(struct worker *w)
{
    int rc = 0;

    for (int lane = 0; lane < LANE_COUNT && !rc; lane++)
        rc = spsc_create((uint32_t)w->options.config->exports.ring, sizeof(struct flow_record),
                         &w->ring[lane]);
    return rc;
}

/* A face with one row per connection is not to miss any. */
static bool folds(const struct worker *w)
{
    const struct flow_config *flow = &w->options.config->flow;

    if (flow->fold == FOLD_AUTO)
        return !w->options.notices && flow->fold_rate;
    return flow->fold == FOLD_ON;
}

static int create_table(struct worker *w)
{
    const struct config *config = w->options.config;
    struct flow_table_options table = {.flow = config->flow,
                                       .dedup = config->capture.dedup,
                                       .deltas = w->options.deltas != NULL,
                                       .notices = w->options.notices,
                                       .worker = (uint8_t)w->options.index};

    table.flow.max_flows = w->options.max_flows;
    table.flow.fold = folds(w) ? FOLD_ON : FOLD_OFF;
    if (w->options.fold_rate)
        table.flow.fold_rate = w->options.fold_rate;
    return flow_table_create(&table, &w->counts.counters, &w->table);
}

int worker_create(const struct worker_options *options, struct worker **out)
{
    struct worker *w = memory_lines(sizeof(*w));
    int rc;

    if (!w)
        return -ENOMEM;
    w->options = *options;
    w->decode.tunnels = options->config->flow.decap;
    atomic_init(&w->report.failed_queue, -1);
    clock_reader_init(&w->clock, options->clock);
    w->now_ns = clock_read(&w->clock);
    rc = create_rings(w);
    if (!rc)
        rc = create_table(w);
    if (rc) {
        worker_destroy(w);
        return rc;
    }
    turn_begin(w);
    *out = w;
    return 0;
}

void worker_destroy(struct worker *w)
{
    if (!w)
        return;
    flow_table_destroy(w->table);
    for (int lane = 0; lane < LANE_COUNT; lane++)
        spsc_destroy(w->ring[lane]);
    free(w);
}

/* --- What others do and see --- */

void worker_order_drain(struct worker *w, uint64_t until_ns)
{
    atomic_store_explicit(&w->orders.drain_until_ns, until_ns ? until_ns : 1, memory_order_release);
}

void worker_offer(struct worker *w, const struct generation *generation)
{
    atomic_store_explicit(&w->orders.generation, generation, memory_order_release);
}

void worker_tell_loss(struct worker *w)
{
    atomic_fetch_add_explicit(&w->orders.losses, 1, memory_order_relaxed);
}

enum worker_state worker_state(const struct worker *w)
{
    return (enum worker_state)atomic_load_explicit(&w->report.state, memory_order_acquire);
}

uint64_t worker_beats(const struct worker *w)
{
    return atomic_load_explicit(&w->report.beats, memory_order_relaxed);
}

uint64_t worker_generation(const struct worker *w)
{
    return atomic_load_explicit(&w->report.generation, memory_order_acquire);
}

int worker_thread_id(const struct worker *w)
{
    return atomic_load_explicit(&w->report.thread_id, memory_order_acquire);
}

int worker_failed_queue(const struct worker *w)
{
    return atomic_load_explicit(&w->report.failed_queue, memory_order_acquire);
}

bool worker_sources_ended(const struct worker *w)
{
    return atomic_load_explicit(&w->report.sources_ended, memory_order_acquire);
}

struct spsc *worker_ring(const struct worker *w, enum worker_lane lane)
{
    return w->ring[lane];
}
