/*
 * Deltas of made-up flows, and a table of a worker that was fed with them.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "hosts/tally.h"
#include "weir/config.h"
#include "weir/flow.h"
#include "weir/wire.h"

#define SECOND UINT64_C(1000000000)
#define START_NS (UINT64_C(1700006400) * SECOND) /* a full hour */

static inline void put_ip4(uint8_t *out, uint32_t address)
{
    memset(out, 0, 16);
    for (int i = 0; i < 4; i++)
        out[i] = (uint8_t)(address >> (24 - 8 * i));
}

static inline struct host_key key4(uint32_t address)
{
    uint8_t octets[16];

    put_ip4(octets, address);
    return host_key_of(4, octets);
}

/* One packet each way in its first delta, accepted. */
static inline struct flow_delta delta_tcp(uint32_t from, uint32_t to, uint16_t port, uint64_t ns)
{
    static uint64_t next_id = 1;
    struct flow_delta d = {.octets = {100, 60},
                           .payload = {60, 20},
                           .packets = {1, 1},
                           .total = {{1, 1}, {100, 60}, {60, 20}},
                           .conn_start_ns = ns,
                           .last_ns = ns,
                           .flow_id = next_id++,
                           .port = {40000, port},
                           .ip_version = 4,
                           .proto = PROTO_TCP,
                           .opened = 1,
                           .accepted = 1};

    put_ip4(d.address[0], from);
    put_ip4(d.address[1], to);
    return d;
}

/* A turn later, with so many octets more of each side. */
static inline void delta_go_on(struct flow_delta *d, uint64_t out, uint64_t in, uint64_t ns)
{
    d->octets[0] = d->payload[0] = out;
    d->octets[1] = d->payload[1] = in;
    for (int s = 0; s < 2; s++) {
        d->packets[s] = d->octets[s] != 0;
        d->total.octets[s] += d->octets[s];
        d->total.payload[s] += d->payload[s];
        d->total.packets[s] += d->packets[s];
    }
    d->opened = d->accepted = d->failed = d->aged = 0;
    d->last_ns = ns;
}

static inline struct ip_prefixes networks_10(void)
{
    return (struct ip_prefixes){.count = 1,
                                .prefix = {{.address = {10}, .version = 4, .length = 8}}};
}

static inline struct tally *tally_open(uint32_t inside, uint32_t outside, uint32_t events)
{
    struct ip_prefixes networks = networks_10();
    struct tally_options options = {.networks = &networks,
                                    .max_inside = inside,
                                    .max_outside = outside,
                                    .max_events = events,
                                    .fixed_secret = true};
    struct tally *t;

    assert_int_equal(tally_create(&options, &t), 0);
    return t;
}

static inline void tally_feed(struct tally *t, const struct flow_delta *d, uint32_t count)
{
    uint8_t inside[FLOW_DELTA_BURST];

    for (uint32_t from = 0; from < count; from += FLOW_DELTA_BURST) {
        uint32_t n = count - from < FLOW_DELTA_BURST ? count - from : FLOW_DELTA_BURST;
        tally_inside_burst(t, d + from, n, inside);
        tally_burst(t, d + from, n, inside, NULL);
    }
}
