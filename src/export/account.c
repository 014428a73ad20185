#include <string.h>

#include "export/collector.h"

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

struct export_count collector_dropped(const struct collector *c)
{
    struct export_count sum = {0};

    for (unsigned why = 0; why < DROP_COUNT; why++)
        export_count_add(&sum, &c->dropped[why]);
    return sum;
}

static enum collector_state state_of(const struct collector *c)
{
    static const enum collector_state state[] = {
        [SESSION_CLOSED] = COLLECTOR_WAITING,  [SESSION_CONNECTING] = COLLECTOR_CONNECTING,
        [SESSION_UP] = COLLECTOR_UP,           [SESSION_FINISHING] = COLLECTOR_CLOSING,
        [SESSION_FINISHED] = COLLECTOR_CLOSED,
    };
    return c->stopped ? COLLECTOR_CLOSED : state[c->session->state];
}

static struct export_count queued(const struct collector *c)
{
    struct export_count sum = c->building;

    export_count_add(&sum, &c->backlog.again.count);
    export_count_add(&sum, &c->backlog.fresh.count);
    if (c->backlog.current) {
        struct export_count current = message_count(c->backlog.current);
        export_count_add(&sum, &current);
    }
    return sum;
}

static void spool_stats(const struct collector *c, struct collector_stats *out)
{
    if (!c->spool)
        return;
    out->spooled = spool_count(c->spool);
    export_count_add(&out->spooled, &c->kept_in_spool);
    out->spool_octets = spool_octets(c->spool);
    out->spool_segments = spool_segments(c->spool);
}

void collector_stats(const struct collector *c, struct collector_stats *out)
{
    *out = (struct collector_stats){
        .config = &c->config,
        .state = state_of(c),
        .error = c->error,
        .handed = c->handed,
        .taken = c->taken,
        .restored = c->restored,
        .delivered = c->backlog.delivered,
        .moved = c->moved,
        .kept = c->backlog.kept.count,
        .in_flight = c->backlog.sent.count,
        .queued = queued(c),
        .replayed_records = c->backlog.replayed_records,
        .sent_messages = c->sent_messages,
        .sent_records = c->sent_records,
        .sent_octets = c->sent_octets,
        .attempts = c->attempts,
        .connects = c->connects,
        .losses = c->losses,
        .refused = c->session->refused,
        .sequence = c->sequence,
        .queue_octets = backlog_waiting(&c->backlog),
        .spool_errors = c->spool_errors,
        .spool_skipped = c->spool_skipped,
    };
    memcpy(out->dropped, c->dropped, sizeof(out->dropped));
    spool_stats(c, out);
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
