#include "capture/xdp_ignored.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static_assert(CONFIG_NETWORKS_MAX <= XDP_NETWORKS_MAX, "all may be of one table");

static uint64_t load(const uint8_t *octets, unsigned count)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < count; i++)
        value = value << 8 | octets[i];
    return value;
}

/* The lowest bits of a half of an address, 0 ... 64 of them. */
static uint64_t low_bits(unsigned count)
{
    return count < 64 ? (UINT64_C(1) << count) - 1 : UINT64_MAX;
}

static struct xdp_range range_of(const struct ip_prefix *p)
{
    bool is4 = p->version == 4;
    unsigned host = (is4 ? 32u : 128u) - p->length;
    uint64_t high = is4 ? 0 : load(p->address, 8);
    uint64_t low = is4 ? load(p->address, 4) : load(p->address + 8, 8);
    uint64_t high_host = low_bits(host > 64 ? host - 64 : 0);
    uint64_t low_host = low_bits(host > 64 ? 64 : host);

    return (struct xdp_range){.first = {high & ~high_host, low & ~low_host},
                              .last = {high | high_host, low | low_host}};
}

static int address_compare(const struct xdp_address *a, const struct xdp_address *b)
{
    if (a->high != b->high)
        return a->high < b->high ? -1 : 1;
    return a->low < b->low ? -1 : a->low > b->low;
}

/* Of two that begin alike the larger comes first. */
static int range_compare(const void *x, const void *y)
{
    const struct xdp_range *a = x, *b = y;
    int order = address_compare(&a->first, &b->first);

    return order ? order : address_compare(&b->last, &a->last);
}

/* A network lies within another, or apart from it. */
static uint32_t without_inner(struct xdp_range *range, uint32_t count)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < count; i++)
        if (!kept || address_compare(&range[kept - 1].last, &range[i].first) < 0)
            range[kept++] = range[i];
    return kept;
}

static void table_write(const struct ip_prefixes *networks, uint8_t version,
                        const struct xdp_ignored *maps, uint32_t table)
{
    struct xdp_range *range = &maps->networks[table * XDP_NETWORKS_MAX];
    uint32_t count = 0;

    for (uint32_t i = 0; i < networks->count; i++)
        if (networks->prefix[i].version == version)
            range[count++] = range_of(&networks->prefix[i]);
    qsort(range, count, sizeof(*range), range_compare);
    maps->sizes[table] = without_inner(range, count);
}

bool xdp_ignores(const struct capture_config *config)
{
    return config->ignore_networks.count || config->ignore_port_count;
}

void xdp_ignored_write(const struct capture_config *config, const struct xdp_ignored *maps,
                       uint32_t set)
{
    uint64_t *word = &maps->ports[set * XDP_PORT_WORDS];

    table_write(&config->ignore_networks, 4, maps, 2 * set);
    table_write(&config->ignore_networks, 6, maps, 2 * set + 1);
    memset(word, 0, XDP_PORT_WORDS * sizeof(*word));
    for (uint32_t i = 0; i < config->ignore_port_count; i++)
        word[config->ignore_port[i] / 64 % XDP_PORT_WORDS] |= UINT64_C(1)
                                                              << config->ignore_port[i] % 64;
}
