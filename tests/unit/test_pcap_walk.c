#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "capture/pcap_walk.h"

static const uint8_t little[PCAP_WALK_HEAD] = {0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4};
static const uint8_t big[PCAP_WALK_HEAD] = {0xa1, 0xb2, 0xc3, 0xd4, 0, 2, 0, 4};
static const uint8_t big_nano[PCAP_WALK_HEAD] = {0xa1, 0xb2, 0x3c, 0x4d, 0, 2, 0, 4};

static struct pcap_walk walk_of(const uint8_t *head)
{
    struct pcap_walk w;

    assert_true(pcap_walk_init(&w, head));
    w.snapshot = w.len_max = 100;
    return w;
}

static void only_the_usual_kind_is_walked(void **state)
{
    (void)state;
    static const uint8_t older[PCAP_WALK_HEAD] = {0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 3};
    static const uint8_t modified[PCAP_WALK_HEAD] = {0x34, 0xcd, 0xb2, 0xa1, 2, 0, 4};
    static const uint8_t pcapng[PCAP_WALK_HEAD] = {0x0a, 0x0d, 0x0d, 0x0a};
    struct pcap_walk w;

    assert_true(pcap_walk_init(&w, little));
    assert_true(pcap_walk_init(&w, big));
    assert_true(pcap_walk_init(&w, big_nano));
    assert_false(pcap_walk_init(&w, older));
    assert_false(pcap_walk_init(&w, modified));
    assert_false(pcap_walk_init(&w, pcapng));
}

static void fields_are_read_in_the_order_of_the_file(void **state)
{
    (void)state;
    static const uint8_t record[] = {0, 0, 1, 0, 0, 0, 0, 7, 0, 0, 0, 2, 0, 0, 2, 0, 'a', 'b'};
    const uint8_t *heads[] = {big, big_nano};

    for (int nano = 0; nano < 2; nano++) {
        struct pcap_walk w = walk_of(heads[nano]);
        const uint8_t *at = record, *frame;
        struct pcap_pkthdr h;
        assert_int_equal(pcap_walk_next(&w, &at, record + sizeof(record), &h, &frame),
                         PCAP_WALK_PACKET);
        assert_int_equal(h.ts.tv_sec, 256);
        assert_int_equal(h.ts.tv_usec, nano ? 7 : 7000);
        assert_int_equal(h.caplen, 2);
        assert_int_equal(h.len, 512);
        assert_memory_equal(frame, "ab", 2);
        assert_ptr_equal(at, record + sizeof(record));
    }
}

/* What no second has: as libpcap reads it, by the byte order. */
static void odd_fractions_are_signed_in_the_own_order_only(void **state)
{
    (void)state;
    uint8_t record[PCAP_WALK_RECORD] = {0};
    struct pcap_pkthdr h;
    const uint8_t *frame;

    memset(record, 0xff, 8);
    for (int swapped = 0; swapped < 2; swapped++) {
        struct pcap_walk w = {.swapped = swapped};
        const uint8_t *at = record;
        assert_int_equal(pcap_walk_next(&w, &at, record + sizeof(record), &h, &frame),
                         PCAP_WALK_PACKET);
        assert_int_equal(h.ts.tv_sec, swapped ? (long)UINT32_MAX : -1L);
        assert_int_equal(h.ts.tv_usec, swapped ? (long)UINT32_MAX : -1L);
    }
}

/* At every length but the whole one it asks for more, and says nothing. */
static void a_part_is_not_a_packet(void **state)
{
    (void)state;
    static const uint8_t record[] = {0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 3, 0, 0, 0, 'a', 'b', 'c'};
    struct pcap_walk w = walk_of(little);
    struct pcap_pkthdr h = {.len = 77};
    const uint8_t *frame = NULL;

    for (size_t len = 0; len < sizeof(record); len++) {
        const uint8_t *at = record;
        assert_int_equal(pcap_walk_next(&w, &at, record + len, &h, &frame), PCAP_WALK_MORE);
        assert_ptr_equal(at, record);
        assert_int_equal(h.len, 77);
        assert_null(frame);
    }
}

static void long_packets_are_cut_and_longer_ones_are_odd(void **state)
{
    (void)state;
    uint8_t record[PCAP_WALK_RECORD + 100] = {[8] = 100, [12] = 200};
    struct pcap_walk w = walk_of(little);
    const uint8_t *at = record, *frame;
    struct pcap_pkthdr h;

    w.snapshot = 60;
    assert_int_equal(pcap_walk_next(&w, &at, record + sizeof(record), &h, &frame),
                     PCAP_WALK_PACKET);
    assert_int_equal(h.caplen, 60);
    assert_ptr_equal(at, record + sizeof(record));
    record[8] = 101;
    at = record;
    assert_int_equal(pcap_walk_next(&w, &at, record + sizeof(record), &h, &frame), PCAP_WALK_ODD);
    assert_ptr_equal(at, record);
    record[11] = 0xff;
    assert_int_equal(pcap_walk_next(&w, &at, record + sizeof(record), &h, &frame), PCAP_WALK_ODD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_the_usual_kind_is_walked),
        cmocka_unit_test(fields_are_read_in_the_order_of_the_file),
        cmocka_unit_test(odd_fractions_are_signed_in_the_own_order_only),
        cmocka_unit_test(a_part_is_not_a_packet),
        cmocka_unit_test(long_packets_are_cut_and_longer_ones_are_odd),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
