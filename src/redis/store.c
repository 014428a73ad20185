#include "redis/store.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/memory.h"

#define WINDOWS_HELD 4 /* a minute and the one before, an hour and the one before */

static struct redis_store *store_of(struct store *s)
{
    return (struct redis_store *)s;
}

void redis_store_answer(struct redis_store *s, uint64_t id, enum store_verdict verdict)
{
    s->answer[s->answers_in++ % ANSWERS_MAX] = (struct store_answer){id, verdict};
    if (s->answers_in - s->answers_out > ANSWERS_MAX)
        s->answers_out = s->answers_in - ANSWERS_MAX;
}

bool redis_store_has_many(const struct redis_store *s)
{
    return s->elements_in - s->elements_out > ELEMENTS_MANY;
}

/* --- What the analyst gives --- */

static void put_hosts(struct store *face, const struct host_row *row, size_t count)
{
    struct redis_store *s = store_of(face);

    if (!count)
        return;
    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < count; i++)
        rows_put(s->rows, &row[i]);
    pthread_cond_signal(&s->wake);
    pthread_mutex_unlock(&s->lock);
}

/* They go with the next rows: nobody is woken before there are many. */
static void put_elements(struct store *face, const struct store_element *element, size_t count)
{
    struct redis_store *s = store_of(face);

    pthread_mutex_lock(&s->lock);
    for (size_t i = 0; i < count; i++)
        s->element[s->elements_in++ % ELEMENTS_MAX] = element[i];
    if (s->elements_in - s->elements_out > ELEMENTS_MAX) {
        s->stats.elements_dropped += s->elements_in - s->elements_out - ELEMENTS_MAX;
        s->elements_out = s->elements_in - ELEMENTS_MAX;
    }
    if (redis_store_has_many(s))
        pthread_cond_signal(&s->wake);
    pthread_mutex_unlock(&s->lock);
}

static void put_connections(struct store *face, const struct store_connection *c, size_t count)
{
    struct redis_store *s = store_of(face);

    pthread_mutex_lock(&s->lock);
    s->connections_waiting |= count || s->connections;
    s->connections = count < CONNECTIONS_MAX ? count : CONNECTIONS_MAX;
    if (count)
        memcpy(s->connection, c, s->connections * sizeof(*c));
    pthread_mutex_unlock(&s->lock);
}

static void drop_oldest_alert(struct redis_store *s)
{
    const struct waiting_alert *w = &s->alert[s->alerts_out++ % ALERTS_MAX];

    if (!w->told)
        redis_store_answer(s, w->alert.id, VERDICT_NEW);
    s->stats.alerts_dropped++;
}

static enum store_verdict put_alert(struct store *face, const struct alert *alert)
{
    struct redis_store *s = store_of(face);

    pthread_mutex_lock(&s->lock);
    bool told = !s->connected;
    if (s->alerts_in - s->alerts_out == ALERTS_MAX)
        drop_oldest_alert(s);
    s->alert[s->alerts_in++ % ALERTS_MAX] = (struct waiting_alert){*alert, told};
    s->recent[s->recents++ % RECENT_MAX] = *alert;
    pthread_cond_signal(&s->wake);
    pthread_mutex_unlock(&s->lock);
    return told ? VERDICT_NEW : VERDICT_PENDING;
}

/* --- What it takes --- */

static size_t take_verdicts(struct store *face, struct store_answer *out, size_t max)
{
    struct redis_store *s = store_of(face);
    size_t count = 0;

    pthread_mutex_lock(&s->lock);
    while (count < max && s->answers_out < s->answers_in)
        out[count++] = s->answer[s->answers_out++ % ANSWERS_MAX];
    pthread_mutex_unlock(&s->lock);
    return count;
}

static size_t take_sums(struct store *face, struct host_row *out, size_t max)
{
    struct redis_store *s = store_of(face);
    size_t count = 0;

    pthread_mutex_lock(&s->lock);
    while (count < max && s->sums_out < s->sums_in)
        out[count++] = s->sum[s->sums_out++ % SUMS_MAX];
    if (count)
        pthread_cond_signal(&s->wake);
    pthread_mutex_unlock(&s->lock);
    return count;
}

/* --- For views --- */

static size_t read_hosts(struct store *face, enum host_window w, uint64_t now_ns,
                         struct host_row *out, size_t max)
{
    struct redis_store *s = store_of(face);

    pthread_mutex_lock(&s->lock);
    size_t count = rows_read(s->rows, w, now_ns, out, max);
    pthread_mutex_unlock(&s->lock);
    return count;
}

static size_t read_connections(struct store *face, struct store_connection *out, size_t max)
{
    struct redis_store *s = store_of(face);

    pthread_mutex_lock(&s->lock);
    size_t count = s->connections < max ? s->connections : max;
    memcpy(out, s->connection, count * sizeof(*out));
    pthread_mutex_unlock(&s->lock);
    return count;
}

static size_t read_alerts(struct store *face, struct alert *out, size_t max)
{
    struct redis_store *s = store_of(face);
    size_t count = 0;

    pthread_mutex_lock(&s->lock);
    while (count < max && count < s->recents && count < RECENT_MAX) {
        out[count] = s->recent[(s->recents - 1 - count) % RECENT_MAX];
        count++;
    }
    pthread_mutex_unlock(&s->lock);
    return count;
}

/* --- Life --- */

static void destroy(struct store *face)
{
    redis_store_destroy(store_of(face));
}

static const struct store_ops ops = {
    .name = "redis",
    .hosts = put_hosts,
    .elements = put_elements,
    .connections = put_connections,
    .alert = put_alert,
    .verdicts = take_verdicts,
    .sums = take_sums,
    .read_hosts = read_hosts,
    .read_connections = read_connections,
    .read_alerts = read_alerts,
    .destroy = destroy,
};

static int fail(char *error, int rc, const char *what)
{
    snprintf(error, REDIS_ERROR_MAX, "%s", what);
    return rc;
}

static int make_parts(struct redis_store *s)
{
    const struct hosts_config *hosts = &s->options.config->hosts;
    uint64_t rows = WINDOWS_HELD * (hosts->max_inside + hosts->max_outside + 1);

    s->element = memory_reserve(sizeof(*s->element) * ELEMENTS_MAX);
    if (!s->element)
        return -ENOMEM;
    return rows_create(rows < UINT32_MAX / 2 ? (uint32_t)rows : UINT32_MAX / 2, &s->rows);
}

static void init(struct redis_store *s, const struct redis_options *options)
{
    pthread_condattr_t monotonic;
    char name[CONFIG_NAME_MAX + 8];

    s->options = *options;
    s->store.ops = &ops;
    redis_author_init(&s->author, options->config->sensor.name, options->started_ns);
    snprintf(name, sizeof(name), "weir:%.63s", options->config->sensor.name);
    link_init(&s->link, &options->config->redis, name);
    pthread_mutex_init(&s->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&s->wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

const char *redis_refusal(const struct redis_config *c)
{
    return c->tls ? "redis.tls: hiredis speaks no TLS here; let stunnel do it (client = yes, "
                    "accept = 127.0.0.1:6380, connect = HOST:PORT, verifyChain = yes), set "
                    "redis.address to 127.0.0.1:6380, and leave redis.tls out"
                  : NULL;
}

int redis_store_create(const struct redis_options *options, struct redis_store **out,
                       char error[REDIS_ERROR_MAX])
{
    const char *refusal = redis_refusal(&options->config->redis);

    if (refusal)
        return fail(error, -ENOTSUP, refusal);
    struct redis_store *s = calloc(1, sizeof(*s));
    if (!s)
        return fail(error, -ENOMEM, "redis.address: no memory");
    init(s, options);
    if (make_parts(s)) {
        redis_store_destroy(s);
        return fail(error, -ENOMEM, "redis.address: no memory for hosts.max_inside hosts");
    }
    *out = s;
    return 0;
}

void redis_store_destroy(struct redis_store *s)
{
    if (!s)
        return;
    link_fini(&s->link);
    batch_fini(&s->batch);
    rows_destroy(s->rows);
    memory_release(s->element, sizeof(*s->element) * ELEMENTS_MAX);
    pthread_cond_destroy(&s->wake);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

struct store *redis_store_face(struct redis_store *s)
{
    return &s->store;
}

void redis_store_stop(struct redis_store *s)
{
    pthread_mutex_lock(&s->lock);
    s->stop = true;
    pthread_cond_signal(&s->wake);
    pthread_mutex_unlock(&s->lock);
}

void redis_store_abort(struct redis_store *s)
{
    pthread_mutex_lock(&s->lock);
    s->stop = s->abort = true;
    pthread_cond_signal(&s->wake);
    pthread_mutex_unlock(&s->lock);
    link_interrupt(&s->link);
}

void redis_store_notes(struct redis_store *s, const struct redis_note *note, size_t count)
{
    pthread_mutex_lock(&s->lock);
    s->notes = count < REDIS_NOTES_MAX ? count : REDIS_NOTES_MAX;
    memcpy(s->note, note, s->notes * sizeof(*note));
    pthread_mutex_unlock(&s->lock);
}

void redis_store_stats(struct redis_store *s, struct redis_stats *out)
{
    struct rows_stats rows;

    pthread_mutex_lock(&s->lock);
    rows_stats(s->rows, &rows);
    *out = s->stats;
    out->connected = s->connected;
    out->elements_waiting = s->elements_in - s->elements_out;
    pthread_mutex_unlock(&s->lock);
    out->rows_kept = rows.kept;
    out->rows_waiting = rows.waiting;
    out->rows_dropped = rows.dropped;
}
