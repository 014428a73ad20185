#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "decode/cursor.h"

static const uint8_t octets[8] = {0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08};

static void takes_what_was_captured_and_no_more(void **state)
{
    (void)state;
    struct cursor c = cursor_init(octets, 8, 20);

    assert_ptr_equal(cursor_take(&c, 5), octets);
    assert_null(cursor_take(&c, 4));
    assert_ptr_equal(c.at, octets + 5);
    assert_int_equal(c.wire, 15);
    assert_ptr_equal(cursor_peek(&c, 3), octets + 5);
    assert_ptr_equal(cursor_take(&c, 0), octets + 5);
    assert_null(cursor_peek(&c, UINT32_MAX));
}

static void skips_to_the_end_and_counts_on_the_wire(void **state)
{
    (void)state;
    struct cursor c = cursor_init(octets, 8, 20);

    cursor_skip(&c, 12);
    assert_ptr_equal(c.at, octets + 8);
    assert_int_equal(c.wire, 8);
    cursor_skip(&c, UINT32_MAX);
    assert_ptr_equal(c.at, c.end);
    assert_int_equal(c.wire, 0);
}

static void limits_only_shorten(void **state)
{
    (void)state;
    struct cursor c = cursor_init(octets, 8, 20);

    cursor_limit(&c, 30);
    assert_int_equal(c.wire, 20);
    cursor_limit(&c, 10);
    assert_int_equal(c.wire, 10);
    assert_ptr_equal(c.end, octets + 8);
    cursor_limit(&c, 3);
    assert_int_equal(c.wire, 3);
    assert_ptr_equal(c.end, octets + 3);
}

static void a_wire_shorter_than_the_capture_ends_it(void **state)
{
    (void)state;
    struct cursor c = cursor_init(octets, 8, 5);

    assert_int_equal(cursor_captured(&c), 5);
    assert_null(cursor_peek(&c, 6));
}

static void is_cut_only_where_the_wire_had_more(void **state)
{
    (void)state;
    struct cursor snapped = cursor_init(octets, 8, 9), whole = cursor_init(octets, 8, 8);

    assert_false(cursor_is_cut(&snapped, 8));
    assert_true(cursor_is_cut(&snapped, 9));
    assert_true(cursor_is_cut(&snapped, 40));
    assert_false(cursor_is_cut(&whole, 40));
}

static void loads_network_order(void **state)
{
    (void)state;
    assert_int_equal(load_be16(octets + 1), 0x0203);
    assert_int_equal(load_be32(octets + 3), 0x04050607);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_what_was_captured_and_no_more),
        cmocka_unit_test(skips_to_the_end_and_counts_on_the_wire),
        cmocka_unit_test(limits_only_shorten),
        cmocka_unit_test(a_wire_shorter_than_the_capture_ends_it),
        cmocka_unit_test(is_cut_only_where_the_wire_had_more),
        cmocka_unit_test(loads_network_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
