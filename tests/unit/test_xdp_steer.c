/* The XDP program, run in this process: see harness/steer.h. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture/xdp_ignored.h"
#include "decode/decode.h"
#include "harness/packets.h"
#include "harness/steer.h"
#include "weir/counters.h"
#include "weir/packet.h"
#include "weir/wire.h"

#define SOCKETS 100 /* many, so that two frames seldom meet by chance */

typedef void builder(struct frame *);

static struct steer steer;

static int run(const struct frame *f)
{
    return steer_frame(&steer, frame_data(f), frame_len(f), 0);
}

static uint32_t socket_of(const struct frame *f)
{
    assert_int_equal(run(f), XDP_REDIRECT);
    return steer.socket;
}

/* --- packets --- */

static void tcp4(struct frame *f)
{
    frame_init(f, 32);
    frame_tcp(f, 40000, 443, 0, 0);
    frame_ip4(f, 0, 3);
}

static void udp6(struct frame *f)
{
    frame_init(f, 32);
    frame_udp(f, 40000, 443);
    frame_ip6_extension(f, PROTO_DESTINATION, 16);
    frame_ip6_extension(f, PROTO_HOP_BY_HOP, 8);
    frame_ip6(f);
}

static void plain(struct frame *f)
{
    frame_ethernet(f);
}

static void vlan(struct frame *f)
{
    for (int i = 0; i < 4; i++)
        frame_vlan(f, i % 2 ? ETYPE_VLAN : ETYPE_QINQ, (uint16_t)(10 + i));
    frame_ethernet(f);
}

static void mpls(struct frame *f)
{
    frame_mpls(f, 1000);
    frame_mpls(f, 2000);
    frame_ethernet(f);
}

static void pppoe(struct frame *f)
{
    frame_ppp(f, false, false);
    frame_pppoe(f);
    frame_ethernet(f);
}

static void outer(struct frame *f)
{
    frame_ip4(f, 0, 0);
    frame_ethernet(f);
}

static void outer_udp(struct frame *f)
{
    outer(f);
}

static void ipip(struct frame *f)
{
    frame_ip6(f);
    frame_ethernet(f);
}

static void gre(struct frame *f)
{
    frame_gre(f, 0xb000, 7);
    outer(f);
}

static void gre_bridge(struct frame *f)
{
    frame_vlan(f, ETYPE_VLAN, 5);
    frame_ethernet(f);
    frame_gre(f, 0x2000, 7);
    outer(f);
}

static void erspan(struct frame *f)
{
    frame_ethernet(f);
    frame_erspan_ii(f, 9);
    outer(f);
}

static void vxlan(struct frame *f)
{
    frame_ethernet(f);
    frame_vxlan(f, 77, false);
    outer_udp(f);
}

static void geneve(struct frame *f)
{
    frame_ethernet(f);
    frame_geneve(f, 77, 3);
    outer_udp(f);
}

static void gtpu(struct frame *f)
{
    frame_gtpu(f, 77, 2);
    outer_udp(f);
}

static void nested(struct frame *f)
{
    frame_ip4(f, 0, 0);
    frame_ethernet(f);
    frame_vxlan(f, 77, false);
    frame_ip6(f);
    frame_gre(f, 0, 0);
    outer(f);
}

static builder *const inner[] = {tcp4, udp6};
static builder *const around[] = {plain,      vlan,   mpls,  pppoe,  ipip, gre,
                                  gre_bridge, erspan, vxlan, geneve, gtpu, nested};

static void build(struct frame *f, builder *in, builder *out)
{
    in(f);
    out(f);
}

/* Octets of the innermost addresses and ports change their places, as in an answer. */
static void turn(struct frame *f)
{
    struct packet p = frame_packet(f, frame_len(f), frame_len(f));
    const struct decode_options options = {.tunnels = UINT32_MAX};
    struct counters notes = {0};
    uint8_t old[40], *at;
    size_t width;

    decode_packet(&options, &p, &notes);
    assert_int_equal(p.fate, FATE_FLOW);
    width = p.ip_version == 4 ? 4 : 16;
    at = f->octets + f->at + (p.addresses - p.data);
    memcpy(old, at, 2 * width);
    memcpy(at, old + width, width);
    memcpy(at + width, old, width);
    /* ports: the only 4 octets 40000, 443 of the frame */
    const uint8_t ports[4] = {40000 >> 8, 40000 & 255, 443 >> 8, 443 & 255};
    uint8_t *found = memmem(at, (size_t)(f->octets + FRAME_MAX - at), ports, 4);
    assert_non_null(found);
    memcpy(found, (const uint8_t[4]){443 >> 8, 443 & 255, 40000 >> 8, 40000 & 255}, 4);
    free((void *)p.data);
}

/* --- spreading --- */

static void both_directions_of_anything_meet(void **state)
{
    (void)state;
    struct frame f;

    for (enum xdp_spread spread = XDP_SPREAD_ADDRESS; spread < XDP_SPREAD_COUNT; spread++)
        for (size_t i = 0; i < 2; i++)
            for (size_t o = 0; o < sizeof(around) / sizeof(*around); o++) {
                steer_init(&steer, spread, SOCKETS);
                build(&f, inner[i], around[o]);
                uint32_t there = socket_of(&f);
                turn(&f);
                assert_int_equal(socket_of(&f), there);
            }
}

/* What is around a packet does not move it: a tunnel's connections are spread as without it. */
static void innermost_packet_decides(void **state)
{
    (void)state;
    struct frame f;

    for (enum xdp_spread spread = XDP_SPREAD_ADDRESS; spread < XDP_SPREAD_COUNT; spread++)
        for (size_t i = 0; i < 2; i++) {
            steer_init(&steer, spread, SOCKETS);
            build(&f, inner[i], plain);
            uint32_t bare = socket_of(&f);
            for (size_t o = 0; o < sizeof(around) / sizeof(*around); o++) {
                build(&f, inner[i], around[o]);
                assert_int_equal(socket_of(&f), bare);
            }
        }
}

static void ports_count_only_when_asked(void **state)
{
    (void)state;
    struct frame f;
    unsigned moved = 0;

    for (enum xdp_spread spread = XDP_SPREAD_ADDRESS; spread < XDP_SPREAD_COUNT; spread++) {
        steer_init(&steer, spread, SOCKETS);
        build(&f, tcp4, plain);
        uint32_t first = socket_of(&f);
        moved = 0;
        for (uint16_t port = 1; port <= 50; port++) {
            frame_init(&f, 0);
            frame_tcp(&f, port, 443, 0, 0);
            outer(&f);
            moved += socket_of(&f) != first;
        }
        assert_true(spread == XDP_SPREAD_ADDRESS ? moved == 0 : moved > 40);
    }
}

/* A fragment has no ports, or only the first has: all go where the pair of addresses goes. */
static void fragments_stay_together(void **state)
{
    (void)state;
    static const uint16_t fragments[] = {0x2000, 0x2001, 0x0002, 0x1fff};
    struct frame f;

    steer_init(&steer, XDP_SPREAD_ENDPOINT, SOCKETS);
    uint32_t place = 0;
    for (size_t i = 0; i < 4; i++) {
        frame_init(&f, 8);
        frame_udp(&f, (uint16_t)(1000 * i), PORT_VXLAN);
        frame_ip4(&f, fragments[i], 0);
        frame_ethernet(&f);
        uint32_t now = socket_of(&f);
        assert_true(i == 0 || now == place);
        place = now;
    }
}

static void all_sockets_get_their_share(void **state)
{
    (void)state;
    unsigned share[8] = {0};
    struct frame f;

    steer_init(&steer, XDP_SPREAD_ADDRESS, 8);
    for (unsigned i = 0; i < 8000; i++) {
        build(&f, tcp4, plain);
        uint8_t *source = f.octets + f.at + ETHERNET_LEN + 12;
        source[2] = (uint8_t)(i >> 8);
        source[3] = (uint8_t)i;
        share[socket_of(&f)]++;
    }
    for (unsigned i = 0; i < 8; i++)
        assert_in_range(share[i], 850, 1150);
}

static void another_key_another_place(void **state)
{
    (void)state;
    struct frame f;
    unsigned same = 0;

    steer_init(&steer, XDP_SPREAD_ADDRESS, SOCKETS);
    build(&f, tcp4, plain);
    uint32_t place = socket_of(&f);
    for (uint64_t i = 1; i <= 200; i++) {
        steer.settings.key[i % 2] ^= i * 0x9e3779b97f4a7c15;
        same += socket_of(&f) == place;
    }
    assert_in_range(same, 0, 12);
}

/* --- leaving out --- */

static struct capture_config config; /* what it ignores */

static void init(enum xdp_spread spread, uint32_t sockets)
{
    steer_init(&steer, spread, sockets);
    config = (struct capture_config){0};
}

static const struct xdp_ignored maps = {steer.table_sizes, steer.networks, steer.ports};

/* In force as a set, beside one that ignores all. */
static void ignore(uint32_t set)
{
    memset(steer.ports, 0xff, sizeof(steer.ports));
    xdp_ignored_write(&config, &maps, set);
    steer.control.ignoring = set + 1;
}

static void ignore_network(const char *text, uint8_t version, uint8_t length)
{
    struct ip_prefix *p = &config.ignore_networks.prefix[config.ignore_networks.count++];

    assert_int_equal(inet_pton(version == 4 ? AF_INET : AF_INET6, text, p->address), 1);
    p->version = version;
    p->length = length;
    ignore(0);
}

static void ignore_port(uint16_t port)
{
    config.ignore_port_count = 1;
    config.ignore_port[0] = port;
    ignore(1);
}

/* The frame and its answer. */
static void expect(struct frame *f, int action)
{
    assert_int_equal(run(f), action);
    turn(f);
    assert_int_equal(run(f), action);
}

static void networks_are_left_out_at_either_end(void **state)
{
    (void)state;
    struct frame f;

    init(XDP_SPREAD_NONE, 1);
    ignore_network("198.51.100.0", 4, 24);
    ignore_network("2001:db8::14", 6, 128);
    build(&f, tcp4, vlan);
    expect(&f, XDP_DROP);
    build(&f, udp6, plain);
    expect(&f, XDP_DROP);
    assert_int_equal(steer.counters.ignored, 4);

    init(XDP_SPREAD_NONE, 1);
    ignore_network("198.51.101.0", 4, 24);
    ignore_network("2001:db8::15", 6, 128);
    build(&f, tcp4, vlan);
    expect(&f, XDP_REDIRECT);
    build(&f, udp6, plain);
    expect(&f, XDP_REDIRECT);
}

static void ports_are_left_out_at_either_end(void **state)
{
    (void)state;
    struct frame f;

    for (int i = 0; i < 2; i++) {
        init(XDP_SPREAD_NONE, 1);
        ignore_port(i ? 40000 : 443);
        build(&f, tcp4, plain);
        expect(&f, XDP_DROP);
        build(&f, udp6, mpls);
        expect(&f, XDP_DROP);
    }
    init(XDP_SPREAD_NONE, 1);
    ignore_port(444);
    build(&f, tcp4, plain);
    expect(&f, XDP_REDIRECT);
}

/* Each of many networks by its first and last address, and what lies beside it not. */
static void address_is_found_among_many(void **state)
{
    (void)state;
    struct frame f;
    char text[INET_ADDRSTRLEN];

    init(XDP_SPREAD_NONE, 1);
    for (unsigned i = CONFIG_NETWORKS_MAX; i-- > 0;) {
        snprintf(text, sizeof(text), "100.%u.64.0", i);
        ignore_network(text, 4, 18);
    }
    build(&f, tcp4, plain);
    uint8_t octets[256], *source = octets + ETHERNET_LEN + 12;
    memcpy(octets, frame_data(&f), frame_len(&f));
    for (unsigned i = 0; i < CONFIG_NETWORKS_MAX; i++) {
        const uint8_t at[][4] = {{100, (uint8_t)i, 63, 255},
                                 {100, (uint8_t)i, 64, 0},
                                 {100, (uint8_t)i, 127, 255},
                                 {100, (uint8_t)i, 128, 0}};
        for (unsigned k = 0; k < 4; k++) {
            memcpy(source, at[k], 4);
            assert_int_equal(steer_frame(&steer, octets, frame_len(&f), 0),
                             k == 1 || k == 2 ? XDP_DROP : XDP_REDIRECT);
        }
    }
}

/* The other set says something else. */
static void set_in_force_decides(void **state)
{
    (void)state;
    struct frame f;

    init(XDP_SPREAD_NONE, 1);
    ignore_port(443);
    build(&f, tcp4, plain);
    assert_int_equal(run(&f), XDP_DROP);
    xdp_ignored_write(&(struct capture_config){0}, &maps, 0);
    steer.control.ignoring = 1;
    assert_int_equal(run(&f), XDP_REDIRECT);
    steer.control.ignoring = 0;
    assert_int_equal(run(&f), XDP_REDIRECT);
    steer.control.ignoring = 2;
    assert_int_equal(run(&f), XDP_DROP);
}

/* A port is one of TCP and UDP, and a later fragment has none. */
static void what_only_looks_like_a_port_is_kept(void **state)
{
    (void)state;
    struct frame f;

    init(XDP_SPREAD_NONE, 1);
    ignore_port(443);
    frame_init(&f, 32);
    frame_sctp(&f, 40000, 443);
    outer(&f);
    assert_int_equal(run(&f), XDP_REDIRECT);
    frame_init(&f, 32);
    frame_tcp(&f, 40000, 443, 0, 0);
    frame_ip4(&f, 5, 0);
    frame_ethernet(&f);
    assert_int_equal(run(&f), XDP_REDIRECT);
}

/* The outermost header decides, as in a capture filter. */
static void tunnel_is_left_out_as_a_whole(void **state)
{
    (void)state;
    struct frame f;

    init(XDP_SPREAD_ADDRESS, 2);
    ignore_port(443);
    build(&f, tcp4, vxlan);
    assert_int_equal(run(&f), XDP_REDIRECT);
    ignore_port(PORT_VXLAN);
    assert_int_equal(run(&f), XDP_DROP);
    assert_int_equal(steer.counters.ignored_octets, frame_len(&f));
}

/* --- counting --- */

static uint64_t counted(void)
{
    uint64_t sum = steer.counters.ignored + steer.counters.passed;

    for (uint32_t i = 0; i < XDP_SOCKETS_MAX; i++)
        sum += steer.counters.steered[i];
    return sum;
}

static void frames_go_on_while_not_running(void **state)
{
    (void)state;
    struct frame f;

    init(XDP_SPREAD_ADDRESS, 2);
    steer.control.running = 0;
    build(&f, tcp4, plain);
    assert_int_equal(run(&f), XDP_PASS);
    steer.control.running = 1;
    assert_int_equal(steer_frame(&steer, frame_data(&f), frame_len(&f), 1), XDP_PASS);
    assert_int_equal(steer_frame(&steer, frame_data(&f), frame_len(&f), XDP_QUEUES_MAX), XDP_PASS);
    assert_int_equal(steer.counters.passed, 3);
    assert_int_equal(counted(), 3);
}

static void frame_for_no_socket_is_counted(void **state)
{
    (void)state;
    struct frame f;

    init(XDP_SPREAD_NONE, 1);
    steer.sockets = 0;
    build(&f, tcp4, plain);
    assert_int_equal(run(&f), XDP_PASS);
    steer.control.queue[0].first = XDP_SOCKETS_MAX;
    steer.sockets = UINT32_MAX;
    assert_int_equal(run(&f), XDP_PASS);
    assert_int_equal(steer.counters.passed, 2);
}

/* Any cut of any frame goes somewhere, and is counted once. */
static void cut_frames_are_counted_once(void **state)
{
    (void)state;
    struct frame f;
    uint64_t seen = 0;

    init(XDP_SPREAD_ENDPOINT, SOCKETS);
    ignore_network("203.0.113.0", 4, 24);
    ignore_network("2001:db9::", 6, 32);
    ignore_port(444);
    for (size_t i = 0; i < 2; i++)
        for (size_t o = 0; o < sizeof(around) / sizeof(*around); o++) {
            build(&f, inner[i], around[o]);
            for (uint32_t len = 0; len < frame_len(&f); len++, seen++)
                assert_int_equal(steer_frame(&steer, frame_data(&f), len, 0), XDP_REDIRECT);
        }
    assert_int_equal(counted(), seen);
    assert_true(seen > 2000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_directions_of_anything_meet),
        cmocka_unit_test(innermost_packet_decides),
        cmocka_unit_test(ports_count_only_when_asked),
        cmocka_unit_test(fragments_stay_together),
        cmocka_unit_test(all_sockets_get_their_share),
        cmocka_unit_test(another_key_another_place),
        cmocka_unit_test(networks_are_left_out_at_either_end),
        cmocka_unit_test(ports_are_left_out_at_either_end),
        cmocka_unit_test(address_is_found_among_many),
        cmocka_unit_test(set_in_force_decides),
        cmocka_unit_test(what_only_looks_like_a_port_is_kept),
        cmocka_unit_test(tunnel_is_left_out_as_a_whole),
        cmocka_unit_test(frames_go_on_while_not_running),
        cmocka_unit_test(frame_for_no_socket_is_counted),
        cmocka_unit_test(cut_frames_are_counted_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
