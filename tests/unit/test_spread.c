#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "capture/spread.h"
#include "harness/packets.h"
#include "weir/packet.h"
#include "weir/wire.h"

#define SEED UINT64_C(0x1234567890abcdef)

static void swap(uint8_t *a, uint8_t *b, size_t n)
{
    uint8_t kept[16];

    memcpy(kept, a, n);
    memcpy(a, b, n);
    memcpy(b, kept, n);
}

/* The hash of a frame in a block of exactly its length, for sanitizers. */
static uint32_t hash_of(const struct frame *f)
{
    uint32_t len = frame_len(f);
    uint8_t *copy = malloc(len);

    memcpy(copy, frame_data(f), len);
    uint32_t hash = spread_hash(copy, len, SEED);
    free(copy);
    return hash;
}

typedef void (*wrapper)(struct frame *f);

static void plain(struct frame *f)
{
    frame_ethernet(f);
}

static void two_vlans(struct frame *f)
{
    frame_vlan(f, ETYPE_VLAN, 5);
    frame_vlan(f, ETYPE_QINQ, 6);
    frame_ethernet(f);
}

static void mpls(struct frame *f)
{
    frame_mpls(f, 16);
    frame_mpls(f, 17);
    frame_ethernet(f);
}

static void pseudowire(struct frame *f)
{
    frame_ethernet(f);
    frame_control_word(f);
    frame_mpls(f, 16);
    frame_ethernet(f);
}

static void pppoe(struct frame *f)
{
    frame_ppp(f, false, false);
    frame_pppoe(f);
    frame_ethernet(f);
}

static void ipip(struct frame *f)
{
    frame_ip4(f, 0, 0);
    frame_ethernet(f);
}

static void gre(struct frame *f)
{
    frame_gre(f, 0x2000, 7);
    frame_ip4(f, 0, 2);
    frame_ethernet(f);
}

static void teb(struct frame *f)
{
    frame_vlan(f, ETYPE_VLAN, 5);
    frame_ethernet(f);
    frame_gre(f, 0, 0);
    frame_ip6(f);
    frame_ethernet(f);
}

static void erspan_ii(struct frame *f)
{
    frame_ethernet(f);
    frame_erspan_ii(f, 3);
    frame_ip4(f, 0, 0);
    frame_ethernet(f);
}

static void erspan_iii(struct frame *f)
{
    frame_ethernet(f);
    frame_erspan_iii(f, 3, true);
    frame_ip4(f, 0, 0);
    frame_ethernet(f);
}

static void vxlan(struct frame *f)
{
    frame_ethernet(f);
    frame_vxlan(f, 77, false);
    frame_ip4(f, 0, 0);
    frame_ethernet(f);
}

static void geneve(struct frame *f)
{
    frame_ethernet(f);
    frame_geneve(f, 77, 3);
    frame_ip6(f);
    frame_ethernet(f);
}

static void gtp(struct frame *f)
{
    frame_gtpu(f, 77, 0);
    frame_ip4(f, 0, 0);
    frame_ethernet(f);
}

static const wrapper wrappers[] = {plain, two_vlans, mpls,       pseudowire, pppoe,  ipip, gre,
                                   teb,   erspan_ii, erspan_iii, vxlan,      geneve, gtp};
#define WRAPPERS (sizeof(wrappers) / sizeof(*wrappers))

/* A packet between hosts `a` and `b` of the last octet, in a wrapping. */
static void build(struct frame *f, bool ip6, uint8_t a, uint8_t b, uint16_t fragment, wrapper wrap)
{
    frame_init(f, 32);
    if (fragment == 0)
        frame_tcp(f, a < b ? 40000 : 443, a < b ? 443 : 40000, TCP_ACK, 0);
    if (ip6)
        frame_ip6(f);
    else
        frame_ip4(f, fragment, 0);
    uint8_t *header = (uint8_t *)(uintptr_t)frame_data(f);
    uint8_t *source = header + (ip6 ? 8 : 12);
    size_t n = ip6 ? 16 : 4;
    source[n - 1] = source[2 * n - 1] = 0;
    if (a > b)
        swap(source, source + n, n);
    source[n - 1] = a;
    source[2 * n - 1] = b;
    wrap(f);
}

static void both_directions_agree_in_every_wrapping(void **state)
{
    (void)state;
    struct frame there, back;

    for (size_t i = 0; i < WRAPPERS; i++)
        for (int ip6 = 0; ip6 < 2; ip6++)
            for (uint8_t host = 2; host < 40; host++) {
                build(&there, ip6, 1, host, 0, wrappers[i]);
                build(&back, ip6, host, 1, 0, wrappers[i]);
                assert_int_equal(hash_of(&there), hash_of(&back));
                assert_int_not_equal(hash_of(&there), 0);
            }
}

static void the_innermost_pair_decides(void **state)
{
    (void)state;
    struct frame bare, wrapped;

    for (size_t i = 0; i < WRAPPERS; i++)
        for (int ip6 = 0; ip6 < 2; ip6++) {
            build(&bare, ip6, 1, 9, 0, plain);
            build(&wrapped, ip6, 1, 9, 0, wrappers[i]);
            assert_int_equal(hash_of(&bare), hash_of(&wrapped));
        }
}

static void fragments_stay_with_their_flow(void **state)
{
    (void)state;
    struct frame whole, later;

    build(&whole, false, 1, 9, 0, plain);
    build(&later, false, 1, 9, 100, plain);
    assert_int_equal(hash_of(&whole), hash_of(&later));
}

static void a_fragmented_tunnel_is_hashed_outside(void **state)
{
    (void)state;
    struct frame one, other;

    for (int host = 5; host < 9; host++) {
        build(&one, false, 1, (uint8_t)host, 0, plain);
        frame_init(&other, 32);
        frame_tcp(&other, 1, 2, TCP_ACK, 0);
        frame_ip4(&other, 0, 0);
        frame_ip4(&other, 0x2000, 0);
        frame_ethernet(&other);
        assert_int_not_equal(hash_of(&one), hash_of(&other));
    }
}

static void pairs_spread_evenly(void **state)
{
    (void)state;
    enum { WORKERS = 4, HOSTS = 200 };
    unsigned count[WORKERS] = {0};
    struct frame f;

    for (uint8_t host = 2; host < HOSTS; host++) {
        build(&f, false, 1, host, 0, plain);
        count[spread_pick(hash_of(&f), WORKERS)]++;
    }
    for (unsigned i = 0; i < WORKERS; i++)
        assert_in_range(count[i], HOSTS / WORKERS / 2, HOSTS / WORKERS * 2);
}

static void another_seed_spreads_otherwise(void **state)
{
    (void)state;
    struct frame f;

    build(&f, false, 1, 9, 0, plain);
    assert_int_not_equal(spread_hash(frame_data(&f), frame_len(&f), 1),
                         spread_hash(frame_data(&f), frame_len(&f), 2));
}

/* Every cut of every wrapping, in a block of exactly that length. */
static void nothing_is_read_behind_the_end(void **state)
{
    (void)state;
    struct frame f;

    for (size_t i = 0; i < WRAPPERS; i++) {
        build(&f, i % 2, 1, 9, 0, wrappers[i]);
        for (uint32_t len = 0; len < frame_len(&f); len++) {
            uint8_t *copy = malloc(len ? len : 1);
            memcpy(copy, frame_data(&f), len);
            spread_hash(copy, len, SEED);
            free(copy);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_directions_agree_in_every_wrapping),
        cmocka_unit_test(the_innermost_pair_decides),
        cmocka_unit_test(fragments_stay_with_their_flow),
        cmocka_unit_test(a_fragmented_tunnel_is_hashed_outside),
        cmocka_unit_test(pairs_spread_evenly),
        cmocka_unit_test(another_seed_spreads_otherwise),
        cmocka_unit_test(nothing_is_read_behind_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
