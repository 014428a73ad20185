/*
 * Ports, TCP fields, ICMP types and payload length of one IP packet.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "weir/packet.h"
#include "weir/wire.h"

struct ip_header;

/* Fills the layer-4 fields of a packet whose fields are still zero, and adds to its flags:
 * src_port, dst_port, icmp_type, icmp_code, tcp_*, hint, checksum, payload. A field that was not
 * captured, or lies behind the end of the IP packet, stays 0. */
void l4_read(struct packet *p, const struct ip_header *ip);

static inline bool l4_is_dns_port(uint16_t port)
{
    return port == PORT_DNS || port == PORT_MDNS || port == PORT_LLMNR;
}

/* RFC 1035 §4.1.1: the first bit behind the id is 0 in a query, 1 in a response. */
static inline uint8_t l4_dns_hint(const uint8_t *dns)
{
    return dns[2] & 0x80 ? HINT_REPLY : HINT_REQUEST;
}
