/*
 * What is written to Redis, as commands. Pure.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "redis/resp.h"
#include "redis/rows.h"
#include "weir/store.h"

/* Who writes. */
struct redis_author {
    char sensor[64];
    char run[96]; /* "<sensor>@<boot>", boot in hex: a later run has a greater one */
};
void redis_author_init(struct redis_author *, const char *sensor, uint64_t started_ns);

/* Each returns how many commands it wrote. */

/* HDEL of whatever this run wrote of a host; the key goes with its last field. */
unsigned command_wipe(struct resp *, const struct redis_author *, const struct host_row *);

/* HSET and EXPIRE; nothing for a row without a number. */
unsigned command_row(struct resp *, const struct redis_author *, const struct rows_taken *);

/* PFADD and EXPIRE; all elements are of the same set. */
unsigned command_elements(struct resp *, const struct redis_author *, const struct store_element *,
                          size_t count);

/* DEL, RPUSH, EXPIRE of the list, as one transaction. */
unsigned command_connections(struct resp *, const struct redis_author *,
                             const struct store_connection *, size_t count, uint64_t ttl);

/* One script: raises the alert, or finds that it has been. json: one line without its end. The
 * reply: 1 = it is new, or this very alert was raised by a command before whose reply was lost;
 * 0 = another has raised it. */
unsigned command_alert(struct resp *, const struct redis_author *, const struct alert *,
                       const char *json, size_t len);

/* A connection as a JSON object; returns its length. */
#define CONNECTION_TEXT_MAX 512
size_t command_connection_text(const struct store_connection *, const char *sensor, char *out);
