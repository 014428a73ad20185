#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "flow/duplicate.h"
#include "flow_fixture.h"

static struct fixture *open_dedup(bool dedup)
{
    struct flow_table_options options = fixture_options();
    options.dedup = dedup;
    return fixture_open(&options);
}

static struct packet numbered(uint16_t n, uint64_t ts_ns)
{
    struct packet p = packet_udp(0, 1000, ts_ns);
    p.fragment_id = n;
    p.checksum = (uint16_t)(n * 7 + 1);
    return p;
}

static void copies_are_counted_and_flagged(void **state)
{
    (void)state;
    struct fixture *f = open_dedup(false);
    struct packet copy = numbered(1, START_NS + 10 * MS);

    copy.ttl--;
    copy.vlan[0] = 12;
    copy.vlan_count = 1;
    fixture_send(f, numbered(1, START_NS));
    fixture_send(f, copy);
    assert_int_equal(f->counters.note[NOTE_SPAN_DUPLICATES], 1);
    assert_int_equal(f->counters.fate_packets[FATE_FLOW], 2);
    fixture_drain(f);
    assert_int_equal(fixture_last(f)->delta.packets[0], 2);
    assert_true(fixture_last(f)->quality & QUALITY_SPAN_DUPLICATES);
    fixture_close(f);
}

static void copies_are_left_out_when_asked_for(void **state)
{
    (void)state;
    struct fixture *f = open_dedup(true);
    struct packet burst[3] = {numbered(1, START_NS), numbered(1, START_NS + 1),
                              numbered(2, START_NS + 2)};

    fixture_burst(f, burst, 3);
    assert_int_equal(burst[0].fate, FATE_FLOW);
    assert_int_equal(burst[1].fate, FATE_DUPLICATE);
    assert_int_equal(burst[2].fate, FATE_FLOW);
    fixture_drain(f);
    assert_int_equal(fixture_last(f)->delta.packets[0], 2);
    assert_true(fixture_last(f)->quality & QUALITY_SPAN_DUPLICATES);
    fixture_close(f);
}

static uint64_t seen_as_duplicates(struct packet a, struct packet b)
{
    struct fixture *f = open_dedup(false);
    fixture_send(f, a);
    fixture_send(f, b);
    uint64_t n = f->counters.note[NOTE_SPAN_DUPLICATES];
    fixture_close(f);
    return n;
}

static void ten_milliseconds_and_no_longer(void **state)
{
    (void)state;
    assert_int_equal(seen_as_duplicates(numbered(1, START_NS), numbered(1, START_NS)), 1);
    assert_int_equal(seen_as_duplicates(numbered(1, START_NS), numbered(1, START_NS + 10 * MS)), 1);
    assert_int_equal(seen_as_duplicates(numbered(1, START_NS), numbered(1, START_NS + 10 * MS + 1)),
                     0);
    assert_int_equal(seen_as_duplicates(numbered(1, START_NS), numbered(1, START_NS - MS)), 0);
}

static void what_does_not_change_on_the_way_counts(void **state)
{
    (void)state;
    const struct packet a = numbered(1, START_NS);
    struct packet b = a;

    b.fragment_id++;
    assert_int_equal(seen_as_duplicates(a, b), 0);
    b = a;
    b.checksum++;
    assert_int_equal(seen_as_duplicates(a, b), 0);
    b = a;
    b.payload++;
    assert_int_equal(seen_as_duplicates(a, b), 0);
    b = a;
    b.src_port++;
    assert_int_equal(seen_as_duplicates(a, b), 0);
    b = a;
    b.tcp_seq++;
    assert_int_equal(seen_as_duplicates(a, b), 0);
    b = a;
    b.tcp_ack++;
    assert_int_equal(seen_as_duplicates(a, b), 0);
    b = a; /* the answer, with all numbers equal */
    b.addresses = back4;
    b.src_port = a.dst_port;
    b.dst_port = a.src_port;
    assert_int_equal(seen_as_duplicates(a, b), 0);
}

/* Nothing to tell them apart by: they are taken for different packets. */
static void indistinct_packets_are_not_judged(void **state)
{
    (void)state;
    struct packet p = numbered(1, START_NS);

    p.fragment_id = p.checksum = 0;
    assert_int_equal(seen_as_duplicates(p, p), 0);
    p.checksum = 77;
    p.payload = 0;
    assert_int_equal(seen_as_duplicates(p, p), 0);
    p.payload = 10;
    assert_int_equal(seen_as_duplicates(p, p), 1);
    p.flags |= PACKET_FRAGMENT_LATER;
    assert_int_equal(seen_as_duplicates(p, p), 0);
}

static void a_stream_without_copies_has_none(void **state)
{
    (void)state;
    struct fixture *f = open_dedup(true);

    for (uint32_t i = 0; i < 60000; i++)
        fixture_send(f, numbered((uint16_t)i, START_NS + i * 100));
    assert_int_equal(f->counters.note[NOTE_SPAN_DUPLICATES], 0);
    fixture_close(f);
}

/* A copy 100 packets later: few are lost to others in their slot. */
static void a_mirrored_stream_is_halved(void **state)
{
    (void)state;
    struct fixture *f = open_dedup(true);

    for (uint32_t i = 0; i < 20000; i++) {
        fixture_send(f, numbered((uint16_t)i, START_NS + i * 1000));
        if (i >= 50)
            fixture_send(f, numbered((uint16_t)(i - 50), START_NS + i * 1000));
    }
    assert_in_range(f->counters.note[NOTE_SPAN_DUPLICATES], 19950 * 95 / 100, 19950);
    assert_int_equal(f->counters.note[NOTE_SPAN_DUPLICATES],
                     f->counters.fate_packets[FATE_DUPLICATE]);
    fixture_close(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(copies_are_counted_and_flagged),
        cmocka_unit_test(copies_are_left_out_when_asked_for),
        cmocka_unit_test(ten_milliseconds_and_no_longer),
        cmocka_unit_test(what_does_not_change_on_the_way_counts),
        cmocka_unit_test(indistinct_packets_are_not_judged),
        cmocka_unit_test(a_stream_without_copies_has_none),
        cmocka_unit_test(a_mirrored_stream_is_halved),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
