#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "export/collector.h"

#define RETRY_LOCAL_NS COLLECTOR_SECOND /* file, udp: nobody is bothered by an attempt */
#define TELL_DROPS_NS COLLECTOR_SECOND

/* --- Templates and statistics --- */

static uint64_t after(uint64_t now_ns, uint64_t period_ns)
{
    return period_ns ? now_ns + period_ns : COLLECTOR_NEVER;
}

static void templates_are_due(struct collector *c, uint64_t now_ns)
{
    c->next_part = 0;
    c->templates_ns = after(now_ns, c->config.template_ns);
}

static void statistics_are_due(struct collector *c, uint64_t now_ns)
{
    c->statistics_due = c->config.options_ns > 0;
    c->options_ns = after(now_ns, c->config.options_ns);
}

static void begin_stream(struct collector *c, uint64_t now_ns)
{
    if (!c->session->resumes)
        c->sequence = 0;
    templates_are_due(c, now_ns);
    statistics_are_due(c, now_ns);
}

static void begin_control(struct collector *c, const struct message_info *info)
{
    struct message *m = message_create(info, c->shared->scratch);

    if (!m)
        return;
    m->control = true;
    backlog_begin_with(&c->backlog, m);
}

static bool begin_templates(struct collector *c)
{
    if (c->next_part == PARTS_SENT)
        return false;
    struct message_info info = message_templates(c->builder, c->next_part, c->shared->scratch);
    c->next_part = info.len ? c->next_part + 1 : PARTS_SENT;
    if (info.len)
        begin_control(c, &info);
    return c->backlog.current;
}

static struct export_statistics statistics(const struct collector *c)
{
    const struct exporter_input *in = &c->shared->input;
    struct export_count dropped = collector_dropped(c);
    uint64_t first_ms = c->drop_first_ns / 1000000, last_ms = c->drop_last_ns / 1000000;

    if (in->lost_records && (!first_ms || in->lost_first_ms < first_ms))
        first_ms = in->lost_first_ms;
    if (in->lost_records && in->lost_last_ms > last_ms)
        last_ms = in->lost_last_ms;
    return (struct export_statistics){
        .exported_messages = c->sent_messages,
        .exported_records = c->sent_records,
        .exported_octets = c->sent_octets,
        .ignored_packets = in->ignored_packets,
        .ignored_octets = in->ignored_octets,
        .ignored_first_ms = in->ignored_first_ms,
        .ignored_last_ms = in->ignored_last_ms,
        .not_sent_flows = dropped.records + in->lost_records,
        .not_sent_packets = dropped.packets + in->lost_packets,
        .not_sent_octets = dropped.octets + in->lost_octets,
        .not_sent_first_ms = first_ms,
        .not_sent_last_ms = last_ms,
    };
}

static bool begin_statistics(struct collector *c, uint64_t now_ns)
{
    if (!c->statistics_due)
        return false;
    c->statistics_due = false;
    c->told = collector_dropped(c);
    c->told_ns = now_ns;
    struct export_statistics values = statistics(c);
    struct message_info info = message_statistics(c->builder, &values, c->shared->scratch);
    if (info.len)
        begin_control(c, &info);
    return c->backlog.current;
}

/* What was dropped is told soon, the rest in its turn. */
static void check_periods(struct collector *c, uint64_t now_ns)
{
    if (now_ns >= c->templates_ns)
        templates_are_due(c, now_ns);
    bool news = collector_dropped(c).records != c->told.records;
    if (now_ns >= c->options_ns || (news && now_ns >= c->told_ns + TELL_DROPS_NS))
        statistics_are_due(c, now_ns);
}

/* --- Messages --- */

/* Oldest first, next to what is new: the spool and the queue in turns. */
static bool begin_data(struct collector *c)
{
    struct backlog *b = &c->backlog;
    bool from_spool = c->spool && !c->stopping && !spool_is_empty(c->spool);

    if (b->again.head)
        return backlog_begin(b);
    if (from_spool && (!c->live_turn || !b->fresh.head)) {
        c->live_turn = true;
        if (collector_replay(c))
            return true;
    }
    c->live_turn = false;
    return backlog_begin(b);
}

static bool begin_message(struct collector *c, uint64_t now_ns)
{
    const struct session_ops *ops = c->session->ops;

    if (ops->turn && ops->turn(c->session, (uint32_t)c->config.message_size, now_ns))
        begin_stream(c, now_ns);
    if (!begin_templates(c) && !begin_statistics(c, now_ns) && !begin_data(c))
        return false;
    message_stamp(c->config.profile, c->backlog.current->octets,
                  (uint32_t)(collector_utc_ns(c) / 1000000000), c->sequence, c->domain);
    return true;
}

static void message_is_sent(struct collector *c)
{
    const struct message_info *info = &c->backlog.current->info;

    c->sequence += info->data_records;
    c->sent_messages++;
    c->sent_records += info->records;
    c->sent_octets += info->len;
    bool data = info->records > 0; /* templates may still fit where these do not */
    backlog_sent(&c->backlog, c->session->produced);
    if (!c->failed || !data)
        return;
    c->failed = false;
    c->error[0] = '\0';
    collector_say(c, LOG_INFO, "writes again to %s", c->session->peer);
}

static void message_is_too_long(struct collector *c)
{
    struct message *m = c->backlog.current;

    c->backlog.current = NULL;
    collector_drop(c, DROP_TOO_LONG, &m->info);
    if (m->ticket && c->spool)
        spool_done(c->spool, m->ticket);
    free(m);
}

/* --- What becomes of the session --- */

static bool is_remote(const struct collector *c)
{
    return c->config.transport == TRANSPORT_TCP || c->config.transport == TRANSPORT_TLS;
}

static void plan_retry(struct collector *c, uint64_t now_ns)
{
    c->retry_ns = now_ns + RETRY_LOCAL_NS;
    if (is_remote(c)) {
        c->retry_ns = c->attempt_ns + c->config.reconnect_ns;
        if (c->retry_ns < now_ns)
            c->retry_ns = now_ns;
    }
}

static void say_lost(struct collector *c, uint64_t now_ns)
{
    uint64_t wait_s = (c->retry_ns - now_ns + COLLECTOR_SECOND - 1) / COLLECTOR_SECOND;
    char again[64] = "";

    if (c->backlog.again.count.records)
        snprintf(again, sizeof(again), "; %" PRIu64 " records to be sent again",
                 c->backlog.again.count.records);
    collector_say(c, LOG_WARNING, "%s%s; next attempt in %" PRIu64 " s", c->error, again, wait_s);
}

static void lost(struct collector *c, uint64_t now_ns)
{
    bool was_up = c->session->state != SESSION_CONNECTING && c->session->state != SESSION_CLOSED;
    bool again = c->failed && strcmp(c->error, c->session->text) == 0;

    if (was_up)
        backlog_acknowledge(&c->backlog, c->session->ops->acknowledged(c->session));
    c->session->ops->close(c->session);
    backlog_lost(&c->backlog);
    collector_copy(c, now_ns);
    memcpy(c->error, c->session->text, sizeof(c->error));
    c->failed = true;
    c->losses += was_up;
    plan_retry(c, now_ns);
    if (!again) /* the same words once are enough */
        say_lost(c, now_ns);
}

/* A connection is news. A file that opens is none, before something could be written. */
static void session_is_up(struct collector *c, uint64_t now_ns)
{
    c->connects++;
    begin_stream(c, now_ns);
    if (!is_remote(c)) {
        if (!c->failed && c->connects == 1)
            collector_say(c, LOG_INFO, "writes to %s", c->session->peer);
        return;
    }
    c->failed = false;
    c->error[0] = '\0';
    collector_say(c, LOG_INFO, c->connects == 1 ? "connected to %s" : "connected again to %s",
                  c->session->peer);
}

static void open_session(struct collector *c, uint64_t now_ns)
{
    c->attempts++;
    c->attempt_ns = now_ns;
    c->session->text[0] = '\0';
    if (c->session->ops->open(c->session, now_ns))
        lost(c, now_ns);
    else if (c->session->state == SESSION_UP)
        session_is_up(c, now_ns);
}

/* The peer has read all and ended, as we did. */
static void session_is_finished(struct collector *c)
{
    backlog_acknowledge(&c->backlog, c->session->produced);
    backlog_settle(&c->backlog);
    c->session->ops->close(c->session);
    c->stopped = true;
}

/* A peer that only ended its own side goes on reading; one that is gone answers with a reset, if
 * something comes. Templates do no harm (RFC 7011 §8.1). */
static void probe_half_closed(struct collector *c, bool ended_before)
{
    if (c->session->peer_ended && !ended_before && c->session->state == SESSION_UP)
        c->next_part = 0;
}

static void step_session(struct collector *c, uint64_t now_ns)
{
    struct session *s = c->session;
    enum session_state before = s->state;
    bool ended = s->peer_ended;
    uint32_t events = c->events;

    c->events = 0;
    if (s->ops->step(s, events, now_ns)) {
        lost(c, now_ns);
        return;
    }
    if (before == SESSION_CONNECTING && s->state == SESSION_UP)
        session_is_up(c, now_ns);
    probe_half_closed(c, ended);
    if (s->state == SESSION_FINISHED)
        session_is_finished(c);
    else if (s->state == SESSION_UP || s->state == SESSION_FINISHING)
        backlog_acknowledge(&c->backlog, s->ops->acknowledged(s));
}

/* False: nothing more can go now. */
static bool send_one(struct collector *c, uint64_t now_ns)
{
    struct backlog *b = &c->backlog;

    if (!b->current && !begin_message(c, now_ns))
        return false;
    ssize_t n = c->session->ops->write(c->session, b->current->octets + b->offset,
                                       b->current->info.len - b->offset);
    if (n == -EAGAIN)
        return false;
    if (n == -EMSGSIZE) {
        message_is_too_long(c);
        return true;
    }
    if (n < 0) {
        lost(c, now_ns);
        return false;
    }
    b->offset += (uint32_t)n;
    if (b->offset == b->current->info.len)
        message_is_sent(c);
    return true;
}

/* Everything is out: the last figures, then our end of the session. */
static void finish_session(struct collector *c, uint64_t now_ns)
{
    const struct backlog *b = &c->backlog;

    if (b->current || b->again.head || b->fresh.head || message_builder_count(c->builder))
        return;
    if (collector_dropped(c).records != c->told.records && c->config.options_ns) {
        statistics_are_due(c, now_ns);
        c->told = collector_dropped(c);
        return;
    }
    c->session->ops->finish(c->session);
    if (c->session->state == SESSION_FINISHED)
        session_is_finished(c);
}

void collector_send(struct collector *c, uint64_t now_ns)
{
    struct session *s = c->session;

    if (s->state == SESSION_CLOSED) {
        if (now_ns < c->retry_ns)
            return;
        open_session(c, now_ns);
    } else {
        step_session(c, now_ns);
    }
    if (s->state != SESSION_UP)
        return;
    check_periods(c, now_ns);
    c->budget = COLLECTOR_BUDGET;
    while (c->budget && send_one(c, now_ns))
        c->budget--;
    if (s->state == SESSION_UP && !s->replays)
        backlog_acknowledge(&c->backlog, s->ops->acknowledged(s));
    if (c->stopping && s->state == SESSION_UP && c->budget)
        finish_session(c, now_ns);
}

bool collector_is_busy(const struct collector *c)
{
    return c->session->state == SESSION_UP && !c->budget;
}
