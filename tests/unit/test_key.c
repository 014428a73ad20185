#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "flow/key.h"
#include "flow_fixture.h"

static struct fixture *open_scoped(bool vlan, bool tunnel)
{
    struct flow_table_options options = fixture_options();
    options.flow.vlan_in_key = vlan;
    options.flow.tunnel_in_key = tunnel;
    return fixture_open(&options);
}

static struct flow_probe probe_of(const struct fixture *f, const struct packet *p, bool orphan)
{
    struct flow_probe probe = {0};
    key_build(f->table, p, orphan, &probe);
    return probe;
}

/* Both directions: one key, opposite sides. */
static void check_directions(const struct fixture *f, const struct packet *a,
                             const struct packet *b)
{
    struct flow_probe x = probe_of(f, a, false), y = probe_of(f, b, false);
    assert_memory_equal(x.key.block, y.key.block, sizeof(x.key.block));
    assert_int_equal(x.key.blocks, y.key.blocks);
    assert_int_equal(x.side, !y.side);
}

static void both_directions_have_one_key(void **state)
{
    (void)state;
    static const uint8_t high[8] = {200, 0, 0, 1, 127, 255, 255, 255};
    static const uint8_t low[8] = {127, 255, 255, 255, 200, 0, 0, 1};
    static const uint8_t there6[32] = {0x20, 1, [15] = 9, [16] = 0x20, 1, [31] = 7};
    static const uint8_t back6[32] = {0x20, 1, [15] = 7, [16] = 0x20, 1, [31] = 9};
    struct fixture *f = open_scoped(false, false);
    struct packet a = packet_udp(0, 1000, 1), b = packet_udp(1, 1000, 2);

    check_directions(f, &a, &b);
    a.addresses = high;
    b.addresses = low;
    check_directions(f, &a, &b);
    assert_int_equal(probe_of(f, &a, false).side, 1);
    a.ip_version = b.ip_version = 6;
    a.addresses = there6;
    b.addresses = back6;
    check_directions(f, &a, &b);
    assert_int_equal(probe_of(f, &a, false).key.blocks, 3);
    fixture_close(f);
}

static void equal_addresses_are_ordered_by_port(void **state)
{
    (void)state;
    static const uint8_t self[32] = {127, 0, 0, 1, 127, 0, 0, 1};
    struct fixture *f = open_scoped(false, false);

    for (uint8_t version = 4; version <= 6; version += 2) {
        static const uint8_t self6[32] = {[15] = 1, [31] = 1};
        struct packet a = packet_udp(0, 1000, 1), b = packet_udp(1, 1000, 2);
        a.ip_version = b.ip_version = version;
        a.addresses = b.addresses = version == 4 ? self : self6;
        check_directions(f, &a, &b);
        assert_int_equal(probe_of(f, &a, false).side, 0);
        b.dst_port = b.src_port = a.src_port = a.dst_port;
        assert_int_equal(probe_of(f, &a, false).side, 0);
    }
    fixture_close(f);
}

static bool same_key(const struct fixture *f, const struct packet *a, const struct packet *b)
{
    struct flow_probe x = probe_of(f, a, false), y = probe_of(f, b, false);
    return memcmp(&x.key.block, &y.key.block, sizeof(x.key.block)) == 0;
}

static void every_part_counts(void **state)
{
    (void)state;
    static const uint8_t other[8] = {10, 0, 0, 1, 10, 0, 0, 3};
    struct fixture *f = open_scoped(false, false);
    const struct packet a = packet_udp(0, 1000, 1);
    struct packet b = a;

    assert_true(same_key(f, &a, &b));
    b.proto = PROTO_TCP;
    assert_false(same_key(f, &a, &b));
    b = a;
    b.src_port++;
    assert_false(same_key(f, &a, &b));
    b = a;
    b.dst_port++;
    assert_false(same_key(f, &a, &b));
    b = a;
    b.addresses = other;
    assert_false(same_key(f, &a, &b));
    b = a;
    b.src_port = a.dst_port;
    b.dst_port = a.src_port;
    assert_false(same_key(f, &a, &b));
    struct flow_probe x = probe_of(f, &a, false), y = probe_of(f, &a, true);
    assert_memory_not_equal(&x.key.block, &y.key.block, sizeof(x.key.block));
    fixture_close(f);
}

/* An IPv4 flow and an IPv6 flow that look alike where the key is short. */
static void versions_never_meet(void **state)
{
    (void)state;
    static const uint8_t zero[32] = {0};
    struct fixture *f = open_scoped(false, false);
    struct packet a = packet_udp(0, 1000, START_NS), b = a;

    f->table->hash_burst = hash_burst_constant;
    a.addresses = b.addresses = zero;
    b.ip_version = 6;
    fixture_send(f, a);
    fixture_send(f, b);
    assert_int_equal(f->table->live, 2);
    fixture_close(f);
}

static void one_way_icmp_is_told_apart_by_sender(void **state)
{
    (void)state;
    struct fixture *f = open_scoped(false, false);
    struct packet a = packet_make(there4, 4, PROTO_ICMP, 1),
                  b = packet_make(back4, 4, PROTO_ICMP, 2);

    a.src_port = b.src_port = 3;
    a.dst_port = b.dst_port = 3;
    assert_true(same_key(f, &a, &b));
    a.flags |= PACKET_ICMP_ONE_WAY;
    b.flags |= PACKET_ICMP_ONE_WAY;
    assert_false(same_key(f, &a, &b));
    fixture_close(f);
}

/* Whether two packets become one flow, with every hash equal: what counts is the comparison. */
static uint32_t flows_of(bool vlan, bool tunnel, const struct packet *a, const struct packet *b)
{
    struct fixture *f = open_scoped(vlan, tunnel);
    f->table->hash_burst = hash_burst_constant;
    fixture_send(f, *a);
    fixture_send(f, *b);
    fixture_send(f, *a);
    uint32_t live = f->table->live;
    assert_int_equal(f->counters.note[NOTE_FLOWS_CREATED], live);
    fixture_close(f);
    return live;
}

static void scope_is_part_of_the_key_only_when_asked_for(void **state)
{
    (void)state;
    static const uint8_t wide[32] = {0x20, 1, [16] = 0x20, 1, [31] = 7};

    for (uint8_t version = 4; version <= 6; version += 2) {
        struct packet a = packet_udp(0, 1000, START_NS), b;
        a.ip_version = version;
        a.addresses = version == 4 ? there4 : wide;
        a.vlan[0] = 100;
        a.vlan_count = 1;
        b = a;
        b.vlan[0] = 200;
        assert_int_equal(flows_of(false, false, &a, &b), 1);
        assert_int_equal(flows_of(true, false, &a, &b), 2);
        assert_int_equal(flows_of(false, true, &a, &b), 1);
        b = a;
        b.vlan[1] = 7;
        b.vlan_count = 2;
        b.flags |= PACKET_DEEP;
        assert_int_equal(flows_of(false, false, &a, &b), 1);
        assert_int_equal(flows_of(true, false, &a, &b), 2);
        b = a;
        a.tunnel = b.tunnel = TUNNEL_VXLAN;
        a.flags |= PACKET_DEEP;
        b.flags |= PACKET_DEEP;
        a.tunnel_id = 5;
        b.tunnel_id = 6;
        assert_int_equal(flows_of(false, false, &a, &b), 1);
        assert_int_equal(flows_of(false, true, &a, &b), 2);
        b.tunnel_id = 5;
        assert_int_equal(flows_of(true, true, &a, &b), 1);
        b.tunnel = TUNNEL_GENEVE;
        assert_int_equal(flows_of(false, true, &a, &b), 2);
        b.tunnel = TUNNEL_NONE;
        b.tunnel_id = 0;
        b.flags &= (uint16_t)~PACKET_DEEP;
        assert_int_equal(flows_of(false, true, &a, &b), 2);
        assert_int_equal(flows_of(false, true, &b, &a), 2);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_directions_have_one_key),
        cmocka_unit_test(equal_addresses_are_ordered_by_port),
        cmocka_unit_test(every_part_counts),
        cmocka_unit_test(versions_never_meet),
        cmocka_unit_test(one_way_icmp_is_told_apart_by_sender),
        cmocka_unit_test(scope_is_part_of_the_key_only_when_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
