/*
 * The inside of a sensor, for the files that make it up: sensor.c opens and closes, control.c runs,
 * sensor_reload.c takes over a new configuration, sensor_status.c tells.
 */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "core/audit.h"
#include "core/doors.h"
#include "core/fleet.h"
#include "core/generation.h"
#include "core/heartbeat.h"
#include "core/hunts.h"
#include "core/outlet.h"
#include "core/sandbox.h"
#include "core/sensor.h"
#include "core/signals.h"

/* What the control thread knows and others ask for: behind the lock. */
struct sensor_known {
    enum sensor_state state;
    uint64_t reloads, reloads_failed;
    uint64_t clock_steps, stuck_total;
    int64_t clock_offset_ns;
    bool stuck[CONFIG_WORKERS_MAX];
    struct port_stats port[CONFIG_PORTS_MAX];
    uint64_t misdirected[CONFIG_PORTS_MAX], link_flaps[CONFIG_PORTS_MAX];
    struct sensor_audit audit;
};

/* What an interface received and nobody accounts for; what is only under way passes. */
struct port_watch {
    bool link_down; /* has been told */
    bool gone;
    uint64_t rest[3]; /* of the last checks */
    unsigned checks;
};

struct sensor {
    struct sensor_options options;
    struct log *log;
    struct generation *first;      /* what cannot change is read from it for life */
    struct generation *generation; /* in force */
    struct generation *retired;    /* the one before, until every worker has left it */

    struct clock *clock;
    struct clock_reader now;
    struct hash_secret audit_secret;
    struct auditor *auditor;
    uint64_t audit_turns[CONFIG_WORKERS_MAX]; /* of the last snapshot that was compared */
    uint64_t audit_told;                      /* meetings */
    bool turn_told[CONFIG_WORKERS_MAX];
    uint64_t loss_told, loss_tick; /* packets, and when */

    uint32_t port_count, worker_count;
    struct port *port[CONFIG_PORTS_MAX];
    struct port_watch watch[CONFIG_PORTS_MAX];
    struct worker *worker[CONFIG_WORKERS_MAX];
    int core[CONFIG_WORKERS_MAX]; /* -1 = not pinned */
    /* where a port's queue stands in a worker's list; -1 = it has none */
    int8_t queue_of[CONFIG_WORKERS_MAX][CONFIG_PORTS_MAX];
    pthread_t worker_thread[CONFIG_WORKERS_MAX];
    uint32_t threads; /* of workers, that were started */

    struct exporter *exporter;
    struct face *face;
    struct outlet *outlet;
    pthread_t outlet_thread;
    bool outlet_runs;
    bool abandoned; /* a thread did not end: what it uses is not released */

    struct hunts *hunts; /* NULL = nobody asks for hosts */
    pthread_t hunts_thread;
    bool hunts_run;

    struct fleet *fleet; /* NULL = no Redis */
    pthread_t fleet_thread;
    bool fleet_runs;
    bool fleet_left; /* its thread did not end in time, and keeps what it uses */

    struct doors *doors;

    struct heartbeats beats;
    struct signals signals;
    int ticks;               /* descriptor */
    uint64_t tick;           /* so far */
    uint64_t drain_began_ns; /* steady */
    bool face_told;          /* that stdout was closed */
    int failure;             /* -errno of what ended the run */

    pthread_mutex_t lock;
    struct sensor_known known;
    uint64_t started_ns;
};

/* --- control.c --- */

/* The control loop: returns when the sensor is to end. */
void control_run(struct sensor *);
/* Everything out, within drain_timeout. */
void control_drain(struct sensor *);

/* --- sensor_reload.c --- */
/* 0; or -errno and a line at error, and nothing has changed. Both are logged. */
int sensor_reload(struct sensor *, char error[SENSOR_ERROR_MAX]);
/* Frees a generation that nobody uses any more. */
void sensor_retire(struct sensor *);

/* --- sensor_watch.c --- */

/* Once a second: links, interfaces that are gone, what no queue accounts for. False: the sensor
 * cannot go on. */
bool sensor_watch_ports(struct sensor *);
/* What ports say of themselves, for the last ledger. */
void sensor_read_ports(struct sensor *);
/* Several times a second: connections that met on two workers, turns that take long. */
void sensor_watch_workers(struct sensor *);
/* The packets of an interface that have been unaccounted for in all of the last checks. Pure. */
uint64_t port_watch_rest(struct port_watch *, uint64_t interface_packets, uint64_t accounted);
