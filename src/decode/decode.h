/*
 * The one packet parser: from a frame to addresses, protocol, ports and lengths of its innermost IP
 * packet.
 *
 * ICMP ports are those of Zeek and Community ID v1: src_port = type, dst_port = the counterpart
 * type (8 and 0, 128 and 129, ...); for a type without one PACKET_ICMP_ONE_WAY is set, and dst_port
 * = code. Octets, payload, ttl and tos are the innermost IP packet's. VLAN ids, MPLS label and MACs
 * are those in front of the outermost IP header. A tunnel without a good IP header inside is not
 * opened: its packet counts as what it is outside.
 */
#pragma once

#include <stdint.h>

struct burst;
struct counters;
struct packet;

struct decode_options {
    uint32_t tunnels; /* mask of 1 << enum tunnel_kind: those to open */
};

/* Sets every decode field of every packet of the burst, except of those that come with
 * FATE_FILTERED, and adds to counters->note[]. Needs data, cap_len, wire_len, link and fate; reads
 * at most min(cap_len, wire_len) octets. Of a packet whose fate then is not FATE_FLOW only the link
 * fields (vlan, mpls_top, macs) may be other than 0. */
void decode_burst(const struct decode_options *, struct burst *, struct counters *);

/* The same for one packet, without the fast path: what the fast path must agree with. */
void decode_packet(const struct decode_options *, struct packet *, struct counters *);
