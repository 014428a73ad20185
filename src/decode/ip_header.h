/*
 * IPv4 (RFC 791) and IPv6 (RFC 8200) headers, down to the layer-4 protocol.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "decode/cursor.h"
#include "weir/counters.h"

#define IP6_CHAIN_MAX 16    /* extension headers walked */
#define IP6_JUMBO_OPTIONS 8 /* hop-by-hop options looked at for a jumbo length (RFC 8504 §5.3) */

struct ip_header {
    const uint8_t *addresses; /* source, destination */
    struct cursor payload;    /* behind all headers; ends with the IP packet or the capture */
    uint32_t octets;          /* of the IP packet, never more than the wire carried */
    uint32_t fragment_id;
    uint16_t flags; /* enum packet_flag: fragments, truncated, length lies */
    uint8_t version;
    uint8_t proto; /* behind the extension headers, as far as they could be read */
    uint8_t ttl;
    uint8_t tos;
    bool opaque; /* the walk stopped before an extension header, `proto`: no layer 4 behind it */
    bool chain_limit; /* it stopped at IP6_CHAIN_MAX */
};

/* Reads the header at the cursor, which says how many octets the wire carried from there on.
 * `frame_len`, the wire length of the whole frame, tells Ethernet padding from payload where the
 * header has no length. Returns FATE_FLOW, or why this is no IP packet; then *ip is void. */
enum weir_fate ip_header_read(uint8_t version, struct cursor at, uint32_t frame_len,
                              struct ip_header *ip);
