/*
 * The exporter: every collector of a configuration, each with its own session, sequence numbers,
 * queue and spool. Used by one thread: the exporter thread of `weir run`, or `weir read`.
 *
 *     exporter_create()            before the sandbox: it resolves names, loads certificates, opens
 *                                  directories; connects to nobody yet
 *     loop: exporter_add() for each record, exporter_step() now and then
 *     exporter_drain(), exporter_destroy()
 *
 * exporter_add() never waits: what a collector cannot take now is queued, then spooled, then
 * dropped and counted. Who can wait, like `weir read`, asks exporter_room() first.
 *
 * The ledger of a collector holds at any time, exact to the record, packet and octet:
 *     handed + taken + restored = delivered + kept + in flight + queued + spooled + moved + dropped
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "weir/config.h"

struct exporter;
struct flow_record;
struct record_encoder;

#define EXPORTER_ERROR_MAX 512

/* Where time comes from; NULL functions: the system's clocks. */
struct exporter_clock {
    uint64_t (*monotonic_ns)(void *context);
    uint64_t (*utc_ns)(void *context); /* since 1970 */
    void *context;
};

/* What the exporter has to say; the caller logs it. text is one line without the name. */
typedef void exporter_event_fn(void *context, const char *collector, enum log_level level,
                               const char *text);

struct exporter_options {
    const struct config *config; /* checked (config.h), copied */
    struct exporter_clock clock;
    const struct record_encoder *ecs, *json; /* for the profiles of these names */
    /* For profile rich, as message.h says; may be NULL. */
    size_t (*community_id)(const struct flow_record *, char *out);
    exporter_event_fn *event; /* NULL = silent */
    void *context;            /* of event */
    bool overwrite;           /* file without rotation: begin it anew rather than append */
};

/* Fails with one line in error, EXPORTER_ERROR_MAX octets long, that names key and remedy. */
int exporter_create(const struct exporter_options *, struct exporter **, char *error);

/* What is still in memory goes to the spool, or is lost uncounted: drain first. */
void exporter_destroy(struct exporter *);

/* Closing notices (flow_record_is_notice()) are left out. */
void exporter_add(struct exporter *, const struct flow_record *);

/* False: another record might be dropped at some collector; exporter_step() makes room. */
bool exporter_room(const struct exporter *);

/* A bounded piece of work: connects, sends, takes acknowledgements, replays, spools, reports.
 * Waits at most timeout_ms when there is nothing to do. */
void exporter_step(struct exporter *, int timeout_ms);

/* Everything out: waits for acknowledgements until deadline_ns (monotonic clock), then the rest
 * goes into the spool; what has none is dropped and counted. Closes all sessions, completes files.
 * Returns true when every collector has taken everything. */
bool exporter_drain(struct exporter *, uint64_t deadline_ns);

/* Takes over a new configuration. Collectors that did not change keep session, queue and spool; new
 * ones start; those that are gone drain by themselves for as long as drain_timeout. On failure
 * nothing changes. Looks up names, reads certificates. */
int exporter_reload(struct exporter *, const struct config *, char *error);

/* What the rest of the sensor did not get so far, for options records (RFC 7011 §4.2, §4.3). */
struct exporter_input {
    uint64_t ignored_packets, ignored_octets; /* never reached a flow: missed by ports, ... */
    uint64_t ignored_first_ms, ignored_last_ms;
    uint64_t lost_records, lost_packets, lost_octets; /* dropped at the rings to the exporter */
    uint64_t lost_first_ms, lost_last_ms;
};
void exporter_statistics_in(struct exporter *, const struct exporter_input *);

/* Why records were dropped. X(SYMBOL, label, help) */
#define EXPORT_DROPS(X)                                                                            \
    X(QUEUE, "queue_full", "the collector was away or too slow, and it has no spool")              \
    X(SPOOL, "spool_full", "the spool reached its bound, the oldest records went")                 \
    X(DISK, "disk_error", "the spool could not be written or read back")                           \
    X(CORRUPT, "spool_corrupt", "a spool segment was damaged")                                     \
    X(TOO_LONG, "too_long", "the message is longer than the network takes")                        \
    X(MEMORY, "no_memory", "no memory for a message")                                              \
    X(STOPPED, "stopped", "still unsent when the collector was stopped, and no spool took them")

enum export_drop {
#define X(symbol, label, help) DROP_##symbol,
    EXPORT_DROPS(X)
#undef X
        DROP_COUNT
};
extern const char *const export_drop_label[DROP_COUNT];
extern const char *const export_drop_help[DROP_COUNT];

/* X(SYMBOL, label) */
#define COLLECTOR_STATES(X)                                                                        \
    X(WAITING, "waiting")       /* until the next attempt */                                       \
    X(CONNECTING, "connecting") /* TLS handshake included */                                       \
    X(UP, "up")                                                                                    \
    X(CLOSING, "closing") /* we ended it; the peer still reads */                                  \
    X(CLOSED, "closed")

enum collector_state {
#define X(symbol, label) COLLECTOR_##symbol,
    COLLECTOR_STATES(X)
#undef X
        COLLECTOR_STATE_COUNT
};
extern const char *const collector_state_label[COLLECTOR_STATE_COUNT];

/* Flow records with the traffic they stand for, both ways. */
struct export_count {
    uint64_t records, packets, octets;
};

struct collector_stats {
    const struct collector_config *config; /* until the next exporter_reload() */
    enum collector_state state;
    const char *error; /* why it is not up, or ""; until the next step */

    /* in */
    struct export_count handed;   /* by exporter_add() */
    struct export_count taken;    /* from a failed member of its group */
    struct export_count restored; /* found in the spool at the start */
    /* out, never decrease */
    struct export_count delivered; /* acknowledged and kept no longer | sent (udp) | written */
    struct export_count moved;     /* to another member of its group */
    struct export_count dropped[DROP_COUNT];
    /* inside */
    struct export_count kept;      /* acknowledged, kept for a collector that dies */
    struct export_count in_flight; /* given to the kernel, not yet acknowledged */
    struct export_count queued;    /* in memory: collected for a message, or in one */
    struct export_count spooled;   /* on disk */

    uint64_t replayed_records; /* sent again on a later connection: duplicates at most */
    uint64_t sent_messages, sent_records, sent_octets; /* all that went out, octets of messages */
    uint64_t attempts, connects, losses;               /* losses: ends that were not ours */
    uint64_t refused;                                  /* udp: port unreachable was reported */
    uint32_t sequence;                                 /* of the next message */
    uint64_t queue_octets, spool_octets;               /* of messages */
    uint64_t spool_segments;
    uint64_t spool_errors;  /* reads and writes that failed */
    uint64_t spool_skipped; /* octets of damaged segments */
};

/* Collectors, those that drain after a reload included. */
uint32_t exporter_count(const struct exporter *);
void exporter_stats(const struct exporter *, uint32_t index, struct collector_stats *);

/* The ledger above holds. */
bool collector_stats_closed(const struct collector_stats *);
