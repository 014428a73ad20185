/*
 * The names of keys and fields in Redis: the one place that knows them. Pure.
 *
 *     weir:{<ip>}:h:<window>:<start>                 hash of counters; window 1m or 1h, start in
 *                                                    seconds since 1970
 *         <sensor>@<boot>.<counter>                  absolute value of that run of the sensor
 *     weir:hll:{<ip>}:<set>:<window>:<start>:<sensor>  HyperLogLog; set peers, ports or callers
 *     weir:top:<sensor>:<measure>:<window>:<start>   sorted set of hosts
 *     weir:open:<sensor>                             list of JSON, the longest connection first
 *     weir:sensor:<sensor>                           hash: what the sensor says of itself
 *     weir:sensors                                   sorted set: when each sensor was last here
 *     weir:{alerts}:raised:<rule>:<host>:<window>:<id>  who raised an alert
 *     weir:{alerts}:stream, channel weir:alerts      alerts
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "weir/alert.h"
#include "weir/host.h"

#define KEY_MAX 320
#define KEY_SENSORS "weir:sensors"
#define KEY_ALERTS "weir:{alerts}:stream"
#define KEY_CHANNEL "weir:alerts"

extern const char *const key_window_name[WINDOW_COUNT];
extern const char *const key_set_name[HOST_SET_COUNT];
extern const char *const key_counter_name[HOST_COUNTER_COUNT];

/* Fields of a host beside its counters. */
enum key_gauge {
    GAUGE_OPEN,   /* "on": connections open now */
    GAUGE_OLDEST, /* "os": start of the oldest, ms since 1970 */
    GAUGE_SETS,   /* "dp" "dd" "dc": distinct, as the sensor counts */
    GAUGE_COUNT = GAUGE_SETS + HOST_SET_COUNT
};
extern const char *const key_gauge_name[GAUGE_COUNT];

/* What sorted sets of hosts are made by. */
enum key_measure { BY_OUT, BY_IN, BY_OPENED, BY_PEERS, KEY_MEASURE_COUNT };
extern const char *const key_measure_name[KEY_MEASURE_COUNT];
uint64_t key_measure(enum key_measure, const struct host_row *);

/* Each writes a key at out, which has room for KEY_MAX, and returns its length. start_ns: of the
 * window. */
size_t key_host(const struct host_key *, enum host_window, uint64_t start_ns, char *out);
size_t key_set(const struct host_key *, enum host_set, enum host_window, uint64_t start_ns,
               const char *sensor, char *out);
size_t key_top(const char *sensor, enum key_measure, enum host_window, uint64_t start_ns,
               char *out);
size_t key_open(const char *sensor, char *out);
size_t key_sensor(const char *sensor, char *out);
/* Escalations and the end of an alert have keys of their own. */
size_t key_raised(const struct alert *, char *out);

/* Seconds that a window's keys are kept. */
uint64_t key_ttl(enum host_window);
