#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "config/config.h"
#include "config/keys.h"
#include "config/value.h"
#include "core/notify.h"
#include "core/sensor_internal.h"

#define ADOPT_MS 3000 /* for workers to adopt a generation */
#define RETRY_MS 10

/* What a running sensor can take over, by the beginning of the key. */
static const char *const changeable[] = {
    "sensor.log", "sensor.drain_timeout", "sensor.stuck_timeout", "hosts.networks",
    "hunts.",     "export.collectors",    "export.flush",         "capture.ignore_",
};

static bool begins(const char *key, const char *with)
{
    return strncmp(key, with, strlen(with)) == 0;
}

static bool may_change(const char *key)
{
    for (size_t i = 0; i < sizeof(changeable) / sizeof(*changeable); i++)
        if (begins(key, changeable[i]))
            return true;
    return false;
}

static char *value_of(const struct config_key *key, const struct config *config)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    if (!out)
        return NULL;
    config_value_print(key, config, out);
    fclose(out);
    return text;
}

static bool differs(const struct config_key *key, const struct config *a, const struct config *b)
{
    char *x = value_of(key, a), *y = value_of(key, b);
    bool result = !x || !y || strcmp(x, y) != 0;

    free(x);
    free(y);
    return result;
}

/* The first key that is not the same and needs a restart; NULL = none. */
static const char *needs_restart(const struct config *old, const struct config *new)
{
    for (size_t i = 0; i < config_key_count; i++) {
        const struct config_key *key = &config_keys[i];
        if (!may_change(key->name) && !key->stride && differs(key, old, new))
            return key->name;
    }
    return NULL;
}

static int load(struct sensor *s, struct config *config, char error[SENSOR_ERROR_MAX])
{
    struct config_error why;
    int rc = config_load(s->options.config_file, config, &why);

    if (!rc && s->options.overlay)
        return s->options.overlay(s->options.overlay_context, config, error);
    if (rc)
        snprintf(error, SENSOR_ERROR_MAX, "%s", why.text);
    return rc;
}

static int check(struct sensor *s, const struct config *config, char error[SENSOR_ERROR_MAX])
{
    const char *key = needs_restart(&s->generation->config, config);
    struct sandbox_plan *plan;
    char line[SANDBOX_LINE_MAX];
    bool covered = true;

    if (key) {
        snprintf(error, SENSOR_ERROR_MAX, "%s has changed, which needs a restart", key);
        return -EBUSY;
    }
    if (!s->options.sandbox)
        return 0;
    plan = malloc(sizeof(*plan));
    if (!plan)
        return -ENOMEM;
    sandbox_plan_make(plan, config, s->options.config_file);
    covered = sandbox_plan_covers(s->options.sandbox, plan, line);
    free(plan);
    if (!covered)
        snprintf(error, SENSOR_ERROR_MAX, "%s", line);
    return covered ? 0 : -EACCES;
}

/* Workers adopt a generation within a turn of their sweep: one that comes sooner waits for that. */
static int retry(int *left_ms)
{
    struct timespec pause = {0, RETRY_MS * 1000000L};

    *left_ms -= RETRY_MS;
    return *left_ms > 0 && !nanosleep(&pause, NULL);
}

static int load_hunts(struct sensor *s, const struct config *config, char error[SENSOR_ERROR_MAX])
{
    int left_ms = ADOPT_MS, rc = 0;

    if (!s->hunts)
        return 0;
    do
        rc = hunts_load(s->hunts, config, error);
    while (rc == -EBUSY && retry(&left_ms));
    return rc;
}

static bool adopted(const struct sensor *s)
{
    for (uint32_t w = 0; w < s->worker_count; w++)
        if (worker_generation(s->worker[w]) != s->generation->number)
            return false;
    return true;
}

/* False: a worker may still use the generation before the one in force. */
static bool retired(struct sensor *s)
{
    int left_ms = ADOPT_MS;

    do
        sensor_retire(s);
    while (!adopted(s) && retry(&left_ms));
    return adopted(s);
}

/* --- What ports leave out --- */

static bool leaves_out_the_same(const struct config *a, const struct config *b)
{
    for (size_t i = 0; i < config_key_count; i++)
        if (begins(config_keys[i].name, "capture.ignore_") && differs(&config_keys[i], a, b))
            return false;
    return true;
}

static int prepare_ports(struct sensor *s, const struct config *config,
                         char error[SENSOR_ERROR_MAX])
{
    char why[CAPTURE_ERROR_MAX] = "";
    int rc = 0;

    for (uint32_t p = 0; p < s->port_count && !rc; p++)
        rc = s->port[p]->ops->prepare(s->port[p], &config->capture, why);
    if (rc)
        snprintf(error, SENSOR_ERROR_MAX, "%s", why);
    return rc;
}

/* What could be known to fail has failed in prepare_ports(). */
static void commit_ports(struct sensor *s)
{
    char why[CAPTURE_ERROR_MAX] = "";

    for (uint32_t p = 0; p < s->port_count; p++)
        if (s->port[p]->ops->commit(s->port[p], why))
            log_error(s->log, "%s; capture.ignore_* stay there as they were", why);
}

/* --- The whole of it --- */

/* The exporter may still refuse; nothing has changed before it has agreed. */
static int take_over(struct sensor *s, struct generation *new, char error[SENSOR_ERROR_MAX])
{
    bool ports_change = !leaves_out_the_same(&s->generation->config, &new->config);
    char why[EXPORTER_ERROR_MAX] = "";
    int rc;

    if (!s->exporter && new->config.exports.collector_count) {
        snprintf(error, SENSOR_ERROR_MAX,
                 "export.collectors has its first collector, which needs a restart");
        return -EBUSY;
    }
    rc = load_hunts(s, &new->config, error);
    if (!rc && ports_change)
        rc = prepare_ports(s, &new->config, error);
    if (rc)
        return rc;
    if (s->exporter)
        rc = outlet_reload(s->outlet, &new->config, why);
    if (rc) {
        snprintf(error, SENSOR_ERROR_MAX, "%s", why);
        return rc;
    }
    if (ports_change)
        commit_ports(s);
    if (s->hunts)
        hunts_commit(s->hunts);
    if (s->generation != s->first)
        s->retired = s->generation;
    pthread_mutex_lock(&s->lock);
    s->generation = new;
    pthread_mutex_unlock(&s->lock);
    for (uint32_t w = 0; w < s->worker_count; w++)
        worker_offer(s->worker[w], new);
    log_set_level(s->log, (enum log_level) new->config.sensor.log_level);
    s->beats.timeout_ns = new->config.sensor.stuck_timeout_ns;
    return 0;
}

static int reload(struct sensor *s, char error[SENSOR_ERROR_MAX])
{
    struct generation *new;
    int rc;

    if (!s->options.config_file) {
        snprintf(error, SENSOR_ERROR_MAX, "there is no configuration file (-c)");
        return -ENOENT;
    }
    if (!retired(s)) {
        snprintf(error, SENSOR_ERROR_MAX, "a worker has not adopted the last one yet");
        return -EBUSY;
    }
    new = malloc(sizeof(*new));
    if (!new)
        return -ENOMEM;
    new->number = s->generation->number + 1;
    rc = load(s, &new->config, error);
    if (!rc)
        rc = check(s, &new->config, error);
    if (!rc)
        rc = take_over(s, new, error);
    if (rc && rc != -ETIMEDOUT) /* the exporter may still look at it */
        free(new);
    return rc;
}

int sensor_reload(struct sensor *s, char error[SENSOR_ERROR_MAX])
{
    notify_reloading();
    snprintf(error, SENSOR_ERROR_MAX, "no memory");
    int rc = reload(s, error);
    if (rc)
        log_error(s->log, "reload: %s; nothing has changed", error);
    else
        log_info(s->log, "reload: generation %lu of the configuration is in force",
                 (unsigned long)s->generation->number);
    pthread_mutex_lock(&s->lock);
    s->known.reloads += rc == 0;
    s->known.reloads_failed += rc != 0;
    pthread_mutex_unlock(&s->lock);
    notify_ready();
    return rc;
}

void sensor_retire(struct sensor *s)
{
    if (!s->retired || !adopted(s))
        return;
    free(s->retired);
    s->retired = NULL;
}
