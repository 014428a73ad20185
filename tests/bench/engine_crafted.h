/*
 * The new connections of an attacker who knows everything of the table but its secret: tried with a
 * secret of his own, the public one of `weir read`, every key falls into one of CRAFTED_SHARE
 * buckets. What he has crafted is spread evenly by any other secret.
 */
#pragma once

#include <stdint.h>

#include "engine_traffic.h"

#define CRAFTED_SHARE 64u

/* Writes the first connection from *next on that is crafted, and moves *next behind it. */
void crafted_write(const struct traffic *, uint64_t *next, uint8_t *frame);
