#include "decode/tunnel.h"

#include "decode/ip_header.h"

#define GTPU_EXTENSIONS_MAX 8

/* RFC 2784 §2, RFC 2890 §2, RFC 2637 §4.1 */
enum gre_field {
    GRE_CHECKSUM = 0x8000,
    GRE_ROUTING = 0x4000,
    GRE_KEY = 0x2000,
    GRE_SEQUENCE = 0x1000,
    GRE_STRICT_ROUTE = 0x0800,
    GRE_RECURSION_TOP = 0x0400, /* bits 1, 4, 5 set: RFC 2784 has the receiver discard it */
    GRE_ACK = 0x0080,           /* version 1 */
    GRE_VERSION = 0x0007
};

/* A VNI: the upper 24 of 32 bits. */
static uint32_t id24(const uint8_t *octets)
{
    return load_be32(octets) >> 8;
}

/* ERSPAN type II: draft-foschiano-erspan-03 §4.2. Type I has no header and no sequence number. */
static bool read_erspan_ii(struct tunnel *t)
{
    const uint8_t *header = cursor_take(&t->inner, ERSPAN_II_LEN);
    if (!header || header[0] >> 4 != 1)
        return false;
    t->id = load_be16(header + 2) & 0x03ff;
    t->layer = L2_ETHERNET;
    return true;
}

/* Type III: §4.3. The frame type says what was mirrored: 0 Ethernet, 2 an IP packet. */
static bool read_erspan_iii(struct tunnel *t)
{
    const uint8_t *header = cursor_take(&t->inner, ERSPAN_III_LEN);
    if (!header || header[0] >> 4 != 2)
        return false;
    uint8_t frame_type = header[10] >> 2 & 0x1f;
    if (frame_type != 0 && frame_type != 2)
        return false;
    if (header[11] & 1 && !cursor_take(&t->inner, ERSPAN_III_PLATFORM_LEN))
        return false;
    t->id = load_be16(header + 2) & 0x03ff;
    t->layer = frame_type == 0 ? L2_ETHERNET : L2_NIBBLE;
    return true;
}

/* What the protocol type of a GRE header of version 0 says. */
static bool read_gre_payload(struct tunnel *t, uint16_t flags)
{
    t->kind = TUNNEL_GRE;
    switch (t->type) {
    case ETYPE_ERSPAN_II:
        t->kind = TUNNEL_ERSPAN;
        return flags & GRE_SEQUENCE && read_erspan_ii(t);
    case ETYPE_ERSPAN_III:
        t->kind = TUNNEL_ERSPAN;
        return read_erspan_iii(t);
    case ETYPE_TEB:
        t->layer = L2_ETHERNET;
        return true;
    case ETYPE_PPP:
        t->layer = L2_PPP;
        return true;
    default:
        t->layer = L2_ETHERTYPE;
        return t->type >= ETYPE_MIN;
    }
}

/* RFC 2637 §4.1: the key field holds payload length and call id. */
static bool read_gre_v1(struct tunnel *t, uint16_t flags)
{
    const uint16_t wrong = GRE_CHECKSUM | GRE_ROUTING | GRE_STRICT_ROUTE;
    if (flags & wrong || !(flags & GRE_KEY) || t->type != ETYPE_PPP)
        return false;
    const uint8_t *key = cursor_take(&t->inner, GRE_V1_LEN - GRE_LEN);
    uint32_t optional = (flags & GRE_SEQUENCE ? 4 : 0) + (flags & GRE_ACK ? 4 : 0);
    if (!key || !cursor_take(&t->inner, optional))
        return false;
    t->id = load_be16(key + 2);
    t->kind = TUNNEL_GRE;
    t->layer = L2_PPP;
    return true;
}

static bool read_gre(struct tunnel *t)
{
    const uint8_t *header = cursor_take(&t->inner, GRE_LEN);
    if (!header)
        return false;
    uint16_t flags = load_be16(header);
    t->type = load_be16(header + 2);
    if ((flags & GRE_VERSION) == 1)
        return read_gre_v1(t, flags);
    if (flags & (GRE_VERSION | GRE_ROUTING | GRE_STRICT_ROUTE | GRE_RECURSION_TOP))
        return false;
    if (flags & GRE_CHECKSUM && !cursor_take(&t->inner, 4))
        return false;
    if (flags & GRE_KEY) {
        const uint8_t *key = cursor_take(&t->inner, 4);
        if (!key)
            return false;
        t->id = load_be32(key);
    }
    if (flags & GRE_SEQUENCE && !cursor_take(&t->inner, 4))
        return false;
    return read_gre_payload(t, flags);
}

/* RFC 7348 §5: flag I, the rest 0; with the group policy extension flag G and 16 bits of group id
 * too. */
static bool read_vxlan(struct tunnel *t)
{
    const uint8_t *header = cursor_take(&t->inner, VXLAN_LEN);
    if (!header || (header[0] & 0x7f) != 0x08 || header[7] != 0)
        return false;
    if (!(header[0] & 0x80) && (header[1] | header[2] | header[3]) != 0)
        return false;
    t->id = id24(header + 4);
    t->kind = TUNNEL_VXLAN;
    t->layer = L2_ETHERNET;
    return true;
}

/* RFC 8926 §3.4 */
static bool read_geneve(struct tunnel *t)
{
    const uint8_t *header = cursor_take(&t->inner, GENEVE_LEN);
    if (!header || header[0] >> 6 != 0 || header[7] != 0)
        return false;
    if (!cursor_take(&t->inner, (header[0] & 0x3fu) * 4))
        return false;
    t->type = load_be16(header + 2);
    t->id = id24(header + 4);
    t->kind = TUNNEL_GENEVE;
    t->layer = t->type == ETYPE_TEB ? L2_ETHERNET : L2_ETHERTYPE;
    return t->type == ETYPE_TEB || t->type == ETYPE_IP4 || t->type == ETYPE_IP6;
}

/* 3GPP TS 29.281 §5.2.1: a length in units of 4 octets, content, and the next type as last octet.
 */
static bool skip_gtpu_extensions(struct cursor *at, uint8_t next)
{
    for (int i = 0; next; i++) {
        const uint8_t *units = cursor_peek(at, 1);
        if (i == GTPU_EXTENSIONS_MAX || !units || *units == 0)
            return false;
        uint32_t len = *units * 4u;
        const uint8_t *extension = cursor_take(at, len);
        if (!extension)
            return false;
        next = extension[len - 1];
    }
    return true;
}

/* 3GPP TS 29.281 §5.1: version 1, protocol type GTP, message 255 (G-PDU); any of the flags E, S, PN
 * brings all three optional fields. The length counts what follows the first 8 octets. */
static bool read_gtpu(struct tunnel *t)
{
    const uint8_t *header = cursor_take(&t->inner, GTPU_LEN);
    if (!header || header[0] >> 4 != 3 || header[1] != 255)
        return false;
    if (load_be16(header + 2) > t->inner.wire)
        return false;
    if (header[0] & 0x07) {
        const uint8_t *optional = cursor_take(&t->inner, GTPU_OPTIONAL_LEN);
        if (!optional)
            return false;
        if (header[0] & 0x04 && !skip_gtpu_extensions(&t->inner, optional[3]))
            return false;
    }
    t->id = load_be32(header + 4);
    t->kind = TUNNEL_GTPU;
    t->layer = L2_NIBBLE;
    return true;
}

static bool read_udp(struct tunnel *t)
{
    const uint8_t *udp = cursor_take(&t->inner, UDP_LEN);
    switch (udp ? load_be16(udp + 2) : 0) {
    case PORT_VXLAN:
        return read_vxlan(t);
    case PORT_GENEVE:
        return read_geneve(t);
    case PORT_GTPU:
        return read_gtpu(t);
    default:
        return false;
    }
}

/* RFC 2003, 4213, 2473: the protocol number says what is inside. */
static bool read_ipip(struct tunnel *t, uint8_t proto)
{
    t->kind = TUNNEL_IPIP;
    t->layer = proto == PROTO_IP4 ? L2_IP4 : L2_IP6;
    return true;
}

static bool read_kind(struct tunnel *t, uint8_t proto)
{
    switch (proto) {
    case PROTO_GRE:
        return read_gre(t);
    case PROTO_IP4:
    case PROTO_IP6:
        return read_ipip(t, proto);
    case PROTO_UDP:
        return read_udp(t);
    default:
        return false;
    }
}

static bool is_tunnel_proto(uint32_t mask, uint8_t proto)
{
    switch (proto) {
    case PROTO_GRE:
        return mask & (1u << TUNNEL_GRE | 1u << TUNNEL_ERSPAN);
    case PROTO_IP4:
    case PROTO_IP6:
        return mask & 1u << TUNNEL_IPIP;
    default:
        return false;
    }
}

bool tunnel_read(uint32_t mask, const struct ip_header *outer, struct tunnel *tunnel)
{
    if (outer->opaque)
        return false;
    if (outer->flags & PACKET_FRAGMENT_LATER)
        return is_tunnel_proto(mask, outer->proto);
    *tunnel = (struct tunnel){.inner = outer->payload};
    return read_kind(tunnel, outer->proto) && mask & 1u << tunnel->kind;
}
