/*
 * One packet on its way from capture to the flow table, and the burst it travels in.
 *
 * capture fills the first part, decode the second (decode.h); flow only reads. Multi-byte numbers
 * are in host order; the addresses stay in the frame, in network order, source right before
 * destination (IPv4 octets 12..19, IPv6 octets 8..39: RFC 791 §3.1, RFC 8200 §3).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "weir/wire.h"

#define PACKET_BURST_MAX 64
#define PACKET_VLAN_MAX 2 /* tags kept: outermost and the next; up to 4 are peeled */

/* Link types, as capture maps them from libpcap's DLT or a port's kind. */
enum link_type {
    LINK_ETHERNET,
    LINK_NULL,       /* DLT_NULL: address family in the capturing host's byte order */
    LINK_LOOP,       /* DLT_LOOP: address family in network order */
    LINK_RAW,        /* DLT_RAW: IPv4 or IPv6 by the version nibble */
    LINK_IPV4,       /* DLT_IPV4 */
    LINK_IPV6,       /* DLT_IPV6 */
    LINK_LINUX_SLL,  /* Linux cooked v1 */
    LINK_LINUX_SLL2, /* Linux cooked v2 */
    LINK_PPP,        /* DLT_PPP, DLT_PPP_SERIAL: HDLC-like framing optional (RFC 1662) */
    LINK_CHDLC,      /* DLT_C_HDLC: Cisco HDLC */
    LINK_UNSUPPORTED,
    LINK_COUNT
};

/* Tunnels that decode opens, X(SYMBOL, name, what it is); a flow.decap list names them and is a
 * mask of (1 << kind). */
#define TUNNEL_KINDS(X)                                                                            \
    X(GRE, "gre", "RFC 2784, 2890 (key), NVGRE/TEB; tunnel_id = key")                              \
    X(ERSPAN, "erspan", "type II and III over GRE; tunnel_id = session id")                        \
    X(IPIP, "ipip", "IPIP, 6in4, 4in6, 6in6 (RFC 2003, 4213, 2473); no id")                        \
    X(VXLAN, "vxlan", "RFC 7348, UDP 4789; tunnel_id = VNI")                                       \
    X(GENEVE, "geneve", "RFC 8926, UDP 6081; tunnel_id = VNI")                                     \
    X(GTPU, "gtp", "3GPP TS 29.281, UDP 2152; tunnel_id = TEID")

enum tunnel_kind {
    TUNNEL_NONE,
#define X(symbol, name, help) TUNNEL_##symbol,
    TUNNEL_KINDS(X)
#undef X
        TUNNEL_KIND_COUNT
};

/* What a packet says about who asked and who answers, TCP apart. */
enum direction_hint { HINT_NONE, HINT_REQUEST, HINT_REPLY };

enum packet_flag {
    PACKET_FRAGMENT_FIRST = 1 << 0, /* offset 0, more follow */
    PACKET_FRAGMENT_LATER = 1 << 1, /* offset > 0: ports unknown */
    PACKET_HAS_PORTS = 1 << 2,      /* src_port, dst_port (or ICMP type, code) were captured */
    PACKET_HAS_TCP = 1 << 3,        /* the TCP fields below were captured */
    PACKET_ICMP_ONE_WAY = 1 << 4,   /* ICMP type without a counterpart: ports are type, code */
    PACKET_TRUNCATED = 1 << 5,      /* a header was cut by the snap length */
    PACKET_LENGTH_LIES = 1 << 6,    /* IP claims more octets than the wire carried */
    PACKET_DEEP = 1 << 7,           /* inner VLAN, MPLS or tunnel fields below are set */
    PACKET_PLAIN = 1 << 8,          /* packet_is_plain() */
};

struct packet {
    /* filled by capture */
    const uint8_t *data; /* the frame; valid until the burst is given back */
    uint64_t ts_ns;      /* since 1970 */
    uint32_t cap_len;    /* octets at data */
    uint32_t wire_len;   /* octets on the wire, >= cap_len */
    uint16_t port;       /* ingress port, index of the capture source */
    uint8_t link;        /* enum link_type */

    /* filled by decode */
    uint8_t fate; /* enum weir_fate: FATE_FLOW, or why the packet makes no flow */
    uint8_t ip_version;
    uint8_t proto; /* IANA protocol number behind all extension headers */
    uint8_t ttl;
    uint8_t tos;
    uint16_t flags;    /* enum packet_flag */
    uint16_t src_port; /* ICMP: type, or as Community ID pairs them (decode.h) */
    uint16_t dst_port;
    uint8_t tcp_flags;
    uint8_t hint; /* enum direction_hint */

    const uint8_t *addresses; /* source, then destination: 8 or 32 octets in the frame */
    uint32_t octets;          /* IP-layer octets, never more than the wire carried */
    uint16_t tcp_window;
    uint16_t checksum;    /* of layer 4 as sent, 0 where there is none */
    uint32_t payload;     /* octets above the TCP, UDP, SCTP, DCCP or ICMP header */
    uint32_t fragment_id; /* IPv4 or IPv6 identification */
    uint32_t tcp_seq;
    uint32_t tcp_ack;

    /* 0 in most packets, from here to macs */
    uint8_t icmp_type;
    uint8_t icmp_code;
    uint8_t vlan_count;             /* tags kept: 0, 1 or 2 */
    uint8_t tunnel;                 /* enum tunnel_kind of the innermost tunnel */
    uint16_t vlan[PACKET_VLAN_MAX]; /* VLAN ids of the outermost tags, 0 = no such tag */
    uint32_t tunnel_id;             /* VNI, TEID, key or session id; 0 where the kind has none */
    uint32_t mpls_top; /* top label stack entry as on the wire: label 20, exp 3, bos 1, ttl 8; 0 =
                          none */
    uint32_t tunnel_depth;
    uint32_t outer_version;         /* IP version of that tunnel's outer header */
    const uint8_t *outer_addresses; /* of that tunnel's outer header, NULL without tunnel */
    const uint8_t *macs; /* destination, source of the outermost Ethernet header, or NULL */
};

/* Whether a packet that fits its flow calls for no more than being counted: it is whole, no
 * fragment, of a usual length and not deep, and if TCP, an ACK that neither begins nor ends
 * anything nor closes the window. */
static inline bool packet_is_plain(const struct packet *p)
{
    const uint16_t odd = PACKET_FRAGMENT_FIRST | PACKET_FRAGMENT_LATER | PACKET_TRUNCATED |
                         PACKET_LENGTH_LIES | PACKET_DEEP;
    uint8_t control = p->tcp_flags & (TCP_SYN | TCP_FIN | TCP_RST | TCP_ACK);
    bool tcp = p->flags & PACKET_HAS_TCP;

    return !(p->flags & odd) && control == (tcp ? TCP_ACK : 0) && (!tcp || p->tcp_window) &&
           p->octets <= INT32_MAX;
}

static inline void packet_set_plain(struct packet *p)
{
    p->flags &= (uint16_t)~PACKET_PLAIN;
    p->flags |= packet_is_plain(p) ? PACKET_PLAIN : 0;
}

/* Packets that are handled together, pass by pass. */
struct burst {
    uint32_t count;
    uint64_t now_ns; /* the worker's clock: never runs backwards; read once per burst */
    struct packet packet[PACKET_BURST_MAX];
};
