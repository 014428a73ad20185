/*
 * Numbers that stand in frames: types, protocols, ports and header lengths. Enums and
 * lists only, so that the XDP program can include it. Lengths are in octets; names of lengths end
 * in _LEN.
 */
#pragma once

/* EtherTypes (IEEE; RFC 9542 appendix B.1). Below ETYPE_MIN the field is an IEEE 802.3 length. */
enum wire_etype {
    ETYPE_MIN = 1536,
    ETYPE_IP4 = 0x0800,
    ETYPE_ARP = 0x0806,
    ETYPE_TEB = 0x6558, /* transparent Ethernet bridging: an Ethernet frame follows (RFC 1701) */
    ETYPE_RARP = 0x8035,
    ETYPE_VLAN = 0x8100,
    ETYPE_IP6 = 0x86dd,
    ETYPE_PPP = 0x880b,
    ETYPE_MPLS = 0x8847,
    ETYPE_MPLS_UPSTREAM = 0x8848,
    ETYPE_PPPOE_DISCOVERY = 0x8863,
    ETYPE_PPPOE_SESSION = 0x8864,
    ETYPE_QINQ = 0x88a8,
    ETYPE_QINQ_9100 = 0x9100,
    ETYPE_QINQ_9200 = 0x9200,
    ETYPE_ERSPAN_II = 0x88be, /* GRE only */
    ETYPE_ERSPAN_III = 0x22eb /* GRE only */
};

/* IP protocol numbers (IANA). */
enum wire_proto {
    PROTO_HOP_BY_HOP = 0,
    PROTO_ICMP = 1,
    PROTO_IP4 = 4,
    PROTO_TCP = 6,
    PROTO_UDP = 17,
    PROTO_DCCP = 33,
    PROTO_IP6 = 41,
    PROTO_ROUTING = 43,
    PROTO_FRAGMENT = 44,
    PROTO_GRE = 47,
    PROTO_ESP = 50,
    PROTO_AH = 51,
    PROTO_ICMP6 = 58,
    PROTO_NO_NEXT = 59,
    PROTO_DESTINATION = 60,
    PROTO_SCTP = 132,
    PROTO_UDPLITE = 136
};

/* PPP protocol numbers (IANA). */
enum wire_ppp { PPP_IP4 = 0x0021, PPP_IP6 = 0x0057, PPP_MPLS = 0x0281 };

enum wire_port {
    PORT_DNS = 53,
    PORT_GTPU = 2152,
    PORT_VXLAN = 4789,
    PORT_MDNS = 5353,
    PORT_LLMNR = 5355,
    PORT_GENEVE = 6081
};

enum wire_len {
    ETHERNET_LEN = 14,
    ETHERNET_MIN_LEN = 60, /* shortest frame without its checksum: below this a sender pads */
    VLAN_LEN = 4,
    LLC_LEN = 3,
    LLC_SNAP_LEN = 8,
    MPLS_LEN = 4,
    MPLS_CONTROL_LEN = 4, /* pseudowire control word, RFC 4385 */
    PPPOE_LEN = 6,
    SLL_LEN = 16,
    SLL2_LEN = 20,
    NULL_LEN = 4,
    CHDLC_LEN = 4,
    IP4_LEN = 20, /* without options */
    IP6_LEN = 40,
    IP6_FRAGMENT_LEN = 8,
    TCP_LEN = 20,       /* without options */
    TCP_FLAGS_LEN = 14, /* up to and with the flags */
    UDP_LEN = 8,
    SCTP_LEN = 12,
    DCCP_LEN = 12, /* with a short sequence number; the least a data offset may say */
    ICMP_LEN = 8,
    DNS_LEN = 12,
    GRE_LEN = 4,    /* without optional fields */
    GRE_V1_LEN = 8, /* the same, with the key of RFC 2637 */
    ERSPAN_II_LEN = 8,
    ERSPAN_III_LEN = 12,
    ERSPAN_III_PLATFORM_LEN = 8,
    VXLAN_LEN = 8,
    GENEVE_LEN = 8, /* without options */
    GTPU_LEN = 8,   /* without optional fields */
    GTPU_OPTIONAL_LEN = 4
};

enum wire_tcp_flag {
    TCP_FIN = 0x01,
    TCP_SYN = 0x02,
    TCP_RST = 0x04,
    TCP_PSH = 0x08,
    TCP_ACK = 0x10,
    TCP_URG = 0x20,
    TCP_ECE = 0x40,
    TCP_CWR = 0x80
};

/* ICMP types that ask, and what answers them, X(ASK, ANSWER): RFC 792, 950, 1256. */
#define WIRE_ICMP_PAIRS(X) X(8, 0) X(13, 14) X(15, 16) X(17, 18) X(10, 9)

/* The same of ICMPv6: RFC 4443, 2710, 4861, 4620; 144, 145: RFC 6275. */
#define WIRE_ICMP6_PAIRS(X) X(128, 129) X(130, 131) X(133, 134) X(135, 136) X(139, 140) X(144, 145)
