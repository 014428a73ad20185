#include "export/collector.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/number.h"
#include "weir/flow.h"

#define IDLE_WAKE_NS COLLECTOR_SECOND
#define POLL_WAKE_NS 1000000ull          /* a session whose readiness nobody tells */
#define ACKNOWLEDGE_WAKE_NS 100000000ull /* acknowledgements raise no event */
#define REPORT_NS (10 * COLLECTOR_SECOND)

void collector_say(const struct collector *c, enum log_level level, const char *format, ...)
{
    char text[2 * SESSION_TEXT_MAX];
    va_list args;

    if (!c->shared->options.event)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    c->shared->options.event(c->shared->options.context, c->config.name, level, text);
}

uint64_t collector_utc_ns(const struct collector *c)
{
    return c->shared->options.clock.utc_ns(c->shared->options.clock.context);
}

/* --- Life --- */

static int create_builder(struct collector *c, struct message_builder **out)
{
    const struct exporter_options *o = &c->shared->options;
    struct message_options options = {
        .config = c->all,
        .profile = c->config.profile,
        .encoder = c->config.profile == PROFILE_ECS    ? o->ecs
                   : c->config.profile == PROFILE_JSON ? o->json
                                                       : NULL,
        .message_size = (uint32_t)c->config.message_size,
        .community_id = o->community_id,
    };
    return message_builder_create(&options, out);
}

/* What the records mean, for those who read them later: template sets (2, 3) of the messages. */
static uint32_t hash_sets(uint32_t hash, const uint8_t *octets, uint32_t len)
{
    for (uint32_t at = 16; at + 4 <= len;) {
        uint32_t id = (uint32_t)octets[at] << 8 | octets[at + 1];
        uint32_t size = (uint32_t)octets[at + 2] << 8 | octets[at + 3];
        if (size < 4 || size > len - at)
            break;
        for (uint32_t i = 0; id <= 3 && i < size; i++)
            hash = (hash ^ octets[at + i]) * 16777619u; /* FNV-1a */
        at += size;
    }
    return hash;
}

static uint32_t hash_templates(const struct collector *c)
{
    uint32_t hash = 2166136261u;
    struct message_info info;

    for (uint32_t part = 0; (info = message_templates(c->builder, part, c->shared->scratch)).len;
         part++)
        hash = hash_sets(hash, c->shared->scratch, info.len);
    return hash;
}

static void backlog_done(void *context, uint64_t ticket)
{
    struct collector *c = context;

    spool_done(c->spool, ticket);
}

bool collector_has_spool(const struct collector_shared *shared,
                         const struct collector_config *config)
{
    return shared->spool_directory >= 0 && config->spool_octets > 0;
}

static int open_spool(struct collector *c, char *text)
{
    struct spool_options options = {
        .directory = c->shared->spool_directory,
        .name = c->config.name,
        .owner = c->shared->spool_owner,
        .bound = c->config.spool_octets,
        .profile = c->config.profile,
        .templates = hash_templates(c),
    };
    struct spool_found found = {0};

    if (!collector_has_spool(c->shared, &c->config))
        return 0;
    int rc = spool_open(&options, &c->spool, &found, text);
    if (rc)
        return rc;
    c->backlog.done = backlog_done;
    c->backlog.context = c;
    c->restored = found.count;
    c->spool_skipped = found.skipped;
    c->spilling = found.count.records;
    if (found.count.records)
        collector_say(c, LOG_INFO, "spool: %llu records of an earlier run will be sent",
                      (unsigned long long)found.count.records);
    if (found.skipped)
        collector_say(c, LOG_WARNING, "spool: %llu damaged octets skipped",
                      (unsigned long long)found.skipped);
    if (found.other)
        collector_say(c, LOG_WARNING,
                      "spool: %u segments hold records of another profile or version: left alone "
                      "(run with the configuration that wrote them, or delete them)",
                      found.other);
    return 0;
}

static int open_parts(struct collector *c, char *text)
{
    struct session_options options = {
        .config = &c->config,
        .epoll = c->shared->epoll,
        .tag = c,
        .ipfix = message_is_ipfix(c->config.profile),
        .overwrite = c->shared->options.overwrite,
        .utc_ns = c->shared->options.clock.utc_ns,
        .utc_context = c->shared->options.clock.context,
    };
    int rc = create_builder(c, &c->builder);

    snprintf(text, SPOOL_TEXT_MAX, "messages cannot be built: %s", strerror(-rc));
    if (!rc)
        rc = session_create(&options, &c->session, text);
    return rc;
}

int collector_open_spool(struct collector *c, uint32_t index, char *error)
{
    char text[SPOOL_TEXT_MAX];
    int rc = open_spool(c, text);

    if (rc)
        snprintf(error, EXPORTER_ERROR_MAX, "export.collectors[%u]: %s", index, text);
    return rc;
}

int collector_create(struct collector_shared *shared, const struct config *all, uint32_t index,
                     struct collector **out, char *error)
{
    char text[SESSION_TEXT_MAX] = "out of memory";
    struct collector *c = calloc(1, sizeof(*c));
    int rc = -ENOMEM;

    if (c) {
        c->config = all->exports.collector[index];
        c->all = all;
        c->shared = shared;
        c->domain = message_domain(all);
        c->next_part = PARTS_SENT;
        c->due_ns = c->stop_ns = c->sync_ns = COLLECTOR_NEVER;
        c->templates_ns = c->options_ns = COLLECTOR_NEVER;
        rc = open_parts(c, text);
    }
    if (rc) {
        snprintf(error, EXPORTER_ERROR_MAX, "export.collectors[%u]: %s", index, text);
        collector_destroy(c);
        return rc;
    }
    c->backlog.window = c->session->replays ? all->exports.replay_octets : 0;
    *out = c;
    return 0;
}

void collector_destroy(struct collector *c)
{
    if (!c)
        return;
    session_destroy(c->session);
    backlog_fini(&c->backlog);
    spool_close(c->spool);
    message_builder_destroy(c->builder);
    free(c);
}

int collector_adopt(struct collector *c, const struct config *all, uint64_t now_ns)
{
    const struct config *before = c->all;
    struct message_builder *builder;

    c->all = all;
    int rc = create_builder(c, &builder);
    if (rc) {
        c->all = before;
        return rc;
    }
    collector_flush(c, now_ns);
    message_builder_destroy(c->builder);
    c->builder = builder;
    c->domain = message_domain(all);
    c->backlog.window = c->session->replays ? all->exports.replay_octets : 0;
    return 0;
}

/* --- Records in --- */

static struct export_count record_count(const struct flow_record *r)
{
    return (struct export_count){1, r->delta.packets[0] + r->delta.packets[1],
                                 r->delta.octets[0] + r->delta.octets[1]};
}

void collector_add(struct collector *c, const struct flow_record *record, uint64_t now_ns)
{
    struct export_count count = record_count(record);

    export_count_add(&c->handed, &count);
    if (!message_builder_add(c->builder, record)) {
        collector_flush(c, now_ns);
        message_builder_add(c->builder, record); /* one alone always fits */
    }
    export_count_add(&c->building, &count);
    if (c->due_ns == COLLECTOR_NEVER)
        c->due_ns = now_ns + c->all->exports.flush_ns;
}

static uint64_t reserve(const struct collector *c)
{
    return 2 * (uint64_t)message_builder_room(c->builder);
}

bool collector_room(const struct collector *c)
{
    uint64_t waiting = c->backlog.fresh.octets + reserve(c);

    if (waiting <= c->all->exports.queue_octets)
        return true;
    return c->spool && !c->spill_ns && spool_octets(c->spool) + 2 * waiting < spool_bound(c->spool);
}

bool collector_available(const struct collector *c)
{
    return !c->failed && !c->stopping;
}

/* --- A step --- */

static bool is_equal(const struct export_count *a, const struct export_count *b)
{
    return a->records == b->records;
}

static void report_drops(struct collector *c, uint64_t now_ns)
{
    struct export_count dropped = collector_dropped(c), news = dropped;

    if (is_equal(&dropped, &c->reported) || (now_ns < c->report_ns && !c->stopped))
        return;
    export_count_subtract(&news, &c->reported);
    c->reported = dropped;
    c->report_ns = now_ns + REPORT_NS;
    collector_say(c, LOG_ERROR, "dropped %llu records of %llu packets: %s",
                  (unsigned long long)news.records, (unsigned long long)news.packets,
                  export_drop_help[c->last_drop]);
}

/* No attempt would be made before the deadline. */
static bool is_hopeless(const struct collector *c)
{
    return c->stopping && c->session->state == SESSION_CLOSED && c->retry_ns >= c->stop_ns;
}

static void stop_when_due(struct collector *c, uint64_t now_ns)
{
    if (c->stopped || (now_ns < c->stop_ns && !is_hopeless(c)))
        return;
    collector_put_away(c, now_ns);
    c->session->ops->close(c->session);
    c->stopped = true;
}

static uint64_t session_wake(const struct collector *c, uint64_t now_ns)
{
    const struct session *s = c->session;

    if (s->state == SESSION_CLOSED)
        return c->retry_ns;
    uint64_t wake = now_ns + IDLE_WAKE_NS;
    if (c->backlog.sent.head || s->state == SESSION_FINISHING)
        wake = now_ns + ACKNOWLEDGE_WAKE_NS;
    if (!s->wakes && c->backlog.current)
        wake = now_ns + POLL_WAKE_NS;
    return min64(wake, min64(c->templates_ns, c->options_ns));
}

static uint64_t wake_time(const struct collector *c, uint64_t now_ns)
{
    if (c->stopped)
        return COLLECTOR_NEVER;
    if (collector_is_busy(c))
        return 0;
    uint64_t wake = session_wake(c, now_ns);
    if (c->spool && c->backlog.fresh.head)
        wake = min64(wake, now_ns + ACKNOWLEDGE_WAKE_NS);
    return min64(wake, min64(c->due_ns, min64(c->sync_ns, c->stop_ns)));
}

uint64_t collector_step(struct collector *c, uint64_t now_ns)
{
    if (!c->stopped) {
        if (now_ns >= c->due_ns || c->stopping)
            collector_flush(c, now_ns);
        collector_send(c, now_ns);
        collector_store(c, now_ns);
        stop_when_due(c, now_ns);
    }
    report_drops(c, now_ns);
    return wake_time(c, now_ns);
}

void collector_stop(struct collector *c, uint64_t deadline_ns, uint64_t now_ns)
{
    c->stopping = true;
    c->stop_ns = deadline_ns;
    collector_flush(c, now_ns);
}

/* --- Groups --- */

static void hand_over(struct collector *from, struct collector *to, struct message_list *source,
                      struct message_list *target)
{
    export_count_add(&from->moved, &source->count);
    export_count_add(&to->taken, &source->count);
    for (struct message *m; (m = message_list_pop(source));) {
        if (m->ticket)
            spool_done(from->spool, m->ticket);
        m->ticket = 0;
        m->copied = false;
        message_list_push(target, m);
    }
}

void collector_hand_over(struct collector *from, struct collector *to, uint64_t now_ns)
{
    uint64_t records = from->backlog.again.count.records + from->backlog.fresh.count.records +
                       from->building.records;

    if (!records)
        return;
    collector_flush(from, now_ns);
    hand_over(from, to, &from->backlog.again, &to->backlog.again);
    hand_over(from, to, &from->backlog.fresh, &to->backlog.fresh);
    collector_say(from, LOG_WARNING, "%llu records handed over to %s", (unsigned long long)records,
                  to->config.name);
}

static void pass_spool(struct collector *from, struct collector *to)
{
    struct export_count count = spool_count(from->spool);

    export_count_add(&from->moved, &count);
    export_count_add(&to->taken, &count);
    to->spool = from->spool;
    to->sync_ns = from->sync_ns;
    to->spilling = from->spilling;
    to->backlog.done = backlog_done;
    to->backlog.context = to;
    from->spool = NULL;
    from->backlog.done = NULL;
    spool_copy_drop(to->spool);
    spool_set_bound(to->spool, to->config.spool_octets);
}

void collector_inherit(struct collector *to, struct collector *from, uint64_t now_ns)
{
    from->session->ops->close(from->session);
    backlog_lost(&from->backlog);
    collector_hand_over(from, to, now_ns);
    if (from->spool)
        pass_spool(from, to);
}
