#include "engine_traffic.h"

#include <string.h>

#include "base/bytes.h"
#include "weir/wire.h"

#define FRAME6_MIN 84u
#define HANDSHAKE_ROUNDS 3u
#define CLIENT_TTL 64
#define SERVER_TTL 57
#define FIRST_CLIENT_PORT 1024u

/* One packet before it is written. */
struct segment {
    uint64_t connection;
    bool reply, udp;
    uint8_t flags;
    uint32_t seq, ack;
    uint32_t payload;
};

static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9U;
    x = (x ^ x >> 27) * 0x94d049bb133111ebU;
    return x ^ x >> 31;
}

/* A permutation of 0 .. flows - 1: a Feistel network over the next even power of two, walked until
 * inside. */
static uint64_t permute(const struct traffic *traffic, uint64_t round, uint64_t i)
{
    unsigned half = 1;
    while (UINT64_C(1) << 2 * half < traffic->flows)
        half++;
    const uint64_t mask = (UINT64_C(1) << half) - 1;

    do {
        uint64_t left = i >> half, right = i & mask;
        for (uint64_t k = 0; k < 3; k++) {
            uint64_t next =
                left ^ (mix(right + (traffic->seed + round * 3 + k) * 0x9e3779b97f4a7c15U) & mask);
            left = right;
            right = next;
        }
        i = left << half | right;
    } while (i >= traffic->flows);
    return i;
}

uint32_t traffic_frame_len(const struct traffic *traffic)
{
    uint32_t least = traffic->family == 4 ? TRAFFIC_FRAME_MIN : FRAME6_MIN;

    return traffic->frame_len < least ? least : traffic->frame_len;
}

/* Of a segment that fills its frame; a datagram has as much, though its header is shorter. */
static uint32_t payload_len(const struct traffic *traffic)
{
    uint32_t ip_len = traffic->family == 4 ? IP4_LEN : IP6_LEN;

    return traffic_frame_len(traffic) - ETHERNET_LEN - ip_len - TCP_LEN;
}

/* Segment k of a connection that sends data, data, data, ACK in turns of client and server. */
static void data_segment(struct segment *s, uint64_t k, uint32_t len)
{
    uint32_t cycles = (uint32_t)(k / 4), phase = (uint32_t)(k % 4);
    uint32_t client = len * (2 * cycles + (phase > 0) + (phase > 2));
    uint32_t server = len * (cycles + (phase > 1));

    s->reply = phase & 1;
    s->payload = phase == 3 ? 0 : len;
    s->flags = s->payload ? TCP_ACK | TCP_PSH : TCP_ACK;
    s->seq += s->reply ? server : client;
    s->ack += s->reply ? client : server;
}

static void known_segment(const struct traffic *traffic, uint64_t n, struct segment *s)
{
    uint64_t round = n / traffic->flows;
    static const uint8_t handshake[HANDSHAKE_ROUNDS] = {TCP_SYN, TCP_SYN | TCP_ACK, TCP_ACK};

    s->connection = permute(traffic, round, n % traffic->flows);
    uint32_t isn[2] = {(uint32_t)mix(s->connection), (uint32_t)mix(~s->connection)};
    s->reply = round < HANDSHAKE_ROUNDS ? round == 1 : (round - HANDSHAKE_ROUNDS) & 1;
    s->seq = isn[s->reply] + (round > 1);
    s->ack = round ? isn[!s->reply] + 1 : 0;
    if (round < HANDSHAKE_ROUNDS)
        s->flags = handshake[round];
    else
        data_segment(s, round - HANDSHAKE_ROUNDS, payload_len(traffic));
}

static void new_segment(const struct traffic *traffic, uint64_t connection, struct segment *s)
{
    s->connection = connection;
    s->udp = connection & 1;
    s->flags = TCP_SYN;
    s->seq = (uint32_t)mix(connection);
    s->payload = s->udp ? payload_len(traffic) : 0;
}

/* A turn of the sweep, which may begin behind the handshakes. */
static uint64_t known_alone(const struct traffic *traffic)
{
    return (HANDSHAKE_ROUNDS + TRAFFIC_TURN) * traffic->flows;
}

uint64_t traffic_ready(const struct traffic *traffic)
{
    return known_alone(traffic) + (traffic->new_percent ? traffic->room : 0);
}

uint64_t traffic_newcomers(const struct traffic *traffic, uint64_t n)
{
    const uint64_t alone = known_alone(traffic), ready = traffic_ready(traffic);

    if (traffic->new_percent == 0 || traffic->new_percent == 100)
        return traffic->new_percent ? n : 0;
    if (n < ready)
        return n < alone ? 0 : n - alone;
    return traffic->room + (n - ready) * traffic->new_percent / 100;
}

/* Newcomers are numbered from 0 on, or behind the known connections. */
static void next_segment(const struct traffic *traffic, uint64_t n, struct segment *s)
{
    uint64_t newcomers = traffic_newcomers(traffic, n);

    if (traffic_newcomers(traffic, n + 1) == newcomers)
        known_segment(traffic, n - newcomers, s);
    else
        new_segment(traffic, newcomers + (traffic->new_percent == 100 ? 0 : traffic->flows), s);
}

static uint8_t *write_ip4(uint8_t *ip, const struct segment *s, uint32_t l4_len, uint64_t random)
{
    uint32_t client = 0x0a000000 | (uint32_t)(s->connection & 0xffffff);
    uint32_t server = (random & 1 ? 0xc0a80000 : 0x05050000) | (uint32_t)(random >> 8 & 0xffff);

    put_be32(ip, 0x45000000 | (IP4_LEN + l4_len));
    put_be32(ip + 4, (uint32_t)(s->seq + s->ack) << 16 | 0x4000);
    put_be32(ip + 8, (uint32_t)(s->reply ? SERVER_TTL : CLIENT_TTL) << 24 |
                         (uint32_t)(s->udp ? PROTO_UDP : PROTO_TCP) << 16);
    put_be32(ip + (s->reply ? 16 : 12), client);
    put_be32(ip + (s->reply ? 12 : 16), server);
    return ip + IP4_LEN;
}

static uint8_t *write_ip6(uint8_t *ip, const struct segment *s, uint32_t l4_len, uint64_t random)
{
    uint8_t *client = ip + (s->reply ? 24 : 8), *server = ip + (s->reply ? 8 : 24);

    put_be32(ip, 0x60000000);
    put_be16(ip + 4, l4_len);
    ip[6] = s->udp ? PROTO_UDP : PROTO_TCP;
    ip[7] = s->reply ? SERVER_TTL : CLIENT_TTL;
    memset(ip + 8, 0, 32);
    put_be32(client, 0x20010db8);
    put_be32(client + 4, 1);
    put_be32(client + 12, (uint32_t)(s->connection & 0xffffff));
    put_be32(server, 0x20010db8);
    put_be32(server + 4, random & 1 ? 0 : 2);
    put_be32(server + 12, (uint32_t)(random >> 8 & 0xffff));
    return ip + IP6_LEN;
}

static void write_l4(uint8_t *l4, const struct segment *s, uint32_t l4_len, uint64_t random)
{
    uint32_t client_port = FIRST_CLIENT_PORT + (uint32_t)(s->connection >> 24);

    put_be16(l4 + (s->reply ? 2 : 0), client_port);
    put_be16(l4 + (s->reply ? 0 : 2), 443);
    if (s->udp) {
        put_be16(l4 + 4, l4_len);
        put_be16(l4 + 6, (uint32_t)(random >> 32) | 1);
        return;
    }
    put_be32(l4 + 4, s->seq);
    put_be32(l4 + 8, s->ack);
    l4[12] = (TCP_LEN / 4) << 4;
    l4[13] = s->flags;
    put_be16(l4 + 14, 64000);
    put_be16(l4 + 16, (uint32_t)mix(random ^ s->seq) | 1);
}

void traffic_write(const struct traffic *traffic, uint64_t n, uint8_t *frame)
{
    static const uint8_t ethernet[12] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2};
    struct segment s = {0};
    uint8_t *ip = frame + ETHERNET_LEN;

    next_segment(traffic, n, &s);
    uint32_t l4_len = (s.udp ? UDP_LEN : TCP_LEN) + s.payload;
    uint64_t random = mix(s.connection + traffic->seed);
    memcpy(frame, ethernet, sizeof(ethernet));
    put_be16(frame + 12, traffic->family == 4 ? ETYPE_IP4 : ETYPE_IP6);
    uint8_t *l4 = traffic->family == 4 ? write_ip4(ip, &s, l4_len, random)
                                       : write_ip6(ip, &s, l4_len, random);
    write_l4(l4, &s, l4_len, random);
}
