/*
 * A generation of the configuration: immutable once offered. The control thread makes it, workers
 * adopt it at the top of a poll, and it is freed when nobody uses it any more.
 */
#pragma once

#include <stdint.h>

#include "weir/config.h"

struct generation {
    uint64_t number; /* 1, 2, ... */
    struct config config;
};
