#include "capture/spread.h"

#include <stdbool.h>
#include <string.h>

#include "weir/wire.h"

#define VLAN_DEPTH 4
#define MPLS_DEPTH 10
#define TUNNEL_DEPTH 2
#define PPP_HEADER 8  /* PPPoE's and the protocol number */
#define GENEVE_WORD 4 /* options are counted in words (RFC 8926 §3.4) */

/* What is still to be read. An offset past the end reads as zeros, which no check below takes. */
struct walk {
    const uint8_t *at;
    uint32_t left;
    uint32_t type; /* EtherType of what stands at `at`; 0 = not known */
};

static uint32_t get8(const struct walk *w, uint32_t offset)
{
    return offset < w->left ? w->at[offset] : 0;
}

static uint32_t get16(const struct walk *w, uint32_t offset)
{
    return get8(w, offset) << 8 | get8(w, offset + 1);
}

static void skip(struct walk *w, uint32_t octets)
{
    uint32_t n = octets < w->left ? octets : w->left;

    w->at += n;
    w->left -= n;
}

static void walk_ethernet(struct walk *w)
{
    w->type = get16(w, ETHERNET_LEN - 2);
    skip(w, ETHERNET_LEN);
}

static bool is_vlan(uint32_t type)
{
    return type == ETYPE_VLAN || type == ETYPE_QINQ || type == ETYPE_QINQ_9100 ||
           type == ETYPE_QINQ_9200;
}

static void walk_vlan(struct walk *w)
{
    for (unsigned i = 0; i < VLAN_DEPTH && is_vlan(w->type); i++) {
        w->type = get16(w, 2);
        skip(w, VLAN_LEN);
    }
}

static void walk_by_version(struct walk *w)
{
    uint32_t version = get8(w, 0) >> 4;

    w->type = version == 4 ? ETYPE_IP4 : version == 6 ? ETYPE_IP6 : 0;
}

static void walk_mpls(struct walk *w)
{
    for (unsigned i = 0; i < MPLS_DEPTH; i++) {
        bool bottom = get8(w, 2) & 1; /* RFC 3032 §2.1 */
        skip(w, MPLS_LEN);
        if (!bottom)
            continue;
        walk_by_version(w);
        if (w->type || get8(w, 0) != 0)
            return;
        skip(w, MPLS_CONTROL_LEN); /* an Ethernet pseudowire (RFC 4385) */
        walk_ethernet(w);
        walk_vlan(w);
        return;
    }
    w->type = 0;
}

static void walk_link(struct walk *w)
{
    walk_vlan(w);
    if (w->type == ETYPE_PPPOE_SESSION) {
        uint32_t ppp = get16(w, PPPOE_LEN);
        w->type = ppp == PPP_IP4 ? ETYPE_IP4 : ppp == PPP_IP6 ? ETYPE_IP6 : 0;
        skip(w, PPP_HEADER);
    } else if (w->type == ETYPE_MPLS || w->type == ETYPE_MPLS_UPSTREAM) {
        walk_mpls(w);
    }
}

static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 32) * UINT64_C(0xd6e8feb86659fd93);
    x = (x ^ x >> 32) * UINT64_C(0xd6e8feb86659fd93);
    return x ^ x >> 32;
}

static uint64_t hash_address(const uint8_t *address, uint32_t len, uint64_t seed)
{
    uint64_t hash = seed, word;
    uint32_t half;

    if (len == 4) {
        memcpy(&half, address, sizeof(half));
        return mix(hash ^ half);
    }
    for (uint32_t i = 0; i < len; i += sizeof(word)) {
        memcpy(&word, address + i, sizeof(word));
        hash = mix(hash ^ word);
    }
    return hash;
}

/* A sum does not tell which of the two came first. */
static uint32_t hash_pair(const uint8_t *addresses, uint32_t len, uint64_t seed)
{
    return (uint32_t)(mix(hash_address(addresses, len, seed) +
                          hash_address(addresses + len, len, seed)) >>
                      32);
}

/* What a mirror sends: a frame, or an IP packet (draft-foschiano-erspan-03 §4.2, §4.3). */
static void walk_erspan(struct walk *w)
{
    bool ip = w->type == ETYPE_ERSPAN_III && (get8(w, 10) >> 2 & 0x1f) == 2;

    if (w->type == ETYPE_ERSPAN_II)
        skip(w, ERSPAN_II_LEN);
    else
        skip(w, get8(w, 11) & 1 ? ERSPAN_III_LEN + ERSPAN_III_PLATFORM_LEN : ERSPAN_III_LEN);
    if (ip)
        walk_by_version(w);
    else
        walk_ethernet(w);
}

/* Behind a GRE header (RFC 2784 §2, RFC 2890 §2). Only version 0. */
static bool walk_gre(struct walk *w)
{
    uint32_t flags = get16(w, 0), length = GRE_LEN;

    if (flags & 7)
        return false;
    length += flags & 0x8000 ? 4 : 0;
    length += flags & 0x2000 ? 4 : 0;
    length += flags & 0x1000 ? 4 : 0;
    w->type = get16(w, 2);
    skip(w, length);
    if (w->type == ETYPE_TEB)
        walk_ethernet(w);
    else if (w->type == ETYPE_ERSPAN_III || (w->type == ETYPE_ERSPAN_II && flags & 0x1000))
        walk_erspan(w);
    walk_link(w);
    return w->type == ETYPE_IP4 || w->type == ETYPE_IP6;
}

static bool walk_gtp(struct walk *w)
{
    uint32_t flags = get8(w, 0);

    if (flags >> 4 != 3 || get8(w, 1) != 255) /* version 1, GTP, a user's packet */
        return false;
    skip(w, flags & 7 ? GTPU_LEN + GTPU_OPTIONAL_LEN : GTPU_LEN);
    walk_by_version(w);
    return w->type;
}

static bool walk_udp(struct walk *w)
{
    uint32_t port = get16(w, 2);

    skip(w, UDP_LEN);
    switch (port) {
    case PORT_GTPU:
        return walk_gtp(w);
    case PORT_VXLAN:
        if (get8(w, 0) != 0x08)
            return false;
        skip(w, VXLAN_LEN);
        break;
    case PORT_GENEVE:
        if (get8(w, 0) >> 6 || get16(w, 2) != ETYPE_TEB)
            return false;
        skip(w, GENEVE_LEN + (get8(w, 0) & 0x3f) * GENEVE_WORD);
        break;
    default:
        return false;
    }
    walk_ethernet(w);
    walk_link(w);
    return w->type == ETYPE_IP4 || w->type == ETYPE_IP6;
}

/* From an IP header's payload into the tunnel it carries. */
static bool walk_tunnel(struct walk *w, uint32_t proto)
{
    switch (proto) {
    case PROTO_IP4:
    case PROTO_IP6:
        w->type = proto == PROTO_IP4 ? ETYPE_IP4 : ETYPE_IP6;
        return true;
    case PROTO_GRE:
        return walk_gre(w);
    case PROTO_UDP:
        return walk_udp(w);
    default:
        return false;
    }
}

/* Takes the pair of the IP header into *hash and goes to what is inside; false = nothing more. */
static bool walk_ip4(struct walk *w, uint64_t seed, uint32_t *hash)
{
    uint32_t proto = get8(w, 9), length = (get8(w, 0) & 15) * 4;
    bool fragment = get16(w, 6) & 0x3fff; /* more fragments, or an offset (RFC 791 §3.1) */

    if (w->left < IP4_LEN || get8(w, 0) >> 4 != 4)
        return false;
    *hash = hash_pair(w->at + 12, 4, seed);
    skip(w, length);
    return !fragment && length >= IP4_LEN && walk_tunnel(w, proto);
}

static bool walk_ip6(struct walk *w, uint64_t seed, uint32_t *hash)
{
    uint32_t proto = get8(w, 6);

    if (w->left < IP6_LEN || get8(w, 0) >> 4 != 6)
        return false;
    *hash = hash_pair(w->at + 8, 16, seed);
    skip(w, IP6_LEN);
    return walk_tunnel(w, proto);
}

uint32_t spread_hash(const uint8_t *frame, uint32_t cap_len, uint64_t seed)
{
    struct walk w = {.at = frame, .left = cap_len};
    uint32_t hash = 0;
    bool more = true;

    walk_ethernet(&w);
    walk_link(&w);
    for (unsigned depth = 0; more && depth <= TUNNEL_DEPTH; depth++) {
        if (w.type == ETYPE_IP4)
            more = walk_ip4(&w, seed, &hash);
        else if (w.type == ETYPE_IP6)
            more = walk_ip6(&w, seed, &hash);
        else
            more = false;
    }
    return hash;
}
