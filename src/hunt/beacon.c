#include "hunt/beacon.h"

#include <math.h>
#include <stdlib.h>

#define HOUR_NS UINT64_C(3600000000000)
#define LEAST_HOURS 6.0
#define IDEAL_HOURS 12.0

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double within_one(double x)
{
    return x < 0 ? 0 : x > 1 ? 1 : x;
}

/* Of sorted values, linear between neighbours. */
static double quantile(const double *v, unsigned count, double q)
{
    double at = q * (count - 1);
    unsigned below = (unsigned)at;

    return below + 1 < count ? v[below] + (at - below) * (v[below + 1] - v[below]) : v[below];
}

double beacon_regularity(double *v, unsigned count)
{
    if (count < 3)
        return 0;
    qsort(v, count, sizeof(*v), by_value);
    double low = quantile(v, count, 0.25), median = quantile(v, count, 0.5);
    double high = quantile(v, count, 0.75);
    double skew = high == low ? 0 : (high + low - 2 * median) / (high - low);
    for (unsigned i = 0; i < count; i++)
        v[i] = fabs(v[i] - median);
    qsort(v, count, sizeof(*v), by_value);
    double mad = quantile(v, count, 0.5);
    double spread = median > 0 ? within_one((median - mad) / median) : 0;
    return (1 - fabs(skew) + spread) / 2;
}

static double samples_score(const uint32_t *sample, unsigned count)
{
    double v[CONTACT_SAMPLES];

    count = count < CONTACT_SAMPLES ? count : CONTACT_SAMPLES;
    for (unsigned i = 0; i < count; i++)
        v[i] = sample[i];
    return beacon_regularity(v, count);
}

static double duration_score(const struct contact_rhythm *r)
{
    double hours = (double)(r->last_ns - r->first_ns) / (double)HOUR_NS;

    return hours < LEAST_HOURS ? 0 : within_one(hours / IDEAL_HOURS);
}

/* Over the hours between the first and the last start; a day and more fills all of them. */
static double histogram_score(const struct contact_rhythm *r)
{
    uint64_t first = r->first_ns / HOUR_NS, hours = r->last_ns / HOUR_NS - first + 1;
    double sum = 0, squares = 0;

    hours = hours < CONTACT_HOURS ? hours : CONTACT_HOURS;
    for (uint64_t i = 0; i < hours; i++) {
        double n = r->hour[(first + i) % CONTACT_HOURS];
        sum += n;
        squares += n * n;
    }
    double mean = sum / (double)hours;
    if (hours < 2 || mean == 0)
        return 0;
    return within_one(1 - sqrt(squares / (double)hours - mean * mean) / mean);
}

double beacon_score(const struct contact_rhythm *r)
{
    if (r->starts < 4)
        return 0;
    return (samples_score(r->interval_ms, r->starts - 1) + samples_score(r->size, r->sizes) +
            duration_score(r) + histogram_score(r)) /
           4;
}
