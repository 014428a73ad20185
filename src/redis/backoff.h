/*
 * How long to wait before the next attempt: 0.1 s, doubled by each failure up to 30 s, of which a
 * random part between half and all, so that sensors do not come back in step. Pure.
 */
#pragma once

#include <stdint.h>

struct backoff {
    uint32_t failures; /* in a row */
};

void backoff_reset(struct backoff *);
/* After a failure; random: any 32 bits. */
uint64_t backoff_next_ns(struct backoff *, uint32_t random);
