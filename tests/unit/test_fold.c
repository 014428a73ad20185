#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/bytes.h"
#include "flow/fold.h"
#include "flow_fixture.h"

#define RATE 100

static struct hash_secret secret;

struct folding {
    struct fold *fold;
    struct flow_record *record; /* aggregates that are out */
    uint32_t records, room;
    uint64_t taken, taken_octets;
};

static struct folding *folding_open(bool timeouts)
{
    struct fold_options options = {.rate = RATE,
                                   .idle_ns = 30 * SECOND,
                                   .active_ns = 60 * SECOND,
                                   .timeouts = timeouts,
                                   .hash_burst = hash_burst_best(),
                                   .secret = &secret};
    struct folding *f = calloc(1, sizeof(*f));

    assert_non_null(f);
    hash_secret_fixed(&secret);
    assert_int_equal(fold_create(&options, &f->fold), 0);
    fold_expire(f->fold, START_NS, false, NULL);
    return f;
}

static struct flow_record *next_record(struct folding *f)
{
    if (f->records == f->room) {
        f->room = f->room ? 2 * f->room : 64;
        f->record = realloc(f->record, f->room * sizeof(*f->record));
        assert_non_null(f->record);
    }
    return &f->record[f->records];
}

static void folding_close(struct folding *f)
{
    fold_destroy(f->fold);
    free(f->record);
    free(f);
}

static bool take(struct folding *f, const struct fold_flow *flow)
{
    bool pushed;
    bool taken = fold_take(f->fold, flow, next_record(f), &pushed);

    assert_true(taken || !pushed);
    f->records += pushed;
    f->taken += taken;
    f->taken_octets += taken ? flow->octets : 0;
    return taken;
}

static void expire(struct folding *f, uint64_t now_ns, bool all)
{
    while (fold_expire(f->fold, now_ns, all, next_record(f)))
        f->records++;
}

static struct fold_flow flow4(uint32_t from, uint32_t to, uint16_t port, uint64_t time_ns)
{
    struct fold_flow flow = {.time_ns = time_ns,
                             .octets = 40,
                             .payload = 7,
                             .port = port,
                             .ip_version = 4,
                             .proto = PROTO_TCP,
                             .flags = TCP_SYN};

    put_be32(flow.address[0], from);
    put_be32(flow.address[1], to);
    return flow;
}

static struct fold_flow flow6(uint64_t from_net, uint64_t from, uint64_t to_net, uint64_t to)
{
    struct fold_flow flow = flow4(0, 0, 53, START_NS);

    flow.ip_version = 6;
    put_be64(flow.address[0], from_net);
    put_be64(flow.address[0] + 8, from);
    put_be64(flow.address[1], to_net);
    put_be64(flow.address[1] + 8, to);
    return flow;
}

/* The i-th of flows that have no prefix in common. */
static uint32_t apart(uint32_t i)
{
    return 0x64000001 + (i << 8);
}

static struct fold_census_sum {
    uint64_t packets, octets;
} sum_of(const struct folding *f)
{
    struct flow_census c = {0};
    struct fold_census_sum sum = {0};

    fold_census(f->fold, &c);
    for (uint32_t i = 0; i < f->records; i++) {
        sum.packets += f->record[i].delta.packets[0];
        sum.octets += f->record[i].delta.octets[0];
    }
    assert_int_equal(c.folded_packets, f->taken);
    assert_int_equal(c.folded_octets, f->taken_octets);
    assert_int_equal(c.aggregate_records, f->records);
    assert_int_equal(c.aggregate_packets, sum.packets);
    assert_int_equal(c.aggregate_octets, sum.octets);
    assert_int_equal(c.folded_packets, c.aggregate_packets + c.aggregating_packets);
    assert_int_equal(c.folded_octets, c.aggregate_octets + c.aggregating_octets);
    return sum;
}

static void below_the_rate_nothing_is_folded(void **state)
{
    (void)state;
    struct folding *f = folding_open(true);

    for (uint32_t s = 0; s < 20; s++)
        for (uint32_t i = 0; i < RATE; i++) {
            struct fold_flow flow =
                flow4(0x0a000001, apart(s * RATE + i), 22, START_NS + s * SECOND);
            assert_false(take(f, &flow));
        }
    expire(f, START_NS + 1000 * SECOND, true);
    assert_int_equal(f->records, 0);
    folding_close(f);
}

/* In each second the first ones pass, in whatever order seconds come. */
static void a_scan_is_one_aggregate_of_its_source(void **state)
{
    (void)state;
    struct folding *f = folding_open(true);
    uint32_t passed[10] = {0};

    for (uint32_t i = 0; i < 10000; i++) {
        uint32_t s = i * 7 % 10;
        struct fold_flow flow = flow4(0x0a000001, apart(i), 22, START_NS + s * SECOND + i);
        passed[s] += !take(f, &flow);
    }
    for (unsigned s = 0; s < 10; s++)
        assert_int_equal(passed[s], RATE);
    expire(f, 0, true);
    assert_int_equal(f->records, 1);
    const struct flow_record *r = f->record;
    assert_int_equal(r->aggregate, AGGREGATE_FROM);
    assert_int_equal(r->delta.packets[0], 9000);
    assert_int_equal(r->delta.packets[1], 0);
    assert_int_equal(r->delta.octets[0], 9000 * 40);
    assert_int_equal(r->delta.payload[0], 9000 * 7);
    assert_memory_equal(&r->total, &r->delta, sizeof(r->total));
    assert_memory_equal(r->address[0], "\x0a\0\0\1\0\0\0\0", 8);
    assert_memory_equal(r->address[1], "\0\0\0\0\0\0\0\0", 8);
    assert_int_equal(r->prefix_length, 32);
    assert_in_range(r->distinct, 9000 * 95 / 100, 9000);
    assert_int_equal(r->sample_count, AGGREGATE_SAMPLES);
    assert_int_equal(r->port[0], 0);
    assert_int_equal(r->port[1], 22);
    assert_int_equal(r->proto, PROTO_TCP);
    assert_int_equal(r->flags[0], TCP_SYN);
    assert_int_equal(r->end_reason, END_FORCED);
    assert_in_range(r->start_ns, START_NS, START_NS + SECOND);
    assert_in_range(r->end_ns, START_NS + 9 * SECOND, START_NS + 9 * SECOND + 10000);
    assert_int_equal(r->first_ns[0], r->start_ns);
    assert_int_equal(r->last_ns[0], r->end_ns);
    sum_of(f);
    folding_close(f);
}

static void a_flood_is_one_aggregate_of_its_victim(void **state)
{
    (void)state;
    struct folding *f = folding_open(true);

    for (uint32_t i = 0; i < 10000; i++) {
        struct fold_flow flow = flow4(apart(i), 0x0a000050, 80, START_NS);
        assert_int_equal(take(f, &flow), i >= RATE);
    }
    expire(f, 0, true);
    assert_int_equal(f->records, 1);
    assert_int_equal(f->record->aggregate, AGGREGATE_TO);
    assert_memory_equal(f->record->address[0], "\0\0\0\0", 4);
    assert_memory_equal(f->record->address[1], "\x0a\0\0\x50", 4);
    assert_int_equal(f->record->prefix_length, 32);
    assert_in_range(f->record->distinct, 9900 * 95 / 100, 9900);
    folding_close(f);
}

/* Sources of one /24, and of one /64, are one; the longest prefix that they share is told. */
static void a_prefix_is_as_long_as_it_can_be(void **state)
{
    (void)state;
    struct folding *f = folding_open(true);

    for (uint32_t i = 0; i < 1000; i++) {
        struct fold_flow four = flow4(0xc0000240 + i % 5, apart(i), 22, START_NS);
        struct fold_flow six = flow6(0x20010db800000001, 0x100 + i % 2, 0xfc00 + i, i);
        assert_int_equal(take(f, &four), i >= RATE);
        assert_int_equal(take(f, &six), i >= RATE);
    }
    expire(f, 0, true);
    assert_int_equal(f->records, 2);
    const struct flow_record *four = &f->record[f->record[0].ip_version != 4];
    const struct flow_record *six = &f->record[f->record[0].ip_version == 4];
    assert_memory_equal(four->address[0], "\xc0\0\2\x40", 4);
    assert_int_equal(four->prefix_length, 29);
    assert_int_equal(six->ip_version, 6);
    assert_memory_equal(six->address[0], "\x20\1\x0d\xb8\0\0\0\1\0\0\0\0\0\0\1\0", 16);
    assert_int_equal(six->prefix_length, 127);
    folding_close(f);
}

/* Ports have aggregates of their own until they are too many; ICMP goes by type and code. */
static void ports_are_told_apart_up_to_a_number(void **state)
{
    (void)state;
    struct folding *f = folding_open(true);
    uint64_t without = 0, ports = 0;

    for (uint32_t i = 0; i < 10000; i++) {
        struct fold_flow flow = flow4(0x0a000001, apart(i), (uint16_t)(1 + i % 1000), START_NS);
        struct fold_flow ping = flow4(0x0a000101, apart(i), 8 << 8, START_NS);
        take(f, &flow);
        ping.proto = PROTO_ICMP;
        ping.has_icmp = 1;
        take(f, &ping);
    }
    expire(f, 0, true);
    assert_int_equal(f->records, FOLD_PORTS + 2);
    for (uint32_t i = 0; i < f->records; i++) {
        const struct flow_record *r = &f->record[i];
        if (r->proto == PROTO_ICMP) {
            assert_int_equal(r->has_icmp, 1);
            assert_int_equal(r->icmp_type, 8);
            assert_int_equal(r->icmp_code, 0);
            assert_int_equal(r->port[1], 0);
            continue;
        }
        ports += r->port[1] != 0;
        without += r->port[1] ? 0 : r->delta.packets[0];
    }
    assert_int_equal(ports, FOLD_PORTS);
    assert_int_equal(without, 9900 - 10 * FOLD_PORTS);
    sum_of(f);
    folding_close(f);
}

static void flood(struct folding *f, uint64_t time_ns)
{
    for (uint32_t i = 0; i < 2 * RATE; i++) {
        struct fold_flow flow = flow4(0x0a000001, apart(i), 22, time_ns);
        take(f, &flow);
    }
}

static void aggregates_end_by_silence_and_age(void **state)
{
    (void)state;
    struct folding *f = folding_open(true);

    flood(f, START_NS);
    expire(f, START_NS + 30 * SECOND - 1, false);
    assert_int_equal(f->records, 0);
    expire(f, START_NS + 30 * SECOND, false);
    assert_int_equal(f->records, 1);
    assert_int_equal(f->record[0].end_reason, END_IDLE);
    for (uint64_t s = 30; s < 90; s += 10) {
        flood(f, START_NS + s * SECOND);
        expire(f, START_NS + (s + 10) * SECOND - 1, false);
        assert_int_equal(f->records, 1);
    }
    expire(f, START_NS + 90 * SECOND, false);
    assert_int_equal(f->records, 2);
    assert_int_equal(f->record[1].end_reason, END_ACTIVE);
    assert_int_equal(f->record[1].delta.packets[0], 6 * RATE);
    assert_int_equal(sum_of(f).packets, 7 * RATE);
    folding_close(f);

    f = folding_open(false);
    flood(f, START_NS);
    expire(f, START_NS + 10000 * SECOND, false);
    assert_int_equal(f->records, 0);
    expire(f, 0, true);
    assert_int_equal(f->records, 1);
    folding_close(f);
}

/* More prefixes than aggregates: those that make room come out, nothing is lost. A few prefixes
 * lose their count to others and pass longer. */
static void memory_is_bounded(void **state)
{
    (void)state;
    struct folding *f = folding_open(true);

    for (uint32_t net = 0; net < 3 * FOLD_AGGREGATES; net++)
        for (uint32_t i = 0; i < RATE + 3; i++) {
            struct fold_flow flow =
                flow4(0x20000000 + (net << 8), apart(net * 200 + i), 22, START_NS);
            assert_true(!take(f, &flow) || i >= RATE);
        }
    assert_in_range(f->records, 19 * FOLD_AGGREGATES / 10, 2 * FOLD_AGGREGATES);
    for (uint32_t i = 0; i < f->records; i++)
        assert_int_equal(f->record[i].end_reason, END_RESOURCES);
    sum_of(f);
    uint32_t pushed = f->records;
    expire(f, 0, true);
    assert_int_equal(f->records, pushed + FOLD_AGGREGATES);
    assert_int_equal(sum_of(f).packets, f->taken);
    folding_close(f);
}

/* --- Against a naive reference: random floods, every flow in an array --- */

#define FLOWS 60000u

static uint32_t random32(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*seed >> 32);
}

/* Floods from few networks, floods to few, and noise. */
static struct fold_flow random_flow(uint64_t *seed)
{
    uint32_t x = random32(seed);
    uint64_t time_ns = START_NS + random32(seed) % 20 * SECOND + random32(seed) % 1000000000;
    uint32_t from = random32(seed), to = random32(seed);
    static const uint16_t ports[] = {22, 23, 445};

    if (x % 4 == 0)
        from = 0x0a000000 + (random32(seed) % 3 << 8) + random32(seed) % 9;
    if (x % 4 == 1)
        to = 0xc0a80000 + (random32(seed) % 2 << 8) + random32(seed) % 4;
    struct fold_flow flow = flow4(from, to, ports[random32(seed) % 3], time_ns);
    flow.octets = 28 + random32(seed) % 1400;
    flow.proto = random32(seed) % 2 ? PROTO_TCP : PROTO_UDP;
    return flow;
}

static uint64_t prefix_of(const uint8_t *address)
{
    return load_be32(address) >> 8;
}

struct naive {
    struct fold_flow flow[FLOWS];
    uint8_t side[FLOWS];
};

/* What the reference says, by counting all flows before this one. */
static enum flow_aggregate naive_side(const uint16_t *from, const uint16_t *to)
{
    return *from > RATE ? AGGREGATE_FROM : *to > RATE ? AGGREGATE_TO : AGGREGATE_NONE;
}

static bool belongs(const struct naive *n, uint32_t i, const struct flow_record *r)
{
    const struct fold_flow *flow = &n->flow[i];
    unsigned side = r->aggregate - AGGREGATE_FROM;

    return n->side[i] == r->aggregate && flow->proto == r->proto && flow->port == r->port[1] &&
           prefix_of(flow->address[side]) == prefix_of(r->address[side]);
}

static void check_record(const struct naive *n, const struct flow_record *r)
{
    uint64_t packets = 0, octets = 0, first = UINT64_MAX, last = 0;

    for (uint32_t i = 0; i < FLOWS; i++) {
        if (!belongs(n, i, r))
            continue;
        packets++;
        octets += n->flow[i].octets;
        first = n->flow[i].time_ns < first ? n->flow[i].time_ns : first;
        last = n->flow[i].time_ns > last ? n->flow[i].time_ns : last;
    }
    assert_int_equal(r->delta.packets[0], packets);
    assert_int_equal(r->delta.octets[0], octets);
    assert_int_equal(r->start_ns, first);
    assert_int_equal(r->end_ns, last);
}

static void a_naive_reference_agrees(void **state)
{
    (void)state;
    struct naive *n = calloc(1, sizeof(*n));
    uint16_t(*count)[2] = calloc((size_t)20 << 24, sizeof(*count)); /* by second and /24 */
    struct folding *f = folding_open(true);
    uint64_t seed = 4711, folded = 0, octets = 0;

    assert_true(n && count);
    for (uint32_t i = 0; i < FLOWS; i++) {
        n->flow[i] = random_flow(&seed);
        uint64_t second = (n->flow[i].time_ns - START_NS) / SECOND;
        uint16_t *from = &count[second << 24 | prefix_of(n->flow[i].address[0])][0];
        uint16_t *to = &count[second << 24 | prefix_of(n->flow[i].address[1])][1];
        ++*from;
        ++*to;
        n->side[i] = naive_side(from, to);
        folded += n->side[i] != AGGREGATE_NONE;
        octets += n->side[i] != AGGREGATE_NONE ? n->flow[i].octets : 0;
        assert_int_equal(take(f, &n->flow[i]), n->side[i] != AGGREGATE_NONE);
    }
    expire(f, 0, true);
    assert_true(folded > FLOWS / 4 && folded < FLOWS / 2);
    assert_int_equal(f->records, (3 + 2) * 2 * 3);
    assert_int_equal(sum_of(f).packets, folded);
    assert_int_equal(sum_of(f).octets, octets);
    for (uint32_t i = 0; i < f->records; i++)
        check_record(n, &f->record[i]);
    folding_close(f);
    free(count);
    free(n);
}

/* --- In the flow table --- */

static struct flow_table_options folding_options(void)
{
    struct flow_table_options options = fixture_options();

    options.flow.fold = FOLD_ON;
    options.flow.fold_rate = RATE;
    options.flow.max_flows = 20000;
    return options;
}

/* Connections of one packet to many hosts, from one; every tenth has a second packet later. */
static void scan(struct fixture *f, uint32_t count, bool answered)
{
    static uint8_t address[20000][8];

    for (uint32_t i = 0; i < count; i++) {
        memcpy(address[i], there4, 4);
        put_be32(address[i] + 4, apart(i));
        struct packet p = packet_make(address[i], 4, PROTO_UDP, START_NS + i * 1000);
        p.src_port = (uint16_t)i;
        p.dst_port = 161;
        fixture_send(f, p);
        if (!answered || i % 10)
            continue;
        p.ts_ns += 60 * MS;
        fixture_send(f, p);
    }
}

static uint32_t aggregates(const struct fixture *f)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < f->records; i++)
        count += flow_record_is_aggregate(&f->record[i]);
    return count;
}

static void check_sums(struct fixture *f)
{
    struct flow_census c;

    flow_table_census(f->table, &c);
    assert_int_equal(f->delivered,
                     c.made_packets + c.live_packets + c.held_packets + c.folded_packets);
    assert_int_equal(c.folded_packets, c.aggregate_packets + c.aggregating_packets);
    assert_int_equal(c.folded_octets, c.aggregate_octets + c.aggregating_octets);
    assert_int_equal(f->records, c.made_records + c.aggregate_records + c.notices);
    assert_int_equal(fixture_record_packets(f), c.made_packets + c.aggregate_packets);
}

static void a_table_folds_what_has_one_packet(void **state)
{
    (void)state;
    struct flow_table_options options = folding_options();
    struct fixture *f = fixture_open(&options);

    scan(f, 5000, true);
    fixture_turn(f, START_NS + 20 * SECOND);
    fixture_turn(f, START_NS + 35 * SECOND);
    assert_int_equal(f->records, 500 + RATE); /* the aggregate is open */
    check_sums(f);
    fixture_turn(f, START_NS + 66 * SECOND);
    assert_int_equal(aggregates(f), 1);
    assert_int_equal(fixture_last(f)->delta.packets[0], 4500 - RATE);
    assert_int_not_equal(fixture_last(f)->flow_id, f->record[0].flow_id);
    check_sums(f);
    fixture_drain(f);
    assert_int_equal(fixture_record_packets(f), f->delivered);
    assert_int_equal(fixture_record_octets(f), f->delivered_octets);
    assert_int_equal(f->delta_packets, f->delivered);
    assert_int_equal(f->opened, 5000);
    assert_int_equal(f->closed, 5000);
    check_sums(f);
    fixture_close(f);
}

static void off_is_off(void **state)
{
    (void)state;
    struct flow_table_options options = folding_options();

    for (unsigned i = 0; i < 4; i++) {
        options.flow.fold = i == 0 ? FOLD_OFF : i == 1 ? FOLD_AUTO : FOLD_ON;
        options.flow.vlan_in_key = i == 2;
        options.flow.tunnel_in_key = i == 3;
        struct fixture *f = fixture_open(&options);
        scan(f, 5000, true);
        fixture_drain(f);
        assert_int_equal(f->records, 5000);
        assert_int_equal(aggregates(f), 0);
        fixture_close(f);
    }
}

/* A folded connection that goes on has its next packets in records of its own. */
static void who_comes_back_is_told(void **state)
{
    (void)state;
    struct flow_table_options options = folding_options();
    options.notices = true;
    struct fixture *f = fixture_open(&options);

    scan(f, 5000, false);
    fixture_turn(f, START_NS + 31 * SECOND);
    assert_int_equal(f->records, RATE);
    uint8_t address[8];
    memcpy(address, there4, 4);
    put_be32(address + 4, apart(4999));
    struct packet p = packet_make(address, 4, PROTO_UDP, START_NS + 40 * SECOND);
    p.src_port = 4999;
    p.dst_port = 161;
    fixture_send(f, p);
    fixture_turn(f, START_NS + 75 * SECOND);
    assert_int_equal(f->records, RATE + 1 + 1); /* the aggregate's silence is over, too */
    const struct flow_record *r = &f->record[RATE + !flow_record_is_aggregate(&f->record[RATE])];
    assert_int_equal(r->aggregate, AGGREGATE_FROM);
    r = &f->record[RATE + flow_record_is_aggregate(&f->record[RATE])];
    assert_int_equal(r->record_no, 2);
    assert_int_equal(r->delta.packets[0] + r->delta.packets[1], 1);
    assert_int_equal(r->total.packets[0] + r->total.packets[1], 2);
    fixture_turn(f, START_NS + 400 * SECOND);
    assert_int_equal(f->records, RATE + 2 + RATE + 1); /* notices of those with records only */
    check_sums(f);
    fixture_close(f);
}

/* A full table: victims are folded, a connection of many packets keeps its one record. */
static void an_elephant_keeps_one_record(void **state)
{
    (void)state;
    struct flow_table_options options = folding_options();
    options.flow.max_flows = 1000;
    struct fixture *f = fixture_open(&options);
    uint32_t elephant = 0;

    for (uint32_t i = 0; i < 100; i++)
        fixture_send(f, packet_udp(0, 7, START_NS + i * 1000));
    fixture_turn(f, START_NS);
    scan(f, 20000, false);
    check_sums(f);
    fixture_drain(f);
    for (uint32_t i = 0; i < f->records; i++)
        elephant += f->record[i].delta.packets[0] > 1 && !flow_record_is_aggregate(&f->record[i]);
    assert_int_equal(elephant, 1);
    assert_int_equal(f->records, RATE + 1 + 1);
    assert_int_equal(fixture_record_packets(f), 20100);
    check_sums(f);
    fixture_close(f);
}

/* The sender is whose packet it was, whichever side of the connection has begun. */
static void backscatter_comes_from_who_sent_it(void **state)
{
    (void)state;
    struct flow_table_options options = folding_options();
    struct fixture *f = fixture_open(&options);
    static uint8_t address[1000][8];

    for (uint32_t i = 0; i < 1000; i++) {
        put_be32(address[i], 0xc6336401);
        put_be32(address[i] + 4, apart(i));
        struct packet p = packet_make(address[i], 4, PROTO_TCP, START_NS);
        p.src_port = 80;
        p.dst_port = 1234;
        p.tcp_flags = TCP_SYN | TCP_ACK;
        fixture_send(f, p);
    }
    fixture_drain(f);
    assert_int_equal(aggregates(f), 1);
    const struct flow_record *r = fixture_last(f);
    assert_int_equal(r->aggregate, AGGREGATE_FROM);
    assert_memory_equal(r->address[0], "\xc6\x33\x64\1", 4);
    assert_int_equal(r->port[1], 1234);
    assert_int_equal(r->flags[0], TCP_SYN | TCP_ACK);
    assert_int_equal(r->delta.packets[0], 1000 - RATE);
    assert_int_equal(r->delta.packets[1], 0);
    fixture_close(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(below_the_rate_nothing_is_folded),
        cmocka_unit_test(a_scan_is_one_aggregate_of_its_source),
        cmocka_unit_test(a_flood_is_one_aggregate_of_its_victim),
        cmocka_unit_test(a_prefix_is_as_long_as_it_can_be),
        cmocka_unit_test(ports_are_told_apart_up_to_a_number),
        cmocka_unit_test(aggregates_end_by_silence_and_age),
        cmocka_unit_test(memory_is_bounded),
        cmocka_unit_test(a_naive_reference_agrees),
        cmocka_unit_test(a_table_folds_what_has_one_packet),
        cmocka_unit_test(off_is_off),
        cmocka_unit_test(who_comes_back_is_told),
        cmocka_unit_test(an_elephant_keeps_one_record),
        cmocka_unit_test(backscatter_comes_from_who_sent_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
