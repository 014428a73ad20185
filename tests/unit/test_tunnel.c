#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "decode/ip_header.h"
#include "decode/tunnel.h"
#include "harness/packets.h"

#define FRAME_OF(f) ((f)->octets + (f)->at)
#define ALL UINT32_MAX

static struct tunnel tunnel;

/* Reads what stands in front as the payload of an IP packet with these flags. */
static bool read_flags(uint32_t mask, const struct frame *f, uint16_t flags)
{
    struct ip_header outer = {.payload = cursor_init(frame_data(f), frame_len(f), frame_len(f)),
                              .proto = f->proto,
                              .flags = flags};
    return tunnel_read(mask, &outer, &tunnel);
}

static bool read_all(uint32_t mask, const struct frame *f)
{
    return read_flags(mask, f, 0);
}

static void start(struct frame *f)
{
    frame_init(f, 32);
    frame_tcp(f, 1, 2, 0, 0);
    frame_ip4(f, 0, 0);
}

/* How many octets the tunnel header took. */
static long header_len(const struct frame *f)
{
    return (long)(tunnel.inner.at - frame_data(f));
}

static void gre_with_every_combination_of_fields(void **state)
{
    (void)state;
    struct frame f;

    for (unsigned i = 0; i < 8; i++) {
        uint16_t flags =
            (uint16_t)((i & 4 ? 0x8000 : 0) | (i & 2 ? 0x2000 : 0) | (i & 1 ? 0x1000 : 0));
        start(&f);
        frame_gre(&f, flags, 0xdeadbeef);
        assert_true(read_all(ALL, &f));
        assert_int_equal(header_len(&f), 4 + 4 * __builtin_popcount(i));
        assert_int_equal(tunnel.id, i & 2 ? 0xdeadbeef : 0);
        assert_int_equal(tunnel.kind, TUNNEL_GRE);
        assert_int_equal(tunnel.layer, L2_ETHERTYPE);
        assert_int_equal(tunnel.type, ETYPE_IP4);
    }
}

static void gre_with_routing_or_unknown_version_stays_closed(void **state)
{
    (void)state;
    struct frame f;
    static const uint16_t wrong[] = {0x4000, 0x0800, 0x0400, 0x0001, 0x0002, 0x0007};

    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        start(&f);
        frame_gre(&f, wrong[i], 0);
        assert_false(read_all(ALL, &f));
    }
    start(&f);
    f.etype = 9; /* a length is no protocol */
    frame_gre(&f, 0, 0);
    assert_false(read_all(ALL, &f));
}

static void pptp_call_is_the_id(void **state)
{
    (void)state;
    struct frame f;

    start(&f);
    frame_ppp(&f, true, false);
    frame_pptp(&f, 0x1234);
    assert_true(read_all(ALL, &f));
    assert_int_equal(tunnel.id, 0x1234);
    assert_int_equal(tunnel.layer, L2_PPP);
    assert_int_equal(header_len(&f), 12);
    FRAME_OF(&f)[1] = 0x81; /* acknowledgement too */
    assert_true(read_all(ALL, &f));
    assert_int_equal(header_len(&f), 16);
    FRAME_OF(&f)[0] = 0x10; /* no key */
    assert_false(read_all(ALL, &f));
}

static void erspan_has_its_own_bit_and_needs_its_version(void **state)
{
    (void)state;
    struct frame f;

    start(&f);
    frame_ethernet(&f);
    frame_erspan_ii(&f, 0x3ff);
    assert_true(read_all(1u << TUNNEL_ERSPAN, &f));
    assert_false(read_all(1u << TUNNEL_GRE, &f));
    assert_int_equal(tunnel.id, 0x3ff);
    assert_int_equal(header_len(&f), 16);
    FRAME_OF(&f)[8] = 0x20;
    assert_false(read_all(ALL, &f));
    FRAME_OF(&f)[8] = 0x10;
    FRAME_OF(&f)[0] = 0; /* type I: no sequence number, no header */
    assert_false(read_all(ALL, &f));

    start(&f);
    frame_ethernet(&f);
    frame_erspan_iii(&f, 5, true);
    assert_true(read_all(ALL, &f));
    assert_int_equal(header_len(&f), 28);
    assert_int_equal(tunnel.layer, L2_ETHERNET);
    FRAME_OF(&f)[8 + 10] = 2 << 2;
    assert_true(read_all(ALL, &f));
    assert_int_equal(tunnel.layer, L2_NIBBLE);
    FRAME_OF(&f)[8 + 10] = 1 << 2;
    assert_false(read_all(ALL, &f));
}

static void ipip_by_protocol_number(void **state)
{
    (void)state;
    struct frame f;

    start(&f);
    assert_true(read_all(1u << TUNNEL_IPIP, &f));
    assert_int_equal(tunnel.layer, L2_IP4);
    f.proto = PROTO_IP6;
    assert_true(read_all(ALL, &f));
    assert_int_equal(tunnel.layer, L2_IP6);
    assert_int_equal(tunnel.kind, TUNNEL_IPIP);
    assert_false(read_all(ALL & ~(1u << TUNNEL_IPIP), &f));
}

/* Flips each octet given at an offset behind UDP and expects the tunnel to stay closed. */
static void closed_with(const struct frame *good, uint32_t offset, uint8_t value)
{
    struct frame f = *good;
    FRAME_OF(&f)[UDP_LEN + offset] = value;
    assert_false(read_all(ALL, &f));
}

static void vxlan_is_strict(void **state)
{
    (void)state;
    struct frame f;

    start(&f);
    frame_ethernet(&f);
    frame_vxlan(&f, 0xabcdef, false);
    assert_true(read_all(1u << TUNNEL_VXLAN, &f));
    assert_int_equal(tunnel.id, 0xabcdef);
    assert_int_equal(tunnel.layer, L2_ETHERNET);
    closed_with(&f, 0, 0x00);
    closed_with(&f, 0, 0x0c);
    closed_with(&f, 2, 1);
    closed_with(&f, 7, 1);
    FRAME_OF(&f)[3] = 0xb4; /* port 4788 */
    assert_false(read_all(ALL, &f));

    start(&f);
    frame_ethernet(&f);
    frame_vxlan(&f, 1, true);
    assert_true(read_all(ALL, &f));
}

static void geneve_is_strict(void **state)
{
    (void)state;
    struct frame f;

    start(&f);
    frame_geneve(&f, 0xabcdef, 5);
    assert_true(read_all(1u << TUNNEL_GENEVE, &f));
    assert_int_equal(tunnel.id, 0xabcdef);
    assert_int_equal(tunnel.layer, L2_ETHERTYPE);
    assert_int_equal(tunnel.type, ETYPE_IP4);
    assert_int_equal(header_len(&f), UDP_LEN + GENEVE_LEN + 20);
    closed_with(&f, 0, 0x45); /* version 1 */
    closed_with(&f, 0, 0x3f); /* options behind the end */
    closed_with(&f, 3, 0x06); /* ARP */
    closed_with(&f, 7, 1);
}

static void gtpu_is_strict(void **state)
{
    (void)state;
    struct frame f;

    start(&f);
    frame_gtpu(&f, 0xdeadbeef, 0);
    assert_true(read_all(1u << TUNNEL_GTPU, &f));
    assert_int_equal(tunnel.id, 0xdeadbeef);
    assert_int_equal(tunnel.layer, L2_NIBBLE);
    assert_int_equal(header_len(&f), UDP_LEN + GTPU_LEN);
    closed_with(&f, 0, 0x50); /* version 2 */
    closed_with(&f, 0, 0x20); /* GTP' */
    closed_with(&f, 1, 1);    /* echo request */
    closed_with(&f, 2, 0xff); /* more than the datagram */
}

static void gtpu_extension_chain_is_bounded(void **state)
{
    (void)state;
    struct frame f;

    for (unsigned n = 1; n <= 9; n++) {
        start(&f);
        frame_gtpu(&f, 1, n);
        assert_int_equal(read_all(ALL, &f), n <= 8);
        if (n <= 8)
            assert_int_equal(header_len(&f), UDP_LEN + GTPU_LEN + GTPU_OPTIONAL_LEN + 4 * n);
    }
    start(&f);
    frame_gtpu(&f, 1, 1);
    closed_with(&f, GTPU_LEN + GTPU_OPTIONAL_LEN, 0);
    closed_with(&f, GTPU_LEN + GTPU_OPTIONAL_LEN, 200);
}

static void fragments_are_judged_by_what_they_show(void **state)
{
    (void)state;
    struct frame f;

    start(&f);
    frame_gre(&f, 0, 0);
    assert_true(read_flags(ALL, &f, PACKET_FRAGMENT_LATER));
    assert_false(read_flags(1u << TUNNEL_VXLAN, &f, PACKET_FRAGMENT_LATER));
    start(&f);
    frame_ethernet(&f);
    frame_vxlan(&f, 1, false);
    assert_true(read_flags(ALL, &f, PACKET_FRAGMENT_FIRST));
    assert_false(read_flags(ALL, &f, PACKET_FRAGMENT_LATER));
}

static void no_mask_no_tunnel(void **state)
{
    (void)state;
    struct frame f;

    start(&f);
    frame_gre(&f, 0, 0);
    assert_false(read_all(0, &f));
    assert_false(read_all(1u << TUNNEL_NONE, &f));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gre_with_every_combination_of_fields),
        cmocka_unit_test(gre_with_routing_or_unknown_version_stays_closed),
        cmocka_unit_test(pptp_call_is_the_id),
        cmocka_unit_test(erspan_has_its_own_bit_and_needs_its_version),
        cmocka_unit_test(ipip_by_protocol_number),
        cmocka_unit_test(vxlan_is_strict),
        cmocka_unit_test(geneve_is_strict),
        cmocka_unit_test(gtpu_is_strict),
        cmocka_unit_test(gtpu_extension_chain_is_bounded),
        cmocka_unit_test(fragments_are_judged_by_what_they_show),
        cmocka_unit_test(no_mask_no_tunnel),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
