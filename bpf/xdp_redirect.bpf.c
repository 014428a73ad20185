/* SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only */
/*
 * Steers the frames of a port to AF_XDP sockets, and leaves out what the configuration ignores. It
 * knows nothing of flows: it reads as much of a frame as needed to choose a socket.
 *
 * The networks and ports to ignore are looked for in the outermost IP header, as a capture filter
 * would; the socket is chosen by the innermost header it can reach, so that a tunnel's connections
 * are spread as they are without it. Every frame is counted once (struct xdp_counters).
 */
#include <linux/bpf.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "weir/wire.h"
#include "weir/xdp_shared.h"

#define STEPS_MAX 40     /* headers of one frame that are read */
#define OFFSET_MAX 1024u /* headers beyond are not read; also what the verifier must know */

struct {
    __uint(type, BPF_MAP_TYPE_XSKMAP);
    __uint(max_entries, XDP_SOCKETS_MAX);
    __type(key, __u32);
    __type(value, __u32);
} sockets SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct xdp_control);
} control SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, 1); /* set to the number of processors before loading */
    __type(key, __u32);
    __type(value, struct xdp_counters);
} counters SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_LPM_TRIE);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, 256);
    __type(key, struct xdp_network4);
    __type(value, __u8);
} networks4 SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_LPM_TRIE);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, 256);
    __type(key, struct xdp_network6);
    __type(value, __u8);
} networks6 SEC(".maps");

const volatile struct xdp_settings settings;
const volatile __u64 ignored_ports[XDP_PORT_WORDS]; /* one bit each */

struct ip4 {
    __u8 version_length, tos;
    __be16 total_length, id, fragment;
    __u8 ttl, protocol;
    __be16 checksum;
    __u8 source[4], destination[4];
};

struct ip6 {
    __be32 version;
    __be16 payload_length;
    __u8 next, hops;
    __u8 source[16], destination[16];
};

struct ports {
    __be16 source, destination;
};

/* What an IP header and the ports behind it say. */
struct ip {
    struct xdp_endpoint source, destination;
    __u32 version; /* 0 = no IP header was found */
    __u32 protocol;
    __u32 fragment;
    __u32 has_ports;
};

/* Which header comes next, beside the EtherTypes. */
enum layer {
    LAYER_END,
    LAYER_ETHERNET,
    LAYER_IP, /* IPv4 or IPv6 by its first nibble */
    LAYER_IP6_EXTENSION,
    LAYER_UPPER, /* what follows an IP header, by ip.protocol */
    LAYER_VXLAN,
    LAYER_GENEVE,
    LAYER_GTPU,
    LAYER_GTPU_EXTENSION
};

/* The way through the headers of a frame: one header is one step. */
struct walk {
    struct xdp_md *frame;
    __u32 offset;
    __u32 layer;   /* enum layer or an EtherType */
    __u32 inwards; /* go on into tunnels */
    struct ip ip;  /* the last one that was read */
};

/* The next len octets, or NULL where the frame ends before. */
static __always_inline void *peek(const struct walk *w, __u32 len)
{
    void *data = (void *)(long)w->frame->data, *end = (void *)(long)w->frame->data_end;
    __u32 offset = w->offset;

    if (offset > OFFSET_MAX)
        return 0;
    void *p = data + offset;
    return p + len > end ? 0 : p;
}

static __always_inline __u32 load16(const __u8 *p)
{
    return (__u32)p[0] << 8 | p[1];
}

static __always_inline __u64 load32(const __u8 *p)
{
    return (__u64)load16(p) << 16 | load16(p + 2);
}

static __always_inline __u64 load64(const __u8 *p)
{
    return load32(p) << 32 | load32(p + 4);
}

/* --- one function per header: passes it and returns the layer behind --- */

static __always_inline __u32 ethernet_pass(struct walk *w)
{
    const __u8 *header = peek(w, ETHERNET_LEN);

    w->offset += ETHERNET_LEN;
    return header ? load16(header + 12) : LAYER_END;
}

static __always_inline __u32 vlan_pass(struct walk *w)
{
    const __u8 *tag = peek(w, VLAN_LEN);

    w->offset += VLAN_LEN;
    return tag ? load16(tag + 2) : LAYER_END;
}

static __always_inline __u32 pppoe_pass(struct walk *w)
{
    const __u8 *header = peek(w, PPPOE_LEN + 2);
    __u32 protocol = header ? load16(header + PPPOE_LEN) : 0;

    w->offset += PPPOE_LEN + 2;
    return protocol == PPP_IP4 || protocol == PPP_IP6 ? LAYER_IP : LAYER_END;
}

static __always_inline __u32 mpls_pass(struct walk *w)
{
    const __u8 *label = peek(w, MPLS_LEN);

    w->offset += MPLS_LEN;
    if (!label)
        return LAYER_END;
    return label[2] & 1 ? LAYER_IP : ETYPE_MPLS; /* bottom of stack, RFC 3032 */
}

static __always_inline __u32 ip4_pass(struct walk *w)
{
    const struct ip4 *header = peek(w, sizeof(*header));
    __u32 length = header ? (header->version_length & 15u) * 4 : 0;

    if (length < IP4_LEN || header->version_length >> 4 != 4)
        return LAYER_END;
    w->offset += length;
    w->ip = (struct ip){
        .version = 4,
        .source.low = load32(header->source),
        .destination.low = load32(header->destination),
        .protocol = header->protocol,
        .fragment = header->fragment & bpf_htons(0x3fff), /* MF or an offset, RFC 791 */
    };
    return LAYER_UPPER;
}

static __always_inline __u32 ip6_next(const struct walk *w)
{
    __u32 kind = w->ip.protocol;

    return kind == PROTO_HOP_BY_HOP || kind == PROTO_ROUTING || kind == PROTO_DESTINATION ||
                   kind == PROTO_FRAGMENT
               ? LAYER_IP6_EXTENSION
               : LAYER_UPPER;
}

static __always_inline __u32 ip6_pass(struct walk *w)
{
    const struct ip6 *header = peek(w, sizeof(*header));

    if (!header || (header->version & bpf_htonl(0xf0000000)) != bpf_htonl(0x60000000))
        return LAYER_END;
    w->offset += sizeof(*header);
    w->ip = (struct ip){
        .version = 6,
        .source = {load64(header->source), load64(header->source + 8), 0},
        .destination = {load64(header->destination), load64(header->destination + 8), 0},
        .protocol = header->next,
    };
    return ip6_next(w);
}

/* RFC 8200 §4. */
static __always_inline __u32 ip6_extension_pass(struct walk *w)
{
    const __u8 *header = peek(w, 8);

    if (!header)
        return LAYER_END;
    if (w->ip.protocol == PROTO_FRAGMENT) {
        w->ip.fragment |= header[2] | (header[3] & 0xf9u);
        w->offset += IP6_FRAGMENT_LEN;
    } else {
        w->offset += (header[1] + 1u) * 8;
    }
    w->ip.protocol = header[0];
    return ip6_next(w);
}

static __always_inline __u32 ip_pass(struct walk *w)
{
    const __u8 *first = peek(w, 1);

    if (!first)
        return LAYER_END;
    return *first >> 4 == 4 ? ip4_pass(w) : ip6_pass(w);
}

static __always_inline __u32 ports_read(struct walk *w)
{
    const struct ports *ports = peek(w, sizeof(*ports));

    if (!ports)
        return LAYER_END;
    w->ip.source.port = bpf_ntohs(ports->source);
    w->ip.destination.port = bpf_ntohs(ports->destination);
    w->ip.has_ports = 1;
    if (w->ip.protocol != PROTO_UDP)
        return LAYER_END;
    w->offset += UDP_LEN;
    switch (w->ip.destination.port) {
    case PORT_VXLAN:
        return LAYER_VXLAN;
    case PORT_GENEVE:
        return LAYER_GENEVE;
    case PORT_GTPU:
        return LAYER_GTPU;
    default:
        return LAYER_END;
    }
}

/* RFC 2784 and 2890: version 0, without routing. */
static __always_inline __u32 gre_pass(struct walk *w)
{
    const __u8 *header = peek(w, 4);

    if (!header || (header[1] & 7) || (header[0] & 0x4f))
        return LAYER_END;
    __u32 etype = load16(header + 2), sequence = header[0] & 0x10u;
    /* checksum, key and sequence number take 4 octets each */
    w->offset += 4 + (header[0] >> 7) * 4u + (header[0] >> 5 & 1) * 4u + sequence / 4;
    if (etype == ETYPE_ERSPAN_II) {
        w->offset += sequence / 2; /* type I has no header of its own */
        return LAYER_ETHERNET;
    }
    return etype == ETYPE_TEB ? LAYER_ETHERNET : etype;
}

/* A fragment of a tunnel packet is not opened. */
static __always_inline __u32 upper_pass(struct walk *w)
{
    if (w->ip.fragment)
        return LAYER_END;
    switch (w->ip.protocol) {
    case PROTO_TCP:
    case PROTO_UDP:
    case PROTO_SCTP:
        return ports_read(w);
    case PROTO_IP4:
    case PROTO_IP6:
        return LAYER_IP;
    case PROTO_GRE:
        return gre_pass(w);
    default:
        return LAYER_END;
    }
}

/* RFC 7348 §5: the VNI is valid, all else is reserved and 0. */
static __always_inline __u32 vxlan_pass(struct walk *w)
{
    const __u8 *header = peek(w, 8);

    w->offset += 8;
    return header && header[0] == 0x08 ? LAYER_ETHERNET : LAYER_END;
}

/* RFC 8926 §3.4. */
static __always_inline __u32 geneve_pass(struct walk *w)
{
    const __u8 *header = peek(w, 8);

    if (!header || header[0] >> 6)
        return LAYER_END;
    w->offset += 8 + (header[0] & 63u) * 4;
    return load16(header + 2) == ETYPE_TEB ? LAYER_ETHERNET : load16(header + 2);
}

/* 3GPP TS 29.281 §5: version 1, a G-PDU. */
static __always_inline __u32 gtpu_pass(struct walk *w)
{
    const __u8 *header = peek(w, 8);

    if (!header || (header[0] & 0xf0) != 0x30 || header[1] != 255)
        return LAYER_END;
    w->offset += 8;
    if (!(header[0] & 7))
        return LAYER_IP;
    const __u8 *optional = peek(w, 4);
    w->offset += 4;
    return optional && (header[0] & 4) && optional[3] ? LAYER_GTPU_EXTENSION : LAYER_IP;
}

/* Length in words, contents, and in the last octet the type of the next one. */
static __always_inline __u32 gtpu_extension_pass(struct walk *w)
{
    const __u8 *length = peek(w, 1);
    __u32 octets = length ? *length * 4u : 0;

    if (!octets)
        return LAYER_END;
    w->offset += octets - 1;
    const __u8 *next = peek(w, 1);
    w->offset += 1;
    return !next ? LAYER_END : *next ? LAYER_GTPU_EXTENSION : LAYER_IP;
}

static __always_inline __u32 layer_pass(struct walk *w)
{
    switch (w->layer) {
    case LAYER_ETHERNET:
        return ethernet_pass(w);
    case ETYPE_VLAN:
    case ETYPE_QINQ:
    case ETYPE_QINQ_9100:
    case ETYPE_QINQ_9200:
        return vlan_pass(w);
    case ETYPE_PPPOE_SESSION:
        return pppoe_pass(w);
    case ETYPE_MPLS:
    case ETYPE_MPLS_UPSTREAM:
        return mpls_pass(w);
    case LAYER_IP:
    case ETYPE_IP4:
    case ETYPE_IP6:
        return ip_pass(w);
    case LAYER_IP6_EXTENSION:
        return ip6_extension_pass(w);
    case LAYER_UPPER:
        return upper_pass(w);
    case LAYER_VXLAN:
        return vxlan_pass(w);
    case LAYER_GENEVE:
        return geneve_pass(w);
    case LAYER_GTPU:
        return gtpu_pass(w);
    case LAYER_GTPU_EXTENSION:
        return gtpu_extension_pass(w);
    default:
        return LAYER_END;
    }
}

/* One round of bpf_loop(): 0 = go on. It rests behind the first IP header and its ports. */
static long walk_step(__u32 round, struct walk *w)
{
    (void)round;
    __u32 rests = !w->inwards && w->layer == LAYER_UPPER;

    w->layer = layer_pass(w);
    return rests || w->layer == LAYER_END;
}

/* --- what is ignored --- */

static __always_inline int network4_ignored(__u64 address)
{
    struct xdp_network4 key = {.length = 32};
    __be32 ordered = bpf_htonl((__u32)address);

    __builtin_memcpy(key.address, &ordered, sizeof(ordered));
    return bpf_map_lookup_elem(&networks4, &key) != 0;
}

static __always_inline int network6_ignored(const struct xdp_endpoint *e)
{
    struct xdp_network6 key = {.length = 128};
    __be64 high = bpf_cpu_to_be64(e->high), low = bpf_cpu_to_be64(e->low);

    __builtin_memcpy(key.address, &high, sizeof(high));
    __builtin_memcpy(key.address + 8, &low, sizeof(low));
    return bpf_map_lookup_elem(&networks6, &key) != 0;
}

static __always_inline int port_ignored(__u32 port)
{
    return ignored_ports[(port & 0xffff) / 64] >> (port & 63) & 1;
}

/* Either end decides, so that both directions of a connection share their fate. */
static __always_inline int is_ignored(const struct ip *ip)
{
    if (settings.has_networks4 && ip->version == 4 &&
        (network4_ignored(ip->source.low) || network4_ignored(ip->destination.low)))
        return 1;
    if (settings.has_networks6 && ip->version == 6 &&
        (network6_ignored(&ip->source) || network6_ignored(&ip->destination)))
        return 1;
    return settings.has_ports && ip->has_ports && ip->protocol != PROTO_SCTP &&
           (port_ignored(ip->source.port) || port_ignored(ip->destination.port));
}

/* --- the frame --- */

static __always_inline int filters(void)
{
    return settings.has_networks4 || settings.has_networks6 || settings.has_ports;
}

static __always_inline __u32 hash_of(const struct ip *ip)
{
    struct xdp_endpoint a = ip->source, b = ip->destination;
    uint64_t key[2] = {settings.key[0], settings.key[1]};

    if (settings.spread == XDP_SPREAD_ADDRESS)
        a.port = b.port = 0;
    return xdp_pair_hash(&a, &b, key);
}

static __always_inline __u32 socket_of(struct walk *w, const struct xdp_queue_sockets *queue)
{
    __u32 first = queue->first, count = queue->count;

    if (settings.spread == XDP_SPREAD_NONE || count < 2 || !w->ip.version)
        return first;
    w->inwards = 1;
    bpf_loop(STEPS_MAX, walk_step, w, 0);
    return first + xdp_pick(hash_of(&w->ip), count);
}

static __always_inline int steer(__u32 socket, struct xdp_counters *count)
{
    int action = XDP_PASS;

    if (socket < XDP_SOCKETS_MAX)
        action = (int)bpf_redirect_map(&sockets, socket, XDP_PASS);
    if (action == XDP_REDIRECT && socket < XDP_SOCKETS_MAX)
        count->steered[socket]++;
    else
        count->passed++;
    return action;
}

static __always_inline int ignore(struct xdp_md *frame, struct xdp_counters *count)
{
    count->ignored++;
    count->ignored_octets += bpf_xdp_get_buff_len(frame);
    return XDP_DROP;
}

SEC("xdp.frags")
int xdp_redirect(struct xdp_md *frame)
{
    struct walk w = {.frame = frame, .layer = LAYER_ETHERNET};
    __u32 zero = 0, cpu = bpf_get_smp_processor_id(), queue = frame->rx_queue_index;
    struct xdp_control *rules = bpf_map_lookup_elem(&control, &zero);
    struct xdp_counters *count = bpf_map_lookup_elem(&counters, &cpu);

    if (!rules || !count)
        return XDP_PASS; /* cannot be: the maps hold these keys */
    if (!rules->running || queue >= XDP_QUEUES_MAX || !rules->queue[queue].count) {
        count->passed++;
        return XDP_PASS;
    }
    if (filters() || settings.spread != XDP_SPREAD_NONE)
        bpf_loop(STEPS_MAX, walk_step, &w, 0);
    if (filters() && is_ignored(&w.ip))
        return ignore(frame, count);
    return steer(socket_of(&w, &rules->queue[queue]), count);
}

char program_license[] SEC("license") = "Dual BSD/GPL";
