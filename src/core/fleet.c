#include "core/fleet.h"

#include <errno.h>
#include <stdio.h>

#ifdef WEIR_HAVE_REDIS

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "core/sensor.h"
#include "format/alert.h"

struct fleet {
    struct redis_store *redis;
    _Atomic bool done;
};

static void on_event(void *log, enum log_level level, const char *text)
{
    log_line(log, level, "redis: %s", text);
}

const char *fleet_refusal(const struct config *config)
{
    return config->redis.address[0] ? redis_refusal(&config->redis) : NULL;
}

int fleet_create(const struct config *config, struct log *log, struct fleet **out,
                 char error[REDIS_ERROR_MAX])
{
    struct fleet *f = calloc(1, sizeof(*f));
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    struct redis_options options = {
        .config = config, .json = alert_json, .event = on_event, .context = log};
    options.started_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
    if (!f) {
        snprintf(error, REDIS_ERROR_MAX, "redis.address: no memory");
        return -ENOMEM;
    }
    int rc = redis_store_create(&options, &f->redis, error);
    if (rc)
        free(f);
    else
        *out = f;
    return rc;
}

void fleet_destroy(struct fleet *f)
{
    if (!f)
        return;
    redis_store_destroy(f->redis);
    free(f);
}

struct store *fleet_store(struct fleet *f)
{
    return redis_store_face(f->redis);
}

void fleet_run(struct fleet *f)
{
    redis_store_run(f->redis);
    atomic_store_explicit(&f->done, true, memory_order_release);
}

void fleet_stop(struct fleet *f)
{
    redis_store_stop(f->redis);
}

void fleet_abort(struct fleet *f)
{
    redis_store_abort(f->redis);
}

bool fleet_is_done(const struct fleet *f)
{
    return atomic_load_explicit(&f->done, memory_order_acquire);
}

static void note(struct redis_note *list, size_t *count, const char *name, uint64_t value)
{
    snprintf(list[*count].name, sizeof(list->name), "%s", name);
    list[(*count)++].value = value;
}

static void note_ledger(struct redis_note *list, size_t *count, const struct ledger *l)
{
    note(list, count, "ledger_closed", ledger_closed(l));
    note(list, count, "received_packets", l->received);
    note(list, count, "missed_packets", ledger_missed(l));
    note(list, count, "pending_packets", l->pending);
    note(list, count, "filtered_packets", l->filtered);
    note(list, count, "delivered_packets", l->delivered);
    note(list, count, "made_packets", l->census.made_packets);
    note(list, count, "made_records", l->census.made_records);
    note(list, count, "folded_packets", l->census.folded_packets);
    note(list, count, "aggregate_records", l->census.aggregate_records);
    note(list, count, "handed_records", l->handed);
    note(list, count, "lost_records", l->lost);
    note(list, count, "live_packets", l->census.live_packets);
    note(list, count, "flows", l->census.flows);
}

void fleet_tell(struct fleet *f, const struct sensor_status *s)
{
    struct redis_note list[REDIS_NOTES_MAX];
    size_t count = 0;

    note(list, &count, "started", s->started_ns / 1000000000u);
    note_ledger(list, &count, &s->ledger);
    note(list, &count, "hosts_inside", s->hunts.analyst.hosts_inside);
    note(list, &count, "hosts_outside", s->hunts.analyst.hosts_outside);
    note(list, &count, "alerts_raised", s->hunts.analyst.alerts[ALERT_RAISED]);
    redis_store_notes(f->redis, list, count);
}

void fleet_stats(struct fleet *f, struct redis_stats *out)
{
    redis_store_stats(f->redis, out);
}

#else

const char *fleet_refusal(const struct config *config)
{
    return config->redis.address[0]
               ? "redis.address: this program was built without hiredis; install libhiredis-dev "
                 "and build it again, or leave redis.address out"
               : NULL;
}

int fleet_create(const struct config *config, struct log *log, struct fleet **out,
                 char error[REDIS_ERROR_MAX])
{
    (void)log, (void)out;
    snprintf(error, REDIS_ERROR_MAX, "%s", fleet_refusal(config));
    return -ENOTSUP;
}

void fleet_destroy(struct fleet *f)
{
    (void)f;
}

struct store *fleet_store(struct fleet *f)
{
    (void)f;
    return NULL;
}

void fleet_run(struct fleet *f)
{
    (void)f;
}

void fleet_stop(struct fleet *f)
{
    (void)f;
}

void fleet_abort(struct fleet *f)
{
    (void)f;
}

bool fleet_is_done(const struct fleet *f)
{
    (void)f;
    return true;
}

void fleet_tell(struct fleet *f, const struct sensor_status *s)
{
    (void)f, (void)s;
}

void fleet_stats(struct fleet *f, struct redis_stats *out)
{
    (void)f;
    *out = (struct redis_stats){0};
}

#endif
