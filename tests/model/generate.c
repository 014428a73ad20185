#include "generate.h"

#include <string.h>

#include "weir/counters.h"
#include "weir/wire.h"

#define MS 1000000ULL
#define SECOND 1000000000ULL
#define HOSTS 4 /* the last is a group */
#define PAIRS (HOSTS * HOSTS)

/* What a sequence is made of. */
struct generator {
    uint64_t random, seed;
    const struct flow_config *config;
    struct sequence *sequence;
    uint64_t newest_ns;
    uint32_t next_seq[PAIRS]; /* by source and destination host */
    uint32_t slow;            /* percent of steps that are longer than a turn */
    uint16_t checksum;
    uint8_t version, hosts, ports;
    bool tcp_only, late, tagged, plausible, fragments, crowded;
};

/* splitmix64 (Steele, Lea, Flood 2014). */
static uint64_t next(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15ULL;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
    return z ^ z >> 31;
}

static uint64_t below(struct generator *g, uint64_t n)
{
    return next(&g->random) % n;
}

static bool percent(struct generator *g, unsigned n)
{
    return below(g, 100) < n;
}

#define PICK(g, array) ((array)[below((g), sizeof(array) / sizeof((array)[0]))])

void generate_options(uint64_t seed, enum table_room room, struct flow_table_options *options)
{
    struct generator g = {.random = seed ^ 0x6f7074696f6e73ULL};
    static const uint64_t idle[] = {30 * SECOND, 30 * SECOND, 15 * SECOND, 2 * SECOND, 500 * MS};
    static const uint64_t active[] = {60 * SECOND, 60 * SECOND, 30 * SECOND, 5 * SECOND,
                                      1 * SECOND};
    static const uint64_t keep[] = {3600 * SECOND, 120 * SECOND, 60 * SECOND, 15 * SECOND,
                                    2 * SECOND};

    memset(options, 0, sizeof(*options));
    options->flow.idle_ns = PICK(&g, idle);
    options->flow.active_ns = PICK(&g, active);
    options->flow.keep_ns[KEEP_OTHER] = 60 * SECOND;
    options->flow.keep_ns[KEEP_UDP] = 120 * SECOND;
    options->flow.keep_ns[KEEP_TCP_ESTABLISHED] = 3600 * SECOND;
    options->flow.keep_ns[KEEP_TCP_HALF_OPEN] = 15 * SECOND;
    options->flow.keep_ns[KEEP_TCP_CLOSED] = 2 * SECOND;
    for (int k = 0; k < KEEP_COUNT; k++)
        if (percent(&g, 20))
            options->flow.keep_ns[k] = PICK(&g, keep);
    options->flow.timeouts = room != TABLE_CROWDED && !percent(&g, 15);
    options->flow.max_flows = room;
    options->flow.max_fragments = 16;
    options->flow.fragment_ns = 30 * SECOND;
    options->flow.vlan_in_key = percent(&g, 20);
    options->flow.tunnel_in_key = percent(&g, 20);
    options->dedup = percent(&g, 40);
    options->deltas = percent(&g, 50);
    options->notices = percent(&g, 50);
    options->fixed_secret = true; /* so that a difference comes again */
    options->portable = percent(&g, 50);
}

static uint64_t deadline_step(struct generator *g)
{
    const struct flow_config *c = g->config;
    const uint64_t lengths[] = {c->idle_ns,
                                c->active_ns,
                                c->fragment_ns,
                                c->keep_ns[KEEP_UDP],
                                500 * MS,
                                10 * MS,
                                SECOND,
                                15 * SECOND,
                                c->keep_ns[KEEP_OTHER],
                                c->keep_ns[KEEP_TCP_CLOSED],
                                c->keep_ns[KEEP_TCP_HALF_OPEN]};
    uint64_t length = PICK(g, lengths);

    return length + 8 * below(g, 3) - 8;
}

static uint64_t forward_step(struct generator *g)
{
    static const uint64_t fast[] = {1, 16, 1000, 100000, 10 * MS, 100 * MS};
    static const uint64_t slow[] = {2 * SECOND, 10 * SECOND, 40 * SECOND, 150 * SECOND};

    if (percent(g, 8))
        return deadline_step(g);
    if (percent(g, g->slow))
        return below(g, percent(g, 2) ? 4000 * SECOND : PICK(g, slow));
    return below(g, PICK(g, fast));
}

/* The time of the next packet: mostly onwards, sometimes a little back, sometimes long ago. */
static uint64_t next_time(struct generator *g)
{
    uint64_t t;

    if (g->late && percent(g, 10))
        t = g->newest_ns - (percent(g, 20) ? SECOND + 8 * below(g, 2) : below(g, 100 * SECOND));
    else if (percent(g, 10))
        t = g->newest_ns - below(g, percent(g, 50) ? SECOND : 1000);
    else
        t = g->newest_ns + forward_step(g);
    if (g->sequence->exact_times)
        t &= ~7ULL;
    if (t > g->newest_ns)
        g->newest_ns = t;
    return t;
}

static void put_address(uint8_t version, unsigned host, uint8_t *to)
{
    static const uint8_t v4[HOSTS][4] = {
        {10, 0, 0, 1}, {10, 0, 0, 2}, {9, 255, 255, 255}, {224, 0, 0, 251}};
    static const uint8_t v6[HOSTS][2] = {{0x20, 1}, {0x20, 2}, {0x1f, 1}, {0xff, 1}};

    if (version == 4) {
        memcpy(to, v4[host], 4);
        return;
    }
    memset(to, 0, 16);
    to[0] = v6[host][0];
    to[host == 2 ? 7 : 15] = v6[host][1];
}

static void endpoints(struct generator *g, struct step *s, unsigned *src, unsigned *dst)
{
    struct packet *p = &s->packet;
    size_t len;

    p->ip_version = g->version ? g->version : percent(g, 50) ? 4 : 6;
    len = p->ip_version == 4 ? 4 : 16;
    *src = (unsigned)below(g, g->hosts);
    *dst = g->crowded || percent(g, 97) ? (*src + 1 + (unsigned)below(g, g->hosts - 1)) % g->hosts
                                        : *src;
    put_address(p->ip_version, *src, s->addresses);
    put_address(p->ip_version, *dst, s->addresses + len);
}

/* The lower host serves on the first ports: requests and replies find the same pair. */
static void ports(struct generator *g, struct packet *p, unsigned src, unsigned dst)
{
    uint16_t server = 80, client = (uint16_t)(40000 + below(g, g->ports));
    bool asks = src == dst ? percent(g, 50) : src < dst;

    p->flags |= PACKET_HAS_PORTS;
    p->src_port = asks ? client : server;
    p->dst_port = asks ? server : client;
}

static void sequence_number(struct generator *g, struct packet *p, unsigned pair)
{
    static const int64_t jump[] = {1,       100,           5000,          (1 << 20) - 1,
                                   1 << 20, (1 << 20) + 1, (1 << 20) + 2, 1 << 22};
    uint32_t *expected = &g->next_seq[pair];
    uint32_t moved = p->payload + !!(p->tcp_flags & TCP_SYN) + !!(p->tcp_flags & TCP_FIN);

    p->tcp_seq = *expected;
    if (percent(g, 10))
        p->tcp_seq -= (uint32_t)below(g, 2000);
    else if (percent(g, 6))
        p->tcp_seq += (uint32_t)(percent(g, 50) ? PICK(g, jump) : -PICK(g, jump));
    else if (percent(g, g->plausible ? 1 : 5))
        p->tcp_seq = (uint32_t)next(&g->random);
    if ((int32_t)(p->tcp_seq + moved - *expected) > 0 || percent(g, 10))
        *expected = p->tcp_seq + moved;
}

static void acknowledgement(struct generator *g, struct packet *p, unsigned pair)
{
    if (!(p->tcp_flags & TCP_ACK) && percent(g, 90))
        return;
    p->tcp_ack = g->next_seq[pair];
    if (percent(g, 10))
        p->tcp_ack += (uint32_t)below(g, 3000);
    else if (percent(g, 10))
        p->tcp_ack -= (uint32_t)below(g, 3000);
    else if (percent(g, 2))
        p->tcp_ack += (1u << 20) + (uint32_t)below(g, 3) - 1;
}

static void tcp(struct generator *g, struct packet *p, unsigned src, unsigned dst)
{
    static const uint8_t usual[] = {TCP_SYN,           TCP_SYN,           TCP_SYN | TCP_ACK,
                                    TCP_ACK,           TCP_ACK,           TCP_ACK,
                                    TCP_ACK | TCP_PSH, TCP_ACK | TCP_PSH, TCP_FIN | TCP_ACK,
                                    TCP_FIN | TCP_ACK, TCP_RST,           TCP_RST | TCP_ACK};
    static const uint32_t sizes[] = {0, 0, 1, 100, 1460};

    p->proto = PROTO_TCP;
    ports(g, p, src, dst);
    p->flags |= PACKET_HAS_TCP;
    p->tcp_flags = percent(g, g->plausible ? 99 : 85) ? PICK(g, usual) : (uint8_t)below(g, 256);
    if (!(p->tcp_flags & (TCP_SYN | TCP_RST)) || percent(g, 10))
        p->payload = PICK(g, sizes);
    p->tcp_window = percent(g, 5) ? 0 : 1000;
    sequence_number(g, p, src * HOSTS + dst);
    acknowledgement(g, p, dst * HOSTS + src);
}

static void udp(struct generator *g, struct packet *p, unsigned src, unsigned dst)
{
    p->proto = percent(g, 85) ? PROTO_UDP : PROTO_SCTP;
    ports(g, p, src, dst);
    p->payload = (uint32_t)below(g, 3) * 50;
    p->hint = percent(g, 40) ? (uint8_t)(percent(g, 50) ? HINT_REQUEST : HINT_REPLY) : HINT_NONE;
}

static void icmp(struct generator *g, struct packet *p)
{
    bool reply = percent(g, 50);

    p->proto = p->ip_version == 4 ? PROTO_ICMP : PROTO_ICMP6;
    p->flags |= PACKET_HAS_PORTS;
    p->payload = 56;
    if (percent(g, 50)) { /* echo: the types pair */
        p->src_port = reply ? 0 : 8;
        p->dst_port = reply ? 8 : 0;
        p->hint = (uint8_t)(reply ? HINT_REPLY : HINT_REQUEST);
        p->icmp_type = (uint8_t)p->src_port;
        return;
    }
    p->flags |= PACKET_ICMP_ONE_WAY;
    p->src_port = p->icmp_type = 3;
    p->dst_port = p->icmp_code = (uint8_t)below(g, 2) * 3;
}

static void other(struct generator *g, struct packet *p)
{
    p->proto = percent(g, 50) ? PROTO_ESP : PROTO_NO_NEXT;
    p->payload = 100;
}

static void tags(struct generator *g, struct step *s)
{
    struct packet *p = &s->packet;
    static const uint8_t kinds[] = {TUNNEL_VXLAN, TUNNEL_GRE, TUNNEL_IPIP};

    if (percent(g, 40))
        p->vlan[p->vlan_count++] = (uint16_t)(10 + below(g, 2));
    if (p->vlan_count && percent(g, 40))
        p->vlan[p->vlan_count++] = (uint16_t)(20 + below(g, 2));
    if (percent(g, 20))
        p->mpls_top = (uint32_t)(1 + below(g, 2)) << 12;
    if (percent(g, 40)) {
        p->tunnel = PICK(g, kinds);
        p->tunnel_id = p->tunnel == TUNNEL_IPIP ? 0 : (uint32_t)(100 + below(g, 2));
        p->tunnel_depth = 1;
        p->outer_version = percent(g, 70) ? 4 : 6;
        for (int i = 0; i < 32; i++)
            s->outer[i] = (uint8_t)below(g, 256);
    }
    if (p->vlan[1] || p->mpls_top || p->tunnel)
        p->flags |= PACKET_DEEP;
}

/* One datagram per protocol, direction and IP version is in flight: no two have to share a set of
 * the table. */
static void fragment(struct generator *g, struct packet *p, unsigned src, unsigned dst)
{
    if (p->proto == PROTO_ESP || p->proto == PROTO_NO_NEXT || src != 0 || dst != 1 ||
        p->ip_version != (g->version ? g->version : 4))
        return;
    p->fragment_id = 7;
    if (percent(g, 40)) {
        p->flags |= PACKET_FRAGMENT_FIRST;
        return;
    }
    p->flags &= (uint16_t) ~(PACKET_HAS_PORTS | PACKET_HAS_TCP | PACKET_ICMP_ONE_WAY);
    p->flags |= PACKET_FRAGMENT_LATER;
    p->src_port = p->dst_port = 0;
    p->tcp_flags = p->icmp_type = p->icmp_code = 0;
    p->tcp_seq = p->tcp_ack = 0;
    p->tcp_window = 0;
    p->hint = HINT_NONE;
}

static void truncate(struct packet *p)
{
    p->flags |= PACKET_TRUNCATED;
    p->flags &= (uint16_t) ~(PACKET_HAS_PORTS | PACKET_HAS_TCP | PACKET_ICMP_ONE_WAY);
    p->src_port = p->dst_port = 0;
    p->tcp_flags = p->icmp_type = p->icmp_code = 0;
    p->hint = HINT_NONE;
}

static void protocol(struct generator *g, struct packet *p, unsigned src, unsigned dst)
{
    unsigned choice = (unsigned)below(g, 10);

    if (g->tcp_only || choice < 5)
        tcp(g, p, src, dst);
    else if (choice < 7)
        udp(g, p, src, dst);
    else if (choice < 9)
        icmp(g, p);
    else
        other(g, p);
}

static void fill(struct generator *g, struct step *s)
{
    static const uint8_t ttls[] = {64, 63, 128, 1, 255};
    struct packet *p = &s->packet;
    unsigned src, dst;

    memset(s, 0, sizeof(*s));
    p->fate = FATE_FLOW;
    endpoints(g, s, &src, &dst);
    protocol(g, p, src, dst);
    p->ttl = percent(g, 80) ? 64 : PICK(g, ttls);
    p->tos = (uint8_t)below(g, 2) * 16;
    p->port = (uint16_t)below(g, 2);
    p->link = percent(g, 90) ? LINK_ETHERNET : LINK_RAW;
    p->checksum = ++g->checksum;
    p->octets = p->payload + 40;
    if (percent(g, 1))
        p->octets = (percent(g, 50) ? 0x7fffff00u : 0xffffff00u) + (uint32_t)below(g, 256);
    for (int i = 0; i < 12; i++)
        s->macs[i] = (uint8_t)(i < 6 ? dst : src);
    if (g->tagged)
        tags(g, s);
    if (g->fragments && percent(g, 50))
        fragment(g, p, src, dst);
    else if (!g->crowded && percent(g, 1))
        truncate(p);
    if (percent(g, 1))
        p->flags |= PACKET_LENGTH_LIES;
}

/* A SPAN port's second copy: the same packet with other frills. */
static void copy(struct generator *g, struct step *s, const struct step *of)
{
    *s = *of;
    s->packet.ttl = (uint8_t)(s->packet.ttl - below(g, 2));
    s->packet.fate = FATE_FLOW;
}

void step_point(struct step *s)
{
    s->packet.addresses = s->addresses;
    s->packet.outer_addresses = s->packet.tunnel ? s->outer : NULL;
    s->packet.macs = s->packet.link == LINK_ETHERNET ? s->macs : NULL;
}

static void begin(struct generator *g)
{
    static const uint8_t versions[] = {4, 4, 6, 0};
    static const uint8_t slow[] = {2, 10, 30, 60};

    g->version = PICK(g, versions);
    g->hosts = (uint8_t)(2 + below(g, HOSTS - 1));
    g->ports = (uint8_t)(1 + below(g, 2));
    g->slow = PICK(g, slow);
    g->tcp_only = percent(g, 50);
    g->plausible = percent(g, 50);
    g->late = percent(g, 25);
    g->tagged = percent(g, 25);
    g->fragments = percent(g, 25);
    /* another day for each: the table's cache of duplicates remembers the sequence before */
    g->newest_ns = (percent(g, 50) ? 1700000000ULL : 1000ULL) * SECOND + below(g, SECOND) +
                   g->seed % 64 * 86400 * SECOND;
    for (int i = 0; i < PAIRS; i++)
        g->next_seq[i] =
            percent(g, 30) ? UINT32_MAX - (uint32_t)below(g, 3000) : (uint32_t)next(&g->random);
}

/* 24 keys in 28 places, that stay: buckets overflow, nothing has to go. */
static void crowd(struct generator *g)
{
    g->crowded = g->tcp_only = true;
    g->tagged = g->fragments = false;
    g->version = 4;
    g->hosts = HOSTS;
    g->ports = 4;
}

void generate_sequence(uint64_t seed, const struct flow_table_options *options,
                       struct sequence *sequence)
{
    struct generator g = {
        .random = seed, .seed = seed, .config = &options->flow, .sequence = sequence};
    unsigned bursts;

    sequence->count =
        SEQUENCE_PACKETS_MIN + (uint32_t)below(&g, SEQUENCE_PACKETS_MAX - SEQUENCE_PACKETS_MIN + 1);
    sequence->exact_times = percent(&g, 80);
    begin(&g);
    if (options->flow.max_flows == TABLE_FULL)
        g.ports = 200;
    if (options->flow.max_flows == TABLE_CROWDED)
        crowd(&g);
    sequence->fragments = g.fragments;
    bursts = percent(&g, 50) ? 5 : 60;
    for (uint32_t i = 0; i < sequence->count; i++) {
        struct step *s = &sequence->step[i];
        if (i && percent(&g, 4))
            copy(&g, s, s - 1);
        else
            fill(&g, s);
        s->packet.ts_ns = next_time(&g);
        s->burst_ends = percent(&g, bursts);
        s->loss = percent(&g, 1);
        step_point(s);
    }
}
