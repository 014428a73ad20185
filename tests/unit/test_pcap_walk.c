#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "capture/pcap_walk.h"

static const uint8_t little[24] = {0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4};
static const uint8_t big[24] = {0xa1, 0xb2, 0xc3, 0xd4, 0, 2, 0, 4};
static const uint8_t big_nano[24] = {0xa1, 0xb2, 0x3c, 0x4d, 0, 2, 0, 4};

static struct pcap_walk walk_of(const uint8_t *head)
{
    struct pcap_walk w;

    assert_int_equal(pcap_walk_init(&w, head, 24), PCAP_WALK_PACKET);
    w.snapshot = w.len_max = 100;
    return w;
}

static void only_the_usual_kind_is_walked(void **state)
{
    (void)state;
    static const uint8_t older[24] = {0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 3};
    static const uint8_t modified[24] = {0x34, 0xcd, 0xb2, 0xa1, 2, 0, 4};
    static const uint8_t text[24] = "no capture";
    struct pcap_walk w;

    assert_int_equal(pcap_walk_init(&w, little, 24), PCAP_WALK_PACKET);
    assert_int_equal(pcap_walk_init(&w, big, 24), PCAP_WALK_PACKET);
    assert_int_equal(pcap_walk_init(&w, big_nano, 24), PCAP_WALK_PACKET);
    assert_int_equal(pcap_walk_init(&w, older, 24), PCAP_WALK_ODD);
    assert_int_equal(pcap_walk_init(&w, modified, 24), PCAP_WALK_ODD);
    assert_int_equal(pcap_walk_init(&w, text, 24), PCAP_WALK_ODD);
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

/* --- pcapng --- */

/* Blocks, in the machine's byte order or the other one. */
struct blocks {
    uint8_t data[1024];
    size_t len;
    bool swapped;
};

static void put32(struct blocks *b, uint32_t value)
{
    value = b->swapped ? __builtin_bswap32(value) : value;
    memcpy(b->data + b->len, &value, sizeof(value));
    b->len += sizeof(value);
}

/* Two numbers of 16 bits, the one that stands first given first. */
static void put16s(struct blocks *b, uint16_t first, uint16_t second)
{
    uint16_t values[2] = {b->swapped ? __builtin_bswap16(first) : first,
                          b->swapped ? __builtin_bswap16(second) : second};

    memcpy(b->data + b->len, values, sizeof(values));
    b->len += sizeof(values);
}

static void section(struct blocks *b)
{
    put32(b, PCAPNG_SECTION);
    put32(b, 28);
    put32(b, 0x1a2b3c4d);
    put16s(b, 1, 0);
    put32(b, UINT32_MAX);
    put32(b, UINT32_MAX);
    put32(b, 28);
}

/* With one option of one octet, unless code is 0. */
static void interface(struct blocks *b, uint16_t code, uint8_t value)
{
    const uint32_t len = code ? 32 : 20;

    put32(b, PCAPNG_INTERFACE);
    put32(b, len);
    put16s(b, 1, 0);
    put32(b, 65535);
    if (code) {
        put16s(b, code, 1);
        memcpy(b->data + b->len, (uint8_t[4]){value}, 4);
        b->len += 4;
        put16s(b, 0, 0);
    }
    put32(b, len);
}

static void packet(struct blocks *b, uint32_t type, uint32_t from, uint64_t time, uint32_t cap_len)
{
    put32(b, type);
    put32(b, 36);
    put32(b, from);
    put32(b, (uint32_t)(time >> 32));
    put32(b, (uint32_t)time);
    put32(b, cap_len);
    put32(b, 60);
    memcpy(b->data + b->len, "wxyz", 4);
    b->len += 4;
    put32(b, 36);
}

static enum pcap_walk_step head_step(bool swapped, uint16_t code, uint8_t value,
                                     struct pcap_walk *w)
{
    struct blocks b = {.swapped = swapped};

    section(&b);
    interface(&b, code, value);
    enum pcap_walk_step step = pcap_walk_init(w, b.data, b.len);
    if (step == PCAP_WALK_PACKET)
        assert_int_equal(w->head_len, b.len);
    for (size_t len = 0; len < b.len; len++)
        assert_int_equal(pcap_walk_init(&(struct pcap_walk){0}, b.data, len), PCAP_WALK_MORE);
    w->snapshot = w->len_max = 65535;
    return step;
}

static void one_interface_with_usual_times_is_walked(void **state)
{
    (void)state;
    struct pcap_walk w;

    for (int swapped = 0; swapped < 2; swapped++) {
        assert_int_equal(head_step(swapped, 0, 0, &w), PCAP_WALK_PACKET);
        assert_true(w.micro);
        assert_int_equal(head_step(swapped, 9, 6, &w), PCAP_WALK_PACKET);
        assert_true(w.micro);
        assert_int_equal(head_step(swapped, 9, 9, &w), PCAP_WALK_PACKET);
        assert_false(w.micro);
        assert_int_equal(head_step(swapped, 2, 'x', &w), PCAP_WALK_PACKET);
        assert_int_equal(head_step(swapped, 9, 3, &w), PCAP_WALK_ODD);
        assert_int_equal(head_step(swapped, 9, 0x86, &w), PCAP_WALK_ODD);
        assert_int_equal(head_step(swapped, 14, 1, &w), PCAP_WALK_ODD);
    }
}

static void an_interface_must_come_first(void **state)
{
    (void)state;
    struct blocks b = {0};
    struct pcap_walk w;

    section(&b);
    packet(&b, PCAPNG_PACKET, 0, 0, 4);
    assert_int_equal(pcap_walk_init(&w, b.data, b.len), PCAP_WALK_ODD);
}

static void enhanced_packets_are_read(void **state)
{
    (void)state;
    for (int swapped = 0; swapped < 2; swapped++)
        for (int nano = 0; nano < 2; nano++) {
            struct blocks b = {.swapped = swapped};
            struct pcap_pkthdr h;
            struct pcap_walk w;
            const uint8_t *at = b.data, *frame;
            uint64_t seconds = UINT64_C(1700000000), unit = nano ? 1000000000 : 1000000;
            head_step(swapped, 9, nano ? 9 : 6, &w);
            packet(&b, PCAPNG_PACKET, 0, seconds * unit + 7, 3);
            assert_int_equal(pcap_walk_next(&w, &at, b.data + b.len, &h, &frame), PCAP_WALK_PACKET);
            assert_int_equal(h.ts.tv_sec, seconds);
            assert_int_equal(h.ts.tv_usec, nano ? 7 : 7000);
            assert_int_equal(h.caplen, 3);
            assert_int_equal(h.len, 60);
            assert_memory_equal(frame, "wxy", 3);
            assert_ptr_equal(at, b.data + b.len);
            for (size_t len = 0; len < b.len; len++) {
                at = b.data;
                assert_int_equal(pcap_walk_next(&w, &at, b.data + len, &h, &frame), PCAP_WALK_MORE);
                assert_ptr_equal(at, b.data);
            }
        }
}

/* What one block is to the walk. */
static enum pcap_walk_step step_of(const struct blocks *b)
{
    struct pcap_pkthdr h;
    struct pcap_walk w;
    const uint8_t *at = b->data, *frame;

    head_step(false, 0, 0, &w);
    enum pcap_walk_step step = pcap_walk_next(&w, &at, b->data + b->len, &h, &frame);
    assert_ptr_equal(at, step <= PCAP_WALK_OTHER ? b->data + b->len : b->data);
    return step;
}

static void blocks_without_packets_are_passed_over(void **state)
{
    (void)state;
    for (uint32_t type = 0; type < 12; type++) {
        struct blocks b = {0};
        packet(&b, type, 0, 0, 4);
        assert_int_equal(step_of(&b), type == PCAPNG_PACKET    ? PCAP_WALK_PACKET
                                      : type >= 1 && type <= 3 ? PCAP_WALK_ODD
                                                               : PCAP_WALK_OTHER);
    }
}

static void what_is_damaged_is_odd(void **state)
{
    (void)state;
    struct blocks head = {0}, other = {0}, longer = {0}, whole = {0};

    section(&head);
    assert_int_equal(step_of(&head), PCAP_WALK_ODD);
    packet(&other, PCAPNG_PACKET, 1, 0, 4);
    assert_int_equal(step_of(&other), PCAP_WALK_ODD);
    packet(&longer, PCAPNG_PACKET, 0, 0, 5);
    assert_int_equal(step_of(&longer), PCAP_WALK_ODD);
    packet(&whole, PCAPNG_PACKET, 0, 0, 4);
    for (size_t at = 4; at < whole.len; at += whole.len - 8)
        for (int bit = 0; bit < 32; bit++) {
            struct blocks b = whole;
            b.data[at + (size_t)bit / 8] ^= (uint8_t)(1 << bit % 8);
            enum pcap_walk_step step = step_of(&b);
            assert_true(step == PCAP_WALK_ODD || step == PCAP_WALK_MORE);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_the_usual_kind_is_walked),
        cmocka_unit_test(fields_are_read_in_the_order_of_the_file),
        cmocka_unit_test(odd_fractions_are_signed_in_the_own_order_only),
        cmocka_unit_test(a_part_is_not_a_packet),
        cmocka_unit_test(long_packets_are_cut_and_longer_ones_are_odd),
        cmocka_unit_test(one_interface_with_usual_times_is_walked),
        cmocka_unit_test(an_interface_must_come_first),
        cmocka_unit_test(enhanced_packets_are_read),
        cmocka_unit_test(blocks_without_packets_are_passed_over),
        cmocka_unit_test(what_is_damaged_is_odd),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
