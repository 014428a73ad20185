/*
 * The exporter thread: takes records from every worker's rings to the collectors and to stdout.
 *
 * The exporter and the face are its alone. Others get copies of what they have counted, taken a few
 * times a second, and ask for a reload by a letter box.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "core/sensor.h"

struct face;
struct log;
struct outlet;
struct worker;

struct outlet_options {
    struct worker *const *worker;
    unsigned worker_count;
    struct exporter *exporter; /* NULL = no collectors */
    struct face *face;         /* NULL = nothing on stdout */
};

int outlet_create(const struct outlet_options *, struct outlet **);
/* Its thread must not run. Exporter and face stay their owner's. */
void outlet_destroy(struct outlet *);

/* The thread. Returns when told to end and everything is out, or time is up. */
void outlet_run(struct outlet *);

/* Workers are done: empty the rings, drain collectors and stdout until then (monotonic clock). */
void outlet_order_drain(struct outlet *, uint64_t deadline_ns);
bool outlet_done(const struct outlet *);

/* Hands a configuration to exporter_reload() in its thread and waits for the answer: 0, or -errno
 * and a line; -ETIMEDOUT when the thread does not answer within 10 s: the configuration must then
 * stay. */
int outlet_reload(struct outlet *, const struct config *, char error[EXPORTER_ERROR_MAX]);

/* Fills collectors and face of a status. */
void outlet_status(struct outlet *, struct sensor_status *);
