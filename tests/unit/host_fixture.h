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

#define TALLY_FLOWS 1000u

static inline struct tally *tally_open(uint32_t inside, uint32_t outside, uint32_t events)
{
    struct ip_prefixes networks = networks_10();
    struct tally_options options = {.networks = &networks,
                                    .max_inside = inside,
                                    .max_outside = outside,
                                    .max_events = events,
                                    .max_flows = TALLY_FLOWS,
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
        tally_look_burst(t, d + from, n, inside);
        tally_burst(t, d + from, n, inside, NULL);
    }
}

/* The line of a host in this turn, or NULL. */
static inline const struct tally_line *line_of(const struct tally_table *b,
                                               const struct host_key *key, bool inside)
{
    for (uint32_t i = 0; i < b->used_count; i++) {
        const struct tally_line *l = &b->line[b->used[i]];
        if (tally_is_inside(b, b->used[i]) == inside && !memcmp(&l->key, key, sizeof(*key)))
            return l;
    }
    return NULL;
}

static inline uint32_t lines_inside(const struct tally_table *b)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < b->used_count; i++)
        count += tally_is_inside(b, b->used[i]);
    return count;
}

/* Over all hosts and `other`. */
static inline uint64_t tally_sum(const struct tally_table *b, enum host_counter counter)
{
    uint64_t total = b->other.value[counter];
    struct host_counters c;

    for (uint32_t i = 0; i < b->used_count; i++) {
        tally_line_counters(b, &b->line[b->used[i]], &c);
        total += c.value[counter];
    }
    return total;
}

static inline void assert_sums(const struct tally_table *b)
{
    assert_int_equal(tally_sum(b, HOST_OCTETS_OUT), b->total.value[HOST_OCTETS_OUT]);
    assert_int_equal(tally_sum(b, HOST_OCTETS_IN), b->total.value[HOST_OCTETS_OUT]);
    assert_int_equal(tally_sum(b, HOST_PACKETS_OUT), b->total.value[HOST_PACKETS_OUT]);
    assert_int_equal(tally_sum(b, HOST_PACKETS_IN), b->total.value[HOST_PACKETS_OUT]);
    assert_int_equal(tally_sum(b, HOST_PAYLOAD_IN), b->total.value[HOST_PAYLOAD_OUT]);
    assert_int_equal(tally_sum(b, HOST_OPENED), b->total.value[HOST_OPENED]);
    assert_int_equal(tally_sum(b, HOST_OPENED_IN), b->total.value[HOST_OPENED]);
}

static inline struct tally_table *hand_over(struct tally *t)
{
    assert_true(tally_offer(t));
    struct tally_table *b = tally_take(t);
    assert_non_null(b);
    return b;
}
