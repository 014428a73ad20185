/*
 * The system calls that the sensor's threads make once all is open, as a seccomp filter.
 */
#pragma once

#include "core/sandbox.h"

/* Loads the filter into every thread of the process. Returns 0; -ENOTSUP when this build lacks
 * libseccomp; another -errno when the kernel refuses it, then no thread has it. */
int syscalls_confine(enum sandbox_filter action);
