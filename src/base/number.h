#pragma once

#include <stdint.h>

static inline uint64_t min64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static inline uint64_t max64(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* The smallest power of two that is not below least, 2^31 at most. */
static inline uint32_t power_of_two(uint64_t least)
{
    uint32_t power = 1;

    while (power < least && power < UINT32_C(1) << 31)
        power *= 2;
    return power;
}
