#include "core/hunts.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "config/config.h"
#include "config/rules.h"
#include "format/alert.h"
#include "hunt/sink.h"

#define SINKS 2
#define NETWORKS_NS UINT64_C(60000000000)
#define STEP_NS 100000000L
#define STORE_HOSTS_MAX 65536u /* rows that the embedded store keeps, of each window */

struct hunts {
    struct hunts_options options;
    struct hunter *hunter[CONFIG_WORKERS_MAX];
    struct analyst *analyst;
    struct store *store; /* the one of options, or: */
    struct store *memory;
    struct alert_sink *sink[SINKS];
    unsigned sinks;
    struct hunt_generation *generation; /* in force */
    struct hunt_generation *retired;    /* the one before, until nobody uses it */
    struct hunt_generation *next;       /* loaded, not yet in force */
    _Atomic(const struct hunt_generation *)
        adopt; /* the control thread writes, the analyst's reads */
    _Atomic(const struct hunt_generation *) adopted;
    _Atomic bool stop;
    pthread_mutex_t lock; /* of the store, and stats */
    struct hunts_stats stats;
    uint64_t began_ns; /* first packet */
    bool networks_told;
    bool sink_failed[SINKS];
};

static int fail(char *error, int rc, const char *what)
{
    snprintf(error, HUNTS_ERROR_MAX, "%s: %s", what, strerror(-rc));
    return rc;
}

static void write_sink(struct hunts *h, unsigned i, const struct alert *alert)
{
    int rc = h->sink[i]->ops->write(h->sink[i], alert);

    if (rc && !h->sink_failed[i])
        log_warning(h->options.log, "alerts: %s: %s: alerts are lost there until it takes them",
                    h->sink[i]->ops->name, strerror(-rc));
    h->sink_failed[i] = rc != 0;
}

static void step_sinks(struct hunts *h)
{
    h->stats.written = h->stats.lost = 0;
    for (unsigned i = 0; i < h->sinks; i++) {
        if (h->sink[i]->ops->step)
            h->sink[i]->ops->step(h->sink[i]);
        h->stats.written += h->sink[i]->written;
        h->stats.lost += h->sink[i]->lost;
    }
}

static void on_alert(void *context, const struct alert *alert)
{
    struct hunts *h = context;

    for (unsigned i = 0; i < h->sinks; i++)
        write_sink(h, i, alert);
    log_info(h->options.log, "%s: %s, %s: %s", alert->rule, alert_severity_names[alert->severity],
             alert_state_names[alert->state], alert->text);
}

static struct hunt_generation *load_generation(const struct config *config, char *error, int *rc)
{
    struct hunt_generation *g = malloc(sizeof(*g));
    struct hunt_rules *rules = malloc(sizeof(*rules));
    struct config_error why;

    *rc = g && rules ? 0 : fail(error, -ENOMEM, "hunts.rules");
    if (!*rc)
        hunt_builtin(rules);
    if (!*rc && config->hunts.rules[0]) {
        *rc = config_load_rules(config->hunts.rules, rules, &why);
        if (*rc)
            snprintf(error, HUNTS_ERROR_MAX, "%s", why.text);
    }
    if (!*rc)
        hunt_generation_init(g, config, rules);
    free(rules);
    if (!*rc)
        return g;
    free(g);
    return NULL;
}

static int open_file(struct hunts *h, const struct config *config, char *error)
{
    if (!config->hunts.alerts[0])
        return 0;
    int rc = alert_sink_file(config->hunts.alerts, config, alert_json, &h->sink[h->sinks]);
    if (rc) {
        snprintf(error, HUNTS_ERROR_MAX, "hunts.alerts: %s: %s", config->hunts.alerts,
                 strerror(-rc));
        return rc;
    }
    h->sinks++;
    return 0;
}

static int open_syslog(struct hunts *h, const struct config *config, char *error)
{
    char why[ALERT_SINK_ERROR_MAX];

    if (!config->hunts.syslog[0])
        return 0;
    int rc = alert_sink_syslog(config->hunts.syslog, config, alert_syslog, &h->sink[h->sinks], why);
    if (rc) {
        snprintf(error, HUNTS_ERROR_MAX, "%s", why);
        return rc;
    }
    h->sinks++;
    return 0;
}

static int make_parts(struct hunts *h, char *error)
{
    const struct config *config = h->options.config;
    uint64_t hosts = config->hosts.max_inside + config->hosts.max_outside;
    uint32_t rows = (uint32_t)(hosts < STORE_HOSTS_MAX ? hosts : STORE_HOSTS_MAX);
    int rc = h->options.store ? 0 : store_memory_create(rows, &h->memory);

    h->store = h->options.store ? h->options.store : h->memory;
    for (unsigned w = 0; w < h->options.workers && !rc; w++)
        rc = hunter_create(config, h->generation, false, &h->hunter[w]);
    struct analyst_options options = {.config = config,
                                      .generation = h->generation,
                                      .store = h->store,
                                      .alert = on_alert,
                                      .context = h};
    rc = rc ? rc : analyst_create(&options, &h->analyst);
    return rc ? fail(error, rc, "hosts.max_inside: memory for the hosts") : 0;
}

int hunts_create(const struct hunts_options *options, struct hunts **out,
                 char error[HUNTS_ERROR_MAX])
{
    struct hunts *h = calloc(1, sizeof(*h));
    int rc;

    if (!h)
        return fail(error, -ENOMEM, "hunts");
    h->options = *options;
    pthread_mutex_init(&h->lock, NULL);
    h->generation = load_generation(options->config, error, &rc);
    rc = rc ? rc : open_file(h, options->config, error);
    rc = rc ? rc : open_syslog(h, options->config, error);
    rc = rc ? rc : make_parts(h, error);
    if (rc) {
        hunts_destroy(h);
        return rc;
    }
    atomic_init(&h->adopt, h->generation);
    atomic_init(&h->adopted, h->generation);
    *out = h;
    return 0;
}

void hunts_destroy(struct hunts *h)
{
    if (!h)
        return;
    analyst_destroy(h->analyst);
    for (unsigned w = 0; w < h->options.workers; w++)
        hunter_destroy(h->hunter[w]);
    for (unsigned i = 0; i < h->sinks; i++)
        h->sink[i]->ops->close(h->sink[i]);
    if (h->memory)
        h->memory->ops->destroy(h->memory);
    free(h->next);
    free(h->retired);
    free(h->generation);
    pthread_mutex_destroy(&h->lock);
    free(h);
}

struct hunter *hunts_hunter(struct hunts *h, unsigned worker)
{
    return h->hunter[worker];
}

static void adopt(struct hunts *h)
{
    const struct hunt_generation *g = atomic_load_explicit(&h->adopt, memory_order_acquire);

    if (g == atomic_load_explicit(&h->adopted, memory_order_relaxed))
        return;
    analyst_adopt(h->analyst, g);
    atomic_store_explicit(&h->adopted, g, memory_order_release);
}

static void count_rules(struct hunts *h, const struct hunt_rules *rules)
{
    h->stats.rules = 0;
    for (uint32_t i = 0; i < rules->count; i++)
        h->stats.rules += rules->rule[i].enabled;
}

/* Hunts look at inside hosts alone: networks that fit nothing are worth a word. */
static void watch_networks(struct hunts *h, uint64_t now_ns)
{
    const struct analyst_stats *s = &h->stats.analyst;

    if (!h->began_ns && s->packets)
        h->began_ns = now_ns;
    if (h->networks_told || !h->began_ns || now_ns - h->began_ns < NETWORKS_NS)
        return;
    h->networks_told = true;
    if (!s->hosts_inside)
        log_warning(h->options.log,
                    "hosts.networks: no packet of the first minute has an address in them: hunts "
                    "see nothing; say which networks are inside");
}

static void step(struct hunts *h)
{
    pthread_mutex_lock(&h->lock);
    adopt(h);
    analyst_step(h->analyst, h->hunter, h->options.workers, clock_utc_ns());
    step_sinks(h);
    analyst_stats(h->analyst, &h->stats.analyst);
    watch_networks(h, clock_utc_ns());
    count_rules(h, &atomic_load_explicit(&h->adopted, memory_order_relaxed)->rules);
    pthread_mutex_unlock(&h->lock);
}

/* The workers have ended by the time of hunts_stop(): two steps take both of their tables. */
void hunts_run(struct hunts *h)
{
    const struct timespec pause = {.tv_nsec = STEP_NS};

    while (!atomic_load_explicit(&h->stop, memory_order_acquire)) {
        step(h);
        nanosleep(&pause, NULL);
    }
    for (int i = 0; i < 2; i++) {
        step(h);
        for (unsigned w = 0; w < h->options.workers; w++)
            hunter_turn(h->hunter[w]);
    }
    step(h);
    pthread_mutex_lock(&h->lock);
    analyst_flush(h->analyst);
    pthread_mutex_unlock(&h->lock);
}

void hunts_stop(struct hunts *h)
{
    atomic_store_explicit(&h->stop, true, memory_order_release);
}

static bool is_in_use(struct hunts *h)
{
    if (atomic_load_explicit(&h->adopted, memory_order_acquire) != h->generation)
        return true;
    for (unsigned w = 0; w < h->options.workers; w++)
        if (hunter_uses(h->hunter[w]) != h->generation)
            return true;
    return false;
}

int hunts_load(struct hunts *h, const struct config *config, char error[HUNTS_ERROR_MAX])
{
    int rc;

    if (h->retired && is_in_use(h)) {
        snprintf(error, HUNTS_ERROR_MAX, "hunts: a worker has not adopted the last rules yet");
        return -EBUSY;
    }
    struct hunt_generation *next = load_generation(config, error, &rc);
    if (!next)
        return rc;
    free(h->next);
    h->next = next;
    return 0;
}

void hunts_commit(struct hunts *h)
{
    free(h->retired);
    h->retired = h->generation;
    h->generation = h->next;
    h->next = NULL;
    atomic_store_explicit(&h->adopt, h->generation, memory_order_release);
    for (unsigned w = 0; w < h->options.workers; w++)
        hunter_offer(h->hunter[w], h->generation);
}

void hunts_stats(struct hunts *h, struct hunts_stats *out)
{
    pthread_mutex_lock(&h->lock);
    *out = h->stats;
    pthread_mutex_unlock(&h->lock);
}

size_t hunts_read_hosts(struct hunts *h, enum host_window w, uint64_t now_ns, struct host_row *out,
                        size_t max)
{
    pthread_mutex_lock(&h->lock);
    size_t count = h->store->ops->read_hosts(h->store, w, now_ns, out, max);
    pthread_mutex_unlock(&h->lock);
    return count;
}

size_t hunts_read_connections(struct hunts *h, struct store_connection *out, size_t max)
{
    pthread_mutex_lock(&h->lock);
    size_t count = h->store->ops->read_connections(h->store, out, max);
    pthread_mutex_unlock(&h->lock);
    return count;
}

size_t hunts_read_alerts(struct hunts *h, struct alert *out, size_t max)
{
    pthread_mutex_lock(&h->lock);
    size_t count = h->store->ops->read_alerts(h->store, out, max);
    pthread_mutex_unlock(&h->lock);
    return count;
}
