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

#define STEPS_MAX 40    /* headers of one frame that are read */
#define SEARCH_ROUNDS 9 /* find one of XDP_NETWORKS_MAX */
#define IGNORED UINT32_MAX

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

/* What is ignored, in two sets: one is looked at while the other is written. */
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, XDP_TABLES);
    __type(key, __u32);
    __type(value, __u64);
} table_sizes SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, XDP_NETWORK_ENTRIES);
    __type(key, __u32);
    __type(value, struct xdp_range);
} networks SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, XDP_PORT_ENTRIES);
    __type(key, __u32);
    __type(value, __u64);
} ports SEC(".maps");

const volatile struct xdp_settings settings;

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

struct port_pair {
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
    __u32 offset;
    __u32 layer;   /* enum layer or an EtherType */
    __u32 inwards; /* go on into tunnels */
    struct ip ip;  /* the last one that was read */
};

struct step {
    struct xdp_md *frame;
    struct walk *walk;
};

/* Copies len octets of the header at hand, from its octet at on; false where the frame ends before.
 * To read them where they lie, at a place that the frame decides, a process needs CAP_PERFMON. */
static __always_inline int read(struct xdp_md *frame, const struct walk *w, __u32 at, void *to,
                                __u32 len)
{
    return bpf_xdp_load_bytes(frame, w->offset + at, to, len) == 0;
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

static __always_inline __u32 ethernet_pass(struct xdp_md *frame, struct walk *w)
{
    __u8 etype[2];
    int whole = read(frame, w, ETHERNET_LEN - 2, etype, sizeof(etype));

    w->offset += ETHERNET_LEN;
    return whole ? load16(etype) : LAYER_END;
}

static __always_inline __u32 vlan_pass(struct xdp_md *frame, struct walk *w)
{
    __u8 etype[2];
    int whole = read(frame, w, VLAN_LEN - 2, etype, sizeof(etype));

    w->offset += VLAN_LEN;
    return whole ? load16(etype) : LAYER_END;
}

static __always_inline __u32 pppoe_pass(struct xdp_md *frame, struct walk *w)
{
    __u8 octets[2];
    __u32 protocol = read(frame, w, PPPOE_LEN, octets, sizeof(octets)) ? load16(octets) : 0;

    w->offset += PPPOE_LEN + 2;
    return protocol == PPP_IP4 || protocol == PPP_IP6 ? LAYER_IP : LAYER_END;
}

static __always_inline __u32 mpls_pass(struct xdp_md *frame, struct walk *w)
{
    __u8 label[MPLS_LEN];

    if (!read(frame, w, 0, label, sizeof(label)))
        return LAYER_END;
    w->offset += MPLS_LEN;
    return label[2] & 1 ? LAYER_IP : ETYPE_MPLS; /* bottom of stack, RFC 3032 */
}

static __always_inline __u32 ip4_pass(struct walk *w, const struct ip4 *header)
{
    __u32 length = (header->version_length & 15u) * 4;

    if (length < IP4_LEN)
        return LAYER_END;
    w->offset += length;
    w->ip = (struct ip){
        .version = 4,
        .source.address.low = load32(header->source),
        .destination.address.low = load32(header->destination),
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

static __always_inline __u32 ip6_pass(struct xdp_md *frame, struct walk *w)
{
    struct ip6 header;

    if (!read(frame, w, 0, &header, sizeof(header)) ||
        (header.version & bpf_htonl(0xf0000000)) != bpf_htonl(0x60000000))
        return LAYER_END;
    w->offset += sizeof(header);
    w->ip = (struct ip){
        .version = 6,
        .source.address = {load64(header.source), load64(header.source + 8)},
        .destination.address = {load64(header.destination), load64(header.destination + 8)},
        .protocol = header.next,
    };
    return ip6_next(w);
}

/* RFC 8200 §4. */
static __always_inline __u32 ip6_extension_pass(struct xdp_md *frame, struct walk *w)
{
    __u8 header[8];

    if (!read(frame, w, 0, header, sizeof(header)))
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

/* The header of IPv4 is the shorter one. */
static __always_inline __u32 ip_pass(struct xdp_md *frame, struct walk *w)
{
    struct ip4 header;

    if (!read(frame, w, 0, &header, sizeof(header)))
        return LAYER_END;
    return header.version_length >> 4 == 4 ? ip4_pass(w, &header) : ip6_pass(frame, w);
}

static __always_inline __u32 ports_read(struct xdp_md *frame, struct walk *w)
{
    struct port_pair pair;

    if (!read(frame, w, 0, &pair, sizeof(pair)))
        return LAYER_END;
    w->ip.source.port = bpf_ntohs(pair.source);
    w->ip.destination.port = bpf_ntohs(pair.destination);
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
static __always_inline __u32 gre_pass(struct xdp_md *frame, struct walk *w)
{
    __u8 header[4];

    if (!read(frame, w, 0, header, sizeof(header)) || (header[1] & 7) || (header[0] & 0x4f))
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
static __always_inline __u32 upper_pass(struct xdp_md *frame, struct walk *w)
{
    if (w->ip.fragment)
        return LAYER_END;
    switch (w->ip.protocol) {
    case PROTO_TCP:
    case PROTO_UDP:
    case PROTO_SCTP:
        return ports_read(frame, w);
    case PROTO_IP4:
    case PROTO_IP6:
        return LAYER_IP;
    case PROTO_GRE:
        return gre_pass(frame, w);
    default:
        return LAYER_END;
    }
}

/* RFC 7348 §5: the VNI is valid, all else is reserved and 0. */
static __always_inline __u32 vxlan_pass(struct xdp_md *frame, struct walk *w)
{
    __u8 flags;
    int valid = read(frame, w, 0, &flags, sizeof(flags)) && flags == 0x08;

    w->offset += 8;
    return valid ? LAYER_ETHERNET : LAYER_END;
}

/* RFC 8926 §3.4. */
static __always_inline __u32 geneve_pass(struct xdp_md *frame, struct walk *w)
{
    __u8 header[4];

    if (!read(frame, w, 0, header, sizeof(header)) || header[0] >> 6)
        return LAYER_END;
    w->offset += 8 + (header[0] & 63u) * 4;
    return load16(header + 2) == ETYPE_TEB ? LAYER_ETHERNET : load16(header + 2);
}

/* 3GPP TS 29.281 §5: version 1, a G-PDU. */
static __always_inline __u32 gtpu_pass(struct xdp_md *frame, struct walk *w)
{
    __u8 header[2], optional[4];

    if (!read(frame, w, 0, header, sizeof(header)) || (header[0] & 0xf0) != 0x30 ||
        header[1] != 255)
        return LAYER_END;
    w->offset += 8;
    if (!(header[0] & 7))
        return LAYER_IP;
    int extended = read(frame, w, 0, optional, sizeof(optional)) && (header[0] & 4) && optional[3];
    w->offset += 4;
    return extended ? LAYER_GTPU_EXTENSION : LAYER_IP;
}

/* Length in words, contents, and in the last octet the type of the next one. */
static __always_inline __u32 gtpu_extension_pass(struct xdp_md *frame, struct walk *w)
{
    __u8 words, next;

    if (!read(frame, w, 0, &words, sizeof(words)) || !words ||
        !read(frame, w, words * 4u - 1, &next, sizeof(next)))
        return LAYER_END;
    w->offset += words * 4u;
    return next ? LAYER_GTPU_EXTENSION : LAYER_IP;
}

static __always_inline __u32 layer_pass(struct xdp_md *frame, struct walk *w)
{
    switch (w->layer) {
    case LAYER_ETHERNET:
        return ethernet_pass(frame, w);
    case ETYPE_VLAN:
    case ETYPE_QINQ:
    case ETYPE_QINQ_9100:
    case ETYPE_QINQ_9200:
        return vlan_pass(frame, w);
    case ETYPE_PPPOE_SESSION:
        return pppoe_pass(frame, w);
    case ETYPE_MPLS:
    case ETYPE_MPLS_UPSTREAM:
        return mpls_pass(frame, w);
    case LAYER_IP:
    case ETYPE_IP4:
    case ETYPE_IP6:
        return ip_pass(frame, w);
    case LAYER_IP6_EXTENSION:
        return ip6_extension_pass(frame, w);
    case LAYER_UPPER:
        return upper_pass(frame, w);
    case LAYER_VXLAN:
        return vxlan_pass(frame, w);
    case LAYER_GENEVE:
        return geneve_pass(frame, w);
    case LAYER_GTPU:
        return gtpu_pass(frame, w);
    case LAYER_GTPU_EXTENSION:
        return gtpu_extension_pass(frame, w);
    default:
        return LAYER_END;
    }
}

/* One round of bpf_loop(): 0 = go on. It rests behind the first IP header and its ports. */
static long walk_step(__u32 round, void *context)
{
    const struct step *step = context;
    struct walk *w = step->walk;
    __u32 rests = !w->inwards && w->layer == LAYER_UPPER;
    (void)round;

    w->layer = layer_pass(step->frame, w);
    return rests || w->layer == LAYER_END;
}

/* Not static: so the verifier looks at it once, and not along every way that leads here and on. */
__noinline int walk_on(struct xdp_md *frame, struct walk *w)
{
    struct step step = {.frame = frame, .walk = w};

    if (!w)
        return 0;
    bpf_loop(STEPS_MAX, walk_step, &step, 0);
    return 0;
}

/* --- what is ignored --- */

/* Entries of the map of networks, of which one may hold the address. */
struct search {
    struct xdp_address address;
    __u32 begin, end, found;
};

static __always_inline int is_below(const struct xdp_address *a, const struct xdp_address *b)
{
    return a->high < b->high || (a->high == b->high && a->low < b->low);
}

/* One round of bpf_loop(): 0 = go on. Halves the entries that are left. */
static long search_step(__u32 round, void *context)
{
    struct search *s = context;
    __u32 middle = s->begin + (s->end - s->begin) / 2;
    struct xdp_range *range = bpf_map_lookup_elem(&networks, &middle);
    (void)round;

    if (!range || s->begin >= s->end)
        return 1;
    if (is_below(&s->address, &range->first))
        s->end = middle;
    else if (is_below(&range->last, &s->address))
        s->begin = middle + 1;
    else
        s->found = 1;
    return s->found;
}

static __always_inline int address_ignored(const struct xdp_address *address, __u32 table,
                                           __u64 size)
{
    __u32 begin = table * XDP_NETWORKS_MAX;
    struct search s = {.address = *address, .begin = begin, .end = begin + (__u32)size};

    bpf_loop(SEARCH_ROUNDS, search_step, &s, 0);
    return s.found != 0;
}

static __always_inline int port_ignored(__u32 set, __u32 port)
{
    __u32 entry = set * XDP_PORT_WORDS + port / 64;
    __u64 *word = bpf_map_lookup_elem(&ports, &entry);

    return word && *word >> (port & 63) & 1;
}

/* Either end decides, so that both directions of a connection share their fate. As walk_on(). */
__noinline int is_ignored(const struct ip *ip, __u32 set)
{
    if (!ip || !ip->version)
        return 0;
    __u32 table = 2 * set + (ip->version == 6);
    __u64 *size = bpf_map_lookup_elem(&table_sizes, &table);
    if (size && *size &&
        (address_ignored(&ip->source.address, table, *size) ||
         address_ignored(&ip->destination.address, table, *size)))
        return 1;
    return ip->has_ports && ip->protocol != PROTO_SCTP &&
           (port_ignored(set, ip->source.port) || port_ignored(set, ip->destination.port));
}

/* --- the frame --- */

static __always_inline __u32 hash_of(const struct ip *ip)
{
    struct xdp_endpoint a = ip->source, b = ip->destination;
    uint64_t key[2] = {settings.key[0], settings.key[1]};

    if (settings.spread == XDP_SPREAD_ADDRESS)
        a.port = b.port = 0;
    return xdp_pair_hash(&a, &b, key);
}

/* The socket for a frame by its headers, or IGNORED. Apart, so that frames whose headers nobody
 * asks for do not pay for its stack. */
static __noinline __u64 socket_choose(struct xdp_md *frame, __u32 ignoring, __u32 first,
                                      __u32 count)
{
    struct walk w = {.layer = LAYER_ETHERNET, .inwards = !ignoring};

    walk_on(frame, &w);
    if (ignoring && is_ignored(&w.ip, ignoring - 1))
        return IGNORED;
    if (count < 2 || !w.ip.version)
        return first;
    if (ignoring && w.layer != LAYER_END) {
        w.inwards = 1;
        walk_on(frame, &w);
    }
    return first + xdp_pick(hash_of(&w.ip), count);
}

static __always_inline int pass(struct xdp_counters *count)
{
    count->passed++;
    return XDP_PASS;
}

static __always_inline int steer(__u64 socket, struct xdp_counters *count)
{
    if (socket >= XDP_SOCKETS_MAX)
        return pass(count);
    int action = (int)bpf_redirect_map(&sockets, socket, XDP_PASS);
    if (action != XDP_REDIRECT)
        return pass(count);
    count->steered[socket]++;
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
    __u32 zero = 0, cpu = bpf_get_smp_processor_id(), queue = frame->rx_queue_index;
    struct xdp_control *rules = bpf_map_lookup_elem(&control, &zero);
    struct xdp_counters *count = bpf_map_lookup_elem(&counters, &cpu);

    if (!rules || !count)
        return XDP_PASS; /* cannot be: the maps hold these keys */
    if (!rules->running || queue >= XDP_QUEUES_MAX || !rules->queue[queue].count)
        return pass(count);
    __u32 among = settings.spread == XDP_SPREAD_NONE ? 1 : rules->queue[queue].count;
    __u32 ignoring = rules->ignoring;
    __u64 socket = rules->queue[queue].first;
    if (ignoring || among > 1)
        socket = socket_choose(frame, ignoring, socket, among);
    return socket == IGNORED ? ignore(frame, count) : steer(socket, count);
}

char program_license[] SEC("license") = "Dual BSD/GPL";
