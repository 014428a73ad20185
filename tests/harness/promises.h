/*
 * What decode promises of any packet, whatever its octets: for tests and the fuzzer.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "weir/counters.h"
#include "weir/packet.h"

/* NULL, or which promise is broken. */
static inline const char *promise_broken(const struct packet *p)
{
    const uint8_t *end = p->data + (p->cap_len < p->wire_len ? p->cap_len : p->wire_len);
    const uint32_t addresses = p->ip_version == 4 ? 8 : 32;
    const uint32_t outer = p->outer_version == 4 ? 8 : 32;

    if (p->fate >= FATE_COUNT)
        return "fate is none of the named ones";
    if (p->macs && (p->macs < p->data || p->macs + 12 > end))
        return "macs outside the frame";
    if (p->vlan_count > PACKET_VLAN_MAX || p->vlan[0] > 4095 || p->vlan[1] > 4095)
        return "vlan out of range";
    if (p->fate != FATE_FLOW)
        return p->addresses || p->octets || p->ip_version || p->proto || p->outer_addresses
                   ? "a packet without flow has IP fields"
                   : NULL;
    if (p->ip_version != 4 && p->ip_version != 6)
        return "ip_version";
    if (p->addresses < p->data || p->addresses + addresses > end)
        return "addresses outside the frame";
    if (p->octets > p->wire_len)
        return "more octets than the wire carried";
    if (p->payload > p->octets)
        return "more payload than octets";
    if ((p->tunnel == TUNNEL_NONE) != (p->tunnel_depth == 0) ||
        (p->tunnel == TUNNEL_NONE) != !p->outer_addresses || p->tunnel >= TUNNEL_KIND_COUNT ||
        p->tunnel_depth > 4)
        return "tunnel fields disagree";
    if (p->outer_addresses && (p->outer_addresses < p->data || p->outer_addresses + outer > end))
        return "outer addresses outside the frame";
    if (!(p->flags & PACKET_HAS_PORTS) && (p->src_port || p->dst_port))
        return "ports without PACKET_HAS_PORTS";
    if (!(p->flags & PACKET_HAS_TCP) && (p->tcp_seq || p->tcp_ack || p->tcp_window))
        return "TCP fields without PACKET_HAS_TCP";
    if (p->flags & PACKET_FRAGMENT_LATER && p->flags & (PACKET_HAS_PORTS | PACKET_FRAGMENT_FIRST))
        return "a later fragment has ports, or is a first one";
    if (p->flags & PACKET_HAS_TCP && !(p->flags & PACKET_HAS_PORTS))
        return "TCP fields without ports";
    if (!(p->flags & PACKET_DEEP) && (p->vlan_count > 1 || p->mpls_top || p->tunnel))
        return "PACKET_DEEP missing";
    if (!(p->flags & PACKET_PLAIN) == packet_is_plain(p))
        return "PACKET_PLAIN is wrong";
    return NULL;
}

/* Fills what decode is to set with `octet`, so that a field it forgets shows. */
static inline void packet_soil(struct packet *p, uint8_t octet)
{
    memset((char *)p + offsetof(struct packet, ip_version), octet,
           sizeof(*p) - offsetof(struct packet, ip_version));
    p->fate = FATE_FLOW;
}

/* Equal in all decode fields. The octets between hint and addresses are padding. */
static inline int packet_same(const struct packet *a, const struct packet *b)
{
    const size_t head = offsetof(struct packet, fate), gap = offsetof(struct packet, hint) + 1,
                 tail = offsetof(struct packet, addresses);
    return memcmp((const char *)a + head, (const char *)b + head, gap - head) == 0 &&
           memcmp((const char *)a + tail, (const char *)b + tail, sizeof(*a) - tail) == 0;
}
