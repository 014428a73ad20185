/*
 * Numbers in network order, written one behind the other.
 */
#pragma once

#include <endian.h>
#include <stdint.h>
#include <string.h>

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
