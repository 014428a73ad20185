/*
 * The shape nearly every frame has, decoded straight: Ethernet with at most one 802.1Q tag; IPv4
 * without options, not a fragment, or IPv6 without extension headers; TCP or UDP whose base header
 * is there whole. Anything else, and anything odd in these, is left to decode_packet(), with which
 * this agrees field by field.
 *
 * TCP and UDP take the same instructions: the protocol changes from packet to packet and a branch
 * on it would be mispredicted.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "decode/cursor.h"
#include "decode/decode.h"
#include "decode/l4.h"
#include "decode/tunnel.h"
#include "weir/counters.h"
#include "weir/packet.h"
#include "weir/wire.h"

/* Where layer 4 begins, of which TCP_LEN octets may be read, and its length as IP says. NULL: not
 * of this shape. */
struct fast_l4 {
    const uint8_t *at;
    uint32_t len;
};

static inline struct fast_l4 fast_ip4(struct packet *p, const struct cursor *at)
{
    const uint8_t *header = cursor_peek(at, IP4_LEN + TCP_LEN);
    if (!header || header[0] != 0x45 || load_be16(header + 6) & 0x3fff)
        return (struct fast_l4){0};
    p->ip_version = 4;
    p->proto = header[9];
    p->ttl = header[8];
    p->tos = header[1];
    p->addresses = header + 12;
    p->octets = load_be16(header + 2);
    p->fragment_id = load_be16(header + 4);
    if (p->octets < IP4_LEN)
        return (struct fast_l4){0};
    return (struct fast_l4){header + IP4_LEN, p->octets - IP4_LEN};
}

static inline struct fast_l4 fast_ip6(struct packet *p, const struct cursor *at)
{
    const uint8_t *header = cursor_peek(at, IP6_LEN + TCP_LEN);
    if (!header || header[0] >> 4 != 6)
        return (struct fast_l4){0};
    p->ip_version = 6;
    p->proto = header[6];
    p->ttl = header[7];
    p->tos = (uint8_t)(load_be16(header) >> 4);
    p->addresses = header + 8;
    p->octets = load_be16(header + 4) + (uint32_t)IP6_LEN;
    p->fragment_id = 0;
    return (struct fast_l4){header + IP6_LEN, p->octets - IP6_LEN};
}

/* TCP or UDP, whole within the IP packet, which is whole on the wire, and no tunnel to look into. A
 * length that the header does not say fails here too: it is 0. */
static inline bool fast_is_plain(uint32_t tunnels, const struct packet *p, struct fast_l4 l4,
                                 uint32_t wire)
{
    const bool tcp = p->proto == PROTO_TCP;
    if (!tcp && p->proto != PROTO_UDP)
        return false;
    if (p->octets > wire || l4.len < (tcp ? TCP_LEN : UDP_LEN))
        return false;
    return tcp || !(tunnels & TUNNEL_UDP_MASK) || !tunnel_is_port(load_be16(l4.at + 2));
}

/* `captured` octets from the layer-4 header on may be read. */
static inline void fast_set_l4(struct packet *p, struct fast_l4 l4, uint32_t captured)
{
    const bool tcp = p->proto == PROTO_TCP;
    const uint32_t mask = tcp ? UINT32_MAX : 0;
    const uint32_t words = (uint32_t)(l4.at[12] >> 4) * 4;
    const uint32_t tcp_len = words > TCP_LEN ? words : TCP_LEN;
    const uint32_t header_len = tcp ? tcp_len : UDP_LEN;

    p->flags = (uint16_t)(PACKET_HAS_PORTS | (PACKET_HAS_TCP & mask));
    p->src_port = load_be16(l4.at);
    p->dst_port = load_be16(l4.at + 2);
    p->tcp_seq = load_be32(l4.at + 4) & mask;
    p->tcp_ack = load_be32(l4.at + 8) & mask;
    p->tcp_flags = (uint8_t)(l4.at[13] & mask);
    p->tcp_window = (uint16_t)(load_be16(l4.at + 14) & mask);
    p->checksum = load_be16(l4.at + (tcp ? 16 : 6));
    p->payload = l4.len > header_len ? l4.len - header_len : 0;
    p->icmp_type = 0;
    p->icmp_code = 0;
    p->hint = HINT_NONE;
    if ((l4_is_dns_port(p->src_port) || l4_is_dns_port(p->dst_port)) && !tcp &&
        captured >= UDP_LEN + DNS_LEN && l4.len >= UDP_LEN + DNS_LEN)
        p->hint = l4_dns_hint(l4.at + UDP_LEN);
}

static inline void fast_set_link(struct packet *p, const uint8_t *frame, bool tagged)
{
    const size_t from = offsetof(struct packet, vlan), to = offsetof(struct packet, macs);
    memset((char *)p + from, 0, to - from);
    if (tagged) {
        p->vlan[0] = load_be16(frame + ETHERNET_LEN) & 0x0fff;
        p->vlan_count = 1;
    }
    p->macs = frame;
}

/* False: not of this shape, and the decode fields of the packet are void. */
static inline bool fast_decode(const struct decode_options *options, struct packet *p)
{
    struct cursor at = cursor_init(p->data, p->cap_len, p->wire_len);
    const uint8_t *frame = cursor_peek(&at, ETHERNET_LEN + VLAN_LEN);
    struct fast_l4 l4 = {0};

    if (!frame || p->link != LINK_ETHERNET)
        return false;
    uint16_t type = load_be16(frame + 12);
    const bool tagged = type == ETYPE_VLAN;
    if (tagged)
        type = load_be16(frame + ETHERNET_LEN + 2);
    cursor_skip(&at, tagged ? ETHERNET_LEN + VLAN_LEN : ETHERNET_LEN);
    if (type == ETYPE_IP4)
        l4 = fast_ip4(p, &at);
    else if (type == ETYPE_IP6)
        l4 = fast_ip6(p, &at);
    if (!l4.at || !fast_is_plain(options->tunnels, p, l4, at.wire))
        return false;
    p->fate = FATE_FLOW;
    fast_set_l4(p, l4, (uint32_t)(at.end - l4.at));
    fast_set_link(p, frame, tagged);
    return true;
}
