#include "export/crc32c.h"

#include <string.h>

#define POLYNOMIAL 0x82f63b78u /* bits reversed */

void crc32c_init(struct crc32c *c)
{
    for (uint32_t octet = 0; octet < 256; octet++) {
        uint32_t rest = octet;
        for (int bit = 0; bit < 8; bit++)
            rest = rest >> 1 ^ (rest & 1 ? POLYNOMIAL : 0);
        c->table[0][octet] = rest;
    }
    for (int slice = 1; slice < 8; slice++)
        for (uint32_t octet = 0; octet < 256; octet++) {
            uint32_t before = c->table[slice - 1][octet];
            c->table[slice][octet] = before >> 8 ^ c->table[0][before & 0xff];
        }
}

/* Octets are taken in memory's order; this holds on little-endian machines. */
static uint32_t add_eight(const struct crc32c *c, uint32_t rest, const uint8_t *at)
{
    uint64_t word;

    memcpy(&word, at, 8);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    word ^= rest;
    rest = 0;
    for (int i = 0; i < 8; i++)
        rest ^= c->table[7 - i][word >> 8 * i & 0xff];
    return rest;
}

uint32_t crc32c(const struct crc32c *c, const void *octets, size_t len)
{
    const uint8_t *at = octets;
    uint32_t rest = ~0u;

    for (; len >= 8; len -= 8, at += 8)
        rest = add_eight(c, rest, at);
    for (; len; len--, at++)
        rest = rest >> 8 ^ c->table[0][(rest ^ *at) & 0xff];
    return ~rest;
}
