#include "decode/l4.h"

#include "decode/cursor.h"
#include "decode/ip_header.h"
#include "weir/wire.h"

/* Octets above a header of this length. */
static uint32_t payload_above(const struct cursor *l4, uint32_t header_len)
{
    return l4->wire > header_len ? l4->wire - header_len : 0;
}

static void read_ports(struct packet *p, const struct cursor *l4)
{
    const uint8_t *ports = cursor_peek(l4, 4);
    if (!ports)
        return;
    p->src_port = load_be16(ports);
    p->dst_port = load_be16(ports + 2);
    p->flags |= PACKET_HAS_PORTS;
}

/* A length in 32-bit words in the high nibble or octet at `offset`, but at least the base header's.
 */
static uint32_t words_at(const struct cursor *l4, uint32_t offset, unsigned shift, uint32_t least)
{
    const uint8_t *header = cursor_peek(l4, offset + 1);
    uint32_t len = header ? (uint32_t)(header[offset] >> shift) * 4 : 0;
    return len > least ? len : least;
}

static void read_checksum(struct packet *p, const struct cursor *l4, uint32_t offset)
{
    const uint8_t *header = cursor_peek(l4, offset + 2);
    if (header)
        p->checksum = load_be16(header + offset);
}

/* RFC 9293 §3.1 */
static uint32_t read_tcp(struct packet *p, const struct cursor *l4)
{
    read_ports(p, l4);
    read_checksum(p, l4, 16);
    const uint8_t *header = cursor_peek(l4, TCP_FLAGS_LEN);
    if (header)
        p->tcp_flags = header[13];
    header = cursor_peek(l4, TCP_LEN);
    if (header) {
        p->tcp_seq = load_be32(header + 4);
        p->tcp_ack = load_be32(header + 8);
        p->tcp_window = load_be16(header + 14);
        p->flags |= PACKET_HAS_TCP;
    }
    p->payload = payload_above(l4, words_at(l4, 12, 4, TCP_LEN));
    return TCP_LEN;
}

/* RFC 768 */
static uint32_t read_udp(struct packet *p, const struct cursor *l4)
{
    read_ports(p, l4);
    read_checksum(p, l4, 6);
    p->payload = payload_above(l4, UDP_LEN);
    const uint8_t *dns = cursor_peek(l4, UDP_LEN + DNS_LEN);
    if (dns && (l4_is_dns_port(p->src_port) || l4_is_dns_port(p->dst_port)))
        p->hint = l4_dns_hint(dns + UDP_LEN);
    return UDP_LEN;
}

#define X(ask, answer) {ask, answer},
static const uint8_t icmp_pairs[][2] = {WIRE_ICMP_PAIRS(X)};
static const uint8_t icmp6_pairs[][2] = {WIRE_ICMP6_PAIRS(X)};
#undef X

#define PAIRS(table) sizeof(table) / sizeof(*(table))

/* As Zeek and Community ID v1: a type and its counterpart are the ports of one conversation; a type
 * without one goes one way, with its code in place of the destination port. */
static void pair_icmp(struct packet *p)
{
    bool v6 = p->proto == PROTO_ICMP6;
    const uint8_t(*pairs)[2] = v6 ? icmp6_pairs : icmp_pairs;
    size_t count = v6 ? PAIRS(icmp6_pairs) : PAIRS(icmp_pairs);

    p->src_port = p->icmp_type;
    for (size_t i = 0; i < count; i++) {
        for (int side = 0; side < 2; side++) {
            if (pairs[i][side] != p->icmp_type)
                continue;
            p->dst_port = pairs[i][!side];
            p->hint = side == 0 ? HINT_REQUEST : HINT_REPLY;
            return;
        }
    }
    p->dst_port = p->icmp_code;
    p->flags |= PACKET_ICMP_ONE_WAY;
}

/* RFC 792; RFC 4443 §2.1 */
static uint32_t read_icmp(struct packet *p, const struct cursor *l4)
{
    const uint8_t *header = cursor_peek(l4, 2);
    if (header) {
        p->icmp_type = header[0];
        p->icmp_code = header[1];
        p->flags |= PACKET_HAS_PORTS;
        pair_icmp(p);
    }
    read_checksum(p, l4, 2);
    p->payload = payload_above(l4, ICMP_LEN);
    return ICMP_LEN;
}

/* SCTP: RFC 9260 §3.1. DCCP: RFC 4340 §5.1. */
static uint32_t read_other(struct packet *p, const struct cursor *l4)
{
    uint32_t least = p->proto == PROTO_SCTP ? SCTP_LEN : DCCP_LEN;
    read_ports(p, l4);
    p->payload = payload_above(l4, p->proto == PROTO_SCTP ? least : words_at(l4, 4, 0, least));
    return least;
}

/* Reads what the protocol has; returns how long its header is at least. */
static uint32_t read_header(struct packet *p, const struct cursor *l4)
{
    switch (p->proto) {
    case PROTO_TCP:
        return read_tcp(p, l4);
    case PROTO_UDP:
        return read_udp(p, l4);
    case PROTO_UDPLITE: /* RFC 3828: UDP with another meaning of its length */
        read_ports(p, l4);
        read_checksum(p, l4, 6);
        p->payload = payload_above(l4, UDP_LEN);
        return UDP_LEN;
    case PROTO_SCTP:
    case PROTO_DCCP:
        return read_other(p, l4);
    case PROTO_ICMP:
    case PROTO_ICMP6:
        return read_icmp(p, l4);
    default:
        p->payload = l4->wire;
        return 0;
    }
}

void l4_read(struct packet *p, const struct ip_header *ip)
{
    if (ip->opaque || p->flags & PACKET_FRAGMENT_LATER) {
        p->payload = ip->payload.wire;
        return;
    }
    if (cursor_is_cut(&ip->payload, read_header(p, &ip->payload)))
        p->flags |= PACKET_TRUNCATED;
}
