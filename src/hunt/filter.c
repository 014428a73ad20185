/*
 * One look per delta: its octets or its age reach what the least of the rules for its class needs.
 */
#include <string.h>

#include "hunt/hunt.h"
#include "weir/host_class.h"
#include "weir/wire.h"

/* Octets of both sides without which the condition cannot hold. */
static uint64_t needs_octets(const struct hunt_condition *c)
{
    if (c->at_most || c->value <= 0)
        return 0;
    switch (c->measure) {
    case MEASURE_OCTETS_OUT:
    case MEASURE_OCTETS_IN:
    case MEASURE_PAYLOAD_OUT:
    case MEASURE_PAYLOAD_IN:
        return (uint64_t)c->value;
    case MEASURE_PACKETS_OUT:
    case MEASURE_PACKETS_IN:
        return (uint64_t)(c->value * 20); /* the least IP header */
    default:
        return 0;
    }
}

static uint64_t rule_octets(const struct hunt_rule *r)
{
    uint64_t most = 0;

    for (unsigned i = 0; i < r->condition_count; i++) {
        uint64_t octets = needs_octets(&r->condition[i]);
        most = octets > most ? octets : most;
    }
    return most;
}

static uint64_t rule_age(const struct hunt_rule *r)
{
    for (unsigned i = 0; i < r->condition_count; i++)
        if (r->condition[i].measure == MEASURE_AGE && !r->condition[i].at_most)
            return (uint64_t)(r->condition[i].value * 1e9);
    return 0;
}

static bool may_be(const struct hunt_rule *r, enum host_class class)
{
    if (r->proto == PROTO_ICMP)
        return class == CLASS_ICMP;
    if (!r->port_count)
        return true;
    for (unsigned i = 0; i < r->port_count; i++)
        if (host_class_of_port(PROTO_TCP, r->port[i]) == class ||
            host_class_of_port(PROTO_UDP, r->port[i]) == class)
            return true;
    return false;
}

static void lower(uint64_t *bound, uint64_t value)
{
    if (value < *bound)
        *bound = value;
}

/* A rule asks for octets if it can, since few flows are large; else for age. */
static void filter_add(struct hunt_filter *f, const struct hunt_rule *r)
{
    uint64_t octets = rule_octets(r), age = rule_age(r);

    if (age)
        lower(&f->least_age_ns, age);
    for (int class = 0; class < CLASS_COUNT; class ++) {
        if (!may_be(r, (enum host_class) class))
            continue;
        if (octets || !age)
            lower(&f->octets[class], octets);
        else
            lower(&f->age_ns[class], age);
    }
}

void hunt_filter_compile(const struct hunt_rules *rules, struct hunt_filter *f)
{
    memset(f, 0xff, sizeof(*f));
    for (uint32_t i = 0; i < rules->count; i++)
        if (rules->rule[i].enabled && rules->rule[i].scope == SCOPE_FLOW)
            filter_add(f, &rules->rule[i]);
}

static bool any_holds(const struct hunt_rules *rules, const struct flow_delta *d, uint8_t inside)
{
    struct hunt_subject s = {.host = host_key_of(d->ip_version, d->address[0]),
                             .peer = host_key_of(d->ip_version, d->address[1]),
                             .flow = d,
                             .flow_id = d->flow_id,
                             .port = d->port[1],
                             .proto = d->proto,
                             .inside = inside};

    for (uint32_t i = 0; i < rules->count; i++) {
        const struct hunt_rule *r = &rules->rule[i];
        if (r->enabled && r->scope == SCOPE_FLOW && hunt_evaluate(r, &s) >= 0)
            return true;
    }
    return false;
}

void hunt_mark_burst(const struct hunt_rules *rules, const struct hunt_filter *f,
                     const struct flow_delta *d, uint32_t count, const uint8_t inside[],
                     uint8_t mark[])
{
    for (uint32_t i = 0; i < count; i++) {
        enum host_class class = host_class_of(d[i].proto, d[i].port);
        uint64_t octets = d[i].total.octets[0] + d[i].total.octets[1];
        mark[i] = 0;
        if (octets < f->octets[class] && d[i].last_ns - d[i].conn_start_ns < f->age_ns[class])
            continue;
        mark[i] = any_holds(rules, &d[i], inside[i]);
    }
}
