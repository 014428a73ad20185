#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <errno.h>
#include <cmocka.h>

#include "flow/bucket.h"
#include "flow_fixture.h"

static void refuses_what_cannot_be(void **state)
{
    (void)state;
    struct flow_table_options options = fixture_options();
    struct counters counters = {0};
    struct flow_table *t = (struct flow_table *)(uintptr_t)0x10, *before = t;

    options.flow.max_flows = 15;
    assert_int_equal(flow_table_create(&options, &counters, &t), -EINVAL);
    assert_ptr_equal(t, before);
    flow_table_destroy(NULL);
}

static void sizes_itself_by_memory(void **state)
{
    (void)state;
    struct flow_table_options options = fixture_options();
    struct flow_census census;

    options.flow.max_flows = 0;
    struct fixture *f = fixture_open(&options);
    flow_table_census(f->table, &census);
    assert_in_range(census.max_flows, 16, 4u << 20);
    fixture_close(f);
}

/* So many flows on one hash: each is itself, as long as there is a place; then the least one goes.
 */
static void collisions(uint32_t flows)
{
    struct flow_table_options options = fixture_options();
    struct fixture *f = fixture_open(&options);

    f->table->hash_burst = hash_burst_constant;
    for (uint32_t round = 0; round < 3; round++)
        for (uint32_t i = 0; i < flows; i++) {
            struct packet p = packet_udp(round == 1, (uint16_t)(1000 + i), START_NS + round * MS);
            p.octets = 100 + i;
            fixture_send(f, p);
        }
    uint32_t room = 2 * BUCKET_SLOTS;
    assert_int_equal(f->table->live, flows < room ? flows : room);
    if (flows <= room)
        assert_int_equal(f->counters.note[NOTE_FLOWS_EVICTED], 0);
    fixture_drain(f);
    if (flows <= room)
        assert_int_equal(f->records, flows);
    for (uint32_t i = 0; i < f->records; i++) {
        const struct flow_record *r = &f->record[i];
        uint32_t port = r->port[0] == 4000 ? r->port[1] : r->port[0];
        uint64_t packets = r->delta.packets[0] + r->delta.packets[1];
        assert_true(r->delta.octets[0] + r->delta.octets[1] == packets * (100 + port - 1000));
        if (flows <= room) {
            assert_int_equal(r->delta.packets[0], 2);
            assert_int_equal(r->delta.packets[1], 1);
        }
    }
    assert_true(fixture_record_packets(f) == f->delivered);
    fixture_close(f);
}

static void equal_hashes_are_not_equal_flows(void **state)
{
    (void)state;
    collisions(2);
    collisions(11);
    collisions(20);
    collisions(21);
    collisions(60);
}

/* IPv6: the hot line holds a hash for the addresses. With that equal too, the addresses must
 * decide. */
static void equal_hashes_of_ipv6_are_not_equal_flows(void **state)
{
    (void)state;
    static uint8_t address[15][32];
    struct flow_table_options options = fixture_options();
    struct fixture *f = fixture_open(&options);

    f->table->hash_burst = hash_burst_constant;
    for (int round = 0; round < 2; round++)
        for (uint8_t i = 0; i < 15; i++) {
            memset(address[i], 0x20, 32);
            address[i][16 + i] = 0x21; /* only the upper address differs */
            struct packet p = packet_make(address[i], 6, PROTO_UDP, START_NS);
            p.src_port = 1000;
            p.dst_port = 2000;
            fixture_send(f, p);
        }
    assert_int_equal(f->table->live, 15);
    fixture_drain(f);
    assert_int_equal(f->records, 15);
    for (uint32_t i = 0; i < 15; i++)
        assert_int_equal(f->record[i].delta.packets[0], 2);
    fixture_close(f);
}

/* One burst in which flows of one hash begin, end and begin again. */
static void a_burst_sees_its_own_changes(void **state)
{
    (void)state;
    struct flow_table_options options = fixture_options();
    struct fixture *f = fixture_open(&options);
    struct packet burst[6] = {packet_tcp(0, 1, TCP_SYN, START_NS),
                              packet_udp(0, 1, START_NS),
                              packet_tcp(1, 1, TCP_RST | TCP_ACK, START_NS),
                              packet_tcp(0, 1, TCP_SYN, START_NS + 1),
                              packet_udp(1, 1, START_NS + 2),
                              packet_tcp(1, 1, TCP_RST | TCP_ACK, START_NS + 3)};

    burst[3].tcp_seq = 99;
    f->table->hash_burst = hash_burst_constant;
    fixture_burst(f, burst, 6);
    fixture_drain(f);
    assert_int_equal(f->records, 3);
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(f->record[i].delta.packets[0] + f->record[i].delta.packets[1], 2);
    fixture_close(f);
}

static uint64_t evictions_at(uint64_t max_flows, uint64_t flows)
{
    struct flow_table_options options = fixture_options();
    options.flow.max_flows = max_flows;
    struct fixture *f = fixture_open(&options);
    static uint8_t address[8] = {10, 0, 0, 0, 192, 0, 2, 1};

    for (uint32_t i = 0; i < flows; i++) {
        struct packet p = packet_make(address, 4, PROTO_UDP, START_NS + i);
        memcpy(address, &i, 4);
        p.src_port = 1;
        p.dst_port = 2;
        fixture_send(f, p);
        assert_true(f->table->live <= max_flows);
    }
    uint64_t evicted = f->counters.note[NOTE_FLOWS_EVICTED];
    assert_int_equal(f->table->live, flows < max_flows ? flows : max_flows);
    fixture_drain(f);
    assert_true(fixture_record_packets(f) == flows);
    uint32_t reasons = 0;
    for (uint32_t i = 0; i < f->records; i++) {
        reasons += f->record[i].end_reason == END_RESOURCES;
        assert_int_equal(f->record[i].end_reason == END_RESOURCES,
                         (f->record[i].quality & QUALITY_EVICTED_EARLY) != 0);
    }
    assert_int_equal(reasons, evicted);
    fixture_close(f);
    return evicted;
}

static void evicts_only_when_full(void **state)
{
    (void)state;
    const uint64_t sizes[] = {16, 28, 100, 1000, 14628, 29257};

    for (unsigned i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        assert_int_equal(evictions_at(sizes[i], sizes[i] * 85 / 100), 0);
        assert_int_equal(evictions_at(sizes[i], sizes[i]), 0);
        assert_int_equal(evictions_at(sizes[i], sizes[i] * 3), sizes[i] * 2);
    }
}

/* One-packet flows push out each other; whoever talks keeps one record. */
static void a_flood_leaves_elephants_alone(void **state)
{
    (void)state;
    static uint8_t address[8] = {10, 0, 0, 0, 192, 0, 2, 1};
    struct flow_table_options options = fixture_options();
    options.flow.max_flows = 1000;
    struct fixture *f = fixture_open(&options);
    uint64_t clock = START_NS;
    uint32_t stranger = 0;

    for (int turn = 0; turn < 40; turn++, clock += 500 * MS) {
        for (int round = 0; round < 10; round++) {
            for (uint16_t i = 0; i < 200; i++)
                fixture_send(f, packet_udp(round & 1, (uint16_t)(1000 + i), clock));
            for (int i = 0; turn >= 2 && i < 1000; i++) {
                struct packet p = packet_make(address, 4, PROTO_TCP, clock);
                uint32_t n = __builtin_bswap32(0x0b000000 + stranger++);
                memcpy(address, &n, 4);
                p.tcp_flags = TCP_SYN;
                p.src_port = 5;
                p.dst_port = 6;
                fixture_send(f, p);
            }
        }
        fixture_turn(f, clock);
    }
    assert_true(f->counters.note[NOTE_FLOWS_EVICTED] > 300000);
    fixture_drain(f);
    uint32_t elephants = 0;
    for (uint32_t i = 0; i < f->records; i++)
        if (f->record[i].proto == PROTO_UDP) {
            elephants++;
            assert_int_equal(f->record[i].delta.packets[0], 200);
            assert_int_equal(f->record[i].end_reason, END_FORCED);
        }
    assert_int_equal(elephants, 200);
    assert_true(fixture_record_packets(f) == f->delivered);
    fixture_close(f);
}

/* Its record is out and it is silent: it goes before a flow that has just come. */
static void the_parked_go_first(void **state)
{
    (void)state;
    struct flow_table_options options = fixture_options();
    options.flow.max_flows = 16;
    options.notices = true;
    struct fixture *f = fixture_open(&options);

    f->table->hash_burst = hash_burst_constant;
    for (uint16_t i = 0; i < 12; i++)
        fixture_send(f, packet_udp(0, (uint16_t)(1000 + i), START_NS));
    fixture_turn(f, START_NS + 31 * SECOND);
    assert_int_equal(f->records, 12);
    for (uint16_t i = 0; i < 16; i++)
        fixture_send(f, packet_udp(0, (uint16_t)(2000 + i), START_NS + 32 * SECOND));
    assert_int_equal(f->counters.note[NOTE_FLOWS_EVICTED], 12);
    for (uint32_t i = 12; i < f->records; i++) {
        assert_true(flow_record_is_notice(&f->record[i]));
        assert_true(f->record[i].port[0] < 2000);
    }
    fixture_close(f);
}

static struct fixture *mixed_traffic(bool portable, bool fixed_secret, uint8_t worker)
{
    struct flow_table_options options = fixture_options();
    options.portable = portable;
    options.fixed_secret = fixed_secret;
    options.worker = worker;
    struct fixture *f = fixture_open(&options);
    for (uint32_t i = 0; i < 5000; i++)
        fixture_send(f, packet_udp(i & 1, (uint16_t)(1000 + i * 7 % 500), START_NS + i * MS));
    fixture_drain(f);
    return f;
}

/* The hash decides where a flow lies, never what it is. */
static void twins_make_the_same_records(void **state)
{
    (void)state;
    struct fixture *a = mixed_traffic(false, true, 0), *b = mixed_traffic(true, true, 0);

    assert_int_equal(a->records, 500);
    assert_int_equal(a->records, b->records);
    for (uint32_t i = 0; i < a->records; i++)
        assert_memory_equal(&a->record[i], &b->record[i], sizeof(struct flow_record));
    assert_int_equal(a->record[0].flow_id & ((1ULL << 40) - 1), 1);
    fixture_close(a);
    fixture_close(b);
}

static void flow_ids_differ_by_boot_and_worker(void **state)
{
    (void)state;
    struct fixture *a = mixed_traffic(false, false, 3), *b = mixed_traffic(false, true, 4);

    assert_int_equal(a->record[0].flow_id >> 40 & 255, 3);
    assert_int_equal(b->record[0].flow_id >> 40 & 255, 4);
    assert_memory_not_equal(&a->table->secret, &b->table->secret, sizeof(a->table->secret));
    fixture_close(a);
    fixture_close(b);
}

static void packets_without_a_flow_are_left_alone(void **state)
{
    (void)state;
    struct flow_table_options options = fixture_options();
    struct fixture *f = fixture_open(&options);
    struct packet burst[3] = {
        {.fate = FATE_NOT_IP_ARP}, packet_udp(0, 1, START_NS), {.fate = FATE_BAD_IP4_SHORT}};

    fixture_burst(f, burst, 3);
    fixture_burst(f, burst, 0);
    assert_int_equal(burst[0].fate, FATE_NOT_IP_ARP);
    assert_int_equal(burst[2].fate, FATE_BAD_IP4_SHORT);
    assert_int_equal(f->table->live, 1);
    fixture_drain(f);
    assert_true(fixture_record_packets(f) == 1);
    fixture_close(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_what_cannot_be),
        cmocka_unit_test(sizes_itself_by_memory),
        cmocka_unit_test(equal_hashes_are_not_equal_flows),
        cmocka_unit_test(equal_hashes_of_ipv6_are_not_equal_flows),
        cmocka_unit_test(a_burst_sees_its_own_changes),
        cmocka_unit_test(evicts_only_when_full),
        cmocka_unit_test(a_flood_leaves_elephants_alone),
        cmocka_unit_test(the_parked_go_first),
        cmocka_unit_test(twins_make_the_same_records),
        cmocka_unit_test(flow_ids_differ_by_boot_and_worker),
        cmocka_unit_test(packets_without_a_flow_are_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
