/*
 * The inside of the store, for the files that make it up: store.c takes from the analyst, push.c
 * brings it to Redis, batch.c is one pipeline.
 */
#pragma once

#include <pthread.h>

#include "redis/backoff.h"
#include "redis/batch.h"
#include "redis/command.h"
#include "redis/link.h"
#include "redis/redis.h"
#include "redis/resp.h"
#include "redis/rows.h"

#define ELEMENTS_MAX 65536u /* waiting; the oldest go */
#define ELEMENTS_MANY (ELEMENTS_MAX / 4)
#define ALERTS_MAX 512u   /* waiting; the oldest go */
#define ANSWERS_MAX 1024u /* more than alerts can be asked for */
#define SUMS_MAX 2048u    /* rows of the fleet that the analyst has not taken */
#define RECENT_MAX 256u   /* alerts for views */

struct redis_store {
    struct store store;
    struct redis_options options;
    struct redis_author author;

    pthread_mutex_t lock;
    pthread_cond_t wake; /* there is work, or room for sums, or it is time to stop */
    /* Behind the lock; each ring counts for ever, its place is the number modulo its size. */
    struct rows *rows;
    struct store_element *element;
    uint64_t elements_in, elements_out;
    struct store_connection connection[CONNECTIONS_MAX];
    size_t connections;
    bool connections_waiting;
    struct waiting_alert alert[ALERTS_MAX];
    uint64_t alerts_in, alerts_out;
    struct store_answer answer[ANSWERS_MAX];
    uint64_t answers_in, answers_out;
    struct host_row sum[SUMS_MAX];
    uint64_t sums_in, sums_out;
    struct alert recent[RECENT_MAX];
    uint64_t recents;
    struct redis_note note[REDIS_NOTES_MAX];
    size_t notes;
    struct redis_stats stats;
    bool connected, stop, abort;

    /* The thread's own. */
    struct link link;
    struct backoff backoff;
    struct batch batch;
    char run_id[48];
    uint64_t told_ns[REDIS_ERROR_COUNT]; /* when an error of the kind was told last */
    uint64_t beat_ns;                    /* when weir:sensor was written last */
    size_t beat_fields;                  /* how many it has; 0 = not known */
    uint64_t stranger_told_ns;           /* when a sensor of the same name was told of last */
    size_t beat_sent;                    /* of the last beat */
};

/* So many elements wait that they go at once. The caller holds the lock. */
bool redis_store_has_many(const struct redis_store *);

/* The caller holds the lock. An alert that nobody waits for is told already. */
void redis_store_answer(struct redis_store *, uint64_t id, enum store_verdict);
