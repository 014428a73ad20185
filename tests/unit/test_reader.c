/* Messages made by hand, octet by octet, and what the reader makes of them. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "export/reader.h"
#include "export/schema.h"
#include "weir/flow.h"

struct bytes {
    uint8_t octet[4096];
    size_t len, set;
};

static struct {
    struct ipfix_reader *reader;
    struct bytes m;
    unsigned records, scope, fields;
    uint64_t number[8];
    struct flow_record flow;
    bool is_flow;
    uint16_t len[8];
} f;

static void put(unsigned size, uint64_t value)
{
    while (size--)
        f.m.octet[f.m.len++] = (uint8_t)(value >> size * 8);
}

static void begin(uint32_t sequence)
{
    f.m.len = 0;
    put(2, 10), put(2, 0), put(4, 1700000000), put(4, sequence), put(4, 7);
}

static void patch_len(size_t at, size_t len)
{
    f.m.octet[at] = (uint8_t)(len >> 8);
    f.m.octet[at + 1] = (uint8_t)len;
}

static void set(unsigned id)
{
    f.m.set = f.m.len;
    put(2, id), put(2, 0);
}

static void end_set(void)
{
    patch_len(f.m.set + 2, f.m.len - f.m.set);
}

static void feed(void)
{
    patch_len(2, f.m.len);
    /* exactly as much memory as octets: a sanitizer sees one too many */
    uint8_t *copy = malloc(f.m.len);
    memcpy(copy, f.m.octet, f.m.len);
    assert_int_equal(ipfix_reader_feed(f.reader, copy, f.m.len), f.m.len);
    free(copy);
}

static void take(void *context, const struct ipfix_record *r)
{
    (void)context;
    f.records++;
    f.scope = r->scope_count;
    f.fields = r->count;
    for (unsigned i = 0; i < r->count && i < 8; i++) {
        f.number[i] = ipfix_value_number(&r->value[i]);
        f.len[i] = r->value[i].len;
    }
    f.is_flow = ipfix_record_to_flow(r, &f.flow);
}

static int setup(void **state)
{
    (void)state;
    struct ipfix_reader_options o = {.enterprise = 64999, .record = take};
    memset(&f, 0, sizeof(f));
    return ipfix_reader_create(&o, &f.reader);
}

static int teardown(void **state)
{
    (void)state;
    ipfix_reader_destroy(f.reader);
    return 0;
}

static uint64_t count(enum ipfix_problem problem)
{
    return ipfix_reader_stats(f.reader).problem[problem];
}

static uint64_t problems(void)
{
    uint64_t sum = 0;
    for (int i = 0; i < PROBLEM_COUNT; i++)
        sum += count((enum ipfix_problem)i);
    return sum;
}

/* Template 256: address, packets in 4 octets, a name of any length. */
static void put_template(void)
{
    set(2);
    put(2, 256), put(2, 3), put(2, 8), put(2, 4), put(2, 2), put(2, 4), put(2, 82), put(2, 65535);
    end_set();
}

static void put_record(uint32_t packets)
{
    put(4, 0x0a000001), put(4, packets), put(1, 3), put(3, 0x616263);
}

static void test_record(void **state)
{
    (void)state;
    begin(0);
    put_template();
    set(256);
    put_record(5), put_record(6);
    put(3, 0); /* padding */
    end_set();
    feed();
    assert_int_equal(f.records, 2);
    assert_int_equal(f.number[1], 6);
    assert_int_equal(f.len[2], 3);
    assert_true(f.is_flow);
    assert_int_equal(f.flow.delta.packets[0], 6);
    assert_int_equal(f.flow.ip_version, 4);
    begin(2); /* the template lives on; the sequence counts records */
    set(256);
    put_record(1);
    end_set();
    feed();
    assert_int_equal(f.records, 3);
    assert_int_equal(problems(), 0);
}

static void test_long_text(void **state)
{
    (void)state;
    begin(0);
    put_template();
    set(256);
    put(4, 1), put(4, 1), put(1, 255), put(2, 300);
    f.m.len += 300;
    end_set();
    feed();
    assert_int_equal(f.records, 1);
    assert_int_equal(f.len[2], 300);
}

static void test_options_and_withdrawal(void **state)
{
    (void)state;
    begin(0);
    set(3);
    put(2, 300), put(2, 2), put(2, 1), put(2, 149), put(2, 4), put(2, 41), put(2, 8);
    end_set();
    set(300);
    put(4, 7), put(8, 12);
    end_set();
    feed();
    assert_int_equal(f.records, 1);
    assert_int_equal(f.scope, 1);
    assert_false(f.is_flow);
    begin(1);
    set(3);
    put(2, 300), put(2, 0); /* withdrawn */
    put(2, 300), put(2, 0); /* twice is a mistake */
    end_set();
    set(300);
    put(4, 7), put(8, 12);
    end_set();
    feed();
    assert_int_equal(f.records, 1);
    assert_int_equal(count(PROBLEM_WITHDRAWAL), 1);
    assert_int_equal(count(PROBLEM_NO_TEMPLATE), 1);
}

static void test_withdraw_all(void **state)
{
    (void)state;
    begin(0);
    put_template();
    set(3);
    put(2, 300), put(2, 1), put(2, 1), put(2, 149), put(2, 4);
    end_set();
    set(2);
    put(2, 2), put(2, 0);
    end_set();
    set(256);
    put_record(1);
    end_set();
    set(300);
    put(4, 7);
    end_set();
    feed();
    assert_int_equal(f.records, 1); /* the options template stayed */
    assert_int_equal(count(PROBLEM_NO_TEMPLATE), 1);
}

static void test_sequence(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        static const uint32_t sequence[] = {100, 101, 105};
        begin(sequence[i]);
        put_template();
        set(256);
        put_record(1);
        end_set();
        feed();
    }
    assert_int_equal(count(PROBLEM_SEQUENCE), 1);
    assert_int_equal(ipfix_reader_stats(f.reader).missing, 3);
    begin(UINT32_MAX); /* back */
    set(256);
    put_record(1);
    end_set();
    feed();
    assert_int_equal(count(PROBLEM_SEQUENCE), 2);
    assert_int_equal(ipfix_reader_stats(f.reader).missing, 3);
    begin(0); /* it wraps */
    set(256);
    put_record(1);
    end_set();
    feed();
    assert_int_equal(count(PROBLEM_SEQUENCE), 2);
}

static void test_changed_template(void **state)
{
    (void)state;
    begin(0);
    put_template();
    put_template(); /* again, the same: no error (RFC 7011 §8.1) */
    assert_int_equal(problems(), 0);
    set(2);
    put(2, 256), put(2, 1), put(2, 4), put(2, 1);
    end_set();
    set(256);
    put(1, 6), put(1, 17);
    end_set();
    feed();
    assert_int_equal(count(PROBLEM_TEMPLATE_CHANGED), 1);
    assert_int_equal(f.records, 2);
    assert_int_equal(f.fields, 1);
}

static void test_malformed(void **state)
{
    (void)state;
    begin(0);
    set(2);
    put(2, 256), put(2, 9), put(2, 8), put(2, 4); /* nine fields that are not there */
    end_set();
    feed();
    assert_int_equal(count(PROBLEM_TEMPLATE), 1);
    begin(0);
    set(2);
    put(2, 256), put(2, 1), put(2, 8), put(2, 0); /* records of no length */
    end_set();
    feed();
    assert_int_equal(count(PROBLEM_TEMPLATE), 2);
    begin(0);
    set(7);
    end_set();
    feed();
    assert_int_equal(count(PROBLEM_SET_ID), 1);
    begin(0);
    put(2, 256), put(2, 3);
    feed();
    begin(0);
    put(2, 256), put(2, 100);
    feed();
    assert_int_equal(count(PROBLEM_SET_LENGTH), 2);
    begin(0);
    put_template();
    set(256);
    put(4, 1), put(4, 1), put(1, 200), put(3, 0);
    end_set();
    feed();
    assert_int_equal(count(PROBLEM_RECORD), 1);
    assert_int_equal(f.records, 0);
}

static void test_frame(void **state)
{
    (void)state;
    const uint8_t good[] = {0, 10, 1, 2}, netflow9[] = {0, 9, 0, 20}, tiny[] = {0, 10, 0, 15};

    assert_int_equal(ipfix_frame(good, 3), 0);
    assert_int_equal(ipfix_frame(good, 4), 0x102);
    assert_int_equal(ipfix_frame(netflow9, 4), -EPROTO);
    assert_int_equal(ipfix_reader_feed(f.reader, netflow9, 4), -EPROTO);
    assert_int_equal(count(PROBLEM_VERSION), 1);
    assert_int_equal(ipfix_reader_feed(f.reader, tiny, 4), -EPROTO);
    assert_int_equal(count(PROBLEM_LENGTH), 1);
    assert_int_equal(ipfix_reader_feed(f.reader, good, 4), 0);
    ipfix_reader_end(f.reader, 4);
    assert_int_equal(count(PROBLEM_CUT), 1);
    ipfix_reader_end(f.reader, 0);
    assert_int_equal(count(PROBLEM_CUT), 1);
}

static void test_bounds(void **state)
{
    (void)state;
    for (unsigned id = 256; id < 256 + 4200; id++) {
        begin(0);
        set(2);
        put(2, id), put(2, 1), put(2, 4), put(2, 1);
        end_set();
        f.m.octet[15] = (uint8_t)id; /* domains too */
        feed();
    }
    assert_int_equal(count(PROBLEM_TEMPLATE_LIMIT), 4200 - 4096);
}

static void test_names(void **state)
{
    (void)state;
    struct ipfix_element e;
    char name[IPFIX_NAME_MAX];

    assert_true(ipfix_element_find(0, 148, &e));
    ipfix_element_name(&e, name);
    assert_string_equal(name, "flowId");
    assert_true(ipfix_element_find(PEN_REVERSE, 1, &e));
    ipfix_element_name(&e, name);
    assert_string_equal(name, "reverseOctetDeltaCount");
    assert_true(ipfix_element_find(PEN_CERT, 14 | 0x4000, &e));
    ipfix_element_name(&e, name);
    assert_string_equal(name, "reverseInitialTCPFlags");
    assert_false(ipfix_element_find(0, 32767, &e));
    assert_false(ipfix_element_find(12345, 1, &e));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(record),       TEST(long_text), TEST(options_and_withdrawal),
        TEST(withdraw_all), TEST(sequence),  TEST(changed_template),
        TEST(malformed),    TEST(frame),     TEST(bounds),
        TEST(names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
