#include "engine_traffic.h"

#include <string.h>

#include "base/bytes.h"
#include "weir/wire.h"

#define PAYLOAD_LEN 10u
#define FRAME4_LEN 64u
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

/* Segment k of a connection that sends data, data, data, ACK in turns of client and server. */
static void data_segment(struct segment *s, uint64_t k)
{
    uint32_t cycles = (uint32_t)(k / 4), phase = (uint32_t)(k % 4);
    uint32_t client = PAYLOAD_LEN * (2 * cycles + (phase > 0) + (phase > 2));
    uint32_t server = PAYLOAD_LEN * (cycles + (phase > 1));

    s->reply = phase & 1;
    s->payload = phase == 3 ? 0 : PAYLOAD_LEN;
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
        data_segment(s, round - HANDSHAKE_ROUNDS);
}

static void new_segment(uint64_t n, struct segment *s)
{
    s->connection = n;
    s->udp = n & 1;
    s->flags = TCP_SYN;
    s->seq = (uint32_t)mix(n);
    s->payload = s->udp ? PAYLOAD_LEN : 0;
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

uint32_t traffic_frame_len(const struct traffic *traffic)
{
    return traffic->family == 4 ? FRAME4_LEN : TRAFFIC_FRAME_MAX;
}

void traffic_write(const struct traffic *traffic, uint64_t n, uint8_t *frame)
{
    static const uint8_t ethernet[12] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2};
    struct segment s = {0};
    uint8_t *ip = frame + ETHERNET_LEN;

    if (traffic->fresh)
        new_segment(n, &s);
    else
        known_segment(traffic, n, &s);
    uint32_t l4_len = (s.udp ? UDP_LEN : TCP_LEN) + s.payload;
    uint64_t random = mix(s.connection + traffic->seed);
    memcpy(frame, ethernet, sizeof(ethernet));
    put_be16(frame + 12, traffic->family == 4 ? ETYPE_IP4 : ETYPE_IP6);
    uint8_t *l4 = traffic->family == 4 ? write_ip4(ip, &s, l4_len, random)
                                       : write_ip6(ip, &s, l4_len, random);
    write_l4(l4, &s, l4_len, random);
}
