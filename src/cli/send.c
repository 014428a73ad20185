#include "cli/send.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "cli/cli.h"
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
    char name[CONFIG_NAME_MAX];
    char error[EXPORTER_ERROR_MAX]; /* why it was given up; empty = it was not */
    uint64_t attempts_when_up;
    struct collector_stats stats; /* config is not used */
};

struct cli_send {
    struct config config;
    struct exporter *exporter;
    struct target target[CONFIG_COLLECTORS_MAX];
    uint32_t target_count;
    uint64_t records;
    uint64_t drain_ns;
    bool busy; /* something is queued or in flight */
};

static void tell(void *context, const char *collector, enum log_level level, const char *text)
{
    (void)context;
    if (level <= LOG_WARNING)
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
        .overwrite = true,
    };

    if (!s) {
        fputs("weir: out of memory\n", stderr);
        return NULL;
    }
    s->config = *config;
    s->config.exports.flush_ns = FLUSH_NS;
    s->drain_ns = config->sensor.drain_timeout_ns;
    s->config.sensor.drain_timeout_ns = GIVEN_UP_NS;
    s->target_count = config->exports.collector_count;
    for (uint32_t i = 0; i < s->target_count; i++)
        memcpy(s->target[i].name, config->exports.collector[i].name, CONFIG_NAME_MAX);
    if (exporter_create(&options, &s->exporter, error)) {
        fprintf(stderr, "weir: %s\n", error);
        free(s);
        return NULL;
    }
    return s;
}

static struct target *find_target(struct cli_send *s, const char *name)
{
    for (uint32_t i = 0; i < s->target_count; i++)
        if (strcmp(s->target[i].name, name) == 0)
            return &s->target[i];
    return NULL;
}

static bool is_lost(const struct target *t)
{
    const struct collector_stats *c = &t->stats;
    uint64_t tries = c->attempts - t->attempts_when_up;

    if (t->error[0] || c->state != COLLECTOR_WAITING)
        return false;
    return tries >= (c->connects ? TRIES_AFTER_A_LOSS : 1);
}

/* The exporter goes on without it. */
static void give_up(struct cli_send *s, struct target *t)
{
    char error[EXPORTER_ERROR_MAX];
    struct export_config *exports = &s->config.exports;

    snprintf(t->error, sizeof(t->error), "%s", t->stats.error);
    for (uint32_t i = 0; i < exports->collector_count; i++)
        if (strcmp(exports->collector[i].name, t->name) == 0) {
            memmove(&exports->collector[i], &exports->collector[i + 1],
                    (exports->collector_count - i - 1) * sizeof(exports->collector[0]));
            exports->collector_count--;
        }
    if (exporter_reload(s->exporter, &s->config, error))
        fprintf(stderr, "weir: %s\n", error);
}

/* Looks at all collectors; returns one that is lost, or NULL. */
static struct target *inspect(struct cli_send *s)
{
    struct target *lost = NULL;

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
        if (is_lost(t))
            lost = t;
        else if (!t->error[0] && (stats.queued.records || stats.in_flight.records))
            s->busy = true;
    }
    return lost;
}

static void step(struct cli_send *s, int timeout_ms)
{
    struct target *lost;

    exporter_step(s->exporter, timeout_ms);
    while ((lost = inspect(s)))
        give_up(s, lost);
}

void cli_send_record(struct cli_send *s, const struct flow_record *record)
{
    if (flow_record_is_notice(record))
        return;
    while (!exporter_room(s->exporter))
        step(s, WAIT_MS);
    exporter_add(s->exporter, record);
    if (++s->records % STEP_EVERY == 0)
        step(s, 0);
}

uint64_t cli_send_count(const struct cli_send *s)
{
    return s->records;
}

static const char *word_for_delivered(const struct cli_send *s, const struct target *t)
{
    const struct export_config *exports = &s->config.exports;

    for (uint32_t i = 0; i < exports->collector_count; i++)
        if (strcmp(exports->collector[i].name, t->name) == 0)
            switch (exports->collector[i].transport) {
            case TRANSPORT_UDP:
                return "sent";
            case TRANSPORT_FILE:
                return "written";
            }
    return "acknowledged";
}

static int tell_account(const struct cli_send *s, const struct target *t)
{
    const struct collector_stats *c = &t->stats;
    uint64_t missing = s->records - c->delivered.records;

    fprintf(stderr, "collector %s: records %" PRIu64 ", %s %" PRIu64, t->name, s->records,
            word_for_delivered(s, t), c->delivered.records);
    if (c->replayed_records)
        fprintf(stderr, ", sent twice %" PRIu64, c->replayed_records);
    fputc('\n', stderr);
    if (!collector_stats_closed(c))
        fprintf(stderr, "ledger open: collector %s: its records do not add up\n", t->name);
    else if (!missing)
        return CLI_OK;
    if (c->spooled.records)
        fprintf(stderr, "weir: %s: %" PRIu64 " records wait in the spool\n", t->name,
                c->spooled.records);
    if (missing > c->spooled.records)
        fprintf(stderr, "weir: %s: %" PRIu64 " records did not get there%s%s\n", t->name,
                missing - c->spooled.records, t->error[0] ? ": " : "", t->error);
    return CLI_FAILURE;
}

int cli_send_finish(struct cli_send *s)
{
    int code = CLI_OK;

    do
        step(s, s->busy ? WAIT_MS : 0);
    while (s->busy);
    while (exporter_count(s->exporter) > s->config.exports.collector_count)
        exporter_step(s->exporter, WAIT_MS); /* those that are given up */
    exporter_drain(s->exporter, clock_monotonic_ns() + s->drain_ns);
    inspect(s);
    for (uint32_t i = 0; i < s->target_count; i++)
        if (tell_account(s, &s->target[i]) != CLI_OK)
            code = CLI_FAILURE;
    return code;
}

void cli_send_close(struct cli_send *s)
{
    if (s)
        exporter_destroy(s->exporter);
    free(s);
}
