/*
 * An interrupt or SIGTERM: the first one asks a command to come to its end with what it has, the
 * second one ends the process at once.
 */
#pragma once

#include <stdbool.h>

/* From here on. A system call that waits is broken off (EINTR). */
void interrupt_watch(void);

bool interrupt_seen(void);

/* At the end of the command: ends the process as the signal would have, so that its parent sees
 * that. Does nothing when there was none. */
void interrupt_pass_on(void);
