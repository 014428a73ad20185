#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "export/exporter_internal.h"

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
    return memcmp(&c->config, config, sizeof(*config)) == 0;
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

int collectors_create(struct exporter *e, const struct config *config, struct collectors *g,
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

    exporter_read_clock(e);
    int rc = check_reload(e, config, error);
    if (!rc)
        rc = collectors_create(e, config, &next, error);
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
