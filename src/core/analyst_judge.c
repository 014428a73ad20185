#include <string.h>

#include "core/analyst_internal.h"
#include "format/format.h"
#include "weir/wire.h"

#define SILENT_MAX_NS UINT64_C(900000000000) /* a connection silent for longer does not age */

static void name_community(struct alert *a, const struct hunt_subject *s)
{
    struct flow_record r = {.proto = s->proto};
    const struct flow_delta *d = s->flow;

    if (!d)
        return;
    memcpy(r.address, d->address, sizeof(r.address));
    r.ip_version = d->ip_version;
    r.port[0] = d->port[0];
    r.port[1] = d->port[1];
    community_id(&r, a->community_id);
}

/* Says it, unless it has been said. */
static void note(struct analyst *a, const struct hunt_rule *r, const struct hunt_subject *s,
                 int level, const struct hunt_group *group)
{
    struct alert alert;

    hunt_alert(r, s, level, group, &alert);
    alert.ts_ns = a->clock_ns;
    alert.window_start_ns = alert.window_ns ? a->clock_ns - a->clock_ns % alert.window_ns : 0;
    name_community(&alert, s);
    enum raised_news news = raised_note(a->raised, &alert, a->clock_ns, r->suppress_ns);
    if (news == RAISED_NOTHING)
        return;
    alert.state = news == RAISED_NEW ? ALERT_RAISED : ALERT_ESCALATED;
    analyst_tell(a, &alert);
}

static bool is_learning(const struct analyst *a, const struct hunt_rule *r)
{
    for (unsigned i = 0; i < r->condition_count; i++)
        if (r->condition[i].measure == MEASURE_FIRST_SEEN)
            return a->learned_ns < a->generation->learn_ns;
    return false;
}

static void judge(struct analyst *a, const struct hunt_rule *r, const struct hunt_subject *s)
{
    struct hunt_group group;
    int level = hunt_evaluate(r, s);

    if (level < 0 || is_learning(a, r) ||
        raised_is_known(a->raised, hunt_alert_id(r, s), level, a->clock_ns))
        return;
    if (analyst_compare(a, r, s, &group))
        note(a, r, s, level, &group);
}

static struct hunt_subject flow_subject(const struct flow_delta *d, uint8_t inside, uint64_t now_ns)
{
    return (struct hunt_subject){.host = host_key_of(d->ip_version, d->address[0]),
                                 .peer = host_key_of(d->ip_version, d->address[1]),
                                 .now_ns = now_ns,
                                 .flow_id = d->flow_id,
                                 .flow = d,
                                 .port = d->port[1],
                                 .proto = d->proto,
                                 .inside = inside};
}

static void judge_end(struct analyst *a, const struct hunt_rule *r, const struct hunt_subject *s)
{
    struct alert cleared;

    if (raised_flow_ended(a->raised, hunt_alert_id(r, s), s->flow_id, a->clock_ns, &cleared))
        analyst_tell(a, &cleared);
}

static void judge_flow(struct analyst *a, const struct host_event *e)
{
    const struct hunt_rules *rules = &a->generation->rules;
    struct hunt_subject s = flow_subject(&e->delta, e->inside, 0);

    for (uint32_t i = 0; i < rules->count; i++) {
        const struct hunt_rule *r = &rules->rule[i];
        if (!r->enabled || r->scope != SCOPE_FLOW)
            continue;
        judge(a, r, &s);
        if (e->kind & EVENT_CLOSED)
            judge_end(a, r, &s);
    }
}

static unsigned subject_of(enum contact_kind kind)
{
    return kind == CONTACT_PAIR   ? SUBJECT_PAIR
           : kind == CONTACT_EDGE ? SUBJECT_EDGE
                                  : SUBJECT_SERVICE;
}

static void judge_contact(struct analyst *a, const struct contact_view *v)
{
    const struct hunt_rules *rules = &a->generation->rules;
    struct hunt_subject s = {.host = v->key.initiator,
                             .peer = v->key.responder,
                             .flow_id = v->flow_id,
                             .contact = v,
                             .port = v->key.port,
                             .proto = v->key.proto,
                             .inside = v->inside};

    for (uint32_t i = 0; i < rules->count; i++) {
        const struct hunt_rule *r = &rules->rule[i];
        if (r->enabled && r->scope != SCOPE_FLOW &&
            hunt_rule_subject(r) == subject_of((enum contact_kind)v->key.kind))
            judge(a, r, &s);
    }
}

void analyst_judge_event(struct analyst *a, const struct host_event *e)
{
    struct contact_view view[CONTACT_KIND_COUNT];
    unsigned count = 0;

    if (e->kind & ~(EVENT_NOTABLE | EVENT_AGED))
        count = contacts_event(a->contacts, e, a->clock_ns, view);
    for (unsigned i = 0; i < count; i++)
        judge_contact(a, &view[i]);
    if (e->kind & EVENT_NOTABLE)
        judge_flow(a, e);
}

static bool is_of_host(const struct hunt_rule *r)
{
    return r->enabled && r->scope == SCOPE_HOST && !r->by_port;
}

void analyst_judge_row(struct analyst *a, const struct host_row *row)
{
    const struct hunt_rules *rules = &a->generation->rules;
    struct hunt_subject s = {
        .host = row->key, .host_row = row, .inside = row->inside ? INSIDE_INITIATOR : 0};

    for (uint32_t i = 0; i < rules->count; i++) {
        const struct hunt_rule *r = &rules->rule[i];
        if (is_of_host(r) && r->window == row->window)
            judge(a, r, &s);
    }
}

void analyst_judge_group(struct analyst *a, const struct host_row *row)
{
    const struct hunt_rules *rules = &a->generation->rules;
    struct hunt_subject s = {.host = row->key, .host_row = row, .inside = INSIDE_INITIATOR};

    for (uint32_t i = 0; i < rules->count; i++)
        if (rules->rule[i].enabled && rules->rule[i].scope == SCOPE_GROUP &&
            rules->rule[i].window == row->window)
            judge(a, &rules->rule[i], &s);
}

void analyst_judge_host(struct analyst *a, const struct book_host *h)
{
    const struct hunt_rules *rules = &a->generation->rules;
    bool may[WINDOW_COUNT] = {false};
    struct host_row row;

    for (uint32_t i = 0; h->inside && i < rules->count; i++) {
        const struct hunt_rule *r = &rules->rule[i];
        if (is_of_host(r) && hunt_may_hold(r, &h->window[r->window].counters))
            may[r->window] = true;
    }
    for (int w = 0; w < WINDOW_COUNT; w++)
        if (may[w] && book_row(a->book, h, (enum host_window)w, a->clock_ns, &row))
            analyst_judge_row(a, &row);
}

static bool has_age(const struct hunt_rule *r)
{
    for (unsigned i = 0; i < r->condition_count; i++)
        if (r->condition[i].measure == MEASURE_AGE)
            return true;
    return false;
}

/* TCP says when it ends; what is silent meanwhile is open. */
static bool is_ageing(const struct analyst *a, const struct flow_delta *d)
{
    return d->proto == PROTO_TCP && d->last_ns < a->clock_ns &&
           a->clock_ns - d->last_ns <= SILENT_MAX_NS &&
           a->clock_ns - d->conn_start_ns >= a->generation->filter.least_age_ns;
}

static void judge_ages(struct analyst *a)
{
    const struct hunt_rules *rules = &a->generation->rules;
    const struct open_flow *f;
    size_t cursor = 0;

    if (a->generation->filter.least_age_ns == UINT64_MAX)
        return;
    while ((f = open_flows_next(a->open, &cursor)) != NULL) {
        struct hunt_subject s = flow_subject(&f->delta, f->inside, a->clock_ns);
        for (uint32_t i = 0; i < rules->count && is_ageing(a, &f->delta); i++)
            if (rules->rule[i].enabled && rules->rule[i].scope == SCOPE_FLOW &&
                has_age(&rules->rule[i]))
                judge(a, &rules->rule[i], &s);
    }
}

void analyst_judge_time(struct analyst *a)
{
    struct alert cleared;
    uint32_t cursor = 0;

    judge_ages(a);
    analyst_judge_groups(a);
    while (raised_next_over(a->raised, a->clock_ns, &cursor, &cleared))
        analyst_tell(a, &cleared);
}
