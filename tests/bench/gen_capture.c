/*
 * Writes a capture to measure with: the same octets for the same arguments on every machine.
 *
 *   gen_capture zipf|even|turns|flood|imix FLOWS PACKETS > FILE
 *
 *   zipf   64 B frames; flow n carries a share of 1/n
 *   even   64 B frames; every flow carries the same share
 *   turns  64 B frames; flows take turns: with FLOWS = PACKETS each has one packet
 *   flood  as turns, and all call one server
 *   imix   frames of 64, 570 and 1518 B as 7:4:1; connections begin with SYN and end with FIN
 *
 * Flows are 4 of 5 TCP, else UDP; both sides speak, sequence numbers advance, lengths and checksums
 * are right. The capture spans 10 s.
 */
#include <endian.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

#define SPAN_NS UINT64_C(10000000000)
#define START_S 1700000000u
#define FRAME_MAX 1518u
#define IMIX_ACTIVE 20000u /* connections open at the same time */

enum tcp_flag { FIN = 1, SYN = 2, PSH = 8, ACK = 16 };

enum kind { ZIPF, EVEN, TURNS, FLOOD, IMIX };

struct flow {
    uint32_t seq[2];
    uint32_t number;  /* names the addresses and ports */
    uint16_t id[2];   /* IPv4 identification */
    uint16_t packets; /* sent so far */
    uint16_t data;    /* packets with data before FIN */
};

struct generator {
    enum kind kind;
    uint32_t flow_count;
    uint32_t next_flow; /* of imix */
    uint64_t packet_count, packet_no, random;
    struct flow *flow;
    uint32_t *alias; /* Vose's alias method: slot i yields i below threshold[i], else alias[i] */
    double *threshold;
};

/* One step of a packet's plan. */
struct plan {
    uint8_t side, tcp_flags;
    uint16_t frame_len;
    bool empty; /* no payload; the frame is padding behind the header */
};

static uint64_t mix(uint64_t x)
{
    x += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

static uint32_t draw(struct generator *g, uint32_t below)
{
    return (uint32_t)(((mix(g->random++) >> 32) * below) >> 32);
}

static void *must(void *memory)
{
    if (memory)
        return memory;
    fputs("gen_capture: out of memory\n", stderr);
    exit(1);
}

static uint32_t sum16(const uint8_t *data, size_t len, uint32_t sum)
{
    for (size_t i = 0; i < len; i += 2)
        sum += (uint32_t)data[i] << 8 | data[i + 1];
    return sum;
}

static uint32_t checksum(uint32_t sum)
{
    sum = (sum & 0xffff) + (sum >> 16);
    return ~(sum + (sum >> 16)) & 0xffff;
}

static bool is_udp(const struct flow *f)
{
    return f->number % 5 == 4;
}

static void write_ip(const struct generator *g, uint8_t *ip, struct flow *f, const struct plan *p,
                     uint32_t len)
{
    uint64_t h = mix(f->number);
    uint32_t client = 0x0a000000u | (f->number & 0xffffff); /* so that no two flows share a key */
    uint32_t server = 0xac100000u | (g->kind == FLOOD ? 80 : (uint32_t)(h & 0xfffff));

    ip[0] = 0x45;
    put_be16(ip + 2, len);
    put_be16(ip + 4, f->id[p->side]++);
    put_be16(ip + 6, 0x4000);
    ip[8] = p->side ? 57 : 64;
    ip[9] = is_udp(f) ? 17 : 6;
    put_be32(ip + 12, p->side ? server : client);
    put_be32(ip + 16, p->side ? client : server);
    put_be16(ip + 10, checksum(sum16(ip, 20, 0)));
}

static void write_ports(uint8_t *l4, const struct flow *f, uint8_t side)
{
    static const uint16_t services[8] = {443, 443, 443, 80, 53, 22, 445, 8080};
    uint64_t h = mix(f->number);
    uint32_t client = 32768 + (uint32_t)(h >> 40) % 28000, server = services[h >> 32 & 7];

    put_be16(l4, side ? server : client);
    put_be16(l4 + 2, side ? client : server);
}

/* Payload octets are 0, so the checksum needs the headers only. */
static uint32_t pseudo_sum(const uint8_t *ip, uint32_t header_len, uint32_t l4_len)
{
    return sum16(ip + 12, 8 + header_len, ip[9] + l4_len);
}

static void write_tcp(uint8_t *ip, struct flow *f, const struct plan *p, uint32_t payload)
{
    uint8_t *tcp = ip + 20;

    write_ports(tcp, f, p->side);
    put_be32(tcp + 4, f->seq[p->side]);
    put_be32(tcp + 8, p->tcp_flags & ACK ? f->seq[!p->side] : 0);
    tcp[12] = 5 << 4;
    tcp[13] = p->tcp_flags;
    put_be16(tcp + 14, 64240);
    put_be16(tcp + 16, checksum(pseudo_sum(ip, 20, 20 + payload)));
    f->seq[p->side] += payload + ((p->tcp_flags & (SYN | FIN)) != 0);
}

static void write_udp(uint8_t *ip, const struct flow *f, const struct plan *p, uint32_t payload)
{
    uint8_t *udp = ip + 20;

    write_ports(udp, f, p->side);
    put_be16(udp + 4, 8 + payload);
    put_be16(udp + 6, checksum(pseudo_sum(ip, 8, 8 + payload)));
}

static void write_frame(struct generator *g, struct flow *f, const struct plan *p)
{
    static const uint8_t macs[2][12] = {{2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1},
                                        {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2}};
    uint8_t frame[FRAME_MAX] = {0};
    uint64_t ns = SPAN_NS / g->packet_count * g->packet_no++;
    uint32_t record[4] = {htole32(START_S + (uint32_t)(ns / 1000000000)),
                          htole32((uint32_t)(ns % 1000000000)), htole32(p->frame_len),
                          htole32(p->frame_len)};
    uint32_t header = 20 + (is_udp(f) ? 8 : 20),
             payload = p->empty ? 0 : p->frame_len - 14 - header;

    memcpy(frame, macs[p->side], 12);
    put_be16(frame + 12, 0x0800);
    write_ip(g, frame + 14, f, p, header + payload);
    if (is_udp(f))
        write_udp(frame + 14, f, p, payload);
    else
        write_tcp(frame + 14, f, p, payload);
    f->packets++;
    fwrite(record, sizeof(record), 1, stdout);
    fwrite(frame, p->frame_len, 1, stdout);
}

/* SYN, SYN-ACK, ACK, then data from either side. */
static struct plan plan_next(struct generator *g, const struct flow *f, uint16_t frame_len)
{
    static const struct plan handshake[3] = {
        {0, SYN, 64, true}, {1, SYN | ACK, 64, true}, {0, ACK, 64, true}};

    if (!is_udp(f) && f->packets < 3)
        return handshake[f->packets];
    return (struct plan){(uint8_t)(is_udp(f) && !f->packets ? 0 : draw(g, 2)), PSH | ACK, frame_len,
                         false};
}

static void flow_begin(struct flow *f, uint32_t number)
{
    uint64_t h = mix(number + UINT64_C(0x100000000));

    *f = (struct flow){.number = number, .seq = {(uint32_t)h, (uint32_t)(h >> 32)}};
    f->data = (uint16_t)(1 + mix(h) % 17); /* 9 on average */
}

/* Weight of flow n is 1 / (n + 1). */
static void zipf_prepare(struct generator *g)
{
    uint32_t n = g->flow_count, small_count = 0, large_count = 0;
    uint32_t *small = must(calloc(n, sizeof(*small))), *large = must(calloc(n, sizeof(*large)));
    double total = 0;

    g->alias = must(calloc(n, sizeof(*g->alias)));
    g->threshold = must(calloc(n, sizeof(*g->threshold)));
    for (uint32_t i = 0; i < n; i++)
        total += 1.0 / (i + 1);
    for (uint32_t i = 0; i < n; i++) {
        g->threshold[i] = n / total / (i + 1);
        if (g->threshold[i] < 1)
            small[small_count++] = i;
        else
            large[large_count++] = i;
    }
    while (small_count && large_count) {
        uint32_t s = small[--small_count], l = large[large_count - 1];
        g->alias[s] = l;
        g->threshold[l] -= 1 - g->threshold[s];
        if (g->threshold[l] < 1) {
            large_count--;
            small[small_count++] = l;
        }
    }
    while (large_count)
        g->threshold[large[--large_count]] = 1;
    while (small_count)
        g->threshold[small[--small_count]] = 1;
    free(small);
    free(large);
}

static uint32_t zipf_draw(struct generator *g)
{
    uint32_t i = draw(g, g->flow_count);

    return draw(g, 1u << 30) / (double)(1u << 30) < g->threshold[i] ? i : g->alias[i];
}

/* Of an even capture every fifth packet takes the flows in turn, so that all of them occur. */
static void run_steady(struct generator *g)
{
    for (uint32_t i = 0; i < g->flow_count; i++)
        flow_begin(&g->flow[i], i);
    while (g->packet_no < g->packet_count) {
        uint32_t i = g->kind == ZIPF ? zipf_draw(g) : draw(g, g->flow_count);
        if (g->kind == EVEN && g->packet_no % 5 == 0)
            i = (uint32_t)(g->packet_no / 5 % g->flow_count);
        if (g->kind == TURNS || g->kind == FLOOD)
            i = (uint32_t)(g->packet_no % g->flow_count);
        struct flow *f = &g->flow[i];
        struct plan p = plan_next(g, f, 64);
        write_frame(g, f, &p);
    }
}

static uint16_t imix_len(struct generator *g)
{
    uint32_t n = draw(g, 12);

    return n < 7 ? 64 : n < 11 ? 570 : 1518;
}

/* After its data a TCP connection ends with FIN, FIN, ACK; returns false when nothing is left to
 * send. */
static bool imix_plan(struct generator *g, const struct flow *f, struct plan *p)
{
    static const struct plan end[3] = {
        {0, FIN | ACK, 64, true}, {1, FIN | ACK, 64, true}, {0, ACK, 64, true}};
    uint32_t before_end = is_udp(f) ? f->data + 6u : f->data + 3u;

    if (f->packets >= before_end + (is_udp(f) ? 0u : 3u))
        return false;
    *p = f->packets < before_end ? plan_next(g, f, imix_len(g)) : end[f->packets - before_end];
    return true;
}

static void run_imix(struct generator *g)
{
    uint32_t active = IMIX_ACTIVE < g->flow_count ? IMIX_ACTIVE : g->flow_count;
    struct plan p;

    for (uint32_t i = 0; i < active; i++)
        flow_begin(&g->flow[i], g->next_flow++);
    while (g->packet_no < g->packet_count) {
        struct flow *f = &g->flow[draw(g, active)];
        if (!imix_plan(g, f, &p)) {
            flow_begin(f, g->next_flow++);
            imix_plan(g, f, &p);
        }
        write_frame(g, f, &p);
    }
}

static bool parse(int argc, char **argv, struct generator *g)
{
    static const char *const names[] = {"zipf", "even", "turns", "flood", "imix"};

    if (argc != 4)
        return false;
    for (g->kind = ZIPF; g->kind <= IMIX && strcmp(argv[1], names[g->kind]) != 0;)
        g->kind++;
    g->flow_count = (uint32_t)strtoul(argv[2], NULL, 10);
    g->packet_count = strtoull(argv[3], NULL, 10);
    return g->kind <= IMIX && g->flow_count && g->flow_count < 1u << 24 && g->packet_count;
}

int main(int argc, char **argv)
{
    static const uint32_t head[] = {0xa1b23c4d, 0x00040002, 0,
                                    0,          65535,      1}; /* nanoseconds, Ethernet */
    struct generator g = {0};

    if (!parse(argc, argv, &g)) {
        fputs("usage: gen_capture zipf|even|turns|flood|imix FLOWS PACKETS > FILE\n", stderr);
        return 2;
    }
    g.flow = must(calloc(g.flow_count, sizeof(*g.flow)));
    setvbuf(stdout, NULL, _IOFBF, 1 << 20);
    for (size_t i = 0; i < sizeof(head) / sizeof(*head); i++)
        fwrite(&(uint32_t){htole32(head[i])}, 4, 1, stdout);
    if (g.kind == ZIPF)
        zipf_prepare(&g);
    if (g.kind == IMIX)
        run_imix(&g);
    else
        run_steady(&g);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        perror("gen_capture");
        return 1;
    }
    free(g.flow);
    free(g.alias);
    free(g.threshold);
    return 0;
}
