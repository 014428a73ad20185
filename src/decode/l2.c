#include "decode/l2.h"

#include "decode/cursor.h"
#include "weir/wire.h"

static enum l2_layer drop(struct l2 *l2, enum weir_fate fate)
{
    l2->fate = (uint8_t)fate;
    return L2_DROP;
}

static enum l2_layer ethertype(struct l2 *l2, uint16_t type)
{
    l2->type = type;
    return L2_ETHERTYPE;
}

/* A second Ethernet header stands behind a pseudowire: its addresses and tags belong to the
 * payload. */
static bool is_outermost(const struct l2 *l2)
{
    return l2->labels == 0;
}

static enum l2_layer peel_ethernet(struct l2 *l2, struct cursor *frame)
{
    const uint8_t *header = cursor_take(frame, ETHERNET_LEN);
    if (!header)
        return drop(l2, FATE_BAD_LINK_SHORT);
    if (!l2->macs && is_outermost(l2))
        l2->macs = header;
    return ethertype(l2, load_be16(header + 12));
}

/* IEEE 802.1Q §9.6: priority and VLAN id, then the EtherType of what is tagged. */
static enum l2_layer peel_vlan(struct l2 *l2, struct cursor *frame)
{
    if (l2->vlan_tags == L2_VLAN_DEPTH)
        return drop(l2, FATE_BAD_VLAN_DEPTH);
    const uint8_t *tag = cursor_take(frame, VLAN_LEN);
    if (!tag)
        return drop(l2, FATE_BAD_LINK_SHORT);
    l2->vlan_tags++;
    if (l2->vlan_kept < PACKET_VLAN_MAX && is_outermost(l2))
        l2->vlan[l2->vlan_kept++] = load_be16(tag) & 0x0fff;
    return ethertype(l2, load_be16(tag + 2));
}

/* IEEE 802.2 LLC. IP comes behind SNAP with the EtherType organisation code (RFC 1042), and,
 * rarely, behind the service access point 06 itself. */
static enum l2_layer peel_llc(struct l2 *l2, struct cursor *frame)
{
    const uint8_t *llc = cursor_peek(frame, LLC_LEN);
    if (!llc)
        return drop(l2, FATE_BAD_LINK_SHORT);
    if (llc[0] == 0x06 && llc[1] == 0x06 && llc[2] == 0x03) {
        cursor_skip(frame, LLC_LEN);
        return L2_IP4;
    }
    if (llc[0] != 0xaa || llc[1] != 0xaa || llc[2] != 0x03)
        return drop(l2, FATE_NOT_IP_LLC);
    const uint8_t *snap = cursor_take(frame, LLC_SNAP_LEN);
    if (!snap)
        return drop(l2, FATE_BAD_LINK_SHORT);
    uint16_t type = load_be16(snap + 6);
    if ((snap[3] | snap[4] | snap[5]) != 0 || type < ETYPE_MIN)
        return drop(l2, FATE_NOT_IP_LLC);
    return ethertype(l2, type);
}

/* RFC 2516 §4: version 1, type 1, code 0 is a session packet; any other is control. */
static enum l2_layer peel_pppoe(struct l2 *l2, struct cursor *frame)
{
    const uint8_t *header = cursor_take(frame, PPPOE_LEN);
    if (!header)
        return drop(l2, FATE_BAD_LINK_SHORT);
    if (header[0] != 0x11 || header[1] != 0)
        return drop(l2, FATE_NOT_IP_PPP);
    return L2_PPP;
}

static enum l2_layer peel_ethertype(struct l2 *l2, struct cursor *frame)
{
    switch (l2->type) {
    case ETYPE_IP4:
        return L2_IP4;
    case ETYPE_IP6:
        return L2_IP6;
    case ETYPE_VLAN:
    case ETYPE_QINQ:
    case ETYPE_QINQ_9100:
    case ETYPE_QINQ_9200:
        return peel_vlan(l2, frame);
    case ETYPE_MPLS:
    case ETYPE_MPLS_UPSTREAM:
        return L2_MPLS;
    case ETYPE_PPPOE_SESSION:
        return peel_pppoe(l2, frame);
    case ETYPE_PPPOE_DISCOVERY:
        return drop(l2, FATE_NOT_IP_PPP);
    case ETYPE_ARP:
    case ETYPE_RARP:
        return drop(l2, FATE_NOT_IP_ARP);
    default:
        return l2->type < ETYPE_MIN ? peel_llc(l2, frame) : drop(l2, FATE_NOT_IP_ETHERTYPE);
    }
}

/* RFC 1661 §2 with the compressions of RFC 1662: address and control may be absent, the protocol
 * may be one octet (an odd one ends the field). */
static enum l2_layer peel_ppp(struct l2 *l2, struct cursor *frame)
{
    const uint8_t *framing = cursor_peek(frame, 2);
    if (!framing)
        return drop(l2, FATE_BAD_LINK_SHORT);
    if (framing[0] == 0xff && framing[1] == 0x03)
        cursor_skip(frame, 2);
    const uint8_t *octets = cursor_take(frame, 1);
    if (!octets)
        return drop(l2, FATE_BAD_LINK_SHORT);
    uint16_t protocol = octets[0];
    if (!(protocol & 1)) {
        octets = cursor_take(frame, 1);
        if (!octets)
            return drop(l2, FATE_BAD_LINK_SHORT);
        protocol = (uint16_t)(protocol << 8 | octets[0]);
    }
    switch (protocol) {
    case PPP_IP4:
        return L2_IP4;
    case PPP_IP6:
        return L2_IP6;
    case PPP_MPLS:
        return L2_MPLS;
    default:
        return drop(l2, FATE_NOT_IP_PPP);
    }
}

/* Behind the bottom label nothing names the payload: RFC 4928 §3 has it told by the first nibble,
 * where 0 begins a control word (RFC 4385). An Ethernet pseudowire without one looks like IP for
 * many addresses, hence it is not guessed. */
static enum l2_layer peel_mpls_payload(struct l2 *l2, struct cursor *frame)
{
    const uint8_t *first = cursor_peek(frame, 1);
    if (!first)
        return drop(l2, FATE_BAD_LINK_SHORT);
    if (*first >> 4 == 4)
        return L2_IP4;
    if (*first >> 4 == 6)
        return L2_IP6;
    const uint8_t *word = cursor_take(frame, MPLS_CONTROL_LEN);
    if (!word)
        return drop(l2, FATE_BAD_LINK_SHORT);
    return load_be16(word) == 0 ? L2_ETHERNET : drop(l2, FATE_NOT_IP_MPLS);
}

/* RFC 3032 §2.1. Labels count over the whole frame, so that stacks within pseudowires end too. */
static enum l2_layer peel_mpls(struct l2 *l2, struct cursor *frame)
{
    uint32_t entry;
    do {
        if (l2->labels == L2_MPLS_DEPTH)
            return drop(l2, FATE_BAD_MPLS_DEPTH);
        const uint8_t *octets = cursor_take(frame, MPLS_LEN);
        if (!octets)
            return drop(l2, FATE_BAD_LINK_SHORT);
        entry = load_be32(octets);
        if (l2->labels++ == 0)
            l2->mpls_top = entry;
    } while (!(entry & 0x100));
    return peel_mpls_payload(l2, frame);
}

static enum l2_layer peel_nibble(struct l2 *l2, const struct cursor *frame)
{
    const uint8_t *first = cursor_peek(frame, 1);
    if (!first)
        return drop(l2, FATE_BAD_LINK_SHORT);
    if (*first >> 4 == 4)
        return L2_IP4;
    return *first >> 4 == 6 ? L2_IP6 : drop(l2, FATE_BAD_IP_VERSION);
}

/* The address family of the capturing system, in its byte order: AF_INET6 differs between systems.
 */
static enum l2_layer start_null(struct l2 *l2, struct cursor *frame)
{
    const uint8_t *header = cursor_take(frame, NULL_LEN);
    if (!header)
        return drop(l2, FATE_BAD_LINK_SHORT);
    uint32_t family = load_be32(header);
    if (family > 0xffff)
        family = __builtin_bswap32(family);
    switch (family) {
    case 2:
        return L2_IP4;
    case 10: /* Linux */
    case 23: /* Windows */
    case 24: /* NetBSD, OpenBSD */
    case 28: /* FreeBSD */
    case 30: /* Darwin */
        return L2_IP6;
    default:
        return drop(l2, FATE_NOT_IP_ETHERTYPE);
    }
}

/* Linux cooked headers name the protocol by EtherType, but for a few numbers of their own, of which
 * 4 is LLC. */
static enum l2_layer start_cooked(struct l2 *l2, struct cursor *frame, uint32_t len,
                                  uint32_t offset)
{
    const uint8_t *header = cursor_take(frame, len);
    if (!header)
        return drop(l2, FATE_BAD_LINK_SHORT);
    uint16_t type = load_be16(header + offset);
    return type < ETYPE_MIN && type != 4 ? drop(l2, FATE_NOT_IP_ETHERTYPE) : ethertype(l2, type);
}

/* Address, control, EtherType. SLARP has the number that is RARP elsewhere. */
static enum l2_layer start_chdlc(struct l2 *l2, struct cursor *frame)
{
    const uint8_t *header = cursor_take(frame, CHDLC_LEN);
    if (!header)
        return drop(l2, FATE_BAD_LINK_SHORT);
    uint16_t type = load_be16(header + 2);
    if (type < ETYPE_MIN || type == ETYPE_RARP)
        return drop(l2, FATE_NOT_IP_ETHERTYPE);
    return ethertype(l2, type);
}

/* On a PPP link the first octet tells PPP from Cisco HDLC, whose address is unicast 0x0f or
 * multicast 0x8f (RFC 1547 §4.3.1). */
static enum l2_layer start_ppp(struct l2 *l2, struct cursor *frame)
{
    const uint8_t *framing = cursor_peek(frame, 2);
    bool cisco = framing && (framing[0] & 0x7f) == 0x0f && framing[1] == 0;
    return cisco ? start_chdlc(l2, frame) : L2_PPP;
}

enum l2_layer l2_start(struct l2 *l2, uint8_t link, struct cursor *frame)
{
    switch (link) {
    case LINK_ETHERNET:
        return L2_ETHERNET;
    case LINK_NULL:
    case LINK_LOOP:
        return start_null(l2, frame);
    case LINK_RAW:
        return L2_NIBBLE;
    case LINK_IPV4:
        return L2_IP4;
    case LINK_IPV6:
        return L2_IP6;
    case LINK_LINUX_SLL:
        return start_cooked(l2, frame, SLL_LEN, 14);
    case LINK_LINUX_SLL2:
        return start_cooked(l2, frame, SLL2_LEN, 0);
    case LINK_PPP:
        return start_ppp(l2, frame);
    case LINK_CHDLC:
        return start_chdlc(l2, frame);
    default:
        return drop(l2, FATE_NOT_IP_LINK);
    }
}

/* Ends: every turn takes octets from the frame or leaves L2_ETHERTYPE for another layer, and tags,
 * labels and LLC (never twice without a tag or label between) are counted. */
enum l2_layer l2_peel(struct l2 *l2, enum l2_layer layer, struct cursor *frame)
{
    for (;;) {
        switch (layer) {
        case L2_ETHERNET:
            layer = peel_ethernet(l2, frame);
            break;
        case L2_ETHERTYPE:
            layer = peel_ethertype(l2, frame);
            break;
        case L2_MPLS:
            layer = peel_mpls(l2, frame);
            break;
        case L2_PPP:
            layer = peel_ppp(l2, frame);
            break;
        case L2_NIBBLE:
            layer = peel_nibble(l2, frame);
            break;
        default:
            return layer;
        }
    }
}
