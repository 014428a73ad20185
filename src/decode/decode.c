#include "decode/decode.h"

#include <stddef.h>
#include <string.h>

#include "base/prefetch.h"
#include "decode/cursor.h"
#include "decode/fast.h"
#include "decode/ip_header.h"
#include "decode/l2.h"
#include "decode/l4.h"
#include "decode/tunnel.h"
#include "weir/counters.h"
#include "weir/packet.h"

#define CACHE_LINE 64

/* How many packets ahead a frame is asked for. With 6, 8, 12, 16, 24 and 32, and every frame out of
 * the cache, a packet took 29, 28, 26, 27, 29, 34 ns with IPv4 and 31, 30, 32, 35, 37, 40 with
 * IPv6. */
#define PREFETCH_AHEAD 12

/* PACKET_DEEP tells flow whether the last cache line of a packet is worth reading. */
static void set_link(struct packet *p, const struct l2 *l2)
{
    memcpy(p->vlan, l2->vlan, sizeof(p->vlan));
    p->vlan_count = l2->vlan_kept;
    p->mpls_top = l2->mpls_top;
    p->macs = l2->macs;
    if (l2->vlan_kept > 1 || l2->labels)
        p->flags |= PACKET_DEEP;
}

static void set_ip(struct packet *p, const struct ip_header *ip)
{
    p->ip_version = ip->version;
    p->proto = ip->proto;
    p->ttl = ip->ttl;
    p->tos = ip->tos;
    p->flags |= ip->flags;
    p->addresses = ip->addresses;
    p->octets = ip->octets;
    p->fragment_id = ip->fragment_id;
}

static void set_tunnel(struct packet *p, const struct tunnel *tunnel, const struct ip_header *outer)
{
    p->flags |= PACKET_DEEP;
    p->tunnel = tunnel->kind;
    p->tunnel_id = tunnel->id;
    p->tunnel_depth++;
    p->outer_version = outer->version;
    p->outer_addresses = outer->addresses;
}

/* Peels link headers up to an IP header and reads that. */
static enum weir_fate read_ip(struct l2 *l2, enum l2_layer layer, struct cursor *at,
                              const struct packet *p, struct ip_header *ip)
{
    layer = l2_peel(l2, layer, at);
    if (layer == L2_DROP)
        return l2->fate;
    return ip_header_read(layer == L2_IP4 ? 4 : 6, *at, p->wire_len, ip);
}

/* Replaces *ip by the IP packet it carries. False: it carries none that may be opened. */
static bool open_tunnel(uint32_t mask, struct packet *p, struct ip_header *ip,
                        struct counters *counters)
{
    struct tunnel tunnel;
    if (!tunnel_read(mask, ip, &tunnel))
        return false;
    if (ip->flags & (PACKET_FRAGMENT_FIRST | PACKET_FRAGMENT_LATER)) {
        counters->note[NOTE_TUNNEL_FRAGMENT]++;
        return false;
    }
    if (p->tunnel_depth == TUNNEL_DEPTH) {
        counters->note[NOTE_TUNNEL_DEPTH]++;
        return false;
    }
    struct l2 l2 = {.type = tunnel.type};
    struct ip_header inner;
    if (read_ip(&l2, tunnel.layer, &tunnel.inner, p, &inner) != FATE_FLOW) {
        counters->note[NOTE_TUNNEL_NO_IP]++;
        return false;
    }
    set_tunnel(p, &tunnel, ip);
    *ip = inner;
    return true;
}

static void count_notes(struct counters *counters, const struct packet *p,
                        const struct ip_header *ip)
{
    counters->note[NOTE_TRUNCATED] += !!(p->flags & PACKET_TRUNCATED);
    counters->note[NOTE_LENGTH_LIES] += !!(p->flags & PACKET_LENGTH_LIES);
    counters->note[NOTE_IP6_CHAIN_LIMIT] += ip->chain_limit;
}

static void clear(struct packet *p)
{
    const size_t from = offsetof(struct packet, ip_version);
    memset((char *)p + from, 0, sizeof(*p) - from);
}

void decode_packet(const struct decode_options *options, struct packet *p,
                   struct counters *counters)
{
    struct cursor frame = cursor_init(p->data, p->cap_len, p->wire_len);
    struct l2 l2 = {0};
    struct ip_header ip;

    clear(p);
    enum l2_layer layer = l2_start(&l2, p->link, &frame);
    p->fate = (uint8_t)read_ip(&l2, layer, &frame, p, &ip);
    set_link(p, &l2);
    if (p->fate != FATE_FLOW)
        return;
    while (open_tunnel(options->tunnels, p, &ip, counters))
        ;
    set_ip(p, &ip);
    l4_read(p, &ip);
    packet_set_plain(p);
    count_notes(counters, p, &ip);
}

/* An IPv6 frame has its layer-4 header in its second line. To ask for that line of every frame
 * costs 5 ns per packet, to look which frame needs it 2 ns; hence it is asked for while more than
 * every eighth packet of the burst was IPv6. */
static inline void prefetch_frame(const struct packet *p, bool second_line)
{
    prefetch_read(p->data);
    if (second_line)
        prefetch_read(p->data + CACHE_LINE);
}

void decode_burst(const struct decode_options *options, struct burst *burst,
                  struct counters *counters)
{
    const uint32_t count = burst->count;
    uint32_t ip6 = 0;

    for (uint32_t i = 0; i < count && i < PREFETCH_AHEAD; i++)
        prefetch_frame(&burst->packet[i], false);
    for (uint32_t i = 0; i < count; i++) {
        struct packet *p = &burst->packet[i];
        if (i + PREFETCH_AHEAD < count)
            prefetch_frame(&burst->packet[i + PREFETCH_AHEAD], ip6 * 8 > i);
        if (p->fate == FATE_FILTERED)
            continue;
        if (!fast_decode(options, p))
            decode_packet(options, p, counters);
        ip6 += p->ip_version == 6;
    }
}
