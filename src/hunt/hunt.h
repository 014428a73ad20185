/*
 * The door of the hunts: rules, and what they say about a subject. Pure: no clock, no I/O.
 */
#pragma once

#include <stddef.h>
#include <stdio.h>

#include "weir/contact.h"
#include "weir/flow.h"
#include "weir/host.h"
#include "weir/hunt.h"

/* The rules in force when nothing else is said. */
void hunt_builtin(struct hunt_rules *);

/* The rules as a rules file, which gives the same rules when read again. */
void hunt_rules_print(const struct hunt_rules *, FILE *);

/* enum hunt_subject_kind of what the rule looks at. */
unsigned hunt_rule_subject(const struct hunt_rule *);

/* What a rule is asked about. Which pointers are set depends on the rule's scope. */
struct hunt_subject {
    struct host_key host, peer; /* service, host: no peer */
    uint64_t now_ns;            /* for ages; 0: the flow's last packet */
    uint64_t flow_id;
    const struct flow_delta *flow;      /* scope flow */
    const struct contact_view *contact; /* pair, host by port */
    const struct host_row *host_row;    /* host, group: of the rule's window */
    uint16_t port;
    uint8_t proto;
    uint8_t inside; /* enum host_inside */
};

/* A host's own group: inside hosts with the same tag, else of the same /24 or /64, by what they
 * have of the compared measure. */
struct hunt_group {
    double median, mad; /* of the others */
    double own;         /* the host's */
    uint32_t hosts;     /* others; 0 = nothing to compare with */
    const char *tag;    /* NULL = a subnet; lives as long as the rules */
};

#define HUNT_GROUP_LEAST 5 /* hosts that a median needs to be compared with */
#define HUNT_MAD_LEAST 0.1 /* of the median: hosts that are all alike are no reason to alert */

/* What the rule compares hosts by: enum hunt_measure, MEASURE_COUNT = nothing; and in which window.
 */
enum hunt_measure hunt_compared(const struct hunt_rule *);
enum host_window hunt_compared_window(const struct hunt_rule *);

/* The tag of a host: that of the longest prefix that holds it; -1 = it has none. */
int hunt_tag_of(const struct hunt_tags *, const struct host_key *);

/* -1: the rule does not hold; else the level it has reached. The group's deviation is not looked
 * at. */
int hunt_evaluate(const struct hunt_rule *, const struct hunt_subject *);

/* False: a rule of scope host cannot hold for these counters, whatever else is known. */
bool hunt_may_hold(const struct hunt_rule *, const struct host_counters *);

/* The host stands out among its group as the rule wants it, or the group is too small to tell. */
bool hunt_stands_out(const struct hunt_rule *, const struct hunt_group *);

/* Value of a measure; 0 where the subject does not have it. */
double hunt_value(enum hunt_measure, enum host_window, const struct hunt_subject *);

/* Everything of the alert but its state, time, community id and the sensor. group: NULL = none. */
void hunt_alert(const struct hunt_rule *, const struct hunt_subject *, int level,
                const struct hunt_group *, struct alert *);

/* What alert.id will be. */
uint64_t hunt_alert_id(const struct hunt_rule *, const struct hunt_subject *);

/* Median and median absolute deviation of rising values. */
struct hunt_group hunt_group_of(const double *values, uint32_t count);

/* Compiled for one look per delta: what a flow must have before any flow rule can hold. */
struct hunt_filter {
    uint64_t octets[CLASS_COUNT]; /* of both sides, at least one of these two */
    uint64_t age_ns[CLASS_COUNT];
    uint64_t least_age_ns; /* of all rules with an age; UINT64_MAX = none has one */
};

void hunt_filter_compile(const struct hunt_rules *, struct hunt_filter *);

/* mark[i] = 1 where a flow rule holds for delta i. */
void hunt_mark_burst(const struct hunt_rules *, const struct hunt_filter *,
                     const struct flow_delta *, uint32_t count, const uint8_t inside[],
                     uint8_t mark[]);
