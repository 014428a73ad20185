#include "core/outlet.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/spsc.h"
#include "core/face.h"
#include "weir/flow.h"

#define TAKE 64            /* records of one ring at a time */
#define IDLE_MS 20         /* between two looks at the rings when nothing comes */
#define COPY_NS 200000000u /* between two copies of the counts */
#define RELOAD_WAIT_S 10

struct letter {
    const struct config *config; /* NULL = none waits */
    bool answered;
    int result;
    char error[EXPORTER_ERROR_MAX];
};

struct outlet {
    struct outlet_options options;
    _Atomic uint64_t drain_deadline_ns; /* 0 = go on */
    _Atomic bool done;

    pthread_mutex_t lock; /* of what follows, up to the thread's own */
    pthread_cond_t answered;
    struct letter letter;
    uint32_t collector_count;
    struct sensor_collector collector[2 * CONFIG_COLLECTORS_MAX];
    struct face_stats face;
    uint64_t taken_copy;

    /* the thread's own */
    bool time_is_up;
    uint64_t copied_ns;
    uint64_t taken; /* records, closing notices apart */
    struct exporter_input input;
    struct worker_snapshot snapshot;
    struct flow_record record[TAKE];
};

int outlet_create(const struct outlet_options *options, struct outlet **out)
{
    struct outlet *o = calloc(1, sizeof(*o));

    if (!o)
        return -ENOMEM;
    o->options = *options;
    pthread_mutex_init(&o->lock, NULL);
    pthread_cond_init(&o->answered, NULL);
    *out = o;
    return 0;
}

void outlet_destroy(struct outlet *o)
{
    if (!o)
        return;
    pthread_cond_destroy(&o->answered);
    pthread_mutex_destroy(&o->lock);
    free(o);
}

/* Who has room decides: collectors queue, spool and drop by themselves; stdout alone lets the rings
 * be its queue. */
static bool may_take(const struct outlet *o)
{
    return o->time_is_up || o->options.exporter || !o->options.face || face_room(o->options.face);
}

static void pass_on(struct outlet *o, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        o->taken += !flow_record_is_notice(&o->record[i]);
        if (o->options.exporter)
            exporter_add(o->options.exporter, &o->record[i]);
        if (o->options.face)
            face_add(o->options.face, &o->record[i]);
    }
}

/* Some of every ring, those of connections with many packets first. True when something came. */
static bool take(struct outlet *o)
{
    uint32_t count = 0;

    for (int lane = 0; lane < LANE_COUNT; lane++)
        for (unsigned w = 0; w < o->options.worker_count && may_take(o); w++) {
            struct spsc *ring = worker_ring(o->options.worker[w], (enum worker_lane)lane);
            uint32_t n = spsc_pop_burst(ring, o->record, TAKE);
            pass_on(o, n);
            count += n;
        }
    return count > 0;
}

static void step(struct outlet *o, int timeout_ms)
{
    if (o->options.face)
        face_step(o->options.face, o->options.exporter ? 0 : timeout_ms);
    if (o->options.exporter)
        exporter_step(o->options.exporter, timeout_ms);
    else if (timeout_ms)
        nanosleep(&(struct timespec){0, timeout_ms * 1000000L}, NULL);
}

/* --- What others learn --- */

static void copy_collector(struct outlet *o, uint32_t index)
{
    struct sensor_collector *to = &o->collector[index];

    exporter_stats(o->options.exporter, index, &to->stats);
    to->config = *to->stats.config;
    memcpy(to->name, to->config.name, sizeof(to->name));
    snprintf(to->error, sizeof(to->error), "%s", to->stats.error ? to->stats.error : "");
    to->stats.config = NULL;
    to->stats.error = NULL;
}

static void copy_counts(struct outlet *o)
{
    uint32_t most = sizeof(o->collector) / sizeof(*o->collector);

    pthread_mutex_lock(&o->lock);
    if (o->options.exporter) {
        uint32_t count = exporter_count(o->options.exporter);
        o->collector_count = count < most ? count : most;
        for (uint32_t i = 0; i < o->collector_count; i++)
            copy_collector(o, i);
    }
    if (o->options.face)
        face_stats(o->options.face, &o->face);
    o->taken_copy = o->taken;
    pthread_mutex_unlock(&o->lock);
}

void outlet_status(struct outlet *o, struct sensor_status *status)
{
    pthread_mutex_lock(&o->lock);
    status->collector_count = o->collector_count;
    memcpy(status->collector, o->collector, o->collector_count * sizeof(*o->collector));
    status->face = o->face;
    status->taken = o->taken_copy;
    pthread_mutex_unlock(&o->lock);
}

/* --- What collectors are told of the sensor (RFC 7011 §4.2, §4.3) --- */

static void add_lost(struct exporter_input *in, const struct worker_snapshot *s)
{
    for (int lane = 0; lane < LANE_COUNT; lane++) {
        in->lost_records += s->dropped[lane].records;
        in->lost_packets += s->dropped[lane].packets;
        in->lost_octets += s->dropped[lane].octets;
    }
    uint64_t first = s->first_dropped_ns / 1000000, last = s->last_dropped_ns / 1000000;
    if (first && (!in->lost_first_ms || first < in->lost_first_ms))
        in->lost_first_ms = first;
    if (last > in->lost_last_ms)
        in->lost_last_ms = last;
}

/* Packets that were observed and are in no flow: missed by a port, or with a broken IP header. */
static void add_ignored(struct exporter_input *in, const struct worker_snapshot *s)
{
    struct ledger l;

    worker_snapshot_ledger(s, &l);
    in->ignored_packets += ledger_missed(&l);
    for (int fate = FATE_BAD_LINK_SHORT; fate < FATE_COUNT; fate++) {
        in->ignored_packets += s->counters.fate_packets[fate];
        in->ignored_octets += s->counters.fate_octets[fate];
    }
}

static void tell_exporter(struct outlet *o)
{
    struct exporter_input in = {.ignored_first_ms = o->input.ignored_first_ms,
                                .ignored_last_ms = o->input.ignored_last_ms};
    uint64_t now_ms = 0;

    for (unsigned w = 0; w < o->options.worker_count; w++) {
        if (!worker_snapshot_read(o->options.worker[w], &o->snapshot))
            continue;
        add_lost(&in, &o->snapshot);
        add_ignored(&in, &o->snapshot);
        now_ms = o->snapshot.utc_ns / 1000000;
    }
    if (in.ignored_packets > o->input.ignored_packets) {
        in.ignored_last_ms = now_ms;
        if (!in.ignored_first_ms)
            in.ignored_first_ms = now_ms;
    }
    o->input = in;
    exporter_statistics_in(o->options.exporter, &in);
}

/* --- Reload --- */

static void answer_letter(struct outlet *o)
{
    char error[EXPORTER_ERROR_MAX] = "";

    pthread_mutex_lock(&o->lock);
    const struct config *config = o->letter.answered ? NULL : o->letter.config;
    pthread_mutex_unlock(&o->lock);
    if (!config)
        return;
    int rc = exporter_reload(o->options.exporter, config, error);
    pthread_mutex_lock(&o->lock);
    if (o->letter.config == config) { /* who asked still waits */
        o->letter.result = rc;
        o->letter.answered = true;
        memcpy(o->letter.error, error, sizeof(error));
        pthread_cond_signal(&o->answered);
    }
    pthread_mutex_unlock(&o->lock);
}

int outlet_reload(struct outlet *o, const struct config *config, char error[EXPORTER_ERROR_MAX])
{
    struct timespec until;
    int rc = 0;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += RELOAD_WAIT_S;
    pthread_mutex_lock(&o->lock);
    o->letter = (struct letter){.config = config};
    while (!o->letter.answered && !rc)
        rc = -pthread_cond_timedwait(&o->answered, &o->lock, &until);
    if (o->letter.answered) {
        rc = o->letter.result;
        snprintf(error, EXPORTER_ERROR_MAX, "%s", o->letter.error);
    } else {
        snprintf(error, EXPORTER_ERROR_MAX, "the exporter did not answer within %d s",
                 RELOAD_WAIT_S);
    }
    o->letter.config = NULL;
    pthread_mutex_unlock(&o->lock);
    return rc;
}

/* --- The thread --- */

static void now_and_then(struct outlet *o)
{
    uint64_t now = clock_monotonic_ns();

    answer_letter(o);
    if (now - o->copied_ns < COPY_NS)
        return;
    o->copied_ns = now;
    if (o->options.exporter)
        tell_exporter(o);
    copy_counts(o);
}

static void drain(struct outlet *o, uint64_t deadline_ns)
{
    while (take(o) || (!may_take(o) && clock_monotonic_ns() < deadline_ns))
        step(o, may_take(o) ? 0 : 1);
    o->time_is_up = true; /* what the rings still hold is counted as dropped, not forgotten */
    while (take(o))
        ;
    if (o->options.exporter) {
        tell_exporter(o);
        exporter_drain(o->options.exporter, deadline_ns);
    }
    if (o->options.face)
        face_drain(o->options.face, deadline_ns);
    copy_counts(o);
}

void outlet_run(struct outlet *o)
{
    uint64_t deadline_ns;

    while (!(deadline_ns = atomic_load(&o->drain_deadline_ns))) {
        step(o, take(o) ? 0 : IDLE_MS);
        now_and_then(o);
    }
    drain(o, deadline_ns);
    atomic_store(&o->done, true);
}

void outlet_order_drain(struct outlet *o, uint64_t deadline_ns)
{
    atomic_store(&o->drain_deadline_ns, deadline_ns ? deadline_ns : 1);
}

bool outlet_done(const struct outlet *o)
{
    return atomic_load(&o->done);
}
