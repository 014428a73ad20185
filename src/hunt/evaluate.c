#include <math.h>
#include <stdlib.h>

#include "base/ip.h"
#include "hunt/hunt.h"
#include "weir/wire.h"

unsigned hunt_rule_subject(const struct hunt_rule *r)
{
    switch (r->scope) {
    case SCOPE_FLOW:
        return SUBJECT_FLOW;
    case SCOPE_PAIR:
        return r->by_port ? SUBJECT_EDGE : SUBJECT_PAIR;
    case SCOPE_HOST:
        return r->by_port ? SUBJECT_SERVICE : SUBJECT_HOST;
    default:
        return SUBJECT_GROUP;
    }
}

static bool direction_fits(const struct hunt_rule *r, uint8_t inside)
{
    static const uint8_t wanted[DIRECTION_COUNT] = {
        [DIRECTION_OUTBOUND] = INSIDE_INITIATOR,
        [DIRECTION_INBOUND] = INSIDE_RESPONDER,
        [DIRECTION_INTERNAL] = INSIDE_INITIATOR | INSIDE_RESPONDER,
    };

    return r->direction == DIRECTION_ANY || wanted[r->direction] == inside;
}

static bool has_port(const uint16_t *port, unsigned count, uint16_t wanted)
{
    for (unsigned i = 0; i < count; i++)
        if (port[i] == wanted)
            return true;
    return false;
}

static bool proto_fits(const struct hunt_rule *r, uint8_t proto)
{
    if (r->proto == PROTO_ICMP)
        return proto == PROTO_ICMP || proto == PROTO_ICMP6;
    return !r->proto || r->proto == proto;
}

/* Ports are those of TCP, UDP and the like; an ICMP type is none. */
static bool service_fits(const struct hunt_rule *r, const struct hunt_subject *s)
{
    bool ports = s->proto != PROTO_ICMP && s->proto != PROTO_ICMP6;

    if (!proto_fits(r, s->proto))
        return false;
    if (r->port_count && !(ports && has_port(r->port, r->port_count, s->port)))
        return false;
    return !(ports && has_port(r->allow_port, r->allow_port_count, s->port));
}

static bool is_in(const struct ip_prefix *list, unsigned count, const struct host_key *host)
{
    for (unsigned i = 0; i < count; i++)
        if (ip_prefix_contains(&list[i], host_key_version(host), host_key_address(host)))
            return true;
    return false;
}

static bool is_allowed(const struct hunt_rule *r, const struct host_key *host)
{
    return is_in(r->allow, r->allow_count, host);
}

static bool is_meant(const struct hunt_rule *r, const struct host_key *host)
{
    return !r->only_count || is_in(r->only, r->only_count, host);
}

static bool holds(const struct hunt_condition *c, double value)
{
    return c->at_most ? value <= c->value : value >= c->value;
}

static int level_of(const struct hunt_rule *r, double value)
{
    int level = 0;

    while (level + 1 < r->level_count && value >= r->level[level + 1])
        level++;
    return level;
}

int hunt_evaluate(const struct hunt_rule *r, const struct hunt_subject *s)
{
    double first = 0;

    for (unsigned i = 0; i < r->condition_count; i++) {
        const struct hunt_condition *c = &r->condition[i];
        double value = hunt_value((enum hunt_measure)c->measure, (enum host_window)r->window, s);
        if (!holds(c, value))
            return -1;
        if (i == 0)
            first = value;
    }
    if (!direction_fits(r, s->inside) || !service_fits(r, s) || !is_meant(r, &s->host) ||
        is_allowed(r, &s->host) || (!host_key_is_none(&s->peer) && is_allowed(r, &s->peer)))
        return -1;
    return level_of(r, first);
}
