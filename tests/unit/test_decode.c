#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "decode/decode.h"
#include "decode/fast.h"
#include "harness/kinds.h"
#include "harness/promises.h"
#include "weir/wire.h"

#define FRAME_OF(f) ((f)->octets + (f)->at)

static const struct decode_options all_tunnels = {.tunnels = UINT32_MAX};

static struct packet decode(const struct decode_options *options, const struct frame *f,
                            struct counters *counters)
{
    struct burst burst = {.count = 1};
    burst.packet[0] = frame_packet(f, frame_len(f), frame_len(f));
    decode_burst(options, &burst, counters);
    assert_null(promise_broken(&burst.packet[0]));
    free((void *)burst.packet[0].data);
    return burst.packet[0];
}

static void start(struct frame *f)
{
    frame_init(f, 32);
    frame_tcp(f, 40000, 443, TCP_SYN, 0);
    frame_ip4(f, 0, 0);
}

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static void compare_paths(const struct packet *packet)
{
    struct burst burst = {.count = 1};
    struct counters fast = {0}, general = {0};
    struct packet expected = *packet;

    burst.packet[0] = *packet;
    packet_soil(&burst.packet[0], 0xa5);
    packet_soil(&expected, 0x5a);
    decode_burst(&all_tunnels, &burst, &fast);
    decode_packet(&all_tunnels, &expected, &general);
    assert_true(packet_same(&burst.packet[0], &expected));
    assert_memory_equal(&fast, &general, sizeof(fast));
}

static void paths_agree_on_every_kind(void **state)
{
    (void)state;
    struct packet_kind kind;

    for (uint32_t i = 0; i < packet_kind_count(); i++) {
        packet_kind_build(i, &kind);
        uint32_t len = frame_len(&kind.frame);
        for (uint32_t cap = 0; cap <= len; cap++) {
            struct packet p = frame_packet(&kind.frame, cap, len);
            compare_paths(&p);
            free((void *)p.data);
        }
    }
}

/* Frames that the fast path takes, with a few octets of their headers changed. */
static void paths_agree_on_changed_headers(void **state)
{
    (void)state;
    struct frame f;
    uint64_t random = 0x9e3779b97f4a7c15;

    for (uint32_t i = 0; i < 300000; i++) {
        uint64_t shape = next_random(&random);
        frame_init(&f, (uint32_t)(shape >> 8 & 31));
        if (shape & 1)
            frame_tcp(&f, 40000, 443, (uint8_t)(shape >> 16), (uint32_t)(shape >> 24 & 3));
        else
            frame_udp(&f, 40000, shape & 2 ? 53 : shape & 4 ? PORT_VXLAN : 123);
        if (shape & 8)
            frame_ip4(&f, 0x4000, 0);
        else
            frame_ip6(&f);
        if (shape & 16)
            frame_vlan(&f, ETYPE_VLAN, (uint16_t)(shape >> 32 & 0xfff));
        frame_ethernet(&f);
        uint32_t len = frame_len(&f);
        for (uint64_t flips = shape >> 44 & 3; flips; flips--) {
            uint64_t where = next_random(&random);
            FRAME_OF(&f)[where % len] = (uint8_t)(where >> 32);
        }
        uint64_t cut = next_random(&random);
        uint32_t cap = cut & 1 ? len : (uint32_t)(cut >> 8) % (len + 1);
        uint32_t wire = cut & 2 ? len : cap + (uint32_t)(cut >> 40) % 64;
        struct packet p = frame_packet(&f, cap, wire);
        compare_paths(&p);
        free((void *)p.data);
    }
}

static void paths_agree_on_the_common_shapes_and_the_fast_one_takes_them(void **state)
{
    (void)state;
    struct frame f;

    for (unsigned shape = 0; shape < 8; shape++) {
        frame_init(&f, 32);
        if (shape & 1)
            frame_tcp(&f, 40000, 443, TCP_SYN, 2);
        else
            frame_udp(&f, 40000, 53);
        if (shape & 2)
            frame_ip4(&f, 0x4000, 0);
        else
            frame_ip6(&f);
        if (shape & 4)
            frame_vlan(&f, ETYPE_VLAN, 5);
        frame_ethernet(&f);
        struct packet p = frame_packet(&f, frame_len(&f), frame_len(&f));
        compare_paths(&p);
        assert_true(fast_decode(&all_tunnels, &p));
        free((void *)p.data);
    }
}

static void filtered_packets_are_left_alone(void **state)
{
    (void)state;
    struct frame f;
    struct burst burst = {.count = PACKET_BURST_MAX};
    struct counters counters = {0};

    start(&f);
    frame_ethernet(&f);
    for (uint32_t i = 0; i < burst.count; i++) {
        burst.packet[i] = frame_packet(&f, frame_len(&f), frame_len(&f));
        packet_soil(&burst.packet[i], 0xa5);
        if (i % 3 == 0)
            burst.packet[i].fate = FATE_FILTERED;
    }
    decode_burst(&all_tunnels, &burst, &counters);
    for (uint32_t i = 0; i < burst.count; i++) {
        assert_int_equal(burst.packet[i].fate, i % 3 == 0 ? FATE_FILTERED : FATE_FLOW);
        assert_int_equal(burst.packet[i].ip_version, i % 3 == 0 ? 0xa5 : 4);
        free((void *)burst.packet[i].data);
    }
    for (int i = 0; i < FATE_COUNT; i++)
        assert_int_equal(counters.fate_packets[i], 0);
}

static void a_dropped_packet_keeps_its_link_fields_only(void **state)
{
    (void)state;
    struct frame f;
    struct counters counters = {0};

    frame_init(&f, 46);
    f.etype = ETYPE_ARP;
    frame_vlan(&f, ETYPE_VLAN, 7);
    frame_ethernet(&f);
    struct packet p = decode(&all_tunnels, &f, &counters);
    assert_int_equal(p.fate, FATE_NOT_IP_ARP);
    assert_int_equal(p.vlan[0], 7);
    assert_non_null(p.macs);
    assert_null(p.addresses);
}

static void addresses_point_into_the_innermost_header(void **state)
{
    (void)state;
    struct frame f;
    struct counters counters = {0};

    frame_init(&f, 32);
    frame_udp(&f, 1, 2);
    frame_ip6(&f);
    uint32_t inner_from_end = frame_len(&f);
    frame_ip4(&f, 0, 0); /* 6in4 */
    frame_ethernet(&f);
    struct packet p = decode(&all_tunnels, &f, &counters);
    assert_int_equal(p.addresses - p.data, frame_len(&f) - inner_from_end + 8);
    assert_int_equal(p.outer_addresses - p.data, ETHERNET_LEN + 12);
    assert_int_equal(p.outer_version, 4);
    assert_int_equal(p.ip_version, 6);
}

static void closed_tunnels_are_ordinary_flows(void **state)
{
    (void)state;
    struct packet_kind kind;
    const struct decode_options none = {0};

    for (uint32_t i = 0; i < packet_kind_count(); i++) {
        struct counters counters = {0};
        packet_kind_build(i, &kind);
        struct packet p = decode(&none, &kind.frame, &counters);
        assert_int_equal(p.tunnel, TUNNEL_NONE);
        assert_int_equal(p.octets, kind.outer_octets);
        for (int n = 0; n < NOTE_COUNT; n++)
            assert_int_equal(counters.note[n], 0);
    }
}

static void fragmented_outer_packets_are_not_opened(void **state)
{
    (void)state;
    struct frame f;
    struct counters counters = {0};

    for (int later = 0; later < 2; later++) {
        start(&f);
        frame_gre(&f, 0, 0);
        frame_ip4(&f, later ? 0x0010 : 0x2000, 0);
        frame_ethernet(&f);
        struct packet p = decode(&all_tunnels, &f, &counters);
        assert_int_equal(p.proto, PROTO_GRE);
        assert_int_equal(p.tunnel, TUNNEL_NONE);
        assert_int_equal(p.flags, later ? PACKET_FRAGMENT_LATER : PACKET_FRAGMENT_FIRST);
        assert_int_equal(counters.note[NOTE_TUNNEL_FRAGMENT], later + 1);
    }
}

static void the_fifth_tunnel_stays_closed(void **state)
{
    (void)state;
    struct frame f;
    struct counters counters = {0};

    start(&f);
    for (int i = 0; i < 5; i++)
        frame_ip4(&f, 0, 0);
    frame_ethernet(&f);
    struct packet p = decode(&all_tunnels, &f, &counters);
    assert_int_equal(p.tunnel_depth, 4);
    assert_int_equal(p.proto, PROTO_IP4);
    assert_int_equal(p.octets, 72 + 20); /* the innermost opened, with one more inside */
    assert_int_equal(counters.note[NOTE_TUNNEL_DEPTH], 1);
}

/* ARP in VXLAN, a broken header in IPIP: the packet counts outside, as if there were no tunnel. */
static void tunnels_without_ip_count_outside(void **state)
{
    (void)state;
    struct frame f;
    struct counters counters = {0};
    const struct decode_options none = {0};

    frame_init(&f, 46);
    f.etype = ETYPE_ARP;
    frame_vlan(&f, ETYPE_VLAN, 7);
    frame_ethernet(&f);
    frame_vxlan(&f, 1, false);
    frame_ip4(&f, 0, 0);
    frame_ethernet(&f);
    struct packet opened = decode(&all_tunnels, &f, &counters);
    assert_int_equal(counters.note[NOTE_TUNNEL_NO_IP], 1);
    struct packet closed = decode(&none, &f, &counters);
    opened.data = closed.data;
    closed.addresses = opened.addresses; /* each had its own copy of the frame */
    closed.macs = opened.macs;
    assert_true(packet_same(&opened, &closed));
    assert_int_equal(opened.dst_port, PORT_VXLAN);

    start(&f);
    FRAME_OF(&f)[0] = 0x44;
    frame_ip6(&f);
    frame_ethernet(&f);
    struct packet p = decode(&all_tunnels, &f, &counters);
    assert_int_equal(counters.note[NOTE_TUNNEL_NO_IP], 2);
    assert_int_equal(p.ip_version, 6);
    assert_int_equal(p.proto, PROTO_IP4);
}

static void tags_inside_a_tunnel_do_not_replace_the_frames(void **state)
{
    (void)state;
    struct frame f;
    struct counters counters = {0};

    start(&f);
    frame_vlan(&f, ETYPE_VLAN, 99);
    frame_ethernet(&f);
    frame_vxlan(&f, 1, false);
    frame_ip4(&f, 0, 0);
    frame_vlan(&f, ETYPE_VLAN, 5);
    frame_ethernet(&f);
    struct packet p = decode(&all_tunnels, &f, &counters);
    assert_int_equal(p.vlan_count, 1);
    assert_int_equal(p.vlan[0], 5);
    assert_ptr_equal(p.macs, p.data);
}

/* What lies behind the end of the outer IP packet is not part of the inner one. */
static void the_inner_packet_ends_with_the_outer(void **state)
{
    (void)state;
    struct frame f;
    struct counters counters = {0};

    start(&f);
    frame_ip4(&f, 0, 0);
    FRAME_OF(&f)[3] = 20 + 50;
    frame_ethernet(&f);
    struct packet p = decode(&all_tunnels, &f, &counters);
    assert_int_equal(p.tunnel, TUNNEL_IPIP);
    assert_int_equal(p.octets, 50);
    assert_int_equal(p.payload, 10);
    assert_int_equal(p.flags & PACKET_LENGTH_LIES, PACKET_LENGTH_LIES);
    assert_int_equal(counters.note[NOTE_LENGTH_LIES], 1);
}

static void the_chain_limit_is_noted(void **state)
{
    (void)state;
    struct frame f;
    struct counters counters = {0};

    frame_init(&f, 32);
    frame_tcp(&f, 1, 2, 0, 0);
    for (int i = 0; i < 17; i++)
        frame_ip6_extension(&f, PROTO_DESTINATION, 8);
    frame_ip6(&f);
    frame_ethernet(&f);
    struct packet p = decode(&all_tunnels, &f, &counters);
    assert_int_equal(p.proto, PROTO_DESTINATION);
    assert_int_equal(p.flags, PACKET_PLAIN);
    assert_int_equal(counters.note[NOTE_IP6_CHAIN_LIMIT], 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths_agree_on_every_kind),
        cmocka_unit_test(paths_agree_on_changed_headers),
        cmocka_unit_test(paths_agree_on_the_common_shapes_and_the_fast_one_takes_them),
        cmocka_unit_test(filtered_packets_are_left_alone),
        cmocka_unit_test(a_dropped_packet_keeps_its_link_fields_only),
        cmocka_unit_test(addresses_point_into_the_innermost_header),
        cmocka_unit_test(closed_tunnels_are_ordinary_flows),
        cmocka_unit_test(fragmented_outer_packets_are_not_opened),
        cmocka_unit_test(the_fifth_tunnel_stays_closed),
        cmocka_unit_test(tunnels_without_ip_count_outside),
        cmocka_unit_test(tags_inside_a_tunnel_do_not_replace_the_frames),
        cmocka_unit_test(the_inner_packet_ends_with_the_outer),
        cmocka_unit_test(the_chain_limit_is_noted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
