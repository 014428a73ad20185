#include "config/number.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

struct unit {
    const char *name;
    uint64_t value;
};

/* Largest first. */
static const struct unit durations[] = {
    {"d", UINT64_C(86400000000000)}, {"h", UINT64_C(3600000000000)}, {"m", UINT64_C(60000000000)},
    {"s", UINT64_C(1000000000)},     {"ms", UINT64_C(1000000)},
};
static const struct unit counts[] = {{"G", 1000000000}, {"M", 1000000}, {"k", 1000}};
static const struct unit octets[] = {{"GiB", 1 << 30},  {"MiB", 1 << 20}, {"KiB", 1 << 10},
                                     {"G", 1000000000}, {"M", 1000000},   {"k", 1000}};

#define LENGTH(array) (sizeof(array) / sizeof(*(array)))
#define SECONDS 3 /* index in durations */

static uint64_t multiply_saturated(uint64_t a, uint64_t b)
{
    uint64_t product;
    return __builtin_mul_overflow(a, b, &product) ? UINT64_MAX : product;
}

static uint64_t add_saturated(uint64_t a, uint64_t b)
{
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

/* Takes the digits at *at; -EINVAL when there is none. */
static int take_digits(const char **at, uint64_t *value)
{
    const char *begin = *at;
    for (*value = 0; **at >= '0' && **at <= '9'; (*at)++)
        *value = add_saturated(multiply_saturated(*value, 10), (uint64_t)(**at - '0'));
    return *at == begin ? -EINVAL : 0;
}

/* Takes the unit at *at, which must be one of units[from..]; returns its index, or -EINVAL. */
static int take_unit(const char **at, const struct unit *units, size_t from, size_t count)
{
    size_t len = strcspn(*at, "0123456789");
    for (size_t i = from; i < count; i++) {
        if (strlen(units[i].name) == len && memcmp(units[i].name, *at, len) == 0) {
            *at += len;
            return (int)i;
        }
    }
    return -EINVAL;
}

int duration_parse(const char *text, uint64_t *ns)
{
    uint64_t total = 0, value;
    size_t next = 0;
    const char *at = text;

    do {
        if (take_digits(&at, &value) < 0)
            return -EINVAL;
        bool bare = *at == '\0' && next == 0;
        int unit = bare ? SECONDS : take_unit(&at, durations, next, LENGTH(durations));
        if (unit < 0)
            return -EINVAL;
        total = add_saturated(total, multiply_saturated(value, durations[unit].value));
        next = (size_t)unit + 1;
    } while (*at);
    *ns = total;
    return 0;
}

const char *duration_format(uint64_t ns, char out[NUMBER_TEXT_MAX])
{
    size_t n = 0;

    strcpy(out, "0s");
    for (size_t i = 0; i < LENGTH(durations); i++) {
        uint64_t value = ns / durations[i].value;
        ns %= durations[i].value;
        if (value)
            n += (size_t)sprintf(out + n, "%" PRIu64 "%s", value, durations[i].name);
    }
    return out;
}

/* Digits, then one of units or nothing. */
static int scaled_parse(const char *text, const struct unit *units, size_t count, uint64_t *number)
{
    uint64_t value;
    const char *at = text;

    if (take_digits(&at, &value) < 0)
        return -EINVAL;
    if (*at) {
        int unit = take_unit(&at, units, 0, count);
        if (unit < 0 || *at)
            return -EINVAL;
        value = multiply_saturated(value, units[unit].value);
    }
    *number = value;
    return 0;
}

static const char *scaled_format(uint64_t number, const struct unit *units, size_t count, char *out)
{
    size_t i = 0;

    while (i < count && (!number || number % units[i].value))
        i++;
    sprintf(out, "%" PRIu64 "%s", i < count ? number / units[i].value : number,
            i < count ? units[i].name : "");
    return out;
}

int count_parse(const char *text, uint64_t *count)
{
    return scaled_parse(text, counts, LENGTH(counts), count);
}

const char *count_format(uint64_t count, char out[NUMBER_TEXT_MAX])
{
    return scaled_format(count, counts, LENGTH(counts), out);
}

int octets_parse(const char *text, uint64_t *count)
{
    return scaled_parse(text, octets, LENGTH(octets), count);
}

const char *octets_format(uint64_t count, char out[NUMBER_TEXT_MAX])
{
    return scaled_format(count, octets, LENGTH(octets), out);
}

int digits_parse(const char *text, uint64_t *number)
{
    return scaled_parse(text, NULL, 0, number);
}

const char *digits_format(uint64_t number, char out[NUMBER_TEXT_MAX])
{
    return scaled_format(number, NULL, 0, out);
}
