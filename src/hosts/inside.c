#include "hosts/inside.h"

#include "base/ip.h"

static void mark(struct inside *in, const struct ip_prefix *p)
{
    uint32_t first = (uint32_t)p->address[0] << 8 | p->address[1];
    uint32_t count = p->length >= 16 ? 1 : 1u << (16 - p->length);

    for (uint32_t i = first; i < first + count && i < 65536; i++)
        if (in->slash16[i] != INSIDE_ALL)
            in->slash16[i] = p->length <= 16 ? INSIDE_ALL : INSIDE_MIXED;
}

void inside_init(struct inside *in, const struct ip_prefixes *networks)
{
    memset(in, 0, sizeof(*in));
    in->networks = *networks;
    for (uint32_t i = 0; i < networks->count; i++)
        if (networks->prefix[i].version == 4)
            mark(in, &networks->prefix[i]);
}

bool inside_walk(const struct inside *in, uint8_t version, const uint8_t *address)
{
    for (uint32_t i = 0; i < in->networks.count; i++)
        if (ip_prefix_contains(&in->networks.prefix[i], version, address))
            return true;
    return false;
}
