#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "decode/ip_header.h"
#include "decode/l4.h"
#include "harness/packets.h"

#define FRAME_OF(f) ((f)->octets + (f)->at)

/* Reads the layer-4 header in front, of which `captured` octets were captured, as the whole payload
 * of an IP packet. */
static struct packet read_cut(const struct frame *f, uint32_t captured)
{
    struct ip_header ip = {.payload = cursor_init(frame_data(f), captured, frame_len(f)),
                           .proto = f->proto};
    struct packet p = {.proto = f->proto};
    l4_read(&p, &ip);
    return p;
}

static struct packet read_whole(const struct frame *f)
{
    return read_cut(f, frame_len(f));
}

static void tcp_fields(void **state)
{
    (void)state;
    struct frame f;

    frame_init(&f, 10);
    frame_tcp(&f, 40000, 443, 0x5a, 3);
    struct packet p = read_whole(&f);
    assert_int_equal(p.src_port, 40000);
    assert_int_equal(p.dst_port, 443);
    assert_int_equal(p.tcp_seq, 0x01020304);
    assert_int_equal(p.tcp_ack, 0x05060708);
    assert_int_equal(p.tcp_flags, 0x5a);
    assert_int_equal(p.tcp_window, 0x1234);
    assert_int_equal(p.checksum, 0xc0de);
    assert_int_equal(p.payload, 10);
    assert_int_equal(p.flags, PACKET_HAS_PORTS | PACKET_HAS_TCP);
}

static void tcp_cut_by_the_snap_length(void **state)
{
    (void)state;
    struct frame f;

    frame_init(&f, 100);
    frame_tcp(&f, 40000, 443, 0x5a, 0);
    struct packet p = read_cut(&f, 3);
    assert_int_equal(p.flags, PACKET_TRUNCATED);
    assert_int_equal(p.src_port | p.dst_port, 0);
    assert_int_equal(p.payload, 100);
    p = read_cut(&f, 4);
    assert_int_equal(p.flags, PACKET_TRUNCATED | PACKET_HAS_PORTS);
    p = read_cut(&f, 13);
    assert_int_equal(p.tcp_flags, 0);
    p = read_cut(&f, 14);
    assert_int_equal(p.tcp_flags, 0x5a);
    assert_int_equal(p.checksum, 0);
    p = read_cut(&f, 18);
    assert_int_equal(p.checksum, 0xc0de);
    assert_int_equal(p.tcp_seq, 0);
    p = read_cut(&f, 20);
    assert_int_equal(p.flags, PACKET_HAS_PORTS | PACKET_HAS_TCP);
}

static void tcp_payload_is_never_negative(void **state)
{
    (void)state;
    struct frame f;

    frame_init(&f, 10);
    frame_tcp(&f, 1, 2, 0, 0);
    FRAME_OF(&f)[12] = 0xf0; /* 60 octets of header in a segment of 30 */
    assert_int_equal(read_whole(&f).payload, 0);
    FRAME_OF(&f)[12] = 0x10; /* 4 octets: the base header is 20 all the same */
    assert_int_equal(read_whole(&f).payload, 10);
    frame_init(&f, 0);
    frame_push(&f, 6);
    f.proto = PROTO_TCP; /* the IP packet ends within the header: nothing was cut */
    struct packet p = read_whole(&f);
    assert_int_equal(p.flags, PACKET_HAS_PORTS);
    assert_int_equal(p.payload, 0);
}

static void headers_of_the_other_transports(void **state)
{
    (void)state;
    struct frame f;

    frame_init(&f, 50);
    frame_udp(&f, 7, 9);
    struct packet p = read_whole(&f);
    assert_int_equal(p.payload, 50);
    assert_int_equal(p.checksum, 0xc0de);
    frame_init(&f, 50);
    frame_udplite(&f, 7, 9);
    p = read_whole(&f);
    assert_int_equal(p.payload, 50);
    assert_int_equal(p.checksum, 0xc0de);
    frame_init(&f, 50);
    frame_sctp(&f, 7, 9);
    p = read_whole(&f);
    assert_int_equal(p.payload, 50);
    assert_int_equal(p.checksum, 0);
    frame_init(&f, 50);
    frame_dccp(&f, 7, 9, 6);
    p = read_whole(&f);
    assert_int_equal(p.payload, 50);
    FRAME_OF(&f)[4] = 255;
    assert_int_equal(read_whole(&f).payload, 0);
    FRAME_OF(&f)[4] = 0;
    assert_int_equal(read_whole(&f).payload, 74 - DCCP_LEN);
    assert_int_equal(p.src_port, 7);
    assert_int_equal(p.dst_port, 9);
}

static void protocols_without_ports(void **state)
{
    (void)state;
    struct frame f;

    frame_init(&f, 50);
    f.proto = 89; /* OSPF */
    struct packet p = read_cut(&f, 1);
    assert_int_equal(p.flags, 0);
    assert_int_equal(p.payload, 50);
}

static void later_fragments_and_unread_chains_have_no_layer_four(void **state)
{
    (void)state;
    struct frame f;

    frame_init(&f, 50);
    frame_udp(&f, 7, 9);
    struct ip_header ip = {.payload = cursor_init(frame_data(&f), 58, 58), .proto = PROTO_UDP};
    struct packet p = {.proto = PROTO_UDP, .flags = PACKET_FRAGMENT_LATER};
    l4_read(&p, &ip);
    assert_int_equal(p.src_port, 0);
    assert_int_equal(p.payload, 58);
    p = (struct packet){.proto = PROTO_UDP};
    ip.opaque = true;
    l4_read(&p, &ip);
    assert_int_equal(p.src_port, 0);
    assert_int_equal(p.payload, 58);
}

static struct packet icmp(uint8_t proto, uint8_t type, uint8_t code)
{
    struct frame f;
    frame_init(&f, 20);
    frame_icmp(&f, proto, type, code);
    return read_whole(&f);
}

static void icmp_types_pair_with_their_answers(void **state)
{
    (void)state;
    static const uint8_t pairs[][3] = {
        {PROTO_ICMP, 8, 0},      {PROTO_ICMP, 13, 14},    {PROTO_ICMP, 15, 16},
        {PROTO_ICMP, 17, 18},    {PROTO_ICMP, 10, 9},     {PROTO_ICMP6, 128, 129},
        {PROTO_ICMP6, 130, 131}, {PROTO_ICMP6, 133, 134}, {PROTO_ICMP6, 135, 136},
        {PROTO_ICMP6, 139, 140}, {PROTO_ICMP6, 144, 145},
    };

    for (size_t i = 0; i < sizeof(pairs) / sizeof(*pairs); i++) {
        struct packet ask = icmp(pairs[i][0], pairs[i][1], 3);
        struct packet answer = icmp(pairs[i][0], pairs[i][2], 3);
        assert_int_equal(ask.src_port, pairs[i][1]);
        assert_int_equal(ask.dst_port, pairs[i][2]);
        assert_int_equal(answer.src_port, pairs[i][2]);
        assert_int_equal(answer.dst_port, pairs[i][1]);
        assert_int_equal(ask.hint, HINT_REQUEST);
        assert_int_equal(answer.hint, HINT_REPLY);
        assert_int_equal(answer.icmp_type, pairs[i][2]);
        assert_int_equal(answer.icmp_code, 3);
        assert_int_equal(ask.flags, PACKET_HAS_PORTS);
        assert_int_equal(ask.payload, 20);
        assert_int_equal(ask.checksum, 0xc0de);
    }
}

static void icmp_types_without_answer_go_one_way(void **state)
{
    (void)state;
    unsigned one_way = 0;

    for (int proto = 0; proto < 2; proto++)
        for (int type = 0; type < 256; type++) {
            struct packet p = icmp(proto ? PROTO_ICMP6 : PROTO_ICMP, (uint8_t)type, 13);
            if (!(p.flags & PACKET_ICMP_ONE_WAY))
                continue;
            one_way++;
            assert_int_equal(p.src_port, type);
            assert_int_equal(p.dst_port, 13);
            assert_int_equal(p.hint, HINT_NONE);
        }
    assert_int_equal(one_way, 512 - 10 - 12);
}

static void icmp_cut(void **state)
{
    (void)state;
    struct frame f;

    frame_init(&f, 20);
    frame_icmp(&f, PROTO_ICMP, 8, 0);
    assert_int_equal(read_cut(&f, 1).flags, PACKET_TRUNCATED);
    assert_int_equal(read_cut(&f, 2).flags, PACKET_TRUNCATED | PACKET_HAS_PORTS);
    assert_int_equal(read_cut(&f, 2).checksum, 0);
}

static struct packet dns(uint16_t src, uint16_t dst, uint8_t bits, uint32_t captured)
{
    struct frame f;
    frame_init(&f, 30);
    FRAME_OF(&f)[2] = bits;
    frame_udp(&f, src, dst);
    return read_cut(&f, captured);
}

static void dns_says_who_asks(void **state)
{
    (void)state;
    static const uint16_t ports[] = {53, 5353, 5355};

    for (int i = 0; i < 3; i++) {
        assert_int_equal(dns(40000, ports[i], 0x01, 38).hint, HINT_REQUEST);
        assert_int_equal(dns(ports[i], 40000, 0x81, 38).hint, HINT_REPLY);
        assert_int_equal(dns(ports[i], ports[i], 0x84, 38).hint, HINT_REPLY);
    }
    assert_int_equal(dns(40000, 123, 0x81, 38).hint, HINT_NONE);
    assert_int_equal(dns(40000, 53, 0x01, 19).hint, HINT_NONE);
    assert_int_equal(dns(40000, 53, 0x01, 20).hint, HINT_REQUEST);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tcp_fields),
        cmocka_unit_test(tcp_cut_by_the_snap_length),
        cmocka_unit_test(tcp_payload_is_never_negative),
        cmocka_unit_test(headers_of_the_other_transports),
        cmocka_unit_test(protocols_without_ports),
        cmocka_unit_test(later_fragments_and_unread_chains_have_no_layer_four),
        cmocka_unit_test(icmp_types_pair_with_their_answers),
        cmocka_unit_test(icmp_types_without_answer_go_one_way),
        cmocka_unit_test(icmp_cut),
        cmocka_unit_test(dns_says_who_asks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
