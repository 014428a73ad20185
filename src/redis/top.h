/*
 * The hosts with most of something, as a push passes them by. Pure.
 */
#pragma once

#include <stdint.h>

#include "redis/command.h"
#include "redis/key.h"
#include "redis/resp.h"

#define TOP_HOSTS 64u /* of each list */

struct top_list {
    uint64_t start_ns; /* of the window; 0 = empty */
    unsigned count;
    struct {
        struct host_key key;
        uint64_t value;
    } host[TOP_HOSTS];
};

struct top_lists {
    struct top_list list[WINDOW_COUNT][KEY_MEASURE_COUNT];
};

/* Offers a row. The list of another window start is written first, then begun anew. Returns the
 * commands written. */
unsigned top_offer(struct top_lists *, const struct host_row *, const struct redis_author *,
                   struct resp *);
/* Writes all lists and empties them. */
unsigned top_write(struct top_lists *, const struct redis_author *, struct resp *);
