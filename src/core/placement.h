/*
 * How many workers there are to be, and on which cores. Pure.
 */
#pragma once

#include <sched.h>
#include <stdint.h>

struct config;

/* usable: what sched_getaffinity(2) gives. 1..CONFIG_WORKERS_MAX. */
uint32_t placement_workers(const struct config *, const cpu_set_t *usable);

/* The core of each worker, -1 = not pinned; named ones need not be usable. */
void placement_cores(const struct config *, const cpu_set_t *usable, uint32_t workers, int *core);
