#include "decode/ip_header.h"

#include "weir/packet.h"
#include "weir/wire.h"

/* Sets octets, and ends the payload there. The wire is believed, not the header. */
static void end_at(struct ip_header *ip, uint32_t claimed)
{
    if (claimed > ip->payload.wire)
        ip->flags |= PACKET_LENGTH_LIES;
    cursor_limit(&ip->payload, claimed);
    ip->octets = ip->payload.wire;
}

static void ip4_fragment(struct ip_header *ip, uint16_t field)
{
    if (field & 0x1fff)
        ip->flags |= PACKET_FRAGMENT_LATER;
    else if (field & 0x2000)
        ip->flags |= PACKET_FRAGMENT_FIRST;
}

/* RFC 791 §3.1, field by field. */
static enum weir_fate ip4_read(struct ip_header *ip)
{
    const uint8_t *first = cursor_peek(&ip->payload, 1);
    if (!first)
        return FATE_BAD_IP4_SHORT;
    if (*first >> 4 != 4)
        return FATE_BAD_IP_VERSION;
    const uint8_t *header = cursor_peek(&ip->payload, IP4_LEN);
    if (!header)
        return FATE_BAD_IP4_SHORT;
    uint32_t header_len = (header[0] & 0x0fu) * 4;
    if (header_len < IP4_LEN)
        return FATE_BAD_IP4_HEADER_LEN;
    uint32_t total_len = load_be16(header + 2);
    if (total_len == 0) /* segmentation offload: the sender's NIC was to fill it in */
        total_len = ip->payload.wire;
    if (total_len < header_len)
        return FATE_BAD_IP4_TOTAL_LEN;

    ip->tos = header[1];
    ip->fragment_id = load_be16(header + 4);
    ip4_fragment(ip, load_be16(header + 6));
    ip->ttl = header[8];
    ip->proto = header[9];
    ip->addresses = header + 12;
    end_at(ip, total_len);
    if (cursor_is_cut(&ip->payload, header_len))
        ip->flags |= PACKET_TRUNCATED;
    cursor_skip(&ip->payload, header_len);
    return FATE_FLOW;
}

/* RFC 2675 §2: option 0xc2 of the hop-by-hop header holds the payload length. 0 = there is none. */
static uint32_t ip6_jumbo(struct cursor at)
{
    const uint8_t *header = cursor_peek(&at, 2);
    if (!header)
        return 0;
    cursor_limit(&at, (header[1] + 1u) * 8);
    cursor_skip(&at, 2);
    for (int i = 0; i < IP6_JUMBO_OPTIONS; i++) {
        const uint8_t *option = cursor_peek(&at, 2);
        if (!option)
            return 0;
        if (option[0] == 0) { /* Pad1 */
            cursor_skip(&at, 1);
            continue;
        }
        if (option[0] == 0xc2 && option[1] == 4 && cursor_peek(&at, 6))
            return load_be32(option + 2);
        cursor_skip(&at, option[1] + 2u);
    }
    return 0;
}

/* Claimed length of a packet whose payload length is 0: jumbo, offload, or indeed empty. */
static uint32_t ip6_length_unsaid(const struct cursor *packet, uint8_t next, uint32_t frame_len)
{
    if (next == PROTO_NO_NEXT)
        return IP6_LEN;
    if (next == PROTO_HOP_BY_HOP) {
        struct cursor behind = *packet;
        cursor_skip(&behind, IP6_LEN);
        uint32_t jumbo = ip6_jumbo(behind);
        if (jumbo)
            return jumbo > UINT32_MAX - IP6_LEN ? UINT32_MAX : jumbo + IP6_LEN;
    }
    return frame_len > ETHERNET_MIN_LEN ? packet->wire : IP6_LEN;
}

/* RFC 8200 §4.5. A fragment that is the whole packet is none (RFC 6946). */
static void ip6_fragment(struct ip_header *ip, const uint8_t *header)
{
    uint16_t field = load_be16(header + 2);
    ip->flags &= (uint16_t) ~(PACKET_FRAGMENT_FIRST | PACKET_FRAGMENT_LATER);
    if (field & 0xfff8)
        ip->flags |= PACKET_FRAGMENT_LATER;
    else if (field & 1)
        ip->flags |= PACKET_FRAGMENT_FIRST;
    ip->fragment_id = load_be32(header + 4);
}

static bool ip6_is_extension(uint8_t proto)
{
    switch (proto) {
    case PROTO_HOP_BY_HOP:
    case PROTO_ROUTING:
    case PROTO_FRAGMENT:
    case PROTO_AH:
    case PROTO_DESTINATION:
        return true;
    default:
        return false;
    }
}

/* One extension header (RFC 8200 §4.2; AH: RFC 4302 §2.2). False: it could not be read. */
static bool ip6_extension(struct ip_header *ip)
{
    uint32_t needed = ip->proto == PROTO_FRAGMENT ? IP6_FRAGMENT_LEN : 2;
    const uint8_t *header = cursor_peek(&ip->payload, needed);
    if (!header) {
        if (cursor_is_cut(&ip->payload, needed))
            ip->flags |= PACKET_TRUNCATED;
        return false;
    }
    uint32_t len = (header[1] + 1u) * 8;
    if (ip->proto == PROTO_FRAGMENT) {
        ip6_fragment(ip, header);
        len = IP6_FRAGMENT_LEN;
    } else if (ip->proto == PROTO_AH) {
        len = (header[1] + 2u) * 4;
    }
    if (cursor_is_cut(&ip->payload, len))
        ip->flags |= PACKET_TRUNCATED;
    ip->proto = header[0];
    cursor_skip(&ip->payload, len);
    return true;
}

static void ip6_chain(struct ip_header *ip)
{
    for (int walked = 0; ip6_is_extension(ip->proto); walked++) {
        ip->chain_limit = walked == IP6_CHAIN_MAX;
        if (ip->chain_limit || !ip6_extension(ip)) {
            ip->opaque = true;
            return;
        }
        if (ip->flags & PACKET_FRAGMENT_LATER)
            return;
    }
}

/* RFC 8200 §3, field by field. */
static enum weir_fate ip6_read(struct ip_header *ip, uint32_t frame_len)
{
    const uint8_t *first = cursor_peek(&ip->payload, 1);
    if (!first)
        return FATE_BAD_IP6_SHORT;
    if (*first >> 4 != 6)
        return FATE_BAD_IP_VERSION;
    const uint8_t *header = cursor_peek(&ip->payload, IP6_LEN);
    if (!header)
        return FATE_BAD_IP6_SHORT;
    uint32_t payload_len = load_be16(header + 4);

    ip->tos = (uint8_t)(load_be16(header) >> 4);
    ip->proto = header[6];
    ip->ttl = header[7];
    ip->addresses = header + 8;
    end_at(ip, payload_len ? payload_len + IP6_LEN
                           : ip6_length_unsaid(&ip->payload, ip->proto, frame_len));
    cursor_skip(&ip->payload, IP6_LEN);
    ip6_chain(ip);
    return FATE_FLOW;
}

enum weir_fate ip_header_read(uint8_t version, struct cursor at, uint32_t frame_len,
                              struct ip_header *ip)
{
    *ip = (struct ip_header){.payload = at, .version = version};
    return version == 4 ? ip4_read(ip) : ip6_read(ip, frame_len);
}
