#include "harness/packets.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "weir/packet.h"
#include "weir/wire.h"

const uint8_t *frame_data(const struct frame *f)
{
    return f->octets + f->at;
}

uint32_t frame_len(const struct frame *f)
{
    return FRAME_MAX - f->at;
}

uint8_t *frame_push(struct frame *f, uint32_t len)
{
    assert(len <= f->at);
    f->at -= len;
    memset(f->octets + f->at, 0, len);
    return f->octets + f->at;
}

void frame_init(struct frame *f, uint32_t payload_len)
{
    *f = (struct frame){.at = FRAME_MAX};
    uint8_t *payload = frame_push(f, payload_len);
    for (uint32_t i = 0; i < payload_len; i++)
        payload[i] = (uint8_t)i;
}

static uint8_t *push_ports(struct frame *f, uint8_t proto, uint16_t src, uint16_t dst, uint32_t len)
{
    uint8_t *header = frame_push(f, len);
    put_be16(header, src);
    put_be16(header + 2, dst);
    f->proto = proto;
    return header;
}

void frame_tcp(struct frame *f, uint16_t src, uint16_t dst, uint8_t flags, uint32_t option_words)
{
    uint8_t *header = push_ports(f, PROTO_TCP, src, dst, TCP_LEN + option_words * 4);
    put_be32(header + 4, 0x01020304);
    put_be32(header + 8, 0x05060708);
    header[12] = (uint8_t)((5 + option_words) << 4);
    header[13] = flags;
    put_be16(header + 14, 0x1234);
    put_be16(header + 16, 0xc0de);
    memset(header + TCP_LEN, 1, option_words * 4);
}

void frame_udp(struct frame *f, uint16_t src, uint16_t dst)
{
    uint8_t *header = push_ports(f, PROTO_UDP, src, dst, UDP_LEN);
    put_be16(header + 4, frame_len(f));
    put_be16(header + 6, 0xc0de);
}

void frame_udplite(struct frame *f, uint16_t src, uint16_t dst)
{
    put_be16(push_ports(f, PROTO_UDPLITE, src, dst, UDP_LEN) + 6, 0xc0de);
}

void frame_sctp(struct frame *f, uint16_t src, uint16_t dst)
{
    push_ports(f, PROTO_SCTP, src, dst, SCTP_LEN);
}

void frame_dccp(struct frame *f, uint16_t src, uint16_t dst, uint8_t words)
{
    push_ports(f, PROTO_DCCP, src, dst, words * 4u)[4] = words;
}

void frame_icmp(struct frame *f, uint8_t proto, uint8_t type, uint8_t code)
{
    uint8_t *header = frame_push(f, ICMP_LEN);
    header[0] = type;
    header[1] = code;
    put_be16(header + 2, 0xc0de);
    f->proto = proto;
}

void frame_ip4(struct frame *f, uint16_t fragment, uint32_t option_words)
{
    static const uint8_t addresses[8] = {192, 0, 2, 10, 198, 51, 100, 20};
    uint8_t *header = frame_push(f, IP4_LEN + option_words * 4);
    header[0] = (uint8_t)(0x45 + option_words);
    header[1] = 0x2e;
    put_be16(header + 2, frame_len(f));
    put_be16(header + 4, 0xbeef);
    put_be16(header + 6, fragment);
    header[8] = 63;
    header[9] = f->proto;
    memcpy(header + 12, addresses, sizeof(addresses));
    memset(header + IP4_LEN, 1, option_words * 4);
    f->proto = PROTO_IP4;
    f->etype = ETYPE_IP4;
}

void frame_ip6(struct frame *f)
{
    uint8_t *header = frame_push(f, IP6_LEN);
    put_be32(header, 0x62e00000);
    put_be16(header + 4, frame_len(f) - IP6_LEN);
    header[6] = f->proto;
    header[7] = 63;
    for (int i = 8; i <= 24; i += 16)
        put_be32(header + i, 0x20010db8);
    header[23] = 0x0a;
    header[39] = 0x14;
    f->proto = PROTO_IP6;
    f->etype = ETYPE_IP6;
}

void frame_ip6_extension(struct frame *f, uint8_t kind, uint32_t len)
{
    uint8_t *header = frame_push(f, len);
    header[0] = f->proto;
    header[1] = (uint8_t)(kind == PROTO_AH ? len / 4 - 2 : len / 8 - 1);
    f->proto = kind;
}

void frame_ip6_jumbo(struct frame *f)
{
    frame_ip6_extension(f, PROTO_HOP_BY_HOP, 8);
    uint8_t *option = f->octets + f->at + 2;
    put_be16(option, 0xc204);
    put_be32(option + 2, frame_len(f));
}

void frame_ip6_fragment(struct frame *f, uint16_t fragment)
{
    uint8_t *header = frame_push(f, IP6_FRAGMENT_LEN);
    header[0] = f->proto;
    put_be16(header + 2, fragment);
    put_be32(header + 4, 0xfeedbeef);
    f->proto = PROTO_FRAGMENT;
}

void frame_ethernet(struct frame *f)
{
    static const uint8_t macs[12] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2};
    uint8_t *header = frame_push(f, ETHERNET_LEN);
    memcpy(header, macs, sizeof(macs));
    put_be16(header + 12, f->etype);
    f->etype = ETYPE_TEB;
    f->link = LINK_ETHERNET;
}

void frame_vlan(struct frame *f, uint16_t tpid, uint16_t id)
{
    uint8_t *tag = frame_push(f, VLAN_LEN);
    put_be16(tag, 0x2000u | id);
    put_be16(tag + 2, f->etype);
    f->etype = tpid;
}

void frame_snap(struct frame *f)
{
    uint8_t *header = frame_push(f, LLC_SNAP_LEN);
    header[0] = header[1] = 0xaa;
    header[2] = 0x03;
    put_be16(header + 6, f->etype);
    f->etype = (uint16_t)frame_len(f);
}

void frame_mpls(struct frame *f, uint32_t label)
{
    uint32_t bottom = f->etype == ETYPE_MPLS ? 0 : 0x100;
    put_be32(frame_push(f, MPLS_LEN), label << 12 | bottom | 64);
    f->etype = ETYPE_MPLS;
}

void frame_control_word(struct frame *f)
{
    put_be32(frame_push(f, MPLS_CONTROL_LEN), 7); /* sequence number 7 */
}

void frame_ppp(struct frame *f, bool framing, bool compressed)
{
    uint16_t protocol = f->etype == ETYPE_IP4   ? PPP_IP4
                        : f->etype == ETYPE_IP6 ? PPP_IP6
                                                : PPP_MPLS;
    if (compressed && protocol < 256)
        frame_push(f, 1)[0] = (uint8_t)protocol;
    else
        put_be16(frame_push(f, 2), protocol);
    if (framing)
        put_be16(frame_push(f, 2), 0xff03);
    f->etype = ETYPE_PPP;
    f->link = LINK_PPP;
}

void frame_pppoe(struct frame *f)
{
    uint32_t len = frame_len(f);
    uint8_t *header = frame_push(f, PPPOE_LEN);
    header[0] = 0x11;
    put_be16(header + 2, 0x0abc);
    put_be16(header + 4, len);
    f->etype = ETYPE_PPPOE_SESSION;
}

void frame_null(struct frame *f, uint8_t link, bool big_endian)
{
    uint8_t *header = frame_push(f, NULL_LEN);
    header[big_endian ? 3 : 0] = f->etype == ETYPE_IP4 ? 2 : 30;
    f->link = link;
}

void frame_raw(struct frame *f, uint8_t link)
{
    f->link = link;
}

void frame_sll(struct frame *f)
{
    uint8_t *header = frame_push(f, SLL_LEN);
    put_be16(header + 2, 1);
    put_be16(header + 4, 6);
    put_be16(header + 14, f->etype);
    f->link = LINK_LINUX_SLL;
}

void frame_sll2(struct frame *f)
{
    uint8_t *header = frame_push(f, SLL2_LEN);
    put_be16(header, f->etype);
    header[7] = 2;
    f->link = LINK_LINUX_SLL2;
}

void frame_chdlc(struct frame *f)
{
    uint8_t *header = frame_push(f, CHDLC_LEN);
    header[0] = 0x0f;
    put_be16(header + 2, f->etype);
    f->link = LINK_CHDLC;
}

void frame_gre(struct frame *f, uint16_t flags, uint32_t key)
{
    if (flags & 0x1000)
        put_be32(frame_push(f, 4), 99);
    if (flags & 0x2000)
        put_be32(frame_push(f, 4), key);
    if (flags & 0x8000)
        put_be32(frame_push(f, 4), 0xc0de0000);
    uint8_t *header = frame_push(f, GRE_LEN);
    put_be16(header, flags);
    put_be16(header + 2, f->etype);
    f->proto = PROTO_GRE;
}

void frame_pptp(struct frame *f, uint16_t call)
{
    uint32_t len = frame_len(f);
    uint8_t *header = frame_push(f, GRE_V1_LEN + 4);
    put_be16(header, 0x3001);
    put_be16(header + 2, ETYPE_PPP);
    put_be16(header + 4, len);
    put_be16(header + 6, call);
    f->proto = PROTO_GRE;
}

void frame_erspan_ii(struct frame *f, uint16_t session)
{
    uint8_t *header = frame_push(f, ERSPAN_II_LEN);
    put_be16(header, 0x1064);
    put_be16(header + 2, 0x0800u | session);
    f->etype = ETYPE_ERSPAN_II;
    frame_gre(f, 0x1000, 0);
}

void frame_erspan_iii(struct frame *f, uint16_t session, bool platform)
{
    if (platform)
        frame_push(f, ERSPAN_III_PLATFORM_LEN);
    uint8_t *header = frame_push(f, ERSPAN_III_LEN);
    put_be16(header, 0x2064);
    put_be16(header + 2, session);
    header[11] = platform;
    f->etype = ETYPE_ERSPAN_III;
    frame_gre(f, 0x1000, 0);
}

void frame_vxlan(struct frame *f, uint32_t vni, bool group_policy)
{
    uint8_t *header = frame_push(f, VXLAN_LEN);
    header[0] = group_policy ? 0x88 : 0x08;
    header[3] = group_policy;
    put_be32(header + 4, vni << 8);
    frame_udp(f, 50000, PORT_VXLAN);
}

void frame_geneve(struct frame *f, uint32_t vni, uint8_t option_words)
{
    frame_push(f, option_words * 4u);
    uint8_t *header = frame_push(f, GENEVE_LEN);
    header[0] = option_words;
    put_be16(header + 2, f->etype);
    put_be32(header + 4, vni << 8);
    frame_udp(f, 50000, PORT_GENEVE);
}

void frame_gtpu(struct frame *f, uint32_t teid, unsigned extensions)
{
    uint8_t next = 0;
    for (unsigned i = 0; i < extensions; i++) {
        uint8_t *extension = frame_push(f, 4);
        extension[0] = 1;
        extension[3] = next;
        next = 0x85; /* PDU session container */
    }
    if (extensions)
        frame_push(f, GTPU_OPTIONAL_LEN)[3] = next;
    uint32_t len = frame_len(f);
    uint8_t *header = frame_push(f, GTPU_LEN);
    header[0] = extensions ? 0x34 : 0x30;
    header[1] = 255;
    put_be16(header + 2, len);
    put_be32(header + 4, teid);
    frame_udp(f, 50000, PORT_GTPU);
}

struct packet frame_packet(const struct frame *f, uint32_t cap_len, uint32_t wire_len)
{
    uint8_t *copy = malloc(cap_len ? cap_len : 1);
    assert(copy && cap_len <= frame_len(f));
    memcpy(copy, frame_data(f), cap_len);
    return (struct packet){.data = copy, .cap_len = cap_len, .wire_len = wire_len, .link = f->link};
}
