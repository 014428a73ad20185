/*
 * Threads that help another one.
 */
#pragma once

#include <pthread.h>

/* No signal reaches it: they are for the caller, who may wait and is to learn of them. Returns 0 or
 * -errno. */
int thread_start(pthread_t *, void *(*run)(void *), void *context);
