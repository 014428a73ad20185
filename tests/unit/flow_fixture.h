/*
 * A flow table with what it hands on collected, and packets as decode would make them.
 */
#pragma once

#include <stdlib.h>
#include <string.h>

#include "flow/entry.h"
#include "weir/wire.h"

#define SECOND 1000000000ULL
#define MS 1000000ULL
#define START_NS (1700000000 * SECOND)

struct fixture {
    struct flow_table *table;
    struct counters counters;
    struct flow_out out;
    struct flow_record *record;
    uint32_t records, room;
    uint64_t delta_packets, delta_octets, deltas, opened, closed;
    uint32_t most_records, most_deltas; /* that one burst added */
    uint64_t delivered, delivered_octets;
};

static inline struct flow_table_options fixture_options(void)
{
    return (struct flow_table_options){.flow = {.idle_ns = 30 * SECOND,
                                                .active_ns = 60 * SECOND,
                                                .keep_ns = {[KEEP_OTHER] = 60 * SECOND,
                                                            [KEEP_UDP] = 120 * SECOND,
                                                            [KEEP_TCP_ESTABLISHED] = 3600 * SECOND,
                                                            [KEEP_TCP_HALF_OPEN] = 15 * SECOND,
                                                            [KEEP_TCP_CLOSED] = 2 * SECOND},
                                                .timeouts = true,
                                                .max_flows = 1000,
                                                .max_fragments = 64,
                                                .fragment_ns = 30 * SECOND},
                                       .deltas = true,
                                       .fixed_secret = true};
}

static inline struct fixture *fixture_open(const struct flow_table_options *options)
{
    struct fixture *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    assert_int_equal(flow_table_create(options, &f->counters, &f->table), 0);
    return f;
}

static inline void fixture_close(struct fixture *f)
{
    flow_table_destroy(f->table);
    free(f->record);
    free(f);
}

/* Empties out into what is collected. */
static inline void fixture_take(struct fixture *f)
{
    for (uint32_t i = 0; i < f->out.delta_count; i++) {
        const struct flow_delta *d = &f->out.delta[i];
        f->delta_packets += d->packets[0] + d->packets[1];
        f->delta_octets += d->octets[0] + d->octets[1];
        f->opened += d->opened;
        f->closed += d->closed;
    }
    f->deltas += f->out.delta_count;
    for (uint32_t i = 0; i < f->out.record_count; i++) {
        if (f->records == f->room) {
            f->room = f->room ? f->room * 2 : 64;
            f->record = realloc(f->record, f->room * sizeof(*f->record));
            assert_non_null(f->record);
        }
        f->record[f->records++] = f->out.record[i];
    }
    f->out.record_count = f->out.delta_count = 0;
}

/* One burst of up to PACKET_BURST_MAX packets; fates are counted as core does. */
static inline void fixture_burst(struct fixture *f, struct packet *packet, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        packet_set_plain(&packet[i]);
    flow_table_burst(f->table, packet, count, &f->out);
    for (uint32_t i = 0; i < count; i++) {
        f->counters.fate_packets[packet[i].fate]++;
        f->delivered++;
        f->delivered_octets += packet[i].octets;
    }
    if (f->out.record_count > f->most_records)
        f->most_records = f->out.record_count;
    if (f->out.delta_count > f->most_deltas)
        f->most_deltas = f->out.delta_count;
    fixture_take(f);
}

static inline void fixture_send(struct fixture *f, struct packet p)
{
    fixture_burst(f, &p, 1);
}

/* A whole turn of the sweep at this clock. */
static inline void fixture_turn(struct fixture *f, uint64_t now_ns)
{
    bool done;
    do {
        done = flow_sweep_step(f->table, now_ns, UINT32_MAX, &f->out);
        fixture_take(f);
    } while (!done);
}

static inline void fixture_drain(struct fixture *f)
{
    bool done;
    do {
        done = flow_table_drain(f->table, &f->out);
        fixture_take(f);
    } while (!done);
}

static inline const struct flow_record *fixture_last(const struct fixture *f)
{
    assert_true(f->records > 0);
    return &f->record[f->records - 1];
}

static inline uint64_t fixture_record_packets(const struct fixture *f)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < f->records; i++)
        sum += f->record[i].delta.packets[0] + f->record[i].delta.packets[1];
    return sum;
}

static inline uint64_t fixture_record_octets(const struct fixture *f)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < f->records; i++)
        sum += f->record[i].delta.octets[0] + f->record[i].delta.octets[1];
    return sum;
}

/* Addresses: octets of source, then of destination; must outlive the packet. */
static inline struct packet packet_make(const uint8_t *addresses, uint8_t version, uint8_t proto,
                                        uint64_t ts_ns)
{
    return (struct packet){.ts_ns = ts_ns,
                           .wire_len = 114,
                           .cap_len = 114,
                           .fate = FATE_FLOW,
                           .ip_version = version,
                           .proto = proto,
                           .ttl = 64,
                           .flags = PACKET_HAS_PORTS | (proto == PROTO_TCP ? PACKET_HAS_TCP : 0),
                           .addresses = addresses,
                           .octets = 100,
                           .payload = 72};
}

/* 10.0.0.1 > 10.0.0.2 and back. */
static const uint8_t there4[8] = {10, 0, 0, 1, 10, 0, 0, 2};
static const uint8_t back4[8] = {10, 0, 0, 2, 10, 0, 0, 1};

/* Client 10.0.0.1:port and server 10.0.0.2:53; side 0 sends as the client. */
static inline struct packet packet_udp(int side, uint16_t port, uint64_t ts_ns)
{
    struct packet p = packet_make(side ? back4 : there4, 4, PROTO_UDP, ts_ns);
    p.src_port = side ? 4000 : port;
    p.dst_port = side ? port : 4000;
    return p;
}

static inline struct packet packet_tcp(int side, uint16_t port, uint8_t flags, uint64_t ts_ns)
{
    struct packet p = packet_make(side ? back4 : there4, 4, PROTO_TCP, ts_ns);
    p.src_port = side ? 443 : port;
    p.dst_port = side ? port : 443;
    p.tcp_flags = flags;
    p.tcp_window = 1000;
    p.payload = 0;
    p.octets = 40;
    return p;
}

/* Every key falls into one place; then tests see keys compared, not hashes. */
static inline void hash_burst_constant(const struct hash_secret *secret, struct hash_job *job,
                                       uint32_t count, size_t stride)
{
    (void)secret;
    for (; count; count--, job = hash_job_next(job, stride))
        job->value = (struct hash_value){0x123456789abcdef0, 0xfedcba9876543210};
}
