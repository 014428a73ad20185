#include "core/sensor.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "core/notify.h"
#include "core/placement.h"
#include "core/sensor_internal.h"
#include "format/format.h"
#include "weir/encode.h"

#define FLOWS_MIN 16u /* of a worker's table */
#define TICK_MS 250

const char *const sensor_state_label[SENSOR_STATE_COUNT] = {
    [SENSOR_STARTING] = "starting",
    [SENSOR_RUNNING] = "running",
    [SENSOR_DRAINING] = "draining",
};

static const struct config *config_of(const struct sensor *s)
{
    return &s->first->config;
}

static int fail(char *error, int rc, const char *what)
{
    snprintf(error, SENSOR_ERROR_MAX, "%s: %s", what, strerror(-rc));
    return rc;
}

/* Before any thread: libraries' threads inherit the mask. */
static int open_wakers(struct sensor *s, char *error)
{
    struct itimerspec every = {.it_interval = {0, TICK_MS * 1000000L},
                               .it_value = {0, TICK_MS * 1000000L}};
    int rc = signals_open(&s->signals);

    s->ticks = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (!rc && (s->ticks < 0 || timerfd_settime(s->ticks, 0, &every, NULL)))
        rc = -errno;
    return rc ? fail(error, rc, "signals") : 0;
}

/* --- Workers: how many, on which cores --- */

static void usable_cores(cpu_set_t *set)
{
    CPU_ZERO(set);
    if (sched_getaffinity(0, sizeof(*set), set))
        CPU_SET(0, set);
}

static int choose_cores(struct sensor *s, const cpu_set_t *usable, uint32_t workers, char *error)
{
    placement_cores(config_of(s), usable, workers, s->core);
    for (uint32_t w = 0; w < workers; w++) {
        if (s->core[w] < 0 || CPU_ISSET(s->core[w], usable))
            continue;
        snprintf(error, SENSOR_ERROR_MAX,
                 "capture.cores: core %d is not one that weir may use (%u are)", s->core[w],
                 (unsigned)CPU_COUNT(usable));
        return -EINVAL;
    }
    return 0;
}

static struct port_options options_of(const struct sensor *s, uint32_t p, uint32_t workers,
                                      const char *const *sources)
{
    const struct capture_config *c = &config_of(s)->capture;
    struct port_options options = {.config = config_of(s),
                                   .filter = s->options.filter,
                                   .source = sources[p],
                                   .index = (uint16_t)p,
                                   .workers = (uint16_t)workers,
                                   .all_sources = sources,
                                   .source_count = (uint16_t)c->port_count,
                                   .inline_mode = c->mode == MODE_INLINE,
                                   .take_over = s->options.take_over};

    memcpy(options.spread_key, &s->audit_secret, sizeof(options.spread_key));
    return options;
}

/* All are looked at before the first is opened. */
static int open_ports(struct sensor *s, uint32_t workers, char *error)
{
    const struct capture_config *c = &config_of(s)->capture;
    const char *sources[CONFIG_PORTS_MAX];
    char why[CAPTURE_ERROR_MAX];
    int rc = 0;

    for (uint32_t p = 0; p < c->port_count; p++)
        sources[p] = c->port[p];
    for (uint32_t p = 0; p < c->port_count && !rc; p++) {
        struct port_options options = options_of(s, p, workers, sources);
        rc = port_check(&options, why);
    }
    for (uint32_t p = 0; p < c->port_count && !rc; p++) {
        struct port_options options = options_of(s, p, workers, sources);
        rc = port_open(&options, &s->port[p], why);
        s->port_count += rc == 0;
        if (!rc)
            log_info(s->log, "%s", s->port[p]->ops->describe(s->port[p]));
    }
    if (rc)
        snprintf(error, SENSOR_ERROR_MAX, "%s", why);
    return rc;
}

static void fill_queues(struct sensor *s, uint32_t w, struct worker_options *options)
{
    for (uint32_t p = 0; p < s->port_count; p++) {
        struct capture *queue = s->port[p]->ops->queue(s->port[p], w);
        s->queue_of[w][p] = queue ? (int8_t)options->queue_count : -1;
        if (queue)
            options->queue[options->queue_count++] = queue;
    }
}

/* Closing notices are for a face with one row per connection. */
static bool wants_notices(const struct sensor *s)
{
    return s->options.face && s->options.face->per_connection;
}

static bool has_queue(const struct sensor *s, uint32_t w)
{
    for (uint32_t p = 0; p < s->port_count; p++)
        if (s->port[p]->ops->queue(s->port[p], w))
            return true;
    return false;
}

/* Ports may have fewer queues than were wanted: *workers becomes those with a queue. */
static int count_workers(const struct sensor *s, uint32_t *workers, char *error)
{
    uint32_t count = 0;

    while (count < *workers && has_queue(s, count))
        count++;
    *workers = count;
    return count ? 0 : fail(error, -ENODEV, "capture.ports: no queue to receive from");
}

static int create_worker(struct sensor *s, uint32_t w, const struct worker_options *common)
{
    struct worker_options options = *common;

    options.index = (uint16_t)w;
    fill_queues(s, w, &options);
    if (s->hunts) {
        options.deltas = hunter_deltas;
        options.turn = hunter_turn;
        options.context = hunts_hunter(s->hunts, w);
    }
    int rc = worker_create(&options, &s->worker[w]);
    if (rc)
        return rc;
    s->worker_count++;
    worker_offer(s->worker[w], s->first);
    return 0;
}

static int create_hunts(struct sensor *s, uint32_t workers, char *error)
{
    const struct config *c = config_of(s);
    struct hunts_options options = {.config = c, .workers = workers, .log = s->log};
    char why[REDIS_ERROR_MAX];

    if (!c->hunts.enabled && !c->redis.address[0])
        return 0;
    int rc = c->redis.address[0] ? fleet_create(c, s->log, &s->fleet, why) : 0;
    if (rc) {
        snprintf(error, SENSOR_ERROR_MAX, "%s", why);
        return rc;
    }
    options.store = s->fleet ? fleet_store(s->fleet) : NULL;
    return hunts_create(&options, &s->hunts, error);
}

/* flow.max_flows is over all workers. */
static int create_workers(struct sensor *s, uint32_t count, char *error)
{
    uint64_t flows = config_of(s)->flow.max_flows;
    int rc = 0;

    flows = (flows ? flows : flow_table_default_flows()) / count;
    struct worker_options common = {.config = config_of(s),
                                    .clock = s->clock,
                                    .max_flows = flows < FLOWS_MIN ? FLOWS_MIN : (uint32_t)flows,
                                    .fold_rate = (config_of(s)->flow.fold_rate + count - 1) / count,
                                    .inline_mode = config_of(s)->capture.mode == MODE_INLINE,
                                    .notices = wants_notices(s),
                                    .audit = count > 1 ? &s->audit_secret : NULL};
    for (uint32_t w = 0; w < count && !rc; w++)
        rc = create_worker(s, w, &common);
    return rc ? fail(error, rc, "flow.max_flows: memory for the flow table") : 0;
}

/* --- Where records go --- */

static void on_exporter_event(void *context, const char *collector, enum log_level level,
                              const char *text)
{
    struct sensor *s = context;
    log_line(s->log, level, "%s: %s", collector, text);
}

static int create_exporter(struct sensor *s, char *error)
{
    struct exporter_options options = {.config = config_of(s),
                                       .ecs = format_find("ecs"),
                                       .json = format_find("json"),
                                       .event = on_exporter_event,
                                       .context = s};
    char why[EXPORTER_ERROR_MAX];

    if (!config_of(s)->exports.collector_count)
        return 0;
    int rc = exporter_create(&options, &s->exporter, why);
    if (rc)
        snprintf(error, SENSOR_ERROR_MAX, "%s", why);
    return rc;
}

static int create_outlet(struct sensor *s, char *error)
{
    int rc = create_exporter(s, error);

    if (rc)
        return rc;
    if (s->options.face)
        rc = face_create(s->options.face, config_of(s), STDOUT_FILENO, &s->face);
    struct outlet_options options = {.worker = s->worker, .exporter = s->exporter, .face = s->face};
    options.worker_count = s->worker_count;
    if (!rc)
        rc = outlet_create(&options, &s->outlet);
    return rc ? fail(error, rc, "records") : 0;
}

/* --- All of it --- */

static int create_generation(struct sensor *s, const struct config *config, char *error)
{
    struct generation *g = malloc(sizeof(*g));

    if (!g)
        return fail(error, -ENOMEM, "configuration");
    g->number = 1;
    g->config = *config;
    s->first = s->generation = g;
    return 0;
}

static int create_clock(struct sensor *s, char *error)
{
    int rc = clock_create(CLOCK_TICKS_BEST, &s->clock);

    if (!rc)
        rc = hash_secret_random(&s->audit_secret);
    if (!rc)
        rc = auditor_create(&s->auditor);
    if (rc)
        return fail(error, rc, "clock");
    clock_reader_init(&s->now, s->clock);
    s->started_ns = clock_read(&s->now);
    return 0;
}

static int enter_sandbox(struct sensor *s, char *error)
{
    char line[SANDBOX_LINE_MAX];

    if (!s->options.sandbox)
        return 0;
    int rc = sandbox_enter(s->options.sandbox, line);
    if (rc)
        snprintf(error, SENSOR_ERROR_MAX, "%s", line);
    else
        log_info(s->log, "%s", line);
    return rc;
}

static int open_all(struct sensor *s, const struct config *config, char *error)
{
    cpu_set_t usable;
    int rc = create_generation(s, config, error);
    usable_cores(&usable);
    uint32_t workers = placement_workers(config, &usable);

    if (!rc)
        rc = open_wakers(s, error);
    if (!rc)
        rc = create_clock(s, error);
    if (!rc)
        rc = choose_cores(s, &usable, workers, error);
    if (!rc)
        rc = open_ports(s, workers, error);
    if (!rc)
        rc = count_workers(s, &workers, error);
    if (!rc)
        rc = create_hunts(s, workers, error);
    if (!rc)
        rc = create_workers(s, workers, error);
    if (!rc)
        rc = create_outlet(s, error);
    if (!rc)
        rc = doors_open(s, &config->sensor, &s->doors, error);
    if (!rc)
        rc = enter_sandbox(s, error);
    if (!rc)
        signals_ignore_others();
    return rc;
}

int sensor_create(const struct sensor_options *options, struct sensor **out,
                  char error[SENSOR_ERROR_MAX])
{
    struct sensor *s = calloc(1, sizeof(*s));

    if (!s)
        return fail(error, -ENOMEM, "sensor");
    s->options = *options;
    s->log = options->log;
    s->signals.fd = s->ticks = -1;
    pthread_mutex_init(&s->lock, NULL);
    int rc = open_all(s, options->config, error);
    if (rc) {
        sensor_destroy(s);
        return rc;
    }
    *out = s;
    return 0;
}

static void close_all(struct sensor *s)
{
    outlet_destroy(s->outlet);
    face_destroy(s->face);
    exporter_destroy(s->exporter);
    for (uint32_t w = 0; w < s->worker_count; w++)
        worker_destroy(s->worker[w]);
    hunts_destroy(s->hunts);
    if (!s->fleet_left)
        fleet_destroy(s->fleet);
    for (uint32_t p = 0; p < s->port_count; p++)
        port_close(s->port[p]);
    auditor_destroy(s->auditor);
    clock_destroy(s->clock);
}

void sensor_destroy(struct sensor *s)
{
    if (!s)
        return;
    doors_close(s->doors);
    if (s->abandoned) /* a thread still uses all of it, and what libraries would take down at exit
                       */
        _exit(EXIT_FAILURE);
    close_all(s);
    if (s->ticks >= 0)
        close(s->ticks);
    signals_close(&s->signals);
    if (s->generation != s->first)
        free(s->generation);
    free(s->retired);
    free(s->first);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

/* --- Running --- */

static void *worker_thread(void *context)
{
    return (void *)(intptr_t)worker_run(context);
}

static void *outlet_thread(void *context)
{
    outlet_run(context);
    return NULL;
}

static void *hunts_thread(void *context)
{
    hunts_run(context);
    return NULL;
}

static void *fleet_thread(void *context)
{
    fleet_run(context);
    return NULL;
}

static int start_thread(pthread_t *thread, void *(*run)(void *), void *context, int core,
                        const char *name)
{
    pthread_attr_t attributes;
    cpu_set_t set;

    pthread_attr_init(&attributes);
    if (core >= 0) {
        CPU_ZERO(&set);
        CPU_SET(core, &set);
        pthread_attr_setaffinity_np(&attributes, sizeof(set), &set);
    }
    /* A thread begins with its maker's name; another's cannot be written in the sandbox. */
    pthread_setname_np(pthread_self(), name);
    int rc = -pthread_create(thread, &attributes, run, context);
    pthread_setname_np(pthread_self(), "weir");
    pthread_attr_destroy(&attributes);
    return rc;
}

static int start_ports(struct sensor *s)
{
    for (uint32_t p = 0; p < s->port_count; p++) {
        struct port *port = s->port[p];
        int rc = port->ops->start ? port->ops->start(port) : 0;
        if (rc) {
            log_error(s->log, "%s: cannot be started: %s", config_of(s)->capture.port[p],
                      strerror(-rc));
            return rc;
        }
    }
    return 0;
}

static int start_fleet(struct sensor *s)
{
    if (!s->fleet)
        return 0;
    int rc = start_thread(&s->fleet_thread, fleet_thread, s->fleet, -1, "weir-redis");
    s->fleet_runs = rc == 0;
    return rc;
}

static int start_hunts(struct sensor *s)
{
    if (!s->hunts)
        return 0;
    int rc = start_fleet(s);
    if (rc)
        return rc;
    rc = start_thread(&s->hunts_thread, hunts_thread, s->hunts, -1, "weir-hunts");
    s->hunts_run = rc == 0;
    return rc;
}

/* The outlet first: nothing is handed on before somebody takes it. */
static int start_threads(struct sensor *s)
{
    int rc = start_thread(&s->outlet_thread, outlet_thread, s->outlet, -1, "weir-export");

    s->outlet_runs = rc == 0;
    if (!rc)
        rc = start_hunts(s);
    for (uint32_t w = 0; w < s->worker_count && !rc; w++) {
        char name[24]; /* the kernel keeps 15 letters */
        snprintf(name, sizeof(name), "weir-work-%u", w);
        rc = start_thread(&s->worker_thread[w], worker_thread, s->worker[w], s->core[w], name);
        s->threads += rc == 0;
    }
    if (rc)
        log_error(s->log, "thread: %s", strerror(-rc));
    return rc;
}

static void tell_start(struct sensor *s)
{
    const struct config *c = config_of(s);
    char ticks[64];

    clock_describe(s->clock, ticks, sizeof(ticks));
    log_info(s->log, "%s: %u worker%s, clock %s, %u collector%s%s", c->sensor.name, s->worker_count,
             s->worker_count == 1 ? "" : "s", ticks, c->exports.collector_count,
             c->exports.collector_count == 1 ? "" : "s", s->face ? ", records to stdout" : "");
}

int sensor_run(struct sensor *s)
{
    heartbeats_init(&s->beats, s->worker_count, config_of(s)->sensor.stuck_timeout_ns,
                    clock_read(&s->now));
    s->failure = start_ports(s);
    if (!s->failure)
        s->failure = start_threads(s);
    if (!s->failure)
        s->failure = doors_start(s->doors);
    if (!s->failure) {
        tell_start(s);
        notify_ready();
        control_run(s);
    }
    notify_stopping();
    control_drain(s);
    return s->failure;
}
