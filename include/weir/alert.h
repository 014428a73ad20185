/*
 * Alerts: what a hunt found, and where alerts go.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "weir/host.h"

struct config;

#define ALERT_NAME_MAX 32
#define ALERT_TEXT_MAX 320
#define ALERT_TECHNIQUE_MAX 16
#define ALERT_EVIDENCE_MAX 12 /* conditions of a rule, and four numbers of the group */
#define ALERT_COMMUNITY_MAX 32

enum alert_state { ALERT_RAISED, ALERT_ESCALATED, ALERT_CLEARED, ALERT_STATE_COUNT };

enum alert_severity {
    SEVERITY_INFO,
    SEVERITY_LOW,
    SEVERITY_MEDIUM,
    SEVERITY_HIGH,
    SEVERITY_CRITICAL,
    SEVERITY_COUNT
};

/* What a rule looks at. */
enum alert_scope { SCOPE_FLOW, SCOPE_PAIR, SCOPE_HOST, SCOPE_GROUP, SCOPE_COUNT };

static const char *const alert_state_names[ALERT_STATE_COUNT] = {"raised", "escalated", "cleared"};
static const char *const alert_severity_names[SEVERITY_COUNT] = {"info", "low", "medium", "high",
                                                                 "critical"};
static const char *const alert_scope_names[SCOPE_COUNT] = {"flow", "pair", "host", "group"};

/* One number that speaks for the alert. */
struct alert_evidence {
    const char *name; /* a measure's name, lives as long as the program */
    double value;
};

struct alert {
    uint64_t id;    /* of rule and subject: equal on every sensor that sees the same */
    uint64_t ts_ns; /* when the threshold was crossed */
    char rule[ALERT_NAME_MAX];
    char technique[ALERT_TECHNIQUE_MAX]; /* MITRE ATT&CK id; empty = none */
    char text[ALERT_TEXT_MAX];           /* one sentence, UTF-8 */
    char community_id[ALERT_COMMUNITY_MAX];
    const char *measure; /* which crossed its threshold; lives as long as the program */
    double value, threshold;
    struct alert_evidence evidence[ALERT_EVIDENCE_MAX];
    uint8_t evidence_count;
    uint8_t state;    /* enum alert_state */
    uint8_t severity; /* enum alert_severity */
    uint8_t scope;    /* enum alert_scope */
    uint8_t level;    /* of escalation, from 0 */
    uint8_t proto;    /* 0 = the alert is not about one */
    uint8_t has_peer, has_port;
    uint16_t port;
    uint8_t group_bits; /* SCOPE_GROUP: length of host's prefix */
    struct host_key host, peer;
    uint64_t window_ns; /* 0 = the connection */
    uint64_t window_start_ns;
    uint64_t flow_id; /* the flow, or one of those that led to it; 0 = none */
};

/* Writes one alert at out, which has room for ALERT_LINE_MAX, and returns its length. Pure. */
#define ALERT_LINE_MAX 8192
typedef size_t alert_encoder(const struct config *, const struct alert *, char *out);

/* Where alerts go. One thread uses a sink. */
struct alert_sink;

struct alert_sink_ops {
    const char *name;
    /* Takes the alert, or loses it: 0, or -errno. Never waits longer than one write. */
    int (*write)(struct alert_sink *, const struct alert *);
    /* Goes on with what waits, now and then; NULL = nothing ever waits. */
    void (*step)(struct alert_sink *);
    void (*close)(struct alert_sink *); /* NULL is fine */
};

struct alert_sink {
    const struct alert_sink_ops *ops;
    uint64_t written, lost; /* what waits counts as written */
};
