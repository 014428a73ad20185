/*
 * Numbers in network order, at any alignment.
 */
#pragma once

#include <endian.h>
#include <stdint.h>
#include <string.h>

static inline uint16_t load_be16(const uint8_t *octets)
{
    uint16_t value;
    memcpy(&value, octets, sizeof(value));
    return be16toh(value);
}

static inline uint32_t load_be32(const uint8_t *octets)
{
    uint32_t value;
    memcpy(&value, octets, sizeof(value));
    return be32toh(value);
}

static inline uint64_t load_be64(const uint8_t *octets)
{
    uint64_t value;
    memcpy(&value, octets, sizeof(value));
    return be64toh(value);
}

/* put_*: return where the next octet goes. */
static inline uint8_t *put_be16(uint8_t *out, uint16_t value)
{
    value = htobe16(value);
    memcpy(out, &value, sizeof(value));
    return out + sizeof(value);
}

static inline uint8_t *put_be32(uint8_t *out, uint32_t value)
{
    value = htobe32(value);
    memcpy(out, &value, sizeof(value));
    return out + sizeof(value);
}

static inline uint8_t *put_be64(uint8_t *out, uint64_t value)
{
    value = htobe64(value);
    memcpy(out, &value, sizeof(value));
    return out + sizeof(value);
}
