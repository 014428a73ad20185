/*
 * Running a function in every thread of the process, those that libraries started included: rights
 * belong to a thread, and a library's thread (the EAL's for interrupts) may be older than the
 * moment they are given up.
 */
#pragma once

#include <stddef.h>
#include <sys/types.h>

/*
 * Runs work(context) once in each other thread, in a signal handler (so it may only make
 * async-signal-safe calls), then in the calling one. New threads must not be started meanwhile.
 * Returns 0; or the first -errno that work returned; or -EBUSY when a thread did not take the
 * signal within 5 s. *thread is then the one that failed.
 */
int threads_each(int (*work)(void *), void *context, pid_t *thread);

/* The ids of the process's threads at ids, at most room; returns how many there are, or -errno. */
int threads_list(pid_t *ids, size_t room);
