/*
 * The store that is a Redis: what the analyst gives is copied, and a thread of its own brings it
 * there. Redis may be slow, away, full or empty again: nobody waits for it, memory is bounded, and
 * current windows are right within one push after its return. key.h names the keys.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "redis/reply.h"
#include "weir/alert.h"
#include "weir/config.h"
#include "weir/store.h"

struct redis_store;

#define REDIS_ERROR_MAX 320
#define REDIS_NOTES_MAX 64

struct redis_options {
    const struct config *config; /* must outlive the store */
    uint64_t started_ns;         /* UTC; later in every run of the same sensor */
    alert_encoder *json;         /* one line, with its end */
    /* What there is to say, one line; repeated errors of a kind are held back. */
    void (*event)(void *context, enum log_level, const char *text);
    void *context;
};

/* Why such a Redis cannot be spoken to whatever it answers: one line that names key and remedy;
 * NULL = it can. */
const char *redis_refusal(const struct redis_config *);

/* Connects to nobody yet. Returns 0; or -errno and one line that names key and remedy. */
int redis_store_create(const struct redis_options *, struct redis_store **,
                       char error[REDIS_ERROR_MAX]);
void redis_store_destroy(struct redis_store *);

/* The operations of weir/store.h; any one thread. read_*: what this sensor gave. */
struct store *redis_store_face(struct redis_store *);

/* The thread: until redis_store_stop(), after which it still pushes what waits, if Redis takes it.
 */
void redis_store_run(struct redis_store *);
void redis_store_stop(struct redis_store *);
/* Not even that: the thread ends as soon as it can. */
void redis_store_abort(struct redis_store *);

/* Numbers that the sensor tells of itself, in weir:sensor:<sensor>; copied. Any thread. */
struct redis_note {
    char name[40];
    uint64_t value;
};
void redis_store_notes(struct redis_store *, const struct redis_note *, size_t count);

struct redis_stats {
    uint32_t connected;     /* 1 = yes */
    uint64_t connects;      /* connections made */
    uint64_t memory_losses; /* times Redis had lost what was pushed: all current windows again */
    uint64_t commands;      /* answered */
    uint64_t rows;          /* rows pushed */
    uint64_t rows_kept, rows_waiting, rows_dropped;
    uint64_t elements_waiting, elements_dropped; /* of distinct sets; not pushed */
    uint64_t alerts_known;                       /* told by another sensor */
    uint64_t alerts_dropped;                     /* not brought to Redis */
    uint64_t error[REDIS_ERROR_COUNT];
};
void redis_store_stats(struct redis_store *, struct redis_stats *);
