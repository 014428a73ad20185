/*
 * The service manager (sd_notify(3)): readiness, status line, watchdog. Without NOTIFY_SOCKET every
 * call does nothing.
 */
#pragma once

#include <stdbool.h>

/* Whether there is a manager that listens. */
bool notify_wanted(void);
/* All threads run. */
void notify_ready(void);
void notify_reloading(void);
void notify_stopping(void);
/* One line for `systemctl status`. */
void notify_status(const char *line);
/* The keep-alive; to be sent only when every worker has moved since the last one. */
void notify_watchdog(void);
