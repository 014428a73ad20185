/*
 * Where a running sensor answers: metrics, control socket, service manager.
 */
#pragma once

#include "weir/config.h"

struct doors;
struct sensor;

/* Opens what the configuration asks for, while the rights for it are there. Returns 0; or -errno
 * and one line at error (SENSOR_ERROR_MAX). */
int doors_open(struct sensor *, const struct sensor_config *, struct doors **, char *error);
/* Once the sandbox is in force. 0, or -errno, which was logged. */
int doors_start(struct doors *);
void doors_close(struct doors *); /* NULL is fine */

/* The control thread: polls readable when doors_step() has something to do; -1 = never will. */
int doors_fd(const struct doors *);
void doors_step(struct doors *);

/* To be called once a second: the line of `systemctl status`. */
void doors_tell_manager(struct doors *);
/* As often: the sensor's own key in Redis. */
void doors_tell_fleet(struct doors *);
