/*
 * Hosts and hunts of a running sensor: a hunter for each worker, the analyst's thread, where alerts
 * go, and the store.
 *
 * The control thread creates, reloads and destroys; workers call their hunter; the thread runs
 * between start and stop.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/analyst.h"
#include "core/hunter.h"

struct config;
struct hunts;
struct log;

#define HUNTS_ERROR_MAX 1024

struct hunts_options {
    const struct config *config; /* must outlive it */
    unsigned workers;
    struct log *log;
    struct store *store; /* must outlive it; NULL = one of its own, in memory */
};

/* Loads the rules, opens file and syslog. Returns 0; or -errno and one line that names key, thing
 * and remedy. */
int hunts_create(const struct hunts_options *, struct hunts **, char error[HUNTS_ERROR_MAX]);
void hunts_destroy(struct hunts *);

/* What a worker's deltas and ends of turns go to. */
struct hunter *hunts_hunter(struct hunts *, unsigned worker);

/* The analyst's thread: until hunts_stop(), which lets it take what is left, and flush. */
void hunts_run(struct hunts *);
void hunts_stop(struct hunts *);

/* Loads other rules and networks; hunts_commit() puts them in force. -EBUSY while the generation
 * before is still in use; -errno and its line when the rules file is bad. The rules in force stay
 * as they are meanwhile. */
int hunts_load(struct hunts *, const struct config *, char error[HUNTS_ERROR_MAX]);
void hunts_commit(struct hunts *);

struct hunts_stats {
    struct analyst_stats analyst;
    uint64_t written, lost; /* alerts, at file and syslog together */
    uint32_t rules;         /* in force and enabled */
};

/* Any thread. */
void hunts_stats(struct hunts *, struct hunts_stats *);

/* For views: what the store holds now; from any thread. Returns how many were written. */
size_t hunts_read_hosts(struct hunts *, enum host_window, uint64_t now_ns, struct host_row *,
                        size_t max);
size_t hunts_read_connections(struct hunts *, struct store_connection *, size_t max);
size_t hunts_read_alerts(struct hunts *, struct alert *, size_t max);
