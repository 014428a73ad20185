/* Records for the tests of the text faces. */
#pragma once

#include <arpa/inet.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "weir/config.h"
#include "weir/encode.h"
#include "weir/flow.h"
#include "weir/packet.h"

#define SECOND_NS UINT64_C(1000000000)
#define RANDOM_RECORDS 20000

/* A TLS-like TCP connection over IPv4, whole in one record; 10.0.0.0/8 is inside. */
static inline struct flow_record sample_tcp(void)
{
    const uint64_t start = 1767323045 * SECOND_NS + 123456789; /* 2026-01-02T03:04:05.123456789Z */
    struct flow_record r = {
        .delta = {{12, 10}, {1584, 2199}, {952, 1671}},
        .total = {{12, 10}, {1584, 2199}, {952, 1671}},
        .flow_id = 0x0123456789abcdef,
        .conn_start_ns = start,
        .start_ns = start,
        .end_ns = start + 3 * SECOND_NS + 157831000,
        .first_ns = {start, start + 1000000},
        .record_no = 1,
        .rtt_us = 20017,
        .address = {{10, 1, 2, 3}, {192, 0, 2, 80}},
        .mac = {{0x02, 0x00, 0x5e, 0x10, 0xfa, 0x01}},
        .port = {40264, 443},
        .ip_version = 4,
        .proto = 6,
        .end_reason = END_DETECTED,
        .direction_basis = BASIS_SYN,
        .conn_state = CONN_SF,
        .flags = {0x1b, 0x1b},
        .flags_total = {0x1b, 0x1b},
        .first_flags = {0x02, 0x12},
        .ttl_min = {64, 57},
        .ttl_max = {64, 57},
        .history = "ShADadFf",
    };
    return r;
}

/* A later record of a long UDP connection over IPv6 inside VXLAN and two VLAN tags. */
static inline struct flow_record sample_udp_part(void)
{
    struct flow_record r = sample_tcp();

    r.total = (struct flow_counts){{1200, 1100}, {6000000000, 7000}, {5900000000, 6000}};
    r.start_ns = r.conn_start_ns + 60 * SECOND_NS;
    r.end_ns = r.start_ns + 59 * SECOND_NS;
    r.record_no = 2;
    r.open = 1;
    r.rtt_us = 0;
    r.proto = 17;
    r.ip_version = 6;
    inet_pton(AF_INET6, "2001:db8::1", r.address[0]);
    inet_pton(AF_INET6, "2001:db8:0:1::2", r.address[1]);
    r.vlan[0] = 100;
    r.vlan[1] = 7;
    r.tunnel = TUNNEL_VXLAN;
    r.tunnel_id = 5001;
    r.outer_version = 4;
    inet_pton(AF_INET, "203.0.113.1", r.outer_address[0]);
    inet_pton(AF_INET, "203.0.113.2", r.outer_address[1]);
    r.ingress[1] = 3;
    r.quality = QUALITY_VLAN_CHANGED | QUALITY_SENSOR_LOSS;
    r.end_reason = END_ACTIVE;
    r.direction_basis = BASIS_FIRST_PACKET;
    strcpy(r.history, "Dd");
    return r;
}

static inline struct flow_record sample_icmp6(void)
{
    struct flow_record r = sample_tcp();

    r.proto = 58;
    r.ip_version = 6;
    inet_pton(AF_INET6, "fe80::1", r.address[0]);
    inet_pton(AF_INET6, "fe80::2", r.address[1]);
    r.port[0] = 128;
    r.port[1] = 129;
    r.has_icmp = 1;
    r.icmp_type = 128;
    r.conn_state = CONN_OTH;
    r.rtt_us = 0;
    r.direction_basis = BASIS_REQUEST;
    memset(r.history, 0, sizeof(r.history));
    return r;
}

/* A scan for SSH from two neighbours. */
static inline struct flow_record sample_aggregate(void)
{
    const uint64_t start = 1767323045 * SECOND_NS + 123456789;
    struct flow_record r = {
        .delta = {{4500, 0}, {180000, 0}, {0, 0}},
        .total = {{4500, 0}, {180000, 0}, {0, 0}},
        .flow_id = 0x0123456789abcdef,
        .conn_start_ns = start,
        .start_ns = start,
        .end_ns = start + 30 * SECOND_NS,
        .first_ns = {start},
        .last_ns = {start + 30 * SECOND_NS},
        .record_no = 1,
        .address = {{10, 1, 2, 4}},
        .sample = {{192, 0, 2, 80}, {198, 51, 100, 7}},
        .distinct = 4321,
        .sample_count = 2,
        .prefix_length = 31,
        .port = {0, 22},
        .ip_version = 4,
        .proto = 6,
        .flags = {0x02},
        .end_reason = END_ACTIVE,
        .ttl_min = {255, 255},
        .aggregate = AGGREGATE_FROM,
    };
    return r;
}

/* A flood of UDP to one IPv6 address, on many ports. */
static inline struct flow_record sample_aggregate_to(void)
{
    struct flow_record r = sample_aggregate();

    r.aggregate = AGGREGATE_TO;
    r.ip_version = 6;
    r.proto = 17;
    r.flags[0] = 0;
    r.port[1] = 0;
    r.prefix_length = 128;
    r.sample_count = 1;
    memset(r.address[0], 0, 16);
    inet_pton(AF_INET6, "fe80::2", r.address[1]);
    inet_pton(AF_INET6, "2001:db8::1", r.sample[0]);
    return r;
}

/* The closing notice of a connection whose records are out. */
static inline struct flow_record sample_notice(void)
{
    struct flow_record r = sample_tcp();

    memset(&r.delta, 0, sizeof(r.delta));
    memset(r.flags, 0, sizeof(r.flags));
    r.record_no = 3;
    return r;
}

static inline struct config sample_config(void)
{
    struct config c = {.sensor.name = "tap-1", .hosts.networks.count = 1};
    c.hosts.networks.prefix[0] = (struct ip_prefix){.address = {10}, .version = 4, .length = 8};
    return c;
}

static inline uint64_t random_next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* Any octets at all: half of them with the values a real record can have for version, protocol and
 * kinds. */
static inline struct flow_record random_record(uint64_t *state)
{
    static const uint8_t protos[] = {1, 6, 17, 58, 132, 47, 255};
    struct flow_record r;

    for (size_t i = 0; i < sizeof(r); i++)
        ((uint8_t *)&r)[i] = (uint8_t)(random_next(state) >> 32);
    r.open &= 1;
    if (random_next(state) & 1 << 20)
        return r;
    r.ip_version = random_next(state) & 1 << 21 ? 4 : 6;
    r.proto = protos[(random_next(state) >> 32) % sizeof(protos)];
    r.conn_state %= CONN_STATE_COUNT;
    r.end_reason %= END_RESOURCES + 1;
    r.direction_basis %= BASIS_COUNT;
    r.tunnel %= TUNNEL_KIND_COUNT;
    r.outer_version = r.outer_version & 1 ? 4 : 6;
    return r;
}

/* The longest texts a record can lead to. */
static inline struct flow_record widest_record(void)
{
    struct flow_record r;

    memset(&r, 0xff, sizeof(r));
    r.open = 1;
    r.ip_version = 6;
    r.outer_version = 6;
    r.proto = 6;
    r.end_reason = END_RESOURCES;
    r.direction_basis = BASIS_FIRST_PACKET;
    r.conn_state = CONN_RSTOS0;
    r.tunnel = TUNNEL_GENEVE;
    r.start_ns = r.conn_start_ns = 0;
    memset(r.history, 'S', sizeof(r.history));
    r.ingress[0] = 65534;
    return r;
}

static inline struct config widest_config(void)
{
    struct config c = sample_config();
    memset(c.sensor.name, 0x01, sizeof(c.sensor.name) - 1);
    return c;
}

/* Formats into memory of exactly ENCODE_MAX octets, so that a sanitizer sees one too many. Freed by
 * the caller. */
static inline char *encode(const struct record_encoder *face, const struct config *c,
                           const struct flow_record *r)
{
    char *out = malloc(ENCODE_MAX);
    assert_non_null(out);
    size_t len = face->record(c, r, out);
    assert_in_range(len, 0, ENCODE_MAX - 1);
    out[len] = '\0';
    return out;
}

static inline void assert_encodes(const struct record_encoder *face, const struct flow_record *r,
                                  const char *expected)
{
    struct config c = sample_config();
    char *text = encode(face, &c, r);
    assert_string_equal(text, expected);
    free(text);
}
