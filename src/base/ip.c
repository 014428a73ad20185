#include "base/ip.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "weir/config.h"

static size_t octet_format(uint8_t value, char *out)
{
    size_t n = 0;
    if (value >= 100)
        out[n++] = (char)('0' + value / 100);
    if (value >= 10)
        out[n++] = (char)('0' + value / 10 % 10);
    out[n++] = (char)('0' + value % 10);
    return n;
}

size_t ip_format(uint8_t version, const uint8_t *address, char *out)
{
    if (version != 4) {
        if (!inet_ntop(AF_INET6, address, out, IP_TEXT_MAX))
            out[0] = '\0';
        return strlen(out);
    }
    size_t n = 0;
    for (int i = 0; i < 4; i++) {
        if (i)
            out[n++] = '.';
        n += octet_format(address[i], out + n);
    }
    out[n] = '\0';
    return n;
}

/* Host bits of a prefix are cleared, so that equal prefixes have equal octets. */
static void prefix_mask(struct ip_prefix *prefix)
{
    for (unsigned i = 0; i < sizeof(prefix->address); i++) {
        unsigned bit = i * 8;
        if (bit >= prefix->length)
            prefix->address[i] = 0;
        else if (prefix->length - bit < 8)
            prefix->address[i] &= (uint8_t)(0xff00u >> (prefix->length - bit));
    }
}

int ip_prefix_parse(const char *text, struct ip_prefix *prefix)
{
    char address[IP_TEXT_MAX];
    struct ip_prefix parsed = {.version = strchr(text, ':') ? 6 : 4};
    unsigned long bits = parsed.version == 4 ? 32 : 128;
    const char *slash = strchr(text, '/');
    size_t len = slash ? (size_t)(slash - text) : strlen(text);

    if (len >= sizeof(address))
        return -EINVAL;
    memcpy(address, text, len);
    address[len] = '\0';
    if (inet_pton(parsed.version == 4 ? AF_INET : AF_INET6, address, parsed.address) != 1)
        return -EINVAL;
    if (slash) {
        char *end;
        if (slash[1] < '0' || slash[1] > '9')
            return -EINVAL;
        unsigned long value = strtoul(slash + 1, &end, 10);
        if (*end || value > bits)
            return -EINVAL;
        bits = value;
    }
    parsed.length = (uint8_t)bits;
    prefix_mask(&parsed);
    *prefix = parsed;
    return 0;
}

size_t ip_prefix_format(const struct ip_prefix *prefix, char *out)
{
    size_t n = ip_format(prefix->version, prefix->address, out);
    return n + (size_t)sprintf(out + n, "/%u", prefix->length);
}

bool ip_prefix_contains(const struct ip_prefix *prefix, uint8_t version, const uint8_t *address)
{
    unsigned whole = prefix->length / 8, rest = prefix->length % 8;

    if (prefix->version != version || memcmp(prefix->address, address, whole) != 0)
        return false;
    return !rest || ((prefix->address[whole] ^ address[whole]) & (0xff00u >> rest) & 0xff) == 0;
}
