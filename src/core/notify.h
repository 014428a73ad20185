/*
 * The service manager (sd_notify(3)): readiness, status line, watchdog. Without NOTIFY_SOCKET every
 * call does nothing.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* All threads run. */
void notify_ready(void);
void notify_reloading(void);
void notify_stopping(void);
/* One line for `systemctl status`. */
void notify_status(const char *line);
/* The keep-alive; to be sent only when every worker has moved since the last one. */
void notify_watchdog(void);

/* How often the manager wants to hear notify_watchdog(); 0 = it does not. Half of what it
 * tolerates.
 */
uint64_t notify_watchdog_ns(void);
