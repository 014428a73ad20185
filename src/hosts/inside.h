/*
 * Which addresses are inside.
 *
 * Design note. IPv4: one octet for each /16 says none, all or "look at the prefixes"; the octets of
 * the networks in use stay in the cache. IPv6 and mixed /16s walk the prefixes.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "weir/config.h"
#include "weir/flow.h"
#include "weir/host.h"

enum inside_slash16 { INSIDE_NONE, INSIDE_ALL, INSIDE_MIXED };

struct inside {
    struct ip_prefixes networks;
    uint8_t slash16[65536]; /* enum inside_slash16 */
};

void inside_init(struct inside *, const struct ip_prefixes *networks);

/* Looks at every prefix. */
bool inside_walk(const struct inside *, uint8_t ip_version, const uint8_t *address);

static inline bool inside_has(const struct inside *in, uint8_t ip_version, const uint8_t *address)
{
    uint8_t kind = INSIDE_MIXED;

    if (ip_version == 4)
        kind = in->slash16[(uint32_t)address[0] << 8 | address[1]];
    return kind == INSIDE_MIXED ? inside_walk(in, ip_version, address) : kind == INSIDE_ALL;
}

/* enum host_inside bits of a flow. */
static inline uint8_t inside_of(const struct inside *in, const struct flow_delta *d)
{
    return (uint8_t)((inside_has(in, d->ip_version, d->address[0]) ? INSIDE_INITIATOR : 0) |
                     (inside_has(in, d->ip_version, d->address[1]) ? INSIDE_RESPONDER : 0));
}
