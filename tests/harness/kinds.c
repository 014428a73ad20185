#include "harness/kinds.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "weir/packet.h"
#include "weir/wire.h"

#define PAYLOAD 32
#define COUNT(table) ((uint32_t)(sizeof(table) / sizeof(*(table))))
#define ALL_TUNNEL_ID 0x00abcd

struct builder {
    const char *name;
    void (*build)(struct packet_kind *);
};

/* Layer 4: sets proto, ports, payload, flags */

static void l4_is(struct packet_kind *k, uint16_t src, uint16_t dst, uint16_t flags)
{
    k->proto = k->frame.proto;
    k->src_port = src;
    k->dst_port = dst;
    k->payload = PAYLOAD;
    k->flags = flags;
}

static void l4_tcp(struct packet_kind *k)
{
    frame_tcp(&k->frame, 40000, 443, TCP_SYN, 0);
    l4_is(k, 40000, 443, PACKET_HAS_PORTS | PACKET_HAS_TCP);
}

static void l4_tcp_options(struct packet_kind *k)
{
    frame_tcp(&k->frame, 40000, 443, TCP_ACK | TCP_PSH, 10);
    l4_is(k, 40000, 443, PACKET_HAS_PORTS | PACKET_HAS_TCP);
}

static void l4_udp(struct packet_kind *k)
{
    frame_udp(&k->frame, 40000, 123);
    l4_is(k, 40000, 123, PACKET_HAS_PORTS);
}

static void l4_dns(struct packet_kind *k)
{
    frame_udp(&k->frame, 40000, 53);
    l4_is(k, 40000, 53, PACKET_HAS_PORTS);
}

static void l4_udplite(struct packet_kind *k)
{
    frame_udplite(&k->frame, 40000, 5004);
    l4_is(k, 40000, 5004, PACKET_HAS_PORTS);
}

static void l4_sctp(struct packet_kind *k)
{
    frame_sctp(&k->frame, 40000, 3868);
    l4_is(k, 40000, 3868, PACKET_HAS_PORTS);
}

static void l4_dccp(struct packet_kind *k)
{
    frame_dccp(&k->frame, 40000, 5004, 4);
    l4_is(k, 40000, 5004, PACKET_HAS_PORTS);
}

static void l4_ping(struct packet_kind *k)
{
    frame_icmp(&k->frame, PROTO_ICMP, 8, 0);
    l4_is(k, 8, 0, PACKET_HAS_PORTS);
}

static void l4_unreachable(struct packet_kind *k)
{
    frame_icmp(&k->frame, PROTO_ICMP, 3, 13);
    l4_is(k, 3, 13, PACKET_HAS_PORTS | PACKET_ICMP_ONE_WAY);
}

static void l4_ping6_reply(struct packet_kind *k)
{
    frame_icmp(&k->frame, PROTO_ICMP6, 129, 0);
    l4_is(k, 129, 128, PACKET_HAS_PORTS);
}

static void l4_esp(struct packet_kind *k)
{
    k->frame.proto = PROTO_ESP;
    l4_is(k, 0, 0, 0);
}

static const struct builder l4s[] = {
    {"tcp", l4_tcp},
    {"tcp+options", l4_tcp_options},
    {"udp", l4_udp},
    {"dns", l4_dns},
    {"udplite", l4_udplite},
    {"sctp", l4_sctp},
    {"dccp", l4_dccp},
    {"ping", l4_ping},
    {"esp", l4_esp},
    {"unreachable", l4_unreachable},
    {"ping6-reply", l4_ping6_reply},
};

/* IP: sets version, octets */

static void is_later_fragment(struct packet_kind *k, uint32_t payload)
{
    k->src_port = k->dst_port = 0;
    k->flags = PACKET_FRAGMENT_LATER;
    k->payload = payload;
}

static void ip4(struct packet_kind *k, uint16_t fragment, uint32_t option_words)
{
    uint32_t above = frame_len(&k->frame);
    if (fragment & 0x1fff)
        is_later_fragment(k, above);
    else if (fragment & 0x2000)
        k->flags |= PACKET_FRAGMENT_FIRST;
    frame_ip4(&k->frame, fragment, option_words);
    k->ip_version = 4;
    k->ip_header = IP4_LEN;
    k->octets = frame_len(&k->frame);
}

static void ip6(struct packet_kind *k)
{
    frame_ip6(&k->frame);
    k->ip_version = 6;
    k->ip_header = IP6_LEN;
    k->octets = frame_len(&k->frame);
}

static void ip4_plain(struct packet_kind *k)
{
    ip4(k, 0x4000, 0);
}

static void ip4_options(struct packet_kind *k)
{
    ip4(k, 0, 6);
}

static void ip4_first(struct packet_kind *k)
{
    ip4(k, 0x2000, 0);
}

static void ip4_later(struct packet_kind *k)
{
    ip4(k, 0x00b9, 0);
}

static void ip6_hop_by_hop(struct packet_kind *k)
{
    frame_ip6_extension(&k->frame, PROTO_HOP_BY_HOP, 8);
    ip6(k);
}

/* RFC 2675: the payload length is 0, an option holds it. */
static void ip6_jumbo(struct packet_kind *k)
{
    frame_ip6_jumbo(&k->frame);
    ip6(k);
    k->length_unsaid = true;
    uint8_t *header = k->frame.octets + k->frame.at;
    header[4] = header[5] = 0;
}

static void ip6_three(struct packet_kind *k)
{
    frame_ip6_extension(&k->frame, PROTO_DESTINATION, 8);
    frame_ip6_extension(&k->frame, PROTO_ROUTING, 24);
    frame_ip6_extension(&k->frame, PROTO_HOP_BY_HOP, 16);
    ip6(k);
}

static void ip6_ah(struct packet_kind *k)
{
    frame_ip6_extension(&k->frame, PROTO_AH, 24);
    ip6(k);
}

static void ip6_atomic(struct packet_kind *k)
{
    frame_ip6_fragment(&k->frame, 0);
    ip6(k);
}

static void ip6_first(struct packet_kind *k)
{
    k->flags |= PACKET_FRAGMENT_FIRST;
    frame_ip6_fragment(&k->frame, 1);
    ip6(k);
}

static void ip6_later(struct packet_kind *k)
{
    is_later_fragment(k, frame_len(&k->frame));
    frame_ip6_fragment(&k->frame, 0x00b8);
    frame_ip6_extension(&k->frame, PROTO_HOP_BY_HOP, 8);
    ip6(k);
}

static const struct builder ips[] = {
    {"ip4", ip4_plain},
    {"ip4+options", ip4_options},
    {"ip4-first", ip4_first},
    {"ip4-later", ip4_later},
    {"ip6", ip6},
    {"ip6+hbh", ip6_hop_by_hop},
    {"ip6+three", ip6_three},
    {"ip6+ah", ip6_ah},
    {"ip6-atomic", ip6_atomic},
    {"ip6-first", ip6_first},
    {"ip6-later", ip6_later},
    {"ip6+jumbo", ip6_jumbo},
};

/* Tunnels: set tunnel, its id and depth, and put the outer IP header in front */

static void in_tunnel(struct packet_kind *k, enum tunnel_kind tunnel, uint32_t id)
{
    k->tunnel = (uint8_t)tunnel;
    k->tunnel_id = id;
    k->tunnel_depth++;
    k->flags |= PACKET_DEEP;
    frame_ip4(&k->frame, 0x4000, 0);
}

static void gre(struct packet_kind *k)
{
    frame_gre(&k->frame, 0, 0);
    in_tunnel(k, TUNNEL_GRE, 0);
}

static void gre_all_fields(struct packet_kind *k)
{
    frame_gre(&k->frame, 0xb000, ALL_TUNNEL_ID);
    in_tunnel(k, TUNNEL_GRE, ALL_TUNNEL_ID);
}

static void gre_teb_vlan(struct packet_kind *k)
{
    frame_vlan(&k->frame, ETYPE_VLAN, 77);
    frame_ethernet(&k->frame);
    frame_gre(&k->frame, 0x2000, ALL_TUNNEL_ID);
    in_tunnel(k, TUNNEL_GRE, ALL_TUNNEL_ID);
}

static void gre_mpls(struct packet_kind *k)
{
    frame_mpls(&k->frame, 16);
    frame_gre(&k->frame, 0, 0);
    in_tunnel(k, TUNNEL_GRE, 0);
}

static void pptp(struct packet_kind *k)
{
    frame_ppp(&k->frame, true, false);
    frame_pptp(&k->frame, 0x1234);
    in_tunnel(k, TUNNEL_GRE, 0x1234);
}

static void erspan_ii(struct packet_kind *k)
{
    frame_vlan(&k->frame, ETYPE_VLAN, 77);
    frame_ethernet(&k->frame);
    frame_erspan_ii(&k->frame, 0x123);
    in_tunnel(k, TUNNEL_ERSPAN, 0x123);
}

static void erspan_iii(struct packet_kind *k)
{
    frame_ethernet(&k->frame);
    frame_erspan_iii(&k->frame, 0x123, false);
    in_tunnel(k, TUNNEL_ERSPAN, 0x123);
}

static void erspan_iii_platform(struct packet_kind *k)
{
    frame_ethernet(&k->frame);
    frame_erspan_iii(&k->frame, 0x123, true);
    in_tunnel(k, TUNNEL_ERSPAN, 0x123);
}

static void ipip(struct packet_kind *k)
{
    in_tunnel(k, TUNNEL_IPIP, 0);
}

static void vxlan(struct packet_kind *k)
{
    frame_ethernet(&k->frame);
    frame_vxlan(&k->frame, ALL_TUNNEL_ID, false);
    in_tunnel(k, TUNNEL_VXLAN, ALL_TUNNEL_ID);
}

static void vxlan_group_policy(struct packet_kind *k)
{
    frame_ethernet(&k->frame);
    frame_vxlan(&k->frame, ALL_TUNNEL_ID, true);
    in_tunnel(k, TUNNEL_VXLAN, ALL_TUNNEL_ID);
}

static void geneve_ethernet(struct packet_kind *k)
{
    frame_ethernet(&k->frame);
    frame_geneve(&k->frame, ALL_TUNNEL_ID, 3);
    in_tunnel(k, TUNNEL_GENEVE, ALL_TUNNEL_ID);
}

static void geneve_ip(struct packet_kind *k)
{
    frame_geneve(&k->frame, ALL_TUNNEL_ID, 0);
    in_tunnel(k, TUNNEL_GENEVE, ALL_TUNNEL_ID);
}

static void gtpu(struct packet_kind *k)
{
    frame_gtpu(&k->frame, ALL_TUNNEL_ID, 0);
    in_tunnel(k, TUNNEL_GTPU, ALL_TUNNEL_ID);
}

static void gtpu_extensions(struct packet_kind *k)
{
    frame_gtpu(&k->frame, ALL_TUNNEL_ID, 2);
    in_tunnel(k, TUNNEL_GTPU, ALL_TUNNEL_ID);
}

/* The innermost tunnel is the one reported. */
static void nested(struct packet_kind *k)
{
    gtpu_extensions(k);
    frame_ethernet(&k->frame);
    frame_vxlan(&k->frame, 1, false);
    frame_ip6(&k->frame);
    frame_gre(&k->frame, 0x2000, 2);
    frame_ip4(&k->frame, 0, 1);
    frame_ip6(&k->frame); /* 4in6 */
    k->tunnel_depth = 4;
}

static const struct builder tunnels[] = {
    {"gre", gre},
    {"gre+all", gre_all_fields},
    {"gre+teb+vlan", gre_teb_vlan},
    {"gre+mpls", gre_mpls},
    {"pptp", pptp},
    {"erspan2", erspan_ii},
    {"erspan3", erspan_iii},
    {"erspan3+platform", erspan_iii_platform},
    {"ipip", ipip},
    {"vxlan", vxlan},
    {"vxlan+policy", vxlan_group_policy},
    {"geneve+ethernet", geneve_ethernet},
    {"geneve+ip", geneve_ip},
    {"gtpu", gtpu},
    {"gtpu+extensions", gtpu_extensions},
    {"nested", nested},
};

/* What stands outside. */

static void has_vlan(struct packet_kind *k, uint16_t id, uint8_t count)
{
    k->vlan = id;
    k->vlan_count = count;
    if (count > 1)
        k->flags |= PACKET_DEEP;
}

static void ethernet(struct packet_kind *k)
{
    frame_ethernet(&k->frame);
}

static void vlan(struct packet_kind *k)
{
    frame_vlan(&k->frame, ETYPE_VLAN, 100);
    frame_ethernet(&k->frame);
    has_vlan(k, 100, 1);
}

static void qinq(struct packet_kind *k)
{
    frame_vlan(&k->frame, ETYPE_VLAN, 100);
    frame_vlan(&k->frame, ETYPE_QINQ, 200);
    frame_ethernet(&k->frame);
    has_vlan(k, 200, 2);
}

static void vlan_four(struct packet_kind *k)
{
    frame_vlan(&k->frame, ETYPE_VLAN, 100);
    frame_vlan(&k->frame, ETYPE_QINQ_9200, 200);
    frame_vlan(&k->frame, ETYPE_QINQ_9100, 300);
    frame_vlan(&k->frame, ETYPE_QINQ, 0);
    frame_ethernet(&k->frame);
    has_vlan(k, 0, 2);
}

static void mpls(struct packet_kind *k)
{
    frame_mpls(&k->frame, 1000);
    frame_ethernet(&k->frame);
    k->flags |= PACKET_DEEP;
}

static void mpls_ten(struct packet_kind *k)
{
    for (uint32_t i = 0; i < 10; i++)
        frame_mpls(&k->frame, 1000 + i);
    frame_vlan(&k->frame, ETYPE_VLAN, 100);
    frame_ethernet(&k->frame);
    has_vlan(k, 100, 1);
    k->flags |= PACKET_DEEP;
}

static void pseudowire(struct packet_kind *k)
{
    frame_vlan(&k->frame, ETYPE_VLAN, 300);
    frame_ethernet(&k->frame);
    frame_control_word(&k->frame);
    mpls(k);
}

static void pppoe(struct packet_kind *k)
{
    frame_ppp(&k->frame, false, false);
    frame_pppoe(&k->frame);
    qinq(k);
}

static void snap(struct packet_kind *k)
{
    frame_snap(&k->frame);
    frame_ethernet(&k->frame);
}

static void vlan_snap(struct packet_kind *k)
{
    frame_snap(&k->frame);
    vlan(k);
}

static void null_little(struct packet_kind *k)
{
    frame_null(&k->frame, LINK_NULL, false);
}

static void null_big(struct packet_kind *k)
{
    frame_null(&k->frame, LINK_NULL, true);
}

static void loop(struct packet_kind *k)
{
    frame_null(&k->frame, LINK_LOOP, true);
}

static void raw(struct packet_kind *k)
{
    frame_raw(&k->frame, LINK_RAW);
}

static void raw_version(struct packet_kind *k)
{
    frame_raw(&k->frame, k->frame.etype == ETYPE_IP4 ? LINK_IPV4 : LINK_IPV6);
}

static void sll(struct packet_kind *k)
{
    frame_sll(&k->frame);
}

static void sll_vlan(struct packet_kind *k)
{
    frame_vlan(&k->frame, ETYPE_VLAN, 100);
    frame_sll(&k->frame);
    has_vlan(k, 100, 1);
}

static void sll2(struct packet_kind *k)
{
    frame_sll2(&k->frame);
}

static void ppp(struct packet_kind *k)
{
    frame_ppp(&k->frame, false, true);
}

static void ppp_framed_mpls(struct packet_kind *k)
{
    frame_mpls(&k->frame, 1000);
    frame_ppp(&k->frame, true, false);
    k->flags |= PACKET_DEEP;
}

static void chdlc(struct packet_kind *k)
{
    frame_chdlc(&k->frame);
}

static const struct builder outsides[] = {
    {"ethernet", ethernet},
    {"vlan", vlan},
    {"qinq", qinq},
    {"vlan*4", vlan_four},
    {"mpls", mpls},
    {"vlan+mpls*10", mpls_ten},
    {"pseudowire", pseudowire},
    {"qinq+pppoe", pppoe},
    {"snap", snap},
    {"vlan+snap", vlan_snap},
    {"null-little", null_little},
    {"null-big", null_big},
    {"loop", loop},
    {"raw", raw},
    {"raw-version", raw_version},
    {"sll", sll},
    {"sll+vlan", sll_vlan},
    {"sll2", sll2},
    {"ppp", ppp},
    {"ppp+mpls", ppp_framed_mpls},
    {"chdlc", chdlc},
};

#define INSIDES (COUNT(l4s) * COUNT(ips))

uint32_t packet_kind_count(void)
{
    return INSIDES * (COUNT(outsides) + COUNT(tunnels));
}

static void name_kind(struct packet_kind *k, const char *outside, const char *tunnel,
                      uint32_t inside)
{
    snprintf(k->name, sizeof(k->name), "%s/%s/%s/%s", outside, tunnel,
             ips[inside / COUNT(l4s)].name, l4s[inside % COUNT(l4s)].name);
}

/* Tunnels travel in Ethernet, their outer IP header directly behind it. */
void packet_kind_build(uint32_t index, struct packet_kind *k)
{
    assert(index < packet_kind_count());
    uint32_t inside = index % INSIDES, around = index / INSIDES;

    memset(k, 0, sizeof(*k));
    frame_init(&k->frame, PAYLOAD);
    l4s[inside % COUNT(l4s)].build(k);
    ips[inside / COUNT(l4s)].build(k);
    uint32_t inner_from_end = frame_len(&k->frame);
    k->outer_octets = k->octets;
    k->outer_header = k->ip_header;
    if (around >= COUNT(outsides)) {
        const struct builder *tunnel = &tunnels[around - COUNT(outsides)];
        tunnel->build(k);
        k->outer_octets = frame_len(&k->frame);
        k->outer_header = k->frame.etype == ETYPE_IP4 ? IP4_LEN : IP6_LEN;
        name_kind(k, outsides[0].name, tunnel->name, inside);
        around = 0;
    } else {
        name_kind(k, outsides[around].name, "-", inside);
    }
    uint32_t outer_from_end = frame_len(&k->frame);
    outsides[around].build(k);
    k->ip_at = frame_len(&k->frame) - inner_from_end;
    k->outer_at = frame_len(&k->frame) - outer_from_end;
}
