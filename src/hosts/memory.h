/*
 * The embedded store, for a sensor by itself.
 */
#pragma once

#include <stdint.h>

#include "weir/store.h"

/* The embedded store: holds the last of what it was given, hosts at most max_hosts per window.
 * Returns 0 or -ENOMEM. */
int store_memory_create(uint32_t max_hosts, struct store **);
