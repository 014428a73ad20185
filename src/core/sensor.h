/*
 * A running sensor: ports, workers, exporter, and what is to be known of them.
 *
 *     sensor_create()   configuration -> ports -> exporter -> workers; rights are given up last
 *     sensor_run()      threads, control loop, drain; returns when everything has ended
 *     sensor_destroy()
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "capture/port.h"
#include "core/face.h"
#include "core/fleet.h"
#include "core/hunts.h"
#include "core/ledger.h"
#include "core/worker.h"
#include "export/exporter.h"
#include "weir/config.h"

struct capture_filter;
struct generation;
struct log;
struct record_encoder;
struct sandbox_plan;
struct sensor;

#define SENSOR_ERROR_MAX 1536

struct sensor_options {
    const struct config *config; /* copied */
    const char *config_file;     /* what SIGHUP loads again; NULL = none */
    /* Lays the command line over a configuration that was loaded again. 0, or -errno and a line. */
    int (*overlay)(void *context, struct config *, char error[SENSOR_ERROR_MAX]);
    void *overlay_context;
    const struct capture_filter *filter; /* -F; NULL = none */
    const struct record_encoder *face;   /* records to stdout; NULL = none */
    const struct sandbox_plan *sandbox;  /* NULL = no sandbox */
    bool take_over;
    struct log *log;
};

/* Returns 0; or -errno and one line at error that names what is wrong and how to mend it: nothing
 * is then left open. */
int sensor_create(const struct sensor_options *, struct sensor **, char error[SENSOR_ERROR_MAX]);

/* Returns 0 when it was told to end and everything is out; -errno when something failed, which was
 * logged. */
int sensor_run(struct sensor *);

/* NULL is fine. Ends the process when a thread could not be ended, which sensor_run() has said. */
void sensor_destroy(struct sensor *);

/* The ledger of all, and of each worker and collector, for people. */
void sensor_print_ledger(struct sensor *, FILE *);

/* --- What is to be known of it: metrics, control socket, SIGUSR1, options records --- */

enum sensor_state { SENSOR_STARTING, SENSOR_RUNNING, SENSOR_DRAINING, SENSOR_STATE_COUNT };
extern const char *const sensor_state_label[SENSOR_STATE_COUNT];

struct sensor_port {
    char source[CONFIG_SOURCE_MAX];
    struct port_stats interface;
    struct capture_stats queues; /* summed over its queues, of the workers' snapshots */
    uint64_t misdirected;        /* what the interface received and nobody accounts for */
    uint64_t link_flaps;         /* times the link went down */
};

struct sensor_worker {
    struct worker_snapshot snapshot;
    enum worker_state state;
    bool stuck; /* no beat for sensor.stuck_timeout */
    int core;   /* -1 = not pinned */
    int thread_id;
    uint64_t beats;
    uint32_t ring_used[LANE_COUNT], ring_size; /* records */
    struct ledger ledger;                      /* of the snapshot */
};

struct sensor_collector {
    char name[CONFIG_NAME_MAX];
    char error[EXPORTER_ERROR_MAX]; /* why it is not up, or "" */
    struct collector_config config;
    struct collector_stats stats; /* its pointers are NULL */
};

/* Connections that met on two workers: the spread is wrong for them. */
struct sensor_audit {
    uint64_t samples; /* digests compared */
    uint64_t meetings;
};

struct sensor_status {
    char name[CONFIG_NAME_MAX];
    enum sensor_state state;
    uint64_t started_ns, now_ns; /* UTC */
    uint64_t generation;         /* of the configuration, from 1 */
    uint64_t reloads, reloads_failed;
    uint64_t clock_steps;    /* of the system's clock */
    int64_t clock_offset_ns; /* UTC minus the workers' clock */
    uint64_t turn_goal_ns;   /* how long a turn of the sweep is to take */
    uint64_t log_dropped;    /* lines */
    uint64_t stuck_total;    /* times a worker was found stuck */
    uint32_t port_count, worker_count, collector_count;
    struct sensor_port port[CONFIG_PORTS_MAX];
    struct sensor_worker worker[CONFIG_WORKERS_MAX];
    struct sensor_collector collector[2 * CONFIG_COLLECTORS_MAX]; /* draining ones included */
    uint64_t taken;         /* records that the exporter thread took out of the rings */
    struct face_stats face; /* records on stdout */
    struct sensor_audit audit;
    struct hunts_stats hunts; /* all 0 where nobody asks for hosts */
    struct redis_stats redis; /* all 0 without one */
    struct ledger ledger;     /* of all workers */
};

/* Every line of the ledger holds: packets, records, rings, collectors, stdout. */
bool sensor_status_closed(const struct sensor_status *);

/* Any thread but workers; takes a lock that workers never take. Large: keep it on the heap. */
void sensor_status(struct sensor *, struct sensor_status *);
