#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "core/notify.h"
#include "core/sensor_internal.h"

#define TICKS_PER_SECOND 4
#define WORKERS_PERCENT 60  /* of drain_timeout, the rest is the exporter's */
#define GRACE_NS 500000000u /* after drain_timeout, for the exporter's last step */
#define WAIT_MS 5
#define ONE_REQUEST_NS 1000000000u /* timeout(1), for one, sends its signal twice */

/* --- What the loop wakes up for --- */

/* One line of the log for each line of the ledger. */
static void log_ledger(struct sensor *s)
{
    char *text = NULL, *rest, *line;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    if (!out)
        return;
    sensor_print_ledger(s, out);
    fclose(out);
    for (line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
        log_info(s->log, "%s", line);
    free(text);
}

/* False: told to end. */
static bool take_signals(struct sensor *s)
{
    enum signal_request request;
    char error[SENSOR_ERROR_MAX];
    const char *name;

    while ((request = signals_take(&s->signals, &name)) != REQUEST_END) {
        if (request == REQUEST_NONE)
            return true;
        if (request == REQUEST_RELOAD)
            (void)sensor_reload(s, error);
        else
            log_ledger(s);
    }
    log_info(s->log, "%s: ending", name);
    return false;
}

static void correct_clock(struct sensor *s)
{
    struct clock_sample sample;

    clock_sample(s->clock, &sample);
    int64_t step = clock_correct(s->clock, &sample);
    if (step)
        log_warning(s->log,
                    "the system's clock was set %s by %.3f s: records follow it, timeouts do not "
                    "feel it",
                    step > 0 ? "forward" : "back", (double)(step < 0 ? -step : step) / 1e9);
    pthread_mutex_lock(&s->lock);
    s->known.clock_steps = clock_steps(s->clock);
    s->known.clock_offset_ns = clock_offset_ns(s->clock);
    pthread_mutex_unlock(&s->lock);
}

static void tell_beat(struct sensor *s, uint32_t w, enum heartbeat_event event)
{
    char line[128] = "";

    if (event == HEARTBEAT_NONE)
        return;
    heartbeat_describe(worker_thread_id(s->worker[w]), line, sizeof(line));
    if (event == HEARTBEAT_STUCK)
        log_error(s->log, "worker %u is stuck: no poll for %.1f s; %s", w,
                  (double)s->beats.timeout_ns / 1e9, line);
    else
        log_warning(s->log, "worker %u moves again", w);
}

static void see_beats(struct sensor *s)
{
    uint64_t now = clock_read(&s->now);

    for (uint32_t w = 0; w < s->worker_count; w++)
        tell_beat(s, w, heartbeats_see(&s->beats, w, worker_beats(s->worker[w]), now));
    pthread_mutex_lock(&s->lock);
    s->known.stuck_total = s->beats.stuck_total;
    for (uint32_t w = 0; w < s->worker_count; w++)
        s->known.stuck[w] = s->beats.worker[w].stuck;
    pthread_mutex_unlock(&s->lock);
    if (heartbeats_all_moved(&s->beats))
        notify_watchdog();
}

static const char *failed_source(const struct sensor *s, uint32_t w, int queue)
{
    for (uint32_t p = 0; p < s->port_count; p++)
        if (s->queue_of[w][p] == queue)
            return capture_error(s->port[p]->ops->queue(s->port[p], w));
    return "a queue failed";
}

/* Sources that failed or have come to their end. False: nothing is left to do. */
static bool look_at_sources(struct sensor *s)
{
    bool ended = true;

    for (uint32_t w = 0; w < s->worker_count; w++) {
        int queue = worker_failed_queue(s->worker[w]);
        if (queue >= 0) {
            log_error(s->log, "%s", failed_source(s, w, queue));
            s->failure = -EIO;
            return false;
        }
        if (worker_state(s->worker[w]) == WORKER_DONE) {
            log_error(s->log, "worker %u could not begin", w);
            s->failure = -EIO;
            return false;
        }
        ended = ended && worker_sources_ended(s->worker[w]);
    }
    if (ended)
        log_info(s->log, "all sources have come to their end");
    return !ended;
}

/* Nobody reads stdout any more: without a collector the sensor has no purpose. */
static bool look_at_face(struct sensor *s)
{
    struct sensor_status *status = s->face && !s->face_told ? calloc(1, sizeof(*status)) : NULL;

    if (!status)
        return true;
    outlet_status(s->outlet, status);
    int error = status->face.error;
    free(status);
    if (!error)
        return true;
    s->face_told = true;
    log_error(s->log, "stdout: %s: records can no longer be written%s", strerror(error),
              s->exporter ? ", collectors get them still" : "");
    if (!s->exporter)
        s->failure = -error;
    return s->exporter != NULL;
}

/* False: the sensor is to end. */
static bool tick(struct sensor *s)
{
    uint64_t expired;

    if (read(s->ticks, &expired, sizeof(expired)) != sizeof(expired))
        return true;
    see_beats(s);
    sensor_watch_workers(s);
    if (s->tick++ % TICKS_PER_SECOND == 0) {
        correct_clock(s);
        sensor_retire(s);
        doors_tell_manager(s->doors);
        doors_tell_fleet(s->doors);
        if (!sensor_watch_ports(s))
            return false;
    }
    return look_at_sources(s) && look_at_face(s);
}

static void set_state(struct sensor *s, enum sensor_state state)
{
    pthread_mutex_lock(&s->lock);
    s->known.state = state;
    pthread_mutex_unlock(&s->lock);
}

void control_run(struct sensor *s)
{
    struct pollfd wake[] = {{.fd = s->signals.fd, .events = POLLIN},
                            {.fd = s->ticks, .events = POLLIN},
                            {.fd = doors_fd(s->doors), .events = POLLIN}};

    set_state(s, SENSOR_RUNNING);
    for (;;) {
        if (poll(wake, sizeof(wake) / sizeof(*wake), -1) < 0 && errno != EINTR)
            return;
        doors_step(s->doors);
        if (!take_signals(s) || !tick(s))
            return;
    }
}

/* --- The end --- */

static bool workers_done(const struct sensor *s)
{
    for (uint32_t w = 0; w < s->threads; w++)
        if (worker_state(s->worker[w]) != WORKER_DONE)
            return false;
    return true;
}

static bool outlet_is_done(const struct sensor *s)
{
    return outlet_done(s->outlet);
}

/* Someone who asks again, a while later, does not want to wait. */
static bool told_again(struct sensor *s)
{
    enum signal_request request;
    const char *name;
    bool again = false;

    while ((request = signals_take(&s->signals, &name)) != REQUEST_NONE)
        again = again || request == REQUEST_END;
    return again && clock_monotonic_ns() - s->drain_began_ns > ONE_REQUEST_NS;
}

static bool wait_for(struct sensor *s, bool (*done)(const struct sensor *), uint64_t deadline_ns)
{
    struct pollfd again = {.fd = s->signals.fd, .events = POLLIN};

    while (!done(s) && clock_monotonic_ns() < deadline_ns) {
        poll(&again, 1, WAIT_MS);
        if (again.revents && told_again(s)) {
            log_warning(s->log, "told to end again: not waiting any longer");
            return done(s);
        }
    }
    return done(s);
}

static void drain_workers(struct sensor *s, uint64_t timeout_ns)
{
    uint64_t share = timeout_ns / 100 * WORKERS_PERCENT;
    uint64_t until = clock_read(&s->now) + share;

    for (uint32_t w = 0; w < s->threads; w++)
        worker_order_drain(s->worker[w], until);
    wait_for(s, workers_done, s->drain_began_ns + timeout_ns);
    for (uint32_t w = 0; w < s->threads; w++) {
        if (worker_state(s->worker[w]) == WORKER_DONE) {
            pthread_join(s->worker_thread[w], NULL);
            continue;
        }
        log_error(s->log, "worker %u did not end within sensor.drain_timeout: its flows are lost",
                  w);
        s->abandoned = true;
    }
}

/* The workers have ended: what they offered last is judged and told. */
static void drain_hunts(struct sensor *s)
{
    if (!s->hunts_run || s->abandoned)
        return;
    hunts_stop(s->hunts);
    pthread_join(s->hunts_thread, NULL);
    s->hunts_run = false;
}

static bool fleet_done(const struct sensor *s)
{
    return fleet_is_done(s->fleet);
}

/* What the analyst pushed last goes to Redis, if it takes it in time. */
static void drain_fleet(struct sensor *s, uint64_t deadline_ns)
{
    if (!s->fleet_runs)
        return;
    fleet_stop(s->fleet);
    if (!wait_for(s, fleet_done, deadline_ns))
        fleet_abort(s->fleet);
    if (wait_for(s, fleet_done, deadline_ns + GRACE_NS)) {
        pthread_join(s->fleet_thread, NULL);
        return;
    }
    log_warning(s->log, "redis: did not end within sensor.drain_timeout");
    s->fleet_left = true;
}

static void drain_outlet(struct sensor *s, uint64_t deadline_ns)
{
    if (!s->outlet_runs)
        return;
    outlet_order_drain(s->outlet, deadline_ns);
    if (wait_for(s, outlet_is_done, deadline_ns + GRACE_NS)) {
        pthread_join(s->outlet_thread, NULL);
        return;
    }
    log_error(s->log, "the exporter did not end within sensor.drain_timeout");
    s->abandoned = true;
}

static uint64_t dropped(const struct collector_stats *c)
{
    uint64_t sum = 0;

    for (int i = 0; i < DROP_COUNT; i++)
        sum += c->dropped[i].records;
    return sum;
}

/* What did not reach a collector, and where it is. */
static void tell_left(struct sensor *s, const struct sensor_status *status)
{
    for (uint32_t i = 0; i < status->collector_count; i++) {
        const struct sensor_collector *c = &status->collector[i];
        uint64_t waiting = c->stats.in_flight.records + c->stats.queued.records;
        if (c->stats.spooled.records || dropped(&c->stats) || waiting)
            log_warning(s->log,
                        "%s: %" PRIu64 " records left in the spool, %" PRIu64
                        " dropped since the start, %" PRIu64 " not acknowledged",
                        c->name, c->stats.spooled.records, dropped(&c->stats), waiting);
    }
}

static void finish(struct sensor *s)
{
    struct sensor_status *status = calloc(1, sizeof(*status));

    if (!status)
        return;
    sensor_status(s, status);
    tell_left(s, status);
    if (s->abandoned && !s->failure)
        s->failure = -ETIMEDOUT;
    if (!s->abandoned && !s->failure && !sensor_status_closed(status))
        s->failure = -EBADMSG;
    free(status);
}

void control_drain(struct sensor *s)
{
    uint64_t timeout = s->generation->config.sensor.drain_timeout_ns;

    s->drain_began_ns = clock_monotonic_ns();
    set_state(s, SENSOR_DRAINING);
    sensor_read_ports(s);
    for (uint32_t p = 0; p < s->port_count; p++)
        port_stop(s->port[p]);
    drain_workers(s, timeout);
    drain_hunts(s);
    drain_fleet(s, s->drain_began_ns + timeout / 2);
    drain_outlet(s, s->drain_began_ns + timeout);
    look_at_face(s);
    finish(s);
}
