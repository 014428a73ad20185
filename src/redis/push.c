/*
 * The thread of the store: connects, pushes what waits batch by batch, tells the analyst what came
 * back. After a failure it waits, longer each time; what had not arrived is pushed again.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "base/clock.h"
#include "redis/key.h"
#include "redis/store.h"

#define BEAT_NS NS_PER_S
#define BEAT_FRESH_NS (30 * NS_PER_S) /* the key of the beat before is surely there still */
#define TELL_NS (30 * NS_PER_S)       /* the same kind of error is told again */
#define AGE_STEP 8192u

__attribute__((format(printf, 3, 4))) static void tell(struct redis_store *s, enum log_level level,
                                                       const char *format, ...)
{
    char text[LINK_WHY_MAX + CONFIG_ADDRESS_MAX + 256];
    va_list arguments;

    if (!s->options.event)
        return;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    s->options.event(s->options.context, level, text);
}

/* --- Errors --- */

static void count_error(struct redis_store *s, enum redis_error error, unsigned times)
{
    pthread_mutex_lock(&s->lock);
    s->stats.error[error] += times;
    pthread_mutex_unlock(&s->lock);
}

static void tell_error(struct redis_store *s, enum redis_error error, const char *what)
{
    uint64_t now = clock_monotonic_ns();

    if (s->told_ns[error] && now - s->told_ns[error] < TELL_NS)
        return;
    s->told_ns[error] = now;
    tell(s, LOG_WARNING, "%s: %s: %s (%s)", s->link.where, what, redis_error_advice[error],
         s->link.why);
}

/* Whoever waits for an answer must not wait for Redis to come back. */
static void set_connected(struct redis_store *s, bool connected)
{
    pthread_mutex_lock(&s->lock);
    s->connected = connected;
    s->stats.connects += connected;
    for (uint64_t i = s->alerts_out; i < s->alerts_in && !connected; i++) {
        struct waiting_alert *w = &s->alert[i % ALERTS_MAX];
        if (!w->told)
            redis_store_answer(s, w->alert.id, VERDICT_NEW);
        w->told = true;
    }
    pthread_mutex_unlock(&s->lock);
}

/* For what a batch of rows brings back. */
static bool has_room(const struct redis_store *s)
{
    return s->sums_in - s->sums_out + BATCH_ROWS <= SUMS_MAX;
}

/* Until there is work, at most so long; false: it is time to stop. */
static bool wait_ns(struct redis_store *s, uint64_t ns, bool for_work)
{
    uint64_t until = clock_monotonic_ns() + ns;
    struct timespec t = {(time_t)(until / NS_PER_S), (long)(until % NS_PER_S)};
    struct rows_stats rows;
    int rc = 0;

    pthread_mutex_lock(&s->lock);
    for (;;) {
        rows_stats(s->rows, &rows);
        bool work = (rows.waiting && has_room(s)) || s->alerts_out < s->alerts_in ||
                    redis_store_has_many(s);
        if (s->stop || (for_work && work) || rc)
            break;
        rc = pthread_cond_timedwait(&s->wake, &s->lock, &t);
    }
    bool stop = s->stop;
    pthread_mutex_unlock(&s->lock);
    return !stop;
}

static void back_off(struct redis_store *s)
{
    uint32_t number = 0;

    if (s->link.context) { /* it refused something: the next push tries again */
        wait_ns(s, BEAT_NS, false);
        return;
    }
    (void)!getrandom(&number, sizeof(number), GRND_NONBLOCK);
    wait_ns(s, backoff_next_ns(&s->backoff, number), false);
}

/* --- A batch --- */

static void take_elements(struct redis_store *s, struct batch *b)
{
    while (b->elements < BATCH_ELEMENTS && s->elements_out < s->elements_in)
        b->element[b->elements++] = s->element[s->elements_out++ % ELEMENTS_MAX];
}

static void take_alerts(struct redis_store *s, struct batch *b)
{
    while (b->alerts < BATCH_ALERTS && s->alerts_out < s->alerts_in)
        b->alert[b->alerts++] = s->alert[s->alerts_out++ % ALERTS_MAX];
}

static void take_connections(struct redis_store *s, struct batch *b)
{
    if (!s->connections_waiting)
        return;
    memcpy(b->connection, s->connection, s->connections * sizeof(*b->connection));
    b->connections = s->connections;
    b->has_connections = true;
    s->connections_waiting = false;
}

/* Sets before the rows that ask for their size. False: rows wait for sums to be taken. */
static bool take_rows(struct redis_store *s, struct batch *b)
{
    if (s->elements_out < s->elements_in)
        return true;
    if (!has_room(s) && !s->stop)
        return false;
    b->rows = rows_take(s->rows, b->row, BATCH_ROWS);
    return true;
}

/* True: more waits. */
static bool take(struct redis_store *s, struct batch *b)
{
    struct rows_stats rows;

    pthread_mutex_lock(&s->lock);
    take_alerts(s, b);
    take_elements(s, b);
    take_connections(s, b);
    bool room = take_rows(s, b);
    rows_stats(s->rows, &rows);
    rows_age(s->rows, clock_utc_ns(), AGE_STEP);
    bool more =
        s->elements_out < s->elements_in || (rows.waiting && room) || s->alerts_out < s->alerts_in;
    pthread_mutex_unlock(&s->lock);
    return more;
}

static void give_rows(struct redis_store *s, const struct batch *b)
{
    for (size_t i = 0; i < b->rows; i++) {
        if (b->again[i]) {
            rows_again(s->rows, &b->row[i]);
        } else {
            rows_done(s->rows, &b->row[i]);
            s->stats.rows++;
        }
        if (b->summed[i] && s->sums_in - s->sums_out < SUMS_MAX)
            s->sum[s->sums_in++ % SUMS_MAX] = b->sum[i];
    }
}

/* All to the front again, as far as there is room: adding twice does no harm. Those that Redis will
 * never take are gone, or rows would wait behind them for ever. */
static void give_elements(struct redis_store *s, const struct batch *b)
{
    bool never = b->errors[REDIS_NOPERM] || b->errors[REDIS_OTHER];
    size_t i = b->elements;

    if (b->elements_pushed == b->elements)
        return;
    while (i && !never && s->elements_out && s->elements_in - s->elements_out < ELEMENTS_MAX)
        s->element[--s->elements_out % ELEMENTS_MAX] = b->element[--i];
    s->stats.elements_dropped += never ? b->elements - b->elements_pushed : i;
}

/* Back to the front, where it came from; the queue may have filled meanwhile. */
static void give_alert_back(struct redis_store *s, const struct waiting_alert *w)
{
    if (!w->told)
        redis_store_answer(s, w->alert.id, VERDICT_NEW);
    if (s->alerts_out == 0 || s->alerts_in - s->alerts_out == ALERTS_MAX) {
        s->stats.alerts_dropped++;
        return;
    }
    s->alert[--s->alerts_out % ALERTS_MAX] = (struct waiting_alert){w->alert, true};
}

static void give_alerts(struct redis_store *s, const struct batch *b)
{
    for (size_t i = b->alerts; i-- > 0;) {
        const struct waiting_alert *w = &b->alert[i];
        if (b->alert_new[i] == -1) {
            give_alert_back(s, w);
            continue;
        }
        s->stats.alerts_dropped += b->alert_new[i] == -2;
        s->stats.alerts_known += b->alert_new[i] == 0;
        if (!w->told)
            redis_store_answer(s, w->alert.id, b->alert_new[i] == 0 ? VERDICT_KNOWN : VERDICT_NEW);
    }
}

static void give(struct redis_store *s, const struct batch *b)
{
    pthread_mutex_lock(&s->lock);
    s->stats.commands += b->answered;
    for (int i = 0; i < REDIS_ERROR_COUNT; i++)
        s->stats.error[i] += b->errors[i];
    give_elements(s, b);
    give_rows(s, b);
    give_alerts(s, b);
    s->connections_waiting |= b->has_connections && b->failed;
    pthread_mutex_unlock(&s->lock);
}

/* --- Memory of Redis --- */

static void all_again(struct redis_store *s, const char *why)
{
    pthread_mutex_lock(&s->lock);
    rows_all_again(s->rows);
    s->connections_waiting = true;
    s->stats.memory_losses++;
    pthread_mutex_unlock(&s->lock);
    s->beat_fields = 0;
    tell(s, LOG_INFO, "%s: %s: all current windows are pushed again", s->link.where, why);
}

static void write_beat(struct redis_store *s)
{
    struct redis_note note[REDIS_NOTES_MAX];
    uint64_t now = clock_monotonic_ns();

    if (s->beat_ns && now - s->beat_ns < BEAT_NS)
        return;
    pthread_mutex_lock(&s->lock);
    size_t notes = s->notes;
    memcpy(note, s->note, notes * sizeof(*note));
    pthread_mutex_unlock(&s->lock);
    size_t fields = batch_write_beat(&s->batch, &s->author, note, notes, clock_utc_ns() / NS_PER_S);
    if (now - s->beat_ns > BEAT_FRESH_NS || fields != s->beat_fields)
        s->beat_fields = 0;
    s->beat_ns = now;
    s->beat_sent = fields;
}

/* Of our own run was the last beat, unless somebody else beats under the same name. */
static void judge_name(struct redis_store *s)
{
    uint64_t now = clock_monotonic_ns();

    if (!s->batch.stranger || !s->beat_fields ||
        (s->stranger_told_ns && now - s->stranger_told_ns < TELL_NS))
        return;
    s->stranger_told_ns = now;
    tell(s, LOG_WARNING,
         "another sensor writes as \"%s\" too, and hunts do not see their sum: give each a "
         "sensor.name of its own",
         s->author.sensor);
}

/* A field that was there and is new again: the key was lost, and so was the rest. */
static void judge_beat(struct redis_store *s)
{
    struct batch *b = &s->batch;

    if (!b->has_beat || b->failed)
        return;
    judge_name(s);
    if (s->beat_fields && b->beat_new > 0)
        all_again(s, "it has lost its keys");
    else
        s->beat_fields = s->beat_sent;
}

/* --- The thread --- */

static bool open_link(struct redis_store *s)
{
    if (!link_open(&s->link)) {
        count_error(s, s->link.error, 1);
        tell_error(s, s->link.error, "not connected");
        return false;
    }
    tell(s, LOG_INFO, "%s: connected, Redis %s", s->link.where,
         s->link.version[0] ? s->link.version : "of unknown version");
    memset(s->told_ns, 0, sizeof(s->told_ns));
    if (s->run_id[0] && (!s->link.run_id[0] || strcmp(s->run_id, s->link.run_id) != 0))
        all_again(s, "it is another one, or was restarted");
    memcpy(s->run_id, s->link.run_id, sizeof(s->run_id));
    if (!s->run_id[0])
        strcpy(s->run_id, "unknown");
    set_connected(s, true);
    return true;
}

static void lose_link(struct redis_store *s)
{
    link_close(&s->link);
    set_connected(s, false);
}

/* False: the link is lost, or Redis refused something: better later. */
static bool push_batch(struct redis_store *s, bool *more)
{
    struct batch *b = &s->batch;

    batch_clear(b);
    *more = take(s, b);
    write_beat(s);
    batch_write(b, &s->author, s->options.json, s->options.config, !*more);
    bool sent = batch_run(b, &s->author, &s->link);
    if (!sent)
        b->errors[s->link.error]++;
    b->failed |= !sent;
    give(s, b);
    judge_beat(s);
    return !b->failed;
}

static bool is_aborted(struct redis_store *s)
{
    pthread_mutex_lock(&s->lock);
    bool aborted = s->abort;
    pthread_mutex_unlock(&s->lock);
    return aborted;
}

static bool push_all(struct redis_store *s)
{
    bool more = true;

    while (more && !is_aborted(s))
        if (!push_batch(s, &more))
            return false;
    return true;
}

static void push(struct redis_store *s)
{
    if (push_all(s)) {
        backoff_reset(&s->backoff);
        s->link.moves = 0;
        return;
    }
    if (!is_aborted(s))
        tell_error(s, s->link.error, s->link.context ? "not all is pushed" : "connection lost");
    if (!s->link.context || reply_error_is_final(s->link.error))
        lose_link(s);
}

static void keep_pushing(struct redis_store *s)
{
    bool go_on = true;

    while (go_on) {
        if (s->link.context || open_link(s)) {
            push(s);
            go_on = s->batch.failed ? true : wait_ns(s, BEAT_NS, true);
        }
        if (!s->link.context || s->batch.failed) {
            back_off(s);
            go_on = wait_ns(s, 0, false);
        }
    }
}

void redis_store_run(struct redis_store *s)
{
    sigset_t pipe;

    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE); /* hiredis writes without MSG_NOSIGNAL */
    pthread_sigmask(SIG_BLOCK, &pipe, NULL);
    keep_pushing(s);
    if (s->link.context)
        push(s); /* what the analyst gave last */
    lose_link(s);
}
