#include "core/doors.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/metrics.h"
#include "core/notify.h"
#include "core/sensor_internal.h"
#include "core/socket.h"
#include "core/status.h"
#include "core/view.h"

#define TELL_SECONDS 5

struct doors {
    struct sensor *sensor;
    struct metrics_server *metrics;
    struct control_socket *socket;
    struct sensor_status *status; /* the control thread's */
    unsigned seconds;             /* since the manager was told */
};

/* --- Commands of the control socket --- */

static void answer_status(void *context, const char *argument, FILE *out)
{
    struct doors *d = context;

    (void)argument;
    sensor_status(d->sensor, d->status);
    status_json(d->status, out);
}

static void answer_ledger(void *context, const char *argument, FILE *out)
{
    struct doors *d = context;

    (void)argument;
    sensor_print_ledger(d->sensor, out);
}

static void answer_reload(void *context, const char *argument, FILE *out)
{
    struct doors *d = context;
    char error[SENSOR_ERROR_MAX];

    (void)argument;
    if (sensor_reload(d->sensor, error))
        fprintf(out, "error: %s; nothing has changed\n", error);
    else
        fprintf(out, "ok: generation %" PRIu64 " of the configuration is in force\n",
                d->sensor->generation->number);
}

/* False: nobody counts hosts, and the answer says it. */
static bool has_hunts(const struct doors *d, FILE *out)
{
    if (!d->sensor->hunts)
        fprintf(out, "error: hosts are not counted: hunts.enabled is false, and redis.address is "
                     "not set\n");
    return d->sensor->hunts != NULL;
}

static void answer_hosts(void *context, const char *argument, FILE *out)
{
    struct doors *d = context;

    if (has_hunts(d, out))
        view_hosts(d->sensor->hunts, argument, out);
}

static void answer_connections(void *context, const char *argument, FILE *out)
{
    struct doors *d = context;

    (void)argument;
    if (has_hunts(d, out))
        view_connections(d->sensor->hunts, out);
}

static void answer_alerts(void *context, const char *argument, FILE *out)
{
    struct doors *d = context;

    (void)argument;
    if (has_hunts(d, out))
        view_alerts(d->sensor->hunts, &d->sensor->generation->config, out);
}

static const struct socket_command commands[] = {
    {"status", "what is to be known of the sensor, as one line of JSON", answer_status},
    {"ledger", "the loss ledger", answer_ledger},
    {"reload", "load the configuration again, as SIGHUP does", answer_reload},
    {"hosts", "hosts of a window as JSON lines: hosts [1m|1h] [ORDER] [COUNT]", answer_hosts},
    {"connections", "the longest open connections as JSON lines", answer_connections},
    {"alerts", "the last alerts as JSON lines, the newest first", answer_alerts},
    {NULL},
};

/* --- Opening and closing --- */

static int open_metrics(struct doors *d, const char *address, char *error)
{
    char why[METRICS_ERROR_MAX];
    int rc = address[0] ? metrics_server_open(address, &d->metrics, why) : 0;

    if (rc)
        snprintf(error, SENSOR_ERROR_MAX, "%s", why);
    return rc;
}

static int open_socket(struct doors *d, const struct sensor_config *c, char *error)
{
    char why[SOCKET_ERROR_MAX];
    int rc = 0;

    if (c->control[0])
        rc = control_socket_open(c->control, c->user, commands, d, &d->socket, why);
    if (rc)
        snprintf(error, SENSOR_ERROR_MAX, "%s", why);
    return rc;
}

int doors_open(struct sensor *sensor, const struct sensor_config *c, struct doors **out,
               char *error)
{
    struct doors *d = calloc(1, sizeof(*d));
    struct sensor_status *status = calloc(1, sizeof(*status));

    if (!d || !status) {
        free(d);
        free(status);
        snprintf(error, SENSOR_ERROR_MAX, "metrics and control socket: no memory");
        return -ENOMEM;
    }
    *d = (struct doors){.sensor = sensor, .status = status, .seconds = TELL_SECONDS};
    int rc = open_metrics(d, c->metrics, error);
    if (!rc)
        rc = open_socket(d, c, error);
    if (rc)
        doors_close(d);
    else
        *out = d;
    return rc;
}

static void fill_status(void *context, struct sensor_status *status)
{
    sensor_status(context, status);
}

int doors_start(struct doors *d)
{
    int rc = d->metrics ? metrics_server_start(d->metrics, fill_status, d->sensor) : 0;

    if (rc)
        log_error(d->sensor->log, "sensor.metrics: cannot be served: %s", strerror(-rc));
    return rc;
}

void doors_close(struct doors *d)
{
    if (!d)
        return;
    metrics_server_close(d->metrics);
    int rc = control_socket_close(d->socket);
    if (rc)
        log_warning(d->sensor->log,
                    "sensor.control: cannot be removed: %s; the next start replaces it, or give it "
                    "a directory of sensor.user",
                    strerror(-rc));
    free(d->status);
    free(d);
}

int doors_fd(const struct doors *d)
{
    return d->socket ? control_socket_fd(d->socket) : -1;
}

void doors_step(struct doors *d)
{
    if (d->socket)
        control_socket_step(d->socket);
}

/* --- The fleet --- */

void doors_tell_fleet(struct doors *d)
{
    if (!d->sensor->fleet)
        return;
    sensor_status(d->sensor, d->status);
    fleet_tell(d->sensor->fleet, d->status);
}

/* --- The service manager --- */

static uint32_t collectors_up(const struct sensor_status *s)
{
    uint32_t up = 0;

    for (uint32_t i = 0; i < s->collector_count; i++)
        up += s->collector[i].stats.state == COLLECTOR_UP;
    return up;
}

void doors_tell_manager(struct doors *d)
{
    const struct sensor_status *s = d->status;
    char line[256];

    if (!notify_wanted() || ++d->seconds < TELL_SECONDS)
        return;
    d->seconds = 0;
    sensor_status(d->sensor, d->status);
    snprintf(line, sizeof(line),
             "%u workers; packets: %" PRIu64 " received, %" PRIu64 " missed; %" PRIu64
             " flows, %" PRIu64 " records; %u of %u collectors up",
             s->worker_count, s->ledger.received, ledger_missed(&s->ledger), s->ledger.census.flows,
             s->ledger.census.made_records, collectors_up(s), s->collector_count);
    notify_status(line);
}
