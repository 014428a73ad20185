/*
 * One collector: records become messages, messages go out in its session, wait in its backlog, or
 * lie in its spool. Each record is at one place at any time (exporter.h has the ledger).
 *
 *     collector_store.c  where a message waits: queue, spool, bounds, drops
 *     collector_send.c   what goes out when, and what the session's events mean
 *     collector.c        life, records in
 *     account.c          figures out
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "export/backlog.h"
#include "export/exporter.h"
#include "export/message.h"
#include "export/session.h"
#include "export/spool.h"

#define COLLECTOR_SECOND UINT64_C(1000000000)
#define COLLECTOR_NEVER UINT64_MAX
#define COLLECTOR_BUDGET 64 /* messages per step */

/* What all collectors of an exporter share. */
struct collector_shared {
    struct exporter_options options;
    int epoll;
    int spool_directory; /* -1 = none */
    struct spool_owner spool_owner;
    struct exporter_input input;
    uint8_t *scratch; /* COLLECTOR_SCRATCH octets: a message under construction */
};
#define COLLECTOR_SCRATCH (MESSAGE_MAX + 1)

struct collector {
    struct collector_config config;
    const struct config *all; /* the exporter's */
    struct collector_shared *shared;
    struct message_builder *builder;
    struct export_count building; /* in the builder */
    uint64_t due_ns;              /* when its message goes, however short */
    struct backlog backlog;
    struct session *session;
    struct spool *spool; /* NULL = none */

    bool failed;   /* the last connection or attempt ended badly, none is up since */
    bool stopping; /* drain: nothing comes in any more, nothing is read from the spool */
    bool stopped;
    bool grouped;       /* member of a failover or balance group */
    bool live_turn;     /* the spool went last: next is what is new */
    bool spilling;      /* the spool is in use; said */
    bool copied;        /* the spool holds copies of messages in memory */
    uint32_t events;    /* of the session, since the last step */
    uint32_t next_part; /* of the templates; PARTS_SENT = none due */
    bool statistics_due;
    uint32_t sequence, domain;
    uint32_t budget; /* left of the last step; 0 = there may be more to send */

    uint64_t attempt_ns, retry_ns, stop_ns;
    uint64_t templates_ns, options_ns;    /* when they are due again */
    uint64_t sync_ns;                     /* the spool, COLLECTOR_NEVER = clean */
    uint64_t spill_ns;                    /* after a failed append: not before */
    uint64_t report_ns;                   /* drops are said again */
    uint64_t told_ns;                     /* statistics were sent last */
    struct export_count reported, told;   /* dropped, when last said, sent */
    uint64_t drop_first_ns, drop_last_ns; /* times of dropped records */
    enum export_drop last_drop;

    struct export_count kept_in_spool; /* of what was read from it, at the end */
    struct export_count handed, taken, restored, moved, dropped[DROP_COUNT];
    uint64_t sent_messages, sent_records, sent_octets;
    uint64_t attempts, connects, losses, refused, spool_errors, spool_skipped;
    char error[SESSION_TEXT_MAX];
};

#define PARTS_SENT UINT32_MAX

/* Fails with a line in error, of EXPORTER_ERROR_MAX. */
int collector_create(struct collector_shared *, const struct config *, uint32_t index,
                     struct collector **, char *error);
int collector_open_spool(struct collector *, uint32_t index, char *error);
bool collector_has_spool(const struct collector_shared *, const struct collector_config *);
void collector_destroy(struct collector *);

/* The rest of the configuration changed; config is this collector's, equal. */
int collector_adopt(struct collector *, const struct config *, uint64_t now_ns);

void collector_add(struct collector *, const struct flow_record *, uint64_t now_ns);
bool collector_room(const struct collector *);
void collector_stats(const struct collector *, struct collector_stats *);
struct export_count collector_dropped(const struct collector *);

/* A bounded piece of work. Returns when to call again, though no event comes; 0 = at once. */
uint64_t collector_step(struct collector *, uint64_t now_ns);

/* Whether records may go to it: it is up, or has not been tried yet. */
bool collector_available(const struct collector *);

/* What `from` holds in memory goes to another member of its group. */
void collector_hand_over(struct collector *from, struct collector *to, uint64_t now_ns);

/* The collector `from` was configured anew as `to`: memory and spool go over, its session ends. */
void collector_inherit(struct collector *to, struct collector *from, uint64_t now_ns);

/* Nothing more comes in. Once it is stopped, all is out or in the spool. */
void collector_stop(struct collector *, uint64_t deadline_ns, uint64_t now_ns);

uint64_t collector_utc_ns(const struct collector *);

/* Says something, one line. */
void collector_say(const struct collector *, enum log_level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* --- collector_store.c --- */

/* The builder's records become a message of the backlog. */
void collector_flush(struct collector *, uint64_t now_ns);

/* Keeps memory in its bounds: what is old or too much goes to the spool, or is dropped. */
void collector_store(struct collector *, uint64_t now_ns);

/* What the lost connection may have swallowed is copied to the spool. */
void collector_copy(struct collector *, uint64_t now_ns);

/* The next message of the spool becomes current. */
bool collector_replay(struct collector *);

void collector_drop(struct collector *, enum export_drop, const struct message_info *);

/* At the end: the rest into the spool, else dropped. */
void collector_put_away(struct collector *, uint64_t now_ns);

/* --- collector_send.c --- */

void collector_send(struct collector *, uint64_t now_ns);

/* True while send would go on at once. */
bool collector_is_busy(const struct collector *);
