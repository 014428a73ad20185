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
#include "export/collector.h"
#include "export/group.h"
#include "weir/flow.h"

#define COLLECTORS_MAX (2 * CONFIG_COLLECTORS_MAX) /* those that drain after a reload included */

const char *const export_drop_label[DROP_COUNT] = {
#define X(symbol, label, help) label,
    EXPORT_DROPS(X)
#undef X
};
const char *const export_drop_help[DROP_COUNT] = {
#define X(symbol, label, help) help,
    EXPORT_DROPS(X)
#undef X
};
const char *const collector_state_label[COLLECTOR_STATE_COUNT] = {
#define X(symbol, label) label,
    COLLECTOR_STATES(X)
#undef X
};

/* Of one configuration: collectors by their index in the configuration, and who of them share
 * records. */
struct collectors {
    struct config *config;
    struct collector *collector[CONFIG_COLLECTORS_MAX];
    uint32_t count;
    struct group group[CONFIG_COLLECTORS_MAX]; /* a collector alone is a group of one */
    uint32_t group_count;
};

struct exporter {
    struct collector_shared shared;
    struct collectors now;
    struct collector *leaving[COLLECTORS_MAX];
    uint32_t leaving_count;
    uint64_t now_ns; /* of the last step */
};

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

static uint64_t read_clock(struct exporter *e)
{
    e->now_ns = e->shared.options.clock.monotonic_ns(e->shared.options.clock.context);
    return e->now_ns;
}

static int fail(char *error, uint32_t index, const char *text)
{
    snprintf(error, EXPORTER_ERROR_MAX, "export.collectors[%u].%s", index, text);
    return -EINVAL;
}

/* --- Groups --- */

static struct group *find_group(struct collectors *g, const struct collector_config *config)
{
    for (uint32_t i = 0; config->group[0] && i < g->group_count; i++) {
        const struct collector *member = g->collector[g->group[i].member[0]];
        if (strcmp(member->config.group, config->group) == 0)
            return &g->group[i];
    }
    return NULL;
}

static int join_group(struct collectors *g, struct group *group, uint32_t index, char *error)
{
    const struct collector_config *first = &g->collector[group->member[0]]->config;
    const struct collector_config *mine = &g->collector[index]->config;

    if (mine->group_mode != first->group_mode)
        return fail(error, index, "group_mode: differs within its group");
    if (mine->profile != first->profile || mine->message_size != first->message_size)
        return fail(error, index,
                    "group: members take over each other's messages, so profile and message_size "
                    "must be equal");
    group->member[group->count++] = index;
    return 0;
}

static int make_groups(struct collectors *g, char *error)
{
    for (uint32_t i = 0; i < g->count; i++) {
        const struct collector_config *config = &g->collector[i]->config;
        struct group *group = config->group_mode == GROUP_ALL ? NULL : find_group(g, config);
        if (!group) {
            g->group[g->group_count++] =
                (struct group){.mode = config->group_mode, .count = 1, .member = {i}};
            continue;
        }
        int rc = join_group(g, group, i, error);
        if (rc)
            return rc;
    }
    return 0;
}

/* --- Generations --- */

static bool is_same(const struct collector *c, const struct collector_config *config)
{
    struct collector_config other = *config;

    collector_defaults(&other);
    return memcmp(&c->config, &other, sizeof(other)) == 0;
}

/* The collector of the running generation that goes on as it is; its slot in the old one. */
static struct collector **find_running(struct exporter *e, const struct collector_config *config)
{
    for (uint32_t i = 0; i < e->now.count; i++)
        if (e->now.collector[i] && is_same(e->now.collector[i], config))
            return &e->now.collector[i];
    return NULL;
}

static bool is_running(const struct exporter *e, const struct collector *c)
{
    for (uint32_t i = 0; i < e->now.count; i++)
        if (e->now.collector[i] == c)
            return true;
    return false;
}

/* Throws away what was made for a generation that will not be. */
static void abandon(struct exporter *e, struct collectors *g)
{
    for (uint32_t i = 0; i < g->count; i++)
        if (g->collector[i] && !is_running(e, g->collector[i]))
            collector_destroy(g->collector[i]);
    free(g->config);
}

/* The running collector of this name, which was configured differently. */
static struct collector *find_predecessor(const struct exporter *e, const struct collector *c)
{
    for (uint32_t i = 0; i < e->now.count; i++) {
        struct collector *before = e->now.collector[i];
        if (before && strcmp(before->config.name, c->config.name) == 0)
            return before;
    }
    return NULL;
}

/* Messages mean the same to both, and the spool can be passed on. */
static bool can_inherit(const struct collector *c, const struct collector *from)
{
    return c->config.profile == from->config.profile &&
           (!from->spool || collector_has_spool(c->shared, &c->config));
}

static int make_collector(struct exporter *e, struct collectors *g, uint32_t index, char *error)
{
    int rc = collector_create(&e->shared, g->config, index, &g->collector[index], error);

    if (rc)
        return rc;
    struct collector *from = find_predecessor(e, g->collector[index]);
    if (from && from->spool && can_inherit(g->collector[index], from))
        return 0;
    if (from && from->spool && collector_has_spool(&e->shared, &g->collector[index]->config))
        return fail(error, index, "profile: its spool holds records of another: rename it");
    return collector_open_spool(g->collector[index], index, error);
}

static int make_collectors(struct exporter *e, struct collectors *g, char *error)
{
    const struct export_config *exports = &g->config->exports;

    for (uint32_t i = 0; i < exports->collector_count; i++) {
        struct collector **running = find_running(e, &exports->collector[i]);
        if (running) {
            g->collector[i] = *running;
        } else {
            g->count = i + 1; /* a half-made one is abandoned, too */
            int rc = make_collector(e, g, i, error);
            if (rc)
                return rc;
        }
        g->count = i + 1;
    }
    return make_groups(g, error);
}

static int make_generation(struct exporter *e, const struct config *config, struct collectors *g,
                           char *error)
{
    *g = (struct collectors){.config = malloc(sizeof(*config))};
    if (!g->config) {
        snprintf(error, EXPORTER_ERROR_MAX, "export: out of memory");
        return -ENOMEM;
    }
    *g->config = *config;
    int rc = make_collectors(e, g, error);
    if (rc)
        abandon(e, g);
    return rc;
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
        rc = make_generation(e, e->shared.options.config, &first, error);
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
    read_clock(e);
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
    read_clock(e);
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
    read_clock(e);
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
    read_clock(e);
    for (uint32_t i = 0; i < e->now.count; i++)
        collector_stop(e->now.collector[i], deadline_ns, e->now_ns);
    for (uint32_t i = 0; i < e->leaving_count; i++)
        collector_stop(e->leaving[i], deadline_ns, e->now_ns);
    while (!all_stopped(e))
        exporter_step(e, 100);
    return took_everything(e);
}

/* --- Reload --- */

/* Drains beside the others, if there is room for it. */
static void leave(struct exporter *e, struct collector *c)
{
    bool room = e->leaving_count < COLLECTORS_MAX;
    uint64_t time_ns = room ? e->now.config->sensor.drain_timeout_ns : 0;

    collector_stop(c, e->now_ns + time_ns, e->now_ns);
    if (room) {
        e->leaving[e->leaving_count++] = c;
        return;
    }
    collector_step(c, e->now_ns); /* its time is over: what it has goes to its spool */
    collector_destroy(c);
}

static bool is_in(const struct collectors *g, const struct collector *c)
{
    for (uint32_t i = 0; i < g->count; i++)
        if (g->collector[i] == c)
            return true;
    return false;
}

/* What the messages in queue and spool are made of cannot change under them. */
static int check_reload(const struct exporter *e, const struct config *config, char *error)
{
    const struct export_config *was = &e->now.config->exports, *is = &config->exports;
    const char *key = strcmp(was->spool, is->spool)       ? "export.spool"
                      : was->enterprise != is->enterprise ? "export.enterprise"
                      : message_domain(e->now.config) != message_domain(config)
                          ? "export.domain (by default made from sensor.name)"
                          : NULL;

    if (!key)
        return 0;
    snprintf(error, EXPORTER_ERROR_MAX, "%s: cannot change while running: restart weir", key);
    return -EBUSY;
}

static struct collector *find_heir(const struct exporter *e, const struct collectors *next,
                                   const struct collector *c)
{
    for (uint32_t i = 0; i < next->count; i++) {
        struct collector *heir = next->collector[i];
        if (!is_running(e, heir) && find_predecessor(e, heir) == c && can_inherit(heir, c))
            return heir;
    }
    return NULL;
}

/* Who is no longer there as it was passes on what it holds, or drains. */
static void retire(struct exporter *e, const struct collectors *next)
{
    for (uint32_t i = 0; i < e->now.count; i++) {
        struct collector *c = e->now.collector[i];
        if (is_in(next, c))
            continue;
        struct collector *heir = find_heir(e, next, c);
        e->now.collector[i] = NULL;
        if (!heir) {
            leave(e, c);
            continue;
        }
        collector_inherit(heir, c, e->now_ns);
        collector_destroy(c);
    }
}

int exporter_reload(struct exporter *e, const struct config *config, char *error)
{
    struct collectors next;

    read_clock(e);
    int rc = check_reload(e, config, error);
    if (!rc)
        rc = make_generation(e, config, &next, error);
    if (rc)
        return rc;
    retire(e, &next);
    for (uint32_t i = 0; i < next.count; i++)
        if (is_running(e, next.collector[i]))
            rc |= collector_adopt(next.collector[i], next.config, e->now_ns);
    for (uint32_t i = 0; i < e->leaving_count; i++)
        rc |= collector_adopt(e->leaving[i], next.config, e->now_ns);
    if (!rc) /* out of memory: some builder still reads the old one */
        free(e->now.config);
    e->now = next;
    e->shared.options.config = e->now.config;
    return 0;
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

static struct export_count difference(const struct collector_stats *s)
{
    struct export_count in = s->handed;

    export_count_add(&in, &s->taken);
    export_count_add(&in, &s->restored);
    export_count_subtract(&in, &s->delivered);
    export_count_subtract(&in, &s->kept);
    export_count_subtract(&in, &s->in_flight);
    export_count_subtract(&in, &s->queued);
    export_count_subtract(&in, &s->spooled);
    export_count_subtract(&in, &s->moved);
    for (unsigned why = 0; why < DROP_COUNT; why++)
        export_count_subtract(&in, &s->dropped[why]);
    return in;
}

bool collector_stats_closed(const struct collector_stats *s)
{
    struct export_count rest = difference(s);

    return !rest.records && !rest.packets && !rest.octets;
}
