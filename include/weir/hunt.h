/*
 * Hunts: rules over what flows, pairs and hosts did. Builtin ones stand in src/hunt/builtin.c, a
 * YAML file changes them and adds others (src/config/rules.h).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "weir/alert.h"
#include "weir/config.h"

#define HUNT_RULES_MAX 64
#define HUNT_CONDITIONS_MAX 8
#define HUNT_LEVELS_MAX 8
#define HUNT_PORTS_MAX 32
#define HUNT_NETWORKS_MAX 32
#define HUNT_SOURCE_MAX 240
#define HUNT_TEMPLATE_MAX 200

enum hunt_unit { UNIT_COUNT, UNIT_OCTETS, UNIT_SECONDS, UNIT_SHARE };

/* Which measures go with a rule, as bits: what it looks at, and whether by port. */
enum hunt_subject_kind {
    SUBJECT_FLOW = 1 << 0,
    SUBJECT_PAIR = 1 << 1,
    SUBJECT_EDGE = 1 << 2, /* pair by port */
    SUBJECT_HOST = 1 << 3,
    SUBJECT_SERVICE = 1 << 4, /* host by port */
    SUBJECT_GROUP = 1 << 5,
    SUBJECT_CONTACT = SUBJECT_PAIR | SUBJECT_EDGE | SUBJECT_SERVICE,
    SUBJECT_HOSTS = SUBJECT_HOST | SUBJECT_GROUP,
};

/*
 * X(SYMBOL, name, unit, subjects, help). "out" is from the host that the alert is about: the
 * initiator of flows and pairs, the host itself else.
 */
#define HUNT_MEASURES(X)                                                                           \
    X(AGE, "age", UNIT_SECONDS, SUBJECT_FLOW, "how long the connection has been open")             \
    X(OCTETS_OUT, "octets_out", UNIT_OCTETS, SUBJECT_FLOW | SUBJECT_CONTACT | SUBJECT_HOSTS,       \
      "octets sent")                                                                               \
    X(OCTETS_IN, "octets_in", UNIT_OCTETS, SUBJECT_FLOW | SUBJECT_CONTACT | SUBJECT_HOSTS,         \
      "octets received")                                                                           \
    X(PAYLOAD_OUT, "payload_out", UNIT_OCTETS, SUBJECT_FLOW | SUBJECT_HOSTS,                       \
      "payload octets sent")                                                                       \
    X(PAYLOAD_IN, "payload_in", UNIT_OCTETS, SUBJECT_FLOW | SUBJECT_HOSTS,                         \
      "payload octets received")                                                                   \
    X(PACKETS_OUT, "packets_out", UNIT_COUNT, SUBJECT_FLOW | SUBJECT_HOSTS, "packets sent")        \
    X(PACKETS_IN, "packets_in", UNIT_COUNT, SUBJECT_FLOW | SUBJECT_HOSTS, "packets received")      \
    X(MEAN_OUT, "mean_out", UNIT_OCTETS, SUBJECT_FLOW, "octets of a packet sent")                  \
    X(MEAN_IN, "mean_in", UNIT_OCTETS, SUBJECT_FLOW, "octets of a packet received")                \
    X(RATIO, "ratio", UNIT_SHARE, SUBJECT_FLOW | SUBJECT_CONTACT | SUBJECT_HOSTS,                  \
      "(out - in) / (out + in) of octets: 1 pure push, 0 balanced, -1 pure pull")                  \
    X(BALANCE, "balance", UNIT_SHARE, SUBJECT_FLOW,                                                \
      "lesser of out and in, divided by the greater")                                              \
    X(OUTSIDE_OUT, "outside_out", UNIT_OCTETS, SUBJECT_HOSTS, "octets sent to outside hosts")      \
    X(OUTSIDE_IN, "outside_in", UNIT_OCTETS, SUBJECT_HOSTS, "octets received from outside hosts")  \
    X(OUTSIDE_RATIO, "outside_ratio", UNIT_SHARE, SUBJECT_HOSTS, "ratio of these two")             \
    X(DNS_OUT, "dns_out", UNIT_OCTETS, SUBJECT_HOSTS, "octets sent on port 53")                    \
    X(ICMP_OUT, "icmp_out", UNIT_OCTETS, SUBJECT_HOSTS, "octets sent by ICMP")                     \
    X(TLS_OUT, "tls_out", UNIT_OCTETS, SUBJECT_HOSTS, "octets sent on TLS ports")                  \
    X(ADMIN_OUT, "admin_out", UNIT_OCTETS, SUBJECT_HOSTS, "octets sent on administration ports")   \
    X(OPENED, "opened", UNIT_COUNT, SUBJECT_CONTACT | SUBJECT_HOSTS, "connections opened")         \
    X(ACCEPTED, "accepted", UNIT_COUNT, SUBJECT_CONTACT | SUBJECT_HOSTS,                           \
      "of these, accepted by the responder")                                                       \
    X(FAILED, "failed", UNIT_COUNT, SUBJECT_CONTACT | SUBJECT_HOSTS,                               \
      "of these, refused or ended without answer")                                                 \
    X(UNANSWERED, "unanswered", UNIT_SHARE, SUBJECT_CONTACT | SUBJECT_HOSTS,                       \
      "share of these that nobody has accepted")                                                   \
    X(MEAN_CONNECTION, "mean_connection", UNIT_OCTETS, SUBJECT_CONTACT,                            \
      "octets of a connection, both ways")                                                         \
    X(HOSTS_TRIED, "hosts_tried", UNIT_COUNT, SUBJECT_SERVICE,                                     \
      "different hosts that did not accept at once")                                               \
    X(PORTS_TRIED, "ports_tried", UNIT_COUNT, SUBJECT_PAIR,                                        \
      "different ports that did not accept at once")                                               \
    X(PEERS, "peers", UNIT_COUNT, SUBJECT_HOST, "different hosts spoken with")                     \
    X(PORTS, "ports", UNIT_COUNT, SUBJECT_HOST, "different ports of connections opened")           \
    X(CALLERS, "callers", UNIT_COUNT, SUBJECT_HOST,                                                \
      "different hosts whose connections were not accepted at once")                               \
    X(OPENED_IN, "opened_in", UNIT_COUNT, SUBJECT_HOSTS, "connections opened to the host")         \
    X(ACCEPTED_IN, "accepted_in", UNIT_COUNT, SUBJECT_HOSTS, "of these, accepted")                 \
    X(UNANSWERED_IN, "unanswered_in", UNIT_SHARE, SUBJECT_HOSTS,                                   \
      "share of these that the host has not accepted")                                             \
    X(OPEN, "open", UNIT_COUNT, SUBJECT_HOST, "connections open now, either way")                  \
    X(STARTS, "starts", UNIT_COUNT, SUBJECT_EDGE, "connections with a known rhythm")               \
    X(REGULARITY, "regularity", UNIT_SHARE, SUBJECT_EDGE,                                          \
      "regularity of intervals, sizes, duration and hours: 1 = like a clock")                      \
    X(FIRST_SEEN, "first_seen", UNIT_COUNT, SUBJECT_EDGE,                                          \
      "1 for an inside host's first connection to an administration port of another")

enum hunt_measure {
#define X(symbol, name, unit, subjects, help) MEASURE_##symbol,
    HUNT_MEASURES(X)
#undef X
        MEASURE_COUNT
};

struct hunt_measure_info {
    const char *name;
    uint8_t unit;     /* enum hunt_unit */
    uint8_t subjects; /* enum hunt_subject_kind */
    const char *help;
};

enum hunt_direction {
    DIRECTION_ANY,
    DIRECTION_OUTBOUND, /* inside to outside */
    DIRECTION_INBOUND,
    DIRECTION_INTERNAL, /* inside to inside */
    DIRECTION_COUNT
};

struct hunt_condition {
    double value;
    uint8_t measure; /* enum hunt_measure */
    uint8_t at_most; /* 1: value is the most; 0: the least */
};

struct hunt_rule {
    char name[ALERT_NAME_MAX];
    char technique[ALERT_TECHNIQUE_MAX];
    char source[HUNT_SOURCE_MAX];     /* where the thresholds come from */
    char template[HUNT_TEMPLATE_MAX]; /* of the text: {host}, {service}, {octets_out}, ... */
    struct hunt_condition condition[HUNT_CONDITIONS_MAX]; /* all must hold */
    double level[HUNT_LEVELS_MAX]; /* of the first condition's measure, rising; [0] = its value */
    double mads;                   /* > 0: the first measure also lies so many median absolute
                                      deviations over the median of the host's group */
    uint64_t suppress_ns;          /* silence after an alert of the same subject */
    uint16_t port[HUNT_PORTS_MAX]; /* only these responder ports; none = all */
    uint16_t allow_port[HUNT_PORTS_MAX];       /* never these */
    struct ip_prefix allow[HUNT_NETWORKS_MAX]; /* never when an end lies in one */
    uint8_t condition_count, level_count, port_count, allow_port_count, allow_count;
    uint8_t scope;     /* enum alert_scope */
    uint8_t by_port;   /* pair, host: each responder port for itself */
    uint8_t direction; /* enum hunt_direction */
    uint8_t window;    /* enum host_window; not for flows */
    uint8_t severity;  /* enum alert_severity of the first level; each level adds one */
    uint8_t proto;     /* 0 = any; 1 stands for both ICMPs */
    bool enabled;
};

struct hunt_rules {
    uint32_t count;
    struct hunt_rule rule[HUNT_RULES_MAX];
};
