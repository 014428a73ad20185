#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "decode/ip_header.h"
#include "harness/packets.h"
#include "weir/packet.h"
#include "weir/wire.h"

#define FRAME_OF(f) ((f)->octets + (f)->at)

static struct ip_header ip;

/* Reads the IP header in front; `extra` octets more were on the wire than the frame holds. */
static enum weir_fate read_as(uint8_t version, const struct frame *f, uint32_t cap_len,
                              uint32_t extra)
{
    uint32_t wire = frame_len(f) + extra;
    return ip_header_read(version, cursor_init(frame_data(f), cap_len, wire), wire + ETHERNET_LEN,
                          &ip);
}

static enum weir_fate read_whole(uint8_t version, const struct frame *f)
{
    return read_as(version, f, frame_len(f), 0);
}

static void start_ip4(struct frame *f, uint16_t fragment, uint32_t option_words)
{
    frame_init(f, 100);
    frame_tcp(f, 1, 2, 0, 0);
    frame_ip4(f, fragment, option_words);
}

static void start_ip6(struct frame *f)
{
    frame_init(f, 100);
    frame_tcp(f, 1, 2, 0, 0);
    frame_ip6(f);
}

static void ip4_checks_in_the_order_of_the_rfc(void **state)
{
    (void)state;
    struct frame f;

    start_ip4(&f, 0, 0);
    assert_int_equal(read_whole(4, &f), FATE_FLOW);
    assert_int_equal(read_as(4, &f, 19, 0), FATE_BAD_IP4_SHORT);
    assert_int_equal(read_as(4, &f, 0, 0), FATE_BAD_IP4_SHORT);
    FRAME_OF(&f)[0] = 0x65;
    assert_int_equal(read_as(4, &f, 1, 0), FATE_BAD_IP_VERSION);
    FRAME_OF(&f)[0] = 0x44;
    assert_int_equal(read_whole(4, &f), FATE_BAD_IP4_HEADER_LEN);
    FRAME_OF(&f)[0] = 0x46;
    FRAME_OF(&f)[2] = 0;
    FRAME_OF(&f)[3] = 23;
    assert_int_equal(read_whole(4, &f), FATE_BAD_IP4_TOTAL_LEN);
    FRAME_OF(&f)[3] = 24;
    assert_int_equal(read_whole(4, &f), FATE_FLOW);
    assert_int_equal(ip.payload.wire, 0);
}

static void ip4_octets_are_the_headers_unless_it_lies(void **state)
{
    (void)state;
    struct frame f;

    start_ip4(&f, 0, 0);
    assert_int_equal(read_as(4, &f, frame_len(&f), 6), FATE_FLOW); /* padding behind */
    assert_int_equal(ip.octets, 140);
    assert_int_equal(ip.payload.wire, 120);
    assert_int_equal(ip.flags, 0);
    FRAME_OF(&f)[2] = FRAME_OF(&f)[3] = 0; /* offload */
    assert_int_equal(read_as(4, &f, 40, 1000), FATE_FLOW);
    assert_int_equal(ip.octets, 1140);
    assert_int_equal(ip.flags, 0);
    FRAME_OF(&f)[2] = 0xff;
    assert_int_equal(read_whole(4, &f), FATE_FLOW);
    assert_int_equal(ip.octets, 140);
    assert_int_equal(ip.flags, PACKET_LENGTH_LIES);
}

static void ip4_options_cut_by_the_snap_length(void **state)
{
    (void)state;
    struct frame f;

    start_ip4(&f, 0, 10);
    assert_int_equal(read_as(4, &f, 30, 0), FATE_FLOW);
    assert_int_equal(ip.proto, PROTO_TCP);
    assert_int_equal(ip.flags, PACKET_TRUNCATED);
    assert_int_equal(ip.octets, 180);
    assert_int_equal(ip.payload.wire, 120);
    assert_int_equal(cursor_captured(&ip.payload), 0);
}

static void ip4_fragments(void **state)
{
    (void)state;
    struct frame f;

    start_ip4(&f, 0x2000, 0);
    read_whole(4, &f);
    assert_int_equal(ip.flags, PACKET_FRAGMENT_FIRST);
    assert_int_equal(ip.fragment_id, 0xbeef);
    start_ip4(&f, 0x2001, 0);
    read_whole(4, &f);
    assert_int_equal(ip.flags, PACKET_FRAGMENT_LATER);
    start_ip4(&f, 0x1fff, 0);
    read_whole(4, &f);
    assert_int_equal(ip.flags, PACKET_FRAGMENT_LATER);
    start_ip4(&f, 0xc000, 0); /* reserved bit and DF */
    read_whole(4, &f);
    assert_int_equal(ip.flags, 0);
}

static void ip4_authentication_header_is_a_protocol(void **state)
{
    (void)state;
    struct frame f;

    frame_init(&f, 100);
    frame_tcp(&f, 1, 2, 0, 0);
    frame_ip6_extension(&f, PROTO_AH, 24);
    frame_ip4(&f, 0, 0);
    read_whole(4, &f);
    assert_int_equal(ip.proto, PROTO_AH);
}

static void ip6_checks(void **state)
{
    (void)state;
    struct frame f;

    start_ip6(&f);
    assert_int_equal(read_whole(6, &f), FATE_FLOW);
    assert_int_equal(ip.octets, 160);
    assert_int_equal(ip.tos, 0x2e);
    assert_int_equal(read_as(6, &f, 39, 0), FATE_BAD_IP6_SHORT);
    assert_int_equal(read_as(6, &f, 0, 0), FATE_BAD_IP6_SHORT);
    FRAME_OF(&f)[0] = 0x45;
    assert_int_equal(read_whole(6, &f), FATE_BAD_IP_VERSION);
}

static void ip6_length_zero(void **state)
{
    (void)state;
    struct frame f;

    start_ip6(&f); /* offload: the wire counts */
    FRAME_OF(&f)[4] = FRAME_OF(&f)[5] = 0;
    assert_int_equal(read_whole(6, &f), FATE_FLOW);
    assert_int_equal(ip.octets, 160);
    assert_int_equal(ip.flags, 0);
    FRAME_OF(&f)[6] = PROTO_NO_NEXT; /* empty, padding behind */
    read_whole(6, &f);
    assert_int_equal(ip.octets, 40);

    frame_init(&f, 6); /* empty: the rest is what Ethernet pads to 60 */
    f.proto = PROTO_TCP;
    frame_ip6(&f);
    FRAME_OF(&f)[5] = 0;
    read_whole(6, &f);
    assert_int_equal(ip.octets, 40);
    read_as(6, &f, frame_len(&f), 1);
    assert_int_equal(ip.octets, 47);
}

static void ip6_jumbo_option(void **state)
{
    (void)state;
    struct frame f;
    static const uint8_t jumbo[6] = {0xc2, 4, 0, 1, 0x11, 0x70}; /* 70000 */

    frame_init(&f, 32);
    frame_tcp(&f, 1, 2, 0, 0);
    frame_ip6_extension(&f, PROTO_HOP_BY_HOP, 16);
    uint8_t *options = FRAME_OF(&f) + 2; /* Pad1, PadN of 2, jumbo */
    options[1] = 1;
    for (int i = 0; i < 6; i++)
        options[3 + i] = jumbo[i];
    frame_ip6(&f);
    FRAME_OF(&f)[4] = FRAME_OF(&f)[5] = 0;
    read_as(6, &f, frame_len(&f), 80000);
    assert_int_equal(ip.octets, 70040);
    assert_int_equal(ip.proto, PROTO_TCP);
    assert_int_equal(ip.flags, 0);
    read_whole(6, &f);
    assert_int_equal(ip.octets, frame_len(&f));
    assert_int_equal(ip.flags, PACKET_LENGTH_LIES);
}

static void ip6_three_extensions_and_esp(void **state)
{
    (void)state;
    struct frame f;

    frame_init(&f, 40);
    f.proto = PROTO_ESP;
    frame_ip6_extension(&f, PROTO_DESTINATION, 16);
    frame_ip6_extension(&f, PROTO_AH, 20);
    frame_ip6_extension(&f, PROTO_ROUTING, 24);
    frame_ip6(&f);
    read_whole(6, &f);
    assert_int_equal(ip.proto, PROTO_ESP);
    assert_int_equal(ip.payload.wire, 40);
    assert_false(ip.opaque);
}

static void ip6_does_not_walk_mobility(void **state)
{
    (void)state;
    struct frame f;

    frame_init(&f, 40);
    f.proto = PROTO_TCP;
    frame_ip6_extension(&f, 135, 8);
    frame_ip6(&f);
    read_whole(6, &f);
    assert_int_equal(ip.proto, 135);
}

static void ip6_chain_limit(void **state)
{
    (void)state;
    struct frame f;

    for (int headers = 16; headers <= 17; headers++) {
        frame_init(&f, 40);
        frame_tcp(&f, 1, 2, 0, 0);
        for (int i = 0; i < headers; i++)
            frame_ip6_extension(&f, PROTO_DESTINATION, 8);
        frame_ip6(&f);
        read_whole(6, &f);
        assert_int_equal(ip.chain_limit, headers == 17);
        assert_int_equal(ip.opaque, headers == 17);
        assert_int_equal(ip.proto, headers == 17 ? PROTO_DESTINATION : PROTO_TCP);
        assert_int_equal(ip.payload.wire, headers == 17 ? 68 : 60);
    }
}

static void ip6_chain_cut(void **state)
{
    (void)state;
    struct frame f;

    frame_init(&f, 40);
    frame_tcp(&f, 1, 2, 0, 0);
    frame_ip6_fragment(&f, 0);
    frame_ip6_extension(&f, PROTO_HOP_BY_HOP, 8);
    frame_ip6(&f);
    read_as(6, &f, 48, 0); /* the fragment header is known, but not there */
    assert_int_equal(ip.proto, PROTO_FRAGMENT);
    assert_true(ip.opaque);
    assert_int_equal(ip.flags, PACKET_TRUNCATED);
    read_as(6, &f, 41, 0);
    assert_int_equal(ip.proto, PROTO_HOP_BY_HOP);
    read_as(6, &f, 42, 0);
    assert_int_equal(ip.proto, PROTO_FRAGMENT);

    FRAME_OF(&f)
    [5] = 8; /* the IP packet ends behind the first header: no snap length is to blame */
    read_whole(6, &f);
    assert_int_equal(ip.proto, PROTO_FRAGMENT);
    assert_true(ip.opaque);
    assert_int_equal(ip.flags, 0);
}

static void ip6_fragments(void **state)
{
    (void)state;
    struct frame f;
    static const struct {
        uint16_t field, flags;
    } cases[] = {{0, 0},
                 {1, PACKET_FRAGMENT_FIRST},
                 {8, PACKET_FRAGMENT_LATER},
                 {0xfff9, PACKET_FRAGMENT_LATER},
                 {6, 0}}; /* reserved bits */

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        frame_init(&f, 40);
        frame_tcp(&f, 1, 2, 0, 0);
        frame_ip6_fragment(&f, cases[i].field);
        frame_ip6(&f);
        read_whole(6, &f);
        assert_int_equal(ip.flags, cases[i].flags);
        assert_int_equal(ip.fragment_id, 0xfeedbeef);
        assert_int_equal(ip.proto, PROTO_TCP);
        assert_int_equal(ip.payload.wire, 60);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ip4_checks_in_the_order_of_the_rfc),
        cmocka_unit_test(ip4_octets_are_the_headers_unless_it_lies),
        cmocka_unit_test(ip4_options_cut_by_the_snap_length),
        cmocka_unit_test(ip4_fragments),
        cmocka_unit_test(ip4_authentication_header_is_a_protocol),
        cmocka_unit_test(ip6_checks),
        cmocka_unit_test(ip6_length_zero),
        cmocka_unit_test(ip6_jumbo_option),
        cmocka_unit_test(ip6_three_extensions_and_esp),
        cmocka_unit_test(ip6_does_not_walk_mobility),
        cmocka_unit_test(ip6_chain_limit),
        cmocka_unit_test(ip6_chain_cut),
        cmocka_unit_test(ip6_fragments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
