/*
 * Every counter of the sensor, said once: enum, name, group, metric label and help come from these
 * lists.
 *
 * WEIR_FATES   what became of one delivered packet. Each packet has exactly one fate, so the fates
 *              of a worker add up to the packets delivered to it (the second line of the ledger).
 * WEIR_NOTES   what was noticed on the way. A packet may raise several notes or none.
 *
 * X(SYMBOL, group, label, help)
 */
#pragma once

#include <stdint.h>

#define WEIR_FATES(X)                                                                              \
    X(FLOW, "flow", "in_flows", "counted in a flow, or held as a fragment of one")                 \
    X(FILTERED, "filtered", "filter", "left out by the capture filter")                            \
    X(DUPLICATE, "duplicate", "span_duplicate", "second copy within 10 ms, capture.dedup is on")   \
    X(NOT_IP_ARP, "not_ip", "arp", "ARP or RARP")                                                  \
    X(NOT_IP_LLC, "not_ip", "llc", "IEEE 802.3 frame with LLC other than SNAP (STP, IS-IS, ...)")  \
    X(NOT_IP_PPP, "not_ip", "ppp_control", "PPP or PPPoE control packet (LCP, IPCP, discovery)")   \
    X(NOT_IP_MPLS, "not_ip", "mpls_payload", "MPLS payload that is neither IP nor Ethernet")       \
    X(NOT_IP_ETHERTYPE, "not_ip", "ethertype", "another EtherType or link protocol")               \
    X(NOT_IP_LINK, "not_ip", "link_type", "link type of the frame is not supported")               \
    X(BAD_LINK_SHORT, "malformed", "link_short", "frame ends inside a link-layer header")          \
    X(BAD_VLAN_DEPTH, "malformed", "vlan_depth", "more than 4 VLAN tags")                          \
    X(BAD_MPLS_DEPTH, "malformed", "mpls_depth", "more than 10 MPLS labels")                       \
    X(BAD_IP_VERSION, "malformed", "ip_version", "IP version field does not fit the link layer")   \
    X(BAD_IP4_SHORT, "malformed", "ipv4_short", "frame ends inside the IPv4 header")               \
    X(BAD_IP4_HEADER_LEN, "malformed", "ipv4_header_length", "IPv4 header length below 20")        \
    X(BAD_IP4_TOTAL_LEN, "malformed", "ipv4_total_length", "IPv4 total length below the header's") \
    X(BAD_IP6_SHORT, "malformed", "ipv6_short", "frame ends inside the IPv6 header")

#define WEIR_NOTES(X)                                                                              \
    X(IP6_CHAIN_LIMIT, "decode", "ipv6_chain_limit", "IPv6 extension headers beyond the limit")    \
    X(TUNNEL_DEPTH, "decode", "tunnel_depth", "tunnel nested deeper than 4, not opened")           \
    X(TUNNEL_FRAGMENT, "decode", "tunnel_fragment", "fragmented tunnel packet, not opened")        \
    X(TUNNEL_NO_IP, "decode", "tunnel_no_ip", "tunnel without IP inside, counted outside")         \
    X(TRUNCATED, "decode", "truncated", "frame captured shorter than the headers it holds")        \
    X(LENGTH_LIES, "decode", "length_lies", "IP header claims more octets than the wire carried")  \
    X(SPAN_DUPLICATES, "flow", "span_duplicates", "frames seen twice within 10 ms")                \
    X(LATE_PACKETS, "flow", "late_packets", "packets over 1 s older than the capture's clock")     \
    X(FLOWS_CREATED, "flow", "flows_created", "connections that got an entry")                     \
    X(FLOWS_ENDED, "flow", "flows_ended", "connections whose entry was given back")                \
    X(FLOWS_EVICTED, "flow", "flows_evicted", "connections evicted for a new one")                 \
    X(FLOWS_PRESSED, "flow", "flows_pressed", "connections ended early under memory pressure")     \
    X(FRAGMENTS_HELD, "flow", "fragments_held", "fragments that came before their first one")      \
    X(FRAGMENTS_JOINED, "flow", "fragments_joined", "later fragments that joined their flow")      \
    X(FRAGMENTS_ORPHANED, "flow", "fragments_orphaned", "fragments whose first one never came")    \
    X(RESETS_IGNORED, "flow", "resets_ignored", "TCP resets outside the window or cancelled")      \
    X(ACKED_UNSEEN, "flow", "acked_unseen", "TCP ACKs for data that was never seen (lost before)") \
    X(CLOCK_REBASED, "flow", "clock_rebased", "jumps of the capture's time that moved the clock")  \
    X(TIMES_REFUSED, "capture", "times_refused", "packets whose source's time was over 1 s off")

enum weir_fate {
#define X(symbol, group, label, help) FATE_##symbol,
    WEIR_FATES(X)
#undef X
        FATE_COUNT
};

enum weir_note {
#define X(symbol, group, label, help) NOTE_##symbol,
    WEIR_NOTES(X)
#undef X
        NOTE_COUNT
};

/* What one counter is called and means. */
struct counter_info {
    const char *group;
    const char *label;
    const char *help;
};

extern const struct counter_info weir_fate_info[FATE_COUNT];
extern const struct counter_info weir_note_info[NOTE_COUNT];

/* The counters of one worker. Written by that worker alone. */
struct counters {
    uint64_t fate_packets[FATE_COUNT];
    uint64_t fate_octets[FATE_COUNT]; /* wire octets of the frames */
    uint64_t note[NOTE_COUNT];
};
