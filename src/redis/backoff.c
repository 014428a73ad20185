#include "redis/backoff.h"

#define FIRST_NS UINT64_C(100000000)
#define LAST_NS UINT64_C(30000000000)
#define DOUBLINGS 9 /* 0.1 s * 2^9 is over 30 s */

void backoff_reset(struct backoff *b)
{
    b->failures = 0;
}

uint64_t backoff_next_ns(struct backoff *b, uint32_t random)
{
    uint64_t wait = FIRST_NS << (b->failures < DOUBLINGS ? b->failures : DOUBLINGS);

    if (b->failures < DOUBLINGS)
        b->failures++;
    wait = wait < LAST_NS ? wait : LAST_NS;
    return wait / 2 + (uint64_t)((double)(wait / 2) * random / UINT32_MAX);
}
