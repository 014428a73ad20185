/*
 * CRC-32C (Castagnoli, RFC 3720 §B.4), eight octets at a time.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct crc32c {
    uint32_t table[8][256];
};

void crc32c_init(struct crc32c *);
uint32_t crc32c(const struct crc32c *, const void *octets, size_t len);
