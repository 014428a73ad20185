#include "cli/send.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cli/cli.h"
#include "cli/interrupt.h"
#include "export/exporter.h"
#include "format/format.h"
#include "weir/flow.h"

#define FLUSH_NS 10000000    /* a file's end is near: messages need not wait for more records */
#define GIVEN_UP_NS 1000000  /* one that is given up is not waited for */
#define STEP_EVERY 64        /* records between two steps */
#define WAIT_MS 100          /* at most, in one step */
#define TRIES_AFTER_A_LOSS 3 /* a collector that was there once may come back */

/* What is known of a collector, also when the exporter has forgotten it. */
struct target {
    const struct collector_config *config;
    char error[EXPORTER_ERROR_MAX]; /* why it was given up; empty = it was not */
    bool lost;                      /* to be given up, unless somebody takes its records */
    uint64_t late;                  /* records that came after it was given up */
    uint64_t attempts_when_up;
    struct collector_stats stats; /* config is not used */
};

struct cli_send {
    struct config given, config; /* now: without those that were given up */
    struct exporter *exporter;
    struct target target[CONFIG_COLLECTORS_MAX];
    uint32_t target_count;
    uint64_t records;
    uint64_t drain_ns, deadline_ns; /* nothing is waited for behind it; 0 = as long as it takes */
    bool busy;                      /* something is queued, in flight or in the spool */
};

static struct target *find_target(struct cli_send *s, const char *name)
{
    for (uint32_t i = 0; i < s->target_count; i++)
        if (strcmp(s->target[i].config->name, name) == 0)
            return &s->target[i];
    return NULL;
}

/* What became of a collector that was never there, or was given up, is said at the end. */
static void tell(void *context, const char *collector, enum log_level level, const char *text)
{
    const struct target *t = find_target(context, collector);

    if (level <= LOG_WARNING && t && t->stats.connects && !t->error[0])
        fprintf(stderr, "weir: %s: %s\n", collector, text);
}

struct cli_send *cli_send_open(const struct config *config)
{
    char error[EXPORTER_ERROR_MAX];
    struct cli_send *s = calloc(1, sizeof(*s));
    struct exporter_options options = {
        .config = &s->config,
        .ecs = &format_ecs,
        .json = &format_json,
        .community_id = community_id,
        .event = tell,
        .context = s,
        .overwrite = true,
    };

    if (!s) {
        fputs("weir: out of memory\n", stderr);
        return NULL;
    }
    s->given = s->config = *config;
    s->config.exports.flush_ns = FLUSH_NS;
    s->drain_ns = config->sensor.drain_timeout_ns;
    s->config.sensor.drain_timeout_ns = GIVEN_UP_NS;
    s->target_count = config->exports.collector_count;
    for (uint32_t i = 0; i < s->target_count; i++)
        s->target[i].config = &s->given.exports.collector[i];
    if (exporter_create(&options, &s->exporter, error)) {
        fprintf(stderr, "weir: %s\n", error);
        free(s);
        return NULL;
    }
    return s;
}

/* --- Who is there --- */

static bool is_lost(const struct target *t)
{
    const struct collector_stats *c = &t->stats;
    uint64_t tries = c->attempts - t->attempts_when_up;

    if (c->state != COLLECTOR_WAITING)
        return false;
    return tries >= (c->connects ? TRIES_AFTER_A_LOSS : 1);
}

/* A record goes to one of both. */
static bool are_members(const struct target *a, const struct target *b)
{
    return a->config->group_mode != GROUP_ALL && strcmp(a->config->group, b->config->group) == 0;
}

/* Another member of its group may still take what it has. */
static bool has_relief(const struct cli_send *s, const struct target *t)
{
    for (uint32_t i = 0; i < s->target_count; i++)
        if (are_members(t, &s->target[i]) && !s->target[i].lost && !s->target[i].error[0])
            return true;
    return false;
}

/* The exporter goes on without it. */
static void give_up(struct cli_send *s, struct target *t)
{
    char error[EXPORTER_ERROR_MAX];
    struct export_config *exports = &s->config.exports;

    snprintf(t->error, sizeof(t->error), "%s", t->stats.error);
    for (uint32_t i = 0; i < exports->collector_count; i++)
        if (strcmp(exports->collector[i].name, t->config->name) == 0) {
            memmove(&exports->collector[i], &exports->collector[i + 1],
                    (exports->collector_count - i - 1) * sizeof(exports->collector[0]));
            exports->collector_count--;
        }
    if (exporter_reload(s->exporter, &s->config, error))
        fprintf(stderr, "weir: %s\n", error);
}

static void inspect(struct cli_send *s)
{
    s->busy = false;
    for (uint32_t i = 0; i < exporter_count(s->exporter); i++) {
        struct collector_stats stats;
        exporter_stats(s->exporter, i, &stats);
        struct target *t = find_target(s, stats.config->name);
        if (!t)
            continue;
        t->stats = stats;
        if (stats.state == COLLECTOR_UP)
            t->attempts_when_up = stats.attempts;
        t->lost = !t->error[0] && is_lost(t);
        if (!t->lost && !t->error[0] &&
            (stats.queued.records || stats.in_flight.records || stats.spooled.records))
            s->busy = true;
    }
}

static bool has_spool(const struct cli_send *s, const struct target *t)
{
    return s->given.exports.spool[0] && t->config->spool_octets;
}

/* A collector that is lost; crowded: even if it has a spool, since that is full. */
static struct target *find_hopeless(struct cli_send *s, bool crowded)
{
    inspect(s);
    for (uint32_t i = 0; i < s->target_count; i++) {
        struct target *t = &s->target[i];
        if (t->lost && !t->error[0] && !has_relief(s, t) && (crowded || !has_spool(s, t)))
            return t;
    }
    return NULL;
}

static void step(struct cli_send *s, int timeout_ms)
{
    struct target *hopeless;

    exporter_step(s->exporter, timeout_ms);
    while ((hopeless = find_hopeless(s, !exporter_room(s->exporter))))
        give_up(s, hopeless);
}

/* Who was interrupted waits no longer than a sensor does at its end. */
static bool may_wait(struct cli_send *s)
{
    if (!interrupt_seen())
        return true;
    if (!s->deadline_ns)
        s->deadline_ns = clock_monotonic_ns() + s->drain_ns;
    return clock_monotonic_ns() < s->deadline_ns;
}

/* --- Records --- */

/* Nobody got it: once for each group, by its first member. */
static void count_late(struct cli_send *s)
{
    for (uint32_t i = 0; i < s->target_count; i++) {
        bool first = true;
        for (uint32_t j = 0; j < i; j++)
            first = first && !are_members(&s->target[i], &s->target[j]);
        s->target[i].late += first && s->target[i].error[0];
    }
}

void cli_send_record(struct cli_send *s, const struct flow_record *record)
{
    if (flow_record_is_notice(record))
        return;
    while (!exporter_room(s->exporter) && may_wait(s))
        step(s, WAIT_MS);
    exporter_add(s->exporter, record);
    count_late(s);
    if (++s->records % STEP_EVERY == 0)
        step(s, 0);
}

uint64_t cli_send_count(const struct cli_send *s)
{
    return s->records;
}

/* --- The end --- */

static const char *word_for_delivered(const struct target *t)
{
    return t->config->transport == TRANSPORT_UDP    ? "sent"
           : t->config->transport == TRANSPORT_FILE ? "written"
                                                    : "acknowledged";
}

static void tell_rest(const struct target *t, uint64_t count, const char *where)
{
    const char *why = t->error[0] ? t->error : interrupt_seen() ? "interrupted" : t->stats.error;

    fprintf(stderr, "weir: %s: %" PRIu64 " records %s%s%s\n", t->config->name, count, where,
            why[0] ? ": " : "", why);
}

/* Of the records that were its own: those of its spool are, those that another one took over are
 * not. */
static int tell_account(const struct target *t)
{
    const struct collector_stats *c = &t->stats;
    uint64_t own = c->handed.records + t->late + c->taken.records - c->moved.records;
    uint64_t missing = own + c->restored.records - c->delivered.records;

    fprintf(stderr, "collector %s: records %" PRIu64, t->config->name, own);
    if (c->restored.records)
        fprintf(stderr, ", in the spool before %" PRIu64, c->restored.records);
    fprintf(stderr, ", %s %" PRIu64, word_for_delivered(t), c->delivered.records);
    if (c->replayed_records)
        fprintf(stderr, ", sent twice %" PRIu64, c->replayed_records);
    fputc('\n', stderr);
    if (!collector_stats_closed(c))
        fprintf(stderr, "ledger open: collector %s: its records do not add up\n", t->config->name);
    else if (!missing)
        return CLI_OK;
    if (c->spooled.records)
        tell_rest(t, c->spooled.records, "wait in the spool");
    if (missing > c->spooled.records)
        tell_rest(t, missing - c->spooled.records, "did not get there");
    return CLI_FAILURE;
}

int cli_send_finish(struct cli_send *s)
{
    int code = CLI_OK;

    do
        step(s, s->busy ? WAIT_MS : 0);
    while (s->busy && may_wait(s));
    while (exporter_count(s->exporter) > s->config.exports.collector_count)
        exporter_step(s->exporter, WAIT_MS); /* those that are given up */
    uint64_t deadline_ns = s->deadline_ns ? s->deadline_ns : clock_monotonic_ns() + s->drain_ns;
    exporter_drain(s->exporter, deadline_ns);
    inspect(s);
    for (uint32_t i = 0; i < s->target_count; i++)
        if (tell_account(&s->target[i]) != CLI_OK)
            code = CLI_FAILURE;
    return code;
}

void cli_send_close(struct cli_send *s)
{
    if (s)
        exporter_destroy(s->exporter);
    free(s);
}
