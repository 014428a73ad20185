#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "flow/fragment.h"
#include "flow_fixture.h"

static struct fixture *open_with(uint64_t max_fragments)
{
    struct flow_table_options options = fixture_options();
    options.flow.max_fragments = max_fragments;
    return fixture_open(&options);
}

static struct packet first_of(uint32_t id, uint64_t ts_ns)
{
    struct packet p = packet_udp(0, 1000, ts_ns);
    p.flags |= PACKET_FRAGMENT_FIRST;
    p.fragment_id = id;
    return p;
}

static struct packet later_of(uint32_t id, uint64_t ts_ns)
{
    struct packet p = packet_udp(0, 0, ts_ns);
    p.src_port = p.dst_port = 0;
    p.flags = PACKET_FRAGMENT_LATER;
    p.fragment_id = id;
    p.octets = 60;
    p.payload = 40;
    return p;
}

static uint64_t held_packets(const struct fixture *f)
{
    struct flow_census census;
    flow_table_census(f->table, &census);
    return census.held_packets;
}

/* All packets came out in records. */
static void check_complete(struct fixture *f)
{
    fixture_drain(f);
    assert_int_equal(held_packets(f), 0);
    assert_true(fixture_record_packets(f) == f->delivered);
    assert_true(fixture_record_octets(f) == f->delivered_octets);
    assert_true(f->delta_packets == f->delivered);
    assert_true(f->delta_octets == f->delivered_octets);
}

static void later_ones_join_the_first(void **state)
{
    (void)state;
    struct fixture *f = open_with(64);

    fixture_send(f, first_of(7, START_NS));
    fixture_send(f, later_of(7, START_NS + MS));
    fixture_send(f, later_of(7, START_NS + 2 * MS));
    assert_int_equal(f->counters.note[NOTE_FRAGMENTS_JOINED], 2);
    assert_int_equal(f->counters.note[NOTE_FRAGMENTS_HELD], 0);
    check_complete(f);
    assert_int_equal(f->records, 1);
    assert_int_equal(fixture_last(f)->port[0], 1000);
    assert_int_equal(fixture_last(f)->delta.octets[0], 220);
    assert_false(fixture_last(f)->quality & QUALITY_ORPHAN);
    fixture_close(f);
}

static void later_ones_wait_for_the_first(void **state)
{
    (void)state;
    struct fixture *f = open_with(64);

    fixture_send(f, later_of(7, START_NS));
    fixture_send(f, later_of(7, START_NS + MS));
    assert_int_equal(held_packets(f), 2);
    assert_int_equal(f->table->live, 0);
    fixture_send(f, first_of(7, START_NS + 5 * MS));
    assert_int_equal(held_packets(f), 0);
    fixture_send(f, later_of(7, START_NS + 6 * MS));
    assert_int_equal(f->counters.note[NOTE_FRAGMENTS_JOINED], 3);
    assert_int_equal(f->counters.note[NOTE_FRAGMENTS_HELD], 2);
    check_complete(f);
    assert_int_equal(f->records, 1);
    const struct flow_record *r = fixture_last(f);
    assert_int_equal(r->port[0], 1000);
    assert_int_equal(r->delta.packets[0], 4);
    assert_true(r->start_ns == START_NS);
    assert_true(r->conn_start_ns == START_NS);
    assert_true(r->end_ns == START_NS + 6 * MS);
    fixture_close(f);
}

/* Other identification, protocol, addresses or direction: another datagram. */
static void datagrams_are_told_apart(void **state)
{
    (void)state;
    struct fixture *f = open_with(64);
    struct packet p;

    f->table->hash_burst = hash_burst_constant;
    fixture_send(f, first_of(7, START_NS));
    fixture_send(f, later_of(8, START_NS));
    p = later_of(7, START_NS);
    p.proto = PROTO_TCP;
    fixture_send(f, p);
    p = later_of(7, START_NS);
    p.addresses = back4;
    fixture_send(f, p);
    assert_int_equal(held_packets(f), 3);
    assert_int_equal(f->counters.note[NOTE_FRAGMENTS_JOINED], 0);
    check_complete(f);
    fixture_close(f);
}

static void orphans_get_a_flow_of_their_own(void **state)
{
    (void)state;
    struct fixture *f = open_with(64);

    fixture_send(f, packet_udp(0, 0, START_NS)); /* a true flow of port 0 */
    fixture_send(f, later_of(7, START_NS));
    fixture_send(f, later_of(7, START_NS + MS));
    fixture_turn(f, START_NS + 30 * SECOND - MS);
    assert_int_equal(held_packets(f), 2);
    fixture_turn(f, START_NS + 30 * SECOND);
    assert_int_equal(held_packets(f), 0);
    assert_int_equal(f->counters.note[NOTE_FRAGMENTS_ORPHANED], 2);
    check_complete(f);
    assert_int_equal(f->records, 2);
    uint32_t orphans = 0;
    for (int i = 0; i < 2; i++) {
        const struct flow_record *r = &f->record[i];
        if (!(r->quality & QUALITY_ORPHAN))
            continue;
        orphans++;
        assert_int_equal(r->port[0], 0);
        assert_int_equal(r->port[1], 0);
        assert_int_equal(r->delta.packets[0], 2);
        assert_int_equal(r->address[0][3], 1);
        assert_true(r->start_ns == START_NS && r->end_ns == START_NS + MS);
        assert_int_equal(r->conn_state, CONN_OTH);
    }
    assert_int_equal(orphans, 1);
    fixture_close(f);
}

/* The identification came round again: the old first one no longer speaks for it. */
static void an_old_datagram_is_not_continued(void **state)
{
    (void)state;
    struct fixture *f = open_with(64);

    fixture_send(f, first_of(7, START_NS));
    fixture_send(f, later_of(7, START_NS + 30 * SECOND));
    assert_int_equal(held_packets(f), 1);
    assert_int_equal(f->counters.note[NOTE_FRAGMENTS_JOINED], 0);
    fixture_send(f, later_of(7, START_NS + 60 * SECOND));
    assert_int_equal(f->counters.note[NOTE_FRAGMENTS_ORPHANED], 1);
    assert_int_equal(held_packets(f), 1);
    check_complete(f);
    fixture_close(f);
}

static void the_oldest_makes_room(void **state)
{
    (void)state;
    struct fixture *f = open_with(FRAGMENT_WAYS);

    for (uint32_t i = 0; i < FRAGMENT_WAYS; i++)
        fixture_send(f, later_of(i, START_NS + i * MS));
    assert_int_equal(f->counters.note[NOTE_FRAGMENTS_ORPHANED], 0);
    fixture_send(f, later_of(100, START_NS + 10 * MS));
    assert_int_equal(f->counters.note[NOTE_FRAGMENTS_ORPHANED], 1);
    fixture_send(f, first_of(101, START_NS + 11 * MS));
    assert_int_equal(f->counters.note[NOTE_FRAGMENTS_ORPHANED], 2);
    fixture_send(f, first_of(3, START_NS + 12 * MS));
    assert_int_equal(f->counters.note[NOTE_FRAGMENTS_JOINED], 1);
    check_complete(f);
    fixture_close(f);
}

/* Each is released at its own time, whatever else came and went in between. */
static void each_expires_at_its_time(void **state)
{
    (void)state;
    struct fixture *f = open_with(256);
    uint64_t now = START_NS;
    uint32_t sent = 0;

    for (uint32_t step = 0; step < 400; step++, now += 500 * MS) {
        if (step < 200 && step % 3 != 2)
            fixture_send(f, later_of(1000 + sent++, now));
        fixture_turn(f, now);
        /* held since less than 30 s, and no other */
        uint64_t want = 0;
        for (uint32_t past = 0; past < 60 && past <= step; past++)
            want += step - past < 200 && (step - past) % 3 != 2;
        assert_int_equal(held_packets(f), want);
    }
    assert_int_equal(f->counters.note[NOTE_FRAGMENTS_ORPHANED], sent);
    check_complete(f);
    fixture_close(f);
}

/* An expiry leaves the scan somewhere in the table: what comes then, before that place, must not be
 * forgotten. */
static void nothing_is_left_behind_by_drain(void **state)
{
    (void)state;
    for (uint32_t id = 0; id < 64; id++) {
        struct fixture *f = open_with(256);
        fixture_send(f, later_of(id, START_NS));
        fixture_turn(f, START_NS + 30 * SECOND);
        assert_int_equal(held_packets(f), 0);
        for (uint32_t i = 0; i < 20; i++)
            fixture_send(f, later_of(1000 + i, START_NS + 31 * SECOND));
        check_complete(f);
        fixture_close(f);
    }
}

static void more_expire_than_one_burst_of_records_holds(void **state)
{
    (void)state;
    static uint8_t address[3000][8];
    struct flow_table_options options = fixture_options();
    options.flow.max_fragments = 4096;
    options.flow.max_flows = 100;
    struct fixture *f = fixture_open(&options);

    for (uint32_t i = 0; i < 3000; i++) {
        struct packet p = later_of(i, START_NS + i);
        memcpy(address[i], there4, 8);
        address[i][1] = (uint8_t)(i >> 8);
        address[i][2] = (uint8_t)i;
        p.addresses = address[i];
        fixture_send(f, p);
    }
    fixture_turn(f, START_NS + 40 * SECOND);
    assert_int_equal(held_packets(f), 0);
    assert_int_equal(f->counters.note[NOTE_FRAGMENTS_ORPHANED], 3000);
    check_complete(f);
    fixture_close(f);
}

/* Each packet of a burst pushes a held one out, whose flow pushes another out. */
static void a_burst_of_pushing_fragments_stays_within_bounds(void **state)
{
    (void)state;
    static uint8_t address[64 * 50][8];
    struct flow_table_options options = fixture_options();
    options.flow.max_fragments = FRAGMENT_WAYS;
    options.flow.max_flows = 16;
    options.notices = true;
    struct fixture *f = fixture_open(&options);
    struct packet burst[PACKET_BURST_MAX];

    for (uint32_t round = 0; round < 50; round++) {
        for (uint32_t i = 0; i < PACKET_BURST_MAX; i++) {
            uint32_t n = round * PACKET_BURST_MAX + i;
            memcpy(address[n], there4, 8);
            address[n][1] = (uint8_t)(n >> 8);
            address[n][2] = (uint8_t)n;
            burst[i] = i % 4 == 3 ? first_of(n, START_NS + n) : later_of(n, START_NS + n);
            burst[i].addresses = address[n];
            if (i % 16 == 0)
                burst[i].ts_ns += 2 * SECOND; /* then the others are late */
        }
        fixture_burst(f, burst, PACKET_BURST_MAX);
    }
    assert_true(f->most_records <= FLOW_RECORD_BURST / 2);
    assert_true(f->most_deltas <= FLOW_DELTA_BURST);
    check_complete(f);
    fixture_close(f);
}

static void ipv6_and_tunnel_addresses_outlive_their_frame(void **state)
{
    (void)state;
    struct fixture *f = open_with(64);
    uint8_t inner[32], outer[32];
    struct packet p = later_of(0x12345678, START_NS);

    memset(inner, 0x11, 16);
    memset(inner + 16, 0x22, 16);
    memset(outer, 0x33, 32);
    p.ip_version = 6;
    p.addresses = inner;
    p.tunnel = TUNNEL_VXLAN;
    p.tunnel_id = 9;
    p.outer_version = 6;
    p.outer_addresses = outer;
    p.flags |= PACKET_DEEP;
    fixture_send(f, p);
    memset(inner, 0xee, sizeof(inner));
    memset(outer, 0xee, sizeof(outer));
    fixture_turn(f, START_NS + 31 * SECOND);
    check_complete(f);
    assert_int_equal(f->records, 1);
    assert_int_equal(fixture_last(f)->address[0][5], 0x11);
    assert_int_equal(fixture_last(f)->address[1][5], 0x22);
    assert_int_equal(fixture_last(f)->outer_address[0][5], 0x33);
    assert_int_equal(fixture_last(f)->outer_address[1][15], 0x33);
    fixture_close(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(later_ones_join_the_first),
        cmocka_unit_test(later_ones_wait_for_the_first),
        cmocka_unit_test(datagrams_are_told_apart),
        cmocka_unit_test(orphans_get_a_flow_of_their_own),
        cmocka_unit_test(an_old_datagram_is_not_continued),
        cmocka_unit_test(the_oldest_makes_room),
        cmocka_unit_test(each_expires_at_its_time),
        cmocka_unit_test(nothing_is_left_behind_by_drain),
        cmocka_unit_test(more_expire_than_one_burst_of_records_holds),
        cmocka_unit_test(a_burst_of_pushing_fragments_stays_within_bounds),
        cmocka_unit_test(ipv6_and_tunnel_addresses_outlive_their_frame),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
