#include "export/exporter.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/number.h"
#include "export/exporter_internal.h"
#include "weir/flow.h"

static uint64_t system_monotonic_ns(void *context)
{
    (void)context;
    return clock_monotonic_ns();
}

static uint64_t system_utc_ns(void *context)
{
    (void)context;
    return clock_utc_ns();
}

uint64_t exporter_read_clock(struct exporter *e)
{
    e->now_ns = e->shared.options.clock.monotonic_ns(e->shared.options.clock.context);
    return e->now_ns;
}

/* --- Life --- */

/* Who starts as root and becomes sensor.user gives it the spool. */
static void find_owner(struct exporter *e)
{
    const char *user = e->shared.options.config->sensor.user;
    struct passwd entry, *found = NULL;
    char text[4096];

    if (geteuid() != 0 || !user[0] || getpwnam_r(user, &entry, text, sizeof(text), &found) ||
        !found)
        return;
    e->shared.spool_owner =
        (struct spool_owner){.given = true, .uid = entry.pw_uid, .gid = entry.pw_gid};
}

static int fail_directory(char *error, const char *path, int rc)
{
    snprintf(error, EXPORTER_ERROR_MAX, "export.spool: %s: %s", path, strerror(-rc));
    return rc;
}

static int open_spool_directory(struct exporter *e, char *error)
{
    const char *path = e->shared.options.config->exports.spool;

    if (!path[0])
        return 0;
    find_owner(e);
    bool made = mkdir(path, 0750) == 0;
    if (!made && errno != EEXIST)
        return fail_directory(error, path, -errno);
    e->shared.spool_directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (e->shared.spool_directory < 0)
        return fail_directory(error, path, -errno);
    int rc = made ? spool_give(e->shared.spool_directory, &e->shared.spool_owner) : 0;
    return rc ? fail_directory(error, path, rc) : 0;
}

static int open_exporter(struct exporter *e, char *error)
{
    struct exporter_clock *clock = &e->shared.options.clock;

    if (!clock->monotonic_ns)
        clock->monotonic_ns = system_monotonic_ns;
    if (!clock->utc_ns)
        clock->utc_ns = system_utc_ns;
    e->shared.scratch = malloc(COLLECTOR_SCRATCH);
    e->shared.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (!e->shared.scratch || e->shared.epoll < 0) {
        snprintf(error, EXPORTER_ERROR_MAX, "export: out of memory or descriptors");
        return e->shared.scratch ? -errno : -ENOMEM;
    }
    struct collectors first;
    int rc = open_spool_directory(e, error);

    if (!rc)
        rc = collectors_create(e, e->shared.options.config, &first, error);
    if (!rc)
        e->now = first;
    return rc;
}

int exporter_create(const struct exporter_options *options, struct exporter **out, char *error)
{
    struct exporter *e = calloc(1, sizeof(*e));

    snprintf(error, EXPORTER_ERROR_MAX, "export: out of memory");
    if (!e)
        return -ENOMEM;
    e->shared.options = *options;
    e->shared.epoll = e->shared.spool_directory = -1;
    int rc = open_exporter(e, error);
    if (rc) {
        exporter_destroy(e);
        return rc;
    }
    e->shared.options.config = e->now.config;
    exporter_read_clock(e);
    *out = e;
    return 0;
}

void exporter_destroy(struct exporter *e)
{
    if (!e)
        return;
    for (uint32_t i = 0; i < e->now.count; i++)
        collector_destroy(e->now.collector[i]);
    for (uint32_t i = 0; i < e->leaving_count; i++)
        collector_destroy(e->leaving[i]);
    if (e->shared.epoll >= 0)
        close(e->shared.epoll);
    if (e->shared.spool_directory >= 0)
        close(e->shared.spool_directory);
    free(e->shared.scratch);
    free(e->now.config);
    free(e);
}

/* --- Records in --- */

static void add_to_group(struct exporter *e, const struct group *group,
                         const struct flow_record *record)
{
    bool available[CONFIG_COLLECTORS_MAX];
    uint32_t chosen = 0;

    if (group->count > 1) {
        for (uint32_t i = 0; i < group->count; i++)
            available[i] = collector_available(e->now.collector[group->member[i]]);
        chosen = group_choose(group, available, record->flow_id);
    }
    collector_add(e->now.collector[group->member[chosen]], record, e->now_ns);
}

void exporter_add(struct exporter *e, const struct flow_record *record)
{
    if (flow_record_is_notice(record))
        return;
    for (uint32_t i = 0; i < e->now.group_count; i++)
        add_to_group(e, &e->now.group[i], record);
}

bool exporter_room(const struct exporter *e)
{
    for (uint32_t i = 0; i < e->now.count; i++)
        if (!collector_room(e->now.collector[i]))
            return false;
    return true;
}

/* --- A step --- */

static void wait_for_events(struct exporter *e, uint64_t wake_ns, int timeout_ms)
{
    struct epoll_event event[COLLECTORS_MAX];
    uint64_t until_ms = wake_ns <= e->now_ns ? 0 : (wake_ns - e->now_ns + 999999) / 1000000;

    if (until_ms < (uint64_t)timeout_ms)
        timeout_ms = (int)until_ms;
    int count = epoll_wait(e->shared.epoll, event, COLLECTORS_MAX, timeout_ms);
    for (int i = 0; i < count; i++)
        ((struct collector *)event[i].data.ptr)->events |= event[i].events;
    exporter_read_clock(e);
}

/* Who failed gives what it holds to one that is up. */
static void relieve(struct exporter *e, const struct group *group)
{
    struct collector *up = NULL;

    for (uint32_t i = 0; i < group->count && !up; i++) {
        struct collector *c = e->now.collector[group->member[i]];
        if (!c->failed && c->session->state == SESSION_UP)
            up = c;
    }
    for (uint32_t i = 0; up && i < group->count; i++) {
        struct collector *c = e->now.collector[group->member[i]];
        if (c->failed)
            collector_hand_over(c, up, e->now_ns);
    }
}

static void remove_stopped(struct exporter *e)
{
    for (uint32_t i = 0; i < e->leaving_count;) {
        if (!e->leaving[i]->stopped) {
            i++;
            continue;
        }
        collector_say(e->leaving[i], LOG_INFO, "no longer configured: closed");
        collector_destroy(e->leaving[i]);
        e->leaving[i] = e->leaving[--e->leaving_count];
    }
}

/* Returns when to come again. */
static uint64_t step_all(struct exporter *e)
{
    uint64_t wake_ns = COLLECTOR_NEVER;

    for (uint32_t i = 0; i < e->now.group_count; i++)
        if (e->now.group[i].count > 1)
            relieve(e, &e->now.group[i]);
    for (uint32_t i = 0; i < e->now.count; i++)
        wake_ns = min64(wake_ns, collector_step(e->now.collector[i], e->now_ns));
    for (uint32_t i = 0; i < e->leaving_count; i++)
        wake_ns = min64(wake_ns, collector_step(e->leaving[i], e->now_ns));
    return wake_ns;
}

void exporter_step(struct exporter *e, int timeout_ms)
{
    exporter_read_clock(e);
    uint64_t wake_ns = step_all(e);
    wait_for_events(e, wake_ns, timeout_ms);
    remove_stopped(e);
}

static bool all_stopped(const struct exporter *e)
{
    for (uint32_t i = 0; i < e->now.count; i++)
        if (!e->now.collector[i]->stopped)
            return false;
    return e->leaving_count == 0;
}

static bool took_everything(const struct exporter *e)
{
    struct collector_stats s;

    for (uint32_t i = 0; i < exporter_count(e); i++) {
        exporter_stats(e, i, &s);
        if (s.queued.records || s.in_flight.records || s.kept.records || s.spooled.records ||
            collector_dropped(e->now.collector[i]).records)
            return false;
    }
    return true;
}

bool exporter_drain(struct exporter *e, uint64_t deadline_ns)
{
    exporter_read_clock(e);
    for (uint32_t i = 0; i < e->now.count; i++)
        collector_stop(e->now.collector[i], deadline_ns, e->now_ns);
    for (uint32_t i = 0; i < e->leaving_count; i++)
        collector_stop(e->leaving[i], deadline_ns, e->now_ns);
    while (!all_stopped(e))
        exporter_step(e, 100);
    return took_everything(e);
}

/* --- Figures --- */

void exporter_statistics_in(struct exporter *e, const struct exporter_input *input)
{
    e->shared.input = *input;
}

uint32_t exporter_count(const struct exporter *e)
{
    return e->now.count + e->leaving_count;
}

void exporter_stats(const struct exporter *e, uint32_t index, struct collector_stats *out)
{
    const struct collector *c =
        index < e->now.count ? e->now.collector[index] : e->leaving[index - e->now.count];
    collector_stats(c, out);
}
