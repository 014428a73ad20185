/*
 * The fleet as Redis has it, for people who look at it. One thread.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "weir/config.h"
#include "weir/host.h"

struct redis_view;

#define REDIS_VIEW_ERROR_MAX 640
#define REDIS_VIEW_SENSORS 64

/* Connects to nobody yet; redis must outlive it. 0 or -ENOMEM. */
int redis_view_create(const struct redis_config *, struct redis_view **);
void redis_view_destroy(struct redis_view *);

struct redis_view_page {
    struct host_row *row; /* sums over the fleet; room for rows_max */
    size_t rows_max, rows;
    unsigned sensors; /* that were there in the last minute */
    /* JSON objects, without line ends: connections of each sensor, the longest first; alerts, the
     * newest first. */
    void (*connection)(void *context, const char *json);
    void (*alert)(void *context, const char *json);
    void *context;
};

/* Hosts that lead the lists of the window that is current at time_ns. Connects, when that is
 * needed. 0; or -EIO and one line, and the next call tries anew. */
int redis_view_read(struct redis_view *, enum host_window, uint64_t time_ns,
                    struct redis_view_page *, char error[REDIS_VIEW_ERROR_MAX]);
