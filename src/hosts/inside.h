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
#include "weir/host.h"

struct flow_delta;

struct inside {
    struct ip_prefixes networks;
    uint8_t slash16[65536];
};

void inside_init(struct inside *, const struct ip_prefixes *networks);
bool inside_has(const struct inside *, uint8_t ip_version, const uint8_t *address);

/* enum host_inside bits of a flow. */
uint8_t inside_of(const struct inside *, const struct flow_delta *);
