/*
 * Numbers and times as text. Each put_ writes at out, without an end mark, and returns the new end.
 * They know no locale and no format strings. The caller guarantees the room said here.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define NS_PER_US UINT64_C(1000)
#define US_PER_SECOND UINT64_C(1000000)

static inline char *put_text(char *out, const char *text)
{
    return stpcpy(out, text);
}

/* At most 20 octets. */
static inline char *put_u64(char *out, uint64_t value)
{
    char digits[20];
    unsigned at = sizeof(digits);

    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    memcpy(out, digits + at, sizeof(digits) - at);
    return out + sizeof(digits) - at;
}

/* The last width decimal digits of value, with leading zeros. */
static inline char *put_digits(char *out, uint64_t value, unsigned width)
{
    for (unsigned i = width; i-- > 0; value /= 10)
        out[i] = (char)('0' + value % 10);
    return out + width;
}

/* 16 octets. */
static inline char *put_hex64(char *out, uint64_t value)
{
    for (unsigned i = 16; i-- > 0; value >>= 4)
        out[i] = "0123456789abcdef"[value & 15];
    return out + 16;
}

/* Seconds with 6 decimals; at most 21 octets. */
static inline char *put_seconds(char *out, uint64_t us)
{
    out = put_u64(out, us / US_PER_SECOND);
    *out++ = '.';
    return put_digits(out, us % US_PER_SECOND, 6);
}

/* Floored microseconds between two times; 0 where end lies before start. */
static inline uint64_t us_between(uint64_t start_ns, uint64_t end_ns)
{
    return end_ns > start_ns ? end_ns / NS_PER_US - start_ns / NS_PER_US : 0;
}

/* UTC as YYYY-MM-DDThh:mm:ss and decimals (0..9) of the second, floored; at most 29 octets. */
char *put_utc(char *out, uint64_t ns, unsigned decimals);

/* The text as the inside of a JSON string (RFC 8259 §7): at most 6 octets for each of its own.
 * What is not UTF-8 becomes U+FFFD. */
char *put_json_text(char *out, const char *text);
