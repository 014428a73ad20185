#include "base/sketch.h"

#include <math.h>
#include <string.h>

void sketch_clear(struct sketch *s)
{
    memset(s, 0, sizeof(*s));
    s->with_rank[0] = SKETCH_REGISTERS;
}

bool sketch_add(struct sketch *s, uint64_t hash)
{
    uint32_t at = (uint32_t)(hash & (SKETCH_REGISTERS - 1));
    uint64_t rest = hash >> SKETCH_BITS;
    uint8_t rank = rest ? (uint8_t)(__builtin_ctzll(rest) + 1) : SKETCH_RANKS;

    if (rank <= s->rank[at])
        return false;
    s->with_rank[s->rank[at]]--;
    s->with_rank[rank]++;
    s->rank[at] = rank;
    return true;
}

/* Ertl 2017, "New cardinality estimation algorithms for HyperLogLog sketches", algorithm 6. */
static double sigma(double x)
{
    double before, y = 1, z = x;

    if (x == 1)
        return INFINITY;
    do {
        x *= x;
        before = z;
        z += x * y;
        y += y;
    } while (z != before);
    return z;
}

static double tau(double x)
{
    double before, y = 1, z = 1 - x;

    if (x == 0 || x == 1)
        return 0;
    do {
        x = sqrt(x);
        before = z;
        y /= 2;
        z -= (1 - x) * (1 - x) * y;
    } while (z != before);
    return z / 3;
}

uint32_t sketch_estimate(const struct sketch *s)
{
    const double m = SKETCH_REGISTERS;
    double z = m * tau(1 - s->with_rank[SKETCH_RANKS] / m);

    for (int k = SKETCH_RANKS - 1; k >= 1; k--)
        z = (z + s->with_rank[k]) / 2;
    z += m * sigma(s->with_rank[0] / m);
    double estimate = m * m / (2 * log(2)) / z;
    return estimate >= UINT32_MAX ? UINT32_MAX : (uint32_t)(estimate + 0.5);
}
