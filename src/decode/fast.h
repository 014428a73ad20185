/*
 * The shape nearly every frame has, decoded straight: Ethernet with at most one 802.1Q tag; IPv4
 * without options, not a fragment, or IPv6 without extension headers; TCP or UDP whose base header
 * is there whole. Anything else, and anything odd in these, is left to decode_packet(), with which
 * this agrees field by field.
 *
 * TCP and UDP take the same instructions: the protocol changes from packet to packet and a branch
 * on it would be mispredicted. Hence masks, which compilers do not turn into branches.
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

static inline struct fast_l4 fast_ip4(struct packet *p, const uint8_t *header)
{
    const uint64_t first = load_be64(header); /* version, IHL, TOS, length, id, fragment */
    const uint32_t octets = first >> 32 & 0xffff;

    if (first >> 56 != 0x45 || first & 0x3fff || octets < IP4_LEN)
        return (struct fast_l4){0};
    p->ip_version = 4;
    p->proto = header[9];
    p->ttl = header[8];
    p->tos = (uint8_t)(first >> 48);
    p->addresses = header + 12;
    p->octets = octets;
    p->fragment_id = first >> 16 & 0xffff;
    return (struct fast_l4){header + IP4_LEN, octets - IP4_LEN};
}

static inline struct fast_l4 fast_ip6(struct packet *p, const uint8_t *header)
{
    if (header[0] >> 4 != 6)
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

/* All ones for TCP, else 0. The compiler is not to know how it came about. */
static inline uint64_t fast_tcp_mask(const struct packet *p)
{
    uint64_t mask = -(uint64_t)(p->proto == PROTO_TCP);

    __asm__("" : "+r"(mask));
    return mask;
}

/* The least length of the header. */
static inline uint32_t fast_l4_least(uint64_t tcp)
{
    return UDP_LEN + ((uint32_t)tcp & (TCP_LEN - UDP_LEN));
}

/* TCP or UDP, whole within the IP packet, which is whole on the wire, and no tunnel to look into. A
 * length that the header does not say fails here too: it is 0. */
static inline bool fast_is_plain(uint32_t tunnels, const struct packet *p, struct fast_l4 l4,
                                 uint64_t tcp, uint32_t wire)
{
    const uint64_t protocols = UINT64_C(1) << PROTO_TCP | UINT64_C(1) << PROTO_UDP;

    if (p->proto > 63 || !(protocols >> p->proto & 1) || p->octets > wire ||
        l4.len < fast_l4_least(tcp))
        return false;
    return !(tunnels & TUNNEL_UDP_MASK) || !tunnel_is_port(load_be16(l4.at + 2)) || tcp;
}

/* As packet_is_plain() tells: control are the flags of TCP, 0 for UDP. */
static inline uint16_t fast_flags(uint64_t tcp, uint32_t control, uint32_t window)
{
    control &= TCP_SYN | TCP_FIN | TCP_RST | TCP_ACK;
    const uint32_t odd = (control ^ (TCP_ACK & (uint32_t)tcp)) | ((uint32_t)tcp & !window);

    return (uint16_t)(PACKET_HAS_PORTS | (PACKET_HAS_TCP & tcp) | (odd ? 0 : PACKET_PLAIN));
}

/* Whether the ports may be those of DNS, and there is a header of it to read. */
static inline bool fast_is_dns(const struct packet *p, struct fast_l4 l4, uint32_t captured)
{
    return (l4_is_dns_port(p->src_port) || l4_is_dns_port(p->dst_port)) && p->proto == PROTO_UDP &&
           captured >= UDP_LEN + DNS_LEN && l4.len >= UDP_LEN + DNS_LEN;
}

/* `captured` octets from the layer-4 header on may be read. */
static inline void fast_set_l4(struct packet *p, struct fast_l4 l4, uint64_t tcp, uint32_t captured)
{
    const uint64_t first = load_be64(l4.at);            /* ports, sequence number */
    const uint64_t second = load_be64(l4.at + 8) & tcp; /* acknowledgement, length, flags, window */
    const uint32_t words = second >> 26 & 0x3c, least = fast_l4_least(tcp);
    const uint32_t header_len = words > least ? words : least;
    const uint32_t control = second >> 16 & 0xff, window = second & 0xffff;

    p->flags = fast_flags(tcp, control, window);
    p->src_port = (uint16_t)(first >> 48);
    p->dst_port = (uint16_t)(first >> 32);
    p->tcp_flags = (uint8_t)control;
    p->tcp_window = (uint16_t)window;
    p->tcp_seq = (uint32_t)(first & tcp);
    p->tcp_ack = (uint32_t)(second >> 32);
    p->checksum = load_be16(l4.at + 6 + (tcp & 10));
    p->payload = l4.len > header_len ? l4.len - header_len : 0;
    p->hint = HINT_NONE;
    if (fast_is_dns(p, l4, captured))
        p->hint = l4_dns_hint(l4.at + UDP_LEN);
}

static inline void fast_set_link(struct packet *p, const uint8_t *frame, bool tagged)
{
    const size_t from = offsetof(struct packet, icmp_type), to = offsetof(struct packet, macs);

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
    const struct cursor at = cursor_init(p->data, p->cap_len, p->wire_len);
    const uint32_t captured = cursor_captured(&at);
    const uint8_t *frame = cursor_peek(&at, ETHERNET_LEN + IP4_LEN + TCP_LEN);
    struct fast_l4 l4 = {0};

    if (!frame || p->link != LINK_ETHERNET)
        return false;
    uint16_t type = load_be16(frame + 12);
    const bool tagged = type == ETYPE_VLAN;
    const uint32_t link = tagged ? ETHERNET_LEN + VLAN_LEN : ETHERNET_LEN;
    if (tagged)
        type = load_be16(frame + ETHERNET_LEN + 2);
    if (type == ETYPE_IP4 && captured >= link + IP4_LEN + TCP_LEN)
        l4 = fast_ip4(p, frame + link);
    else if (type == ETYPE_IP6 && captured >= link + IP6_LEN + TCP_LEN)
        l4 = fast_ip6(p, frame + link);
    if (!l4.at)
        return false;
    const uint64_t tcp = fast_tcp_mask(p);
    if (!fast_is_plain(options->tunnels, p, l4, tcp, at.wire - link))
        return false;
    p->fate = FATE_FLOW;
    fast_set_link(p, frame, tagged);
    fast_set_l4(p, l4, tcp, (uint32_t)(at.end - l4.at));
    return true;
}
