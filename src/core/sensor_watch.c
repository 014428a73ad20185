#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "core/sensor_internal.h"

#define TELL_TICKS 240 /* a minute */

uint64_t port_watch_rest(struct port_watch *w, uint64_t interface_packets, uint64_t accounted)
{
    unsigned checks = sizeof(w->rest) / sizeof(*w->rest);
    uint64_t least = UINT64_MAX;

    w->rest[w->checks++ % checks] =
        interface_packets > accounted ? interface_packets - accounted : 0;
    if (w->checks < checks)
        return 0;
    for (unsigned i = 0; i < checks; i++)
        least = w->rest[i] < least ? w->rest[i] : least;
    return least;
}

/* Of a port's queues; what stands in the workers' last snapshots is too old to compare. */
static uint64_t received_by_queues(const struct sensor *s, uint32_t p)
{
    uint64_t sum = 0;

    for (uint32_t w = 0; w < s->worker_count; w++) {
        struct capture_stats stats = {0};
        if (s->queue_of[w][p] < 0)
            continue;
        capture_stats(s->port[p]->ops->queue(s->port[p], w), &stats);
        sum += stats.received;
    }
    return sum;
}

static void tell_workers(struct sensor *s)
{
    for (uint32_t w = 0; w < s->worker_count; w++)
        worker_tell_loss(s->worker[w]);
}

/* Packets that the interface received and that reached no queue: steered to a socket that could not
 * have them. Only of ports that weir has for itself: a copy is no account of the interface. */
static void check_account(struct sensor *s, uint32_t p, const struct port_stats *stats)
{
    const char *source = s->generation->config.capture.port[p];

    if (!port_takes(source) || !stats->interface_packets)
        return;
    uint64_t rest = port_watch_rest(&s->watch[p], stats->interface_packets,
                                    received_by_queues(s, p) + stats->passed + stats->ignored);
    if (rest <= s->known.misdirected[p])
        return;
    log_warning(s->log,
                "%s: %" PRIu64 " packets of the interface reached no worker: do its queues match "
                "capture.workers (ethtool -l)?",
                source, rest - s->known.misdirected[p]);
    pthread_mutex_lock(&s->lock);
    s->known.misdirected[p] = rest;
    pthread_mutex_unlock(&s->lock);
    tell_workers(s);
}

static void check_link(struct sensor *s, uint32_t p, const struct port_stats *stats)
{
    const char *source = s->generation->config.capture.port[p];
    bool down = !stats->link_up;

    if (down == s->watch[p].link_down)
        return;
    s->watch[p].link_down = down;
    if (down)
        log_warning(s->log, "%s: the link is down", source);
    else
        log_info(s->log, "%s: the link is up", source);
    pthread_mutex_lock(&s->lock);
    s->known.link_flaps[p] += down;
    pthread_mutex_unlock(&s->lock);
}

static struct port_stats read_port(struct sensor *s, uint32_t p)
{
    struct port_stats stats = {0};

    s->port[p]->ops->stats(s->port[p], &stats);
    pthread_mutex_lock(&s->lock);
    s->known.port[p] = stats;
    pthread_mutex_unlock(&s->lock);
    return stats;
}

void sensor_read_ports(struct sensor *s)
{
    for (uint32_t p = 0; p < s->port_count; p++)
        (void)read_port(s, p);
}

bool sensor_watch_ports(struct sensor *s)
{
    bool all_there = true;

    for (uint32_t p = 0; p < s->port_count; p++) {
        struct port_stats stats = read_port(s, p);
        if (stats.gone && !s->watch[p].gone) {
            log_error(s->log, "%s: the interface is gone", s->generation->config.capture.port[p]);
            s->failure = -ENODEV;
            s->watch[p].gone = true;
        }
        all_there = all_there && !stats.gone;
        if (stats.gone)
            continue;
        check_link(s, p, &stats);
        check_account(s, p, &stats);
    }
    return all_there;
}

static const char *remedy(const struct sensor *s)
{
    if (s->generation->config.capture.spread == SPREAD_L4)
        return "capture.spread: ip keeps fragments and both directions together";
    return "the port's hash is not symmetric, or tunnels spread apart: capture.spread: software "
           "keeps them together";
}

static void tell_meetings(struct sensor *s)
{
    uint64_t meetings = auditor_meetings(s->auditor);

    if (meetings == s->audit_told || s->tick % TELL_TICKS)
        return;
    log_warning(s->log,
                "%" PRIu64 " connections of a sample of 1/64 were seen by two workers, which have "
                "a part each; %s",
                meetings - s->audit_told, remedy(s));
    s->audit_told = meetings;
}

/* Above some millions of flows a turn takes longer, and records leave later. */
static void look_at_turn(struct sensor *s, uint32_t w, const struct worker_snapshot *snapshot)
{
    uint64_t usual = flow_turn_ns(&s->first->config.flow);

    if (snapshot->turn_goal_ns <= usual || s->turn_told[w])
        return;
    s->turn_told[w] = true;
    log_warning(s->log,
                "worker %u: its table has grown to %" PRIu64 " flows: a turn of the sweep takes "
                "%.1f s, records may leave as much later; more workers (capture.workers) help",
                w, snapshot->census.flows, (double)snapshot->turn_goal_ns / 1e9);
}

static void compare_samples(struct sensor *s, uint32_t w, const struct worker_snapshot *snapshot)
{
    if (snapshot->turns == s->audit_turns[w])
        return;
    s->audit_turns[w] = snapshot->turns;
    for (uint64_t i = 0; i < snapshot->sample_count; i++)
        auditor_see(s->auditor, (uint16_t)w, snapshot->sample[i], clock_read(&s->now));
}

/* At once, then once a minute as long as there is more. */
static void tell_losses(struct sensor *s, const struct ledger *sum)
{
    uint64_t lost = ledger_missed(sum), new = lost - s->loss_told;

    if (lost <= s->loss_told || (s->loss_told && s->tick - s->loss_tick < TELL_TICKS))
        return;
    log_warning(s->log,
                "%" PRIu64 " packets were lost before the workers took them; SIGUSR1 logs the "
                "reasons",
                new);
    s->loss_told = lost;
    s->loss_tick = s->tick;
}

void sensor_watch_workers(struct sensor *s)
{
    struct ledger sum = {0}, one;
    struct worker_snapshot *snapshot = malloc(sizeof(*snapshot));

    if (!snapshot)
        return;
    for (uint32_t w = 0; w < s->worker_count; w++) {
        if (!worker_snapshot_read(s->worker[w], snapshot))
            continue;
        compare_samples(s, w, snapshot);
        look_at_turn(s, w, snapshot);
        worker_snapshot_ledger(snapshot, &one);
        ledger_add(&sum, &one);
    }
    free(snapshot);
    pthread_mutex_lock(&s->lock);
    s->known.audit.samples = auditor_samples(s->auditor);
    s->known.audit.meetings = auditor_meetings(s->auditor);
    pthread_mutex_unlock(&s->lock);
    tell_meetings(s);
    tell_losses(s, &sum);
}
