/*
 * /metrics (Prometheus text exposition 0.0.4) and /healthz.
 *
 * The text is a pure function of a status; the server runs in a thread of its own, asks for a
 * status per request and never touches workers.
 */
#pragma once

#include <stdbool.h>
#include <stdio.h>

struct sensor_status;
struct metrics_server;

#define METRICS_ERROR_MAX 256

/* Writes all families. The order of families and labels is fixed. */
void metrics_render(const struct sensor_status *, FILE *out);

/* One line for /healthz: "ok", or what is wrong ("worker 1 is stuck since 12 s"). True = ok. */
bool metrics_healthy(const struct sensor_status *, char *line, size_t room);

/* Fills *status for a request; called by the server's thread, one call at a time. */
typedef void metrics_source(void *context, struct sensor_status *status);

/* Listens on "host:port", "[::1]:port" or ":port" (all addresses), before rights are dropped.
 * Returns 0; or -errno and one line at error; -ENOTSUP when this build lacks libmicrohttpd. */
int metrics_server_open(const char *address, struct metrics_server **,
                        char error[METRICS_ERROR_MAX]);
/* Starts its thread, in the sandbox. 0 or -errno. */
int metrics_server_start(struct metrics_server *, metrics_source *, void *context);
/* The port listened on (of use when the address asked for port 0). */
unsigned metrics_server_port(const struct metrics_server *);
/* Ends requests under way and the thread. NULL is fine. */
void metrics_server_close(struct metrics_server *);
