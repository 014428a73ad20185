/*
 * The messages that a collector holds in memory, on their way through one or more connections:
 *
 *     fresh ──> current ──> sent ──acknowledged──> kept ──window passed──> delivered
 *                  ^          └────── connection lost ──────┘
 *                  └── again <───────────────┘
 *
 * A message is kept after the peer's kernel acknowledged it, until `window` octets behind it are
 * acknowledged too: a reader that is killed loses what its kernel held for it. After a loss all
 * that were sent are `again`, and go before the others.
 *
 * Pure: no I/O, no clock. Lists own their messages; sums follow every move, exact to the record.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "export/exporter.h"
#include "export/message.h"

struct message {
    struct message *next;
    struct message_info info;
    uint64_t end;       /* octets of the connection's stream up to its end; once sent */
    uint64_t ticket;    /* of the spool it came from; 0 = none */
    uint64_t queued_ns; /* when it was complete */
    bool control;       /* templates, statistics: made anew for each connection */
    bool again;         /* it was sent on an earlier connection */
    bool copied;        /* the spool has a copy, should the sensor be killed */
    uint8_t octets[];
};

struct message_list {
    struct message *head, *tail;
    struct export_count count;
    uint64_t octets; /* of the messages */
};

struct backlog {
    uint64_t window;
    struct message_list again, fresh, sent, kept;
    struct message *current; /* partly written */
    uint32_t offset;         /* of it, written */
    struct export_count delivered;
    uint64_t replayed_records;
    void (*done)(void *context, uint64_t ticket); /* a message from the spool was delivered */
    void *context;
};

/* NULL: no memory. */
struct message *message_create(const struct message_info *, const uint8_t *octets);

void message_list_push(struct message_list *, struct message *);
struct message *message_list_pop(struct message_list *);
void message_list_join(struct message_list *, struct message_list *rest); /* which is empty then */
void export_count_add(struct export_count *, const struct export_count *);
void export_count_subtract(struct export_count *, const struct export_count *);
struct export_count message_count(const struct message *);

/* Takes the next to send into current: again, then fresh. False: there is none. */
bool backlog_begin(struct backlog *);

/* The same with a message from elsewhere. */
void backlog_begin_with(struct backlog *, struct message *);

/* current was written whole; the stream is `end` octets long now. */
void backlog_sent(struct backlog *, uint64_t end);

/* The peer's kernel has so many octets of the stream. */
void backlog_acknowledge(struct backlog *, uint64_t acknowledged);

/* The peer has read everything that was acknowledged. */
void backlog_settle(struct backlog *);

/* The connection is gone: what it may have swallowed goes again. */
void backlog_lost(struct backlog *);

/* Some message that the spool has a copy of is still here. */
bool backlog_has_copied(const struct backlog *);

/* Octets that wait to be sent. */
uint64_t backlog_waiting(const struct backlog *);

/* Takes the oldest that was never sent, or with `any` that has to be sent; NULL: none. */
struct message *backlog_take(struct backlog *, bool any);

void backlog_fini(struct backlog *);
