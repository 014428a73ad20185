/*
 * Software spread: which worker an Ethernet frame belongs to.
 *
 * The hash covers the two addresses of the innermost IP header that is cheap to reach, and is the
 * same for both directions: all packets of a flow, its fragments included, meet on one worker. It
 * is no parser: what it cannot follow is hashed by what it has seen so far, or is 0. Opened are
 * VLAN tags (4), MPLS labels (10), PPPoE, and up to 2 tunnels: IP in IP, GRE with an IP or Ethernet
 * payload, VXLAN, GENEVE and GTP-U by their port, unless the outer packet is a fragment.
 */
#pragma once

#include <stdint.h>

/* seed: one per start, so that nobody outside knows who meets whom. */
uint32_t spread_hash(const uint8_t *frame, uint32_t cap_len, uint64_t seed);

/* Of workers 0 .. count - 1. */
static inline uint32_t spread_pick(uint32_t hash, uint32_t count)
{
    return (uint32_t)((uint64_t)hash * count >> 32);
}
