/*
 * The Redis that sensors share: host windows and alerts go there, sums and verdicts come back. The
 * control thread creates, tells, drains; the thread that runs it is no one else's.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "redis/redis.h"

struct fleet;
struct log;
struct sensor_status;

/* Why no fleet can be made of this configuration, whatever Redis answers: one line that names key
 * and remedy; NULL = it can. */
const char *fleet_refusal(const struct config *);

/* redis.address is set. Returns 0; or -errno and one line that names key and remedy. */
int fleet_create(const struct config *, struct log *, struct fleet **, char error[REDIS_ERROR_MAX]);
void fleet_destroy(struct fleet *);

/* Lives as long as the fleet. */
struct store *fleet_store(struct fleet *);

/* The thread: until fleet_stop(), and what waits is pushed; or fleet_abort(). */
void fleet_run(struct fleet *);
void fleet_stop(struct fleet *);
void fleet_abort(struct fleet *);
bool fleet_is_done(const struct fleet *);

/* What the sensor says of itself in Redis. */
void fleet_tell(struct fleet *, const struct sensor_status *);

/* Any thread. */
void fleet_stats(struct fleet *, struct redis_stats *);
