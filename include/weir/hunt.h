/*
 * Hunts: rules over what flows, pairs and hosts did. Builtin ones stand in src/hunt/builtin.c, a
 * YAML file changes them and adds others (src/config/rules.h).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "weir/alert.h"
#include "weir/config.h"
#include "weir/measure.h"

#define HUNT_RULES_MAX 64
#define HUNT_CONDITIONS_MAX 8
#define HUNT_LEVELS_MAX 8
#define HUNT_PORTS_MAX 32
#define HUNT_NETWORKS_MAX 32
#define HUNT_SOURCE_MAX 240
#define HUNT_TEMPLATE_MAX 200
#define HUNT_TAGS_MAX 16
#define HUNT_TAGGED_MAX 64 /* prefixes over all tags */

enum hunt_direction {
    DIRECTION_ANY,
    DIRECTION_OUTBOUND, /* inside to outside */
    DIRECTION_INBOUND,
    DIRECTION_INTERNAL, /* inside to inside */
    DIRECTION_COUNT
};

static const char *const hunt_direction_names[DIRECTION_COUNT] = {"any", "outbound", "inbound",
                                                                  "internal"};
static const char *const hunt_window_names[WINDOW_COUNT] = {"1m", "1h"};

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
    double mads;                   /* > 0: the compared measure also lies so many median absolute
                                      deviations over the median of the host's group */
    uint64_t suppress_ns;          /* silence after an alert of the same subject */
    uint16_t port[HUNT_PORTS_MAX]; /* only these responder ports; none = all */
    uint16_t allow_port[HUNT_PORTS_MAX];       /* never these */
    struct ip_prefix allow[HUNT_NETWORKS_MAX]; /* never when an end lies in one */
    struct ip_prefix only[HUNT_NETWORKS_MAX];  /* only hosts in one of these; none = all */
    uint8_t condition_count, level_count, port_count, allow_port_count, allow_count, only_count;
    uint8_t compare;   /* enum hunt_measure of a host, + 1: the alert says how the host's group does
                          in it; 0 = none, with mads the first condition's */
    uint8_t scope;     /* enum alert_scope */
    uint8_t by_port;   /* pair, host: each responder port for itself */
    uint8_t direction; /* enum hunt_direction */
    uint8_t window;    /* enum host_window; not for flows */
    uint8_t severity;  /* enum alert_severity of the first level; each level adds one */
    uint8_t proto;     /* 0 = any; 1 stands for both ICMPs */
    bool enabled;
};

/* Names for hosts that are alike: they are one group, wherever they are. */
struct hunt_tags {
    uint32_t count, prefix_count;
    char name[HUNT_TAGS_MAX][ALERT_NAME_MAX];
    struct ip_prefix prefix[HUNT_TAGGED_MAX];
    uint8_t tag[HUNT_TAGGED_MAX]; /* of each prefix */
};

struct hunt_rules {
    struct hunt_tags tags;
    uint32_t count;
    struct hunt_rule rule[HUNT_RULES_MAX];
};
