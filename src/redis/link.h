/*
 * One connection to Redis: found (by Sentinel, or where -MOVED pointed), opened, made known, judged
 * to be a master. After any error it is closed: a hiredis context is dead then, and what was set up
 * on it is set up anew.
 */
#pragma once

#include <hiredis/hiredis.h>
#include <pthread.h>
#include <stdbool.h>

#include "redis/reply.h"
#include "weir/config.h"

#define LINK_WHY_MAX 320

struct link {
    const struct redis_config *config;
    char name[CONFIG_NAME_MAX + 8]; /* CLIENT SETNAME */
    redisContext *context;          /* NULL = closed */
    pthread_mutex_t lock;           /* of the descriptor: link_interrupt() */
    bool interrupted;
    char where[CONFIG_ADDRESS_MAX + 16];
    char moved_host[CONFIG_ADDRESS_MAX]; /* where the keys are; empty = config's address */
    int moved_port;
    unsigned moves; /* in a row */
    char run_id[48], version[24];
    /* Of the last failure: */
    enum redis_error error;
    char why[LINK_WHY_MAX];
};

/* name: of the client, in CLIENT LIST. */
void link_init(struct link *, const struct redis_config *, const char *name);
void link_fini(struct link *);

/* False, and error and why say it. Waits at most a few times redis.timeout. */
bool link_open(struct link *);
void link_close(struct link *);

/* A reply, which the caller frees; NULL: the connection is closed, error and why say it. */
redisReply *link_reply(struct link *);

/* Notes an error reply, and where it points to. */
void link_note_error(struct link *, const char *text);

/* Any thread: whoever waits for the connection is let go, now and later. */
void link_interrupt(struct link *);
