#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/ip.h"
#include "weir/config.h"

static void formats_addresses(void **state)
{
    (void)state;
    char text[IP_TEXT_MAX];
    static const uint8_t v4[4] = {192, 0, 2, 10};
    static const uint8_t v6[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 1};

    assert_int_equal(ip_format(4, v4, text), 10);
    assert_string_equal(text, "192.0.2.10");
    assert_int_equal(ip_format(6, v6, text), 11);
    assert_string_equal(text, "2001:db8::1");
}

static void prefixes_round_trip_with_host_bits_cleared(void **state)
{
    (void)state;
    struct ip_prefix p;
    char text[IP_TEXT_MAX + 4];
    static const char *const cases[][2] = {
        {"10.1.2.3/8", "10.0.0.0/8"},   {"10.1.2.3", "10.1.2.3/32"},   {"0.0.0.0/0", "0.0.0.0/0"},
        {"172.31.255.1/12", "172.16.0.0/12"}, {"fe80::1/10", "fe80::/10"}, {"::1", "::1/128"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        assert_int_equal(ip_prefix_parse(cases[i][0], &p), 0);
        ip_prefix_format(&p, text);
        assert_string_equal(text, cases[i][1]);
    }
}

static void wrong_prefixes_are_refused_and_leave_the_result_alone(void **state)
{
    (void)state;
    static const char *const wrong[] = {"", "10.0.0.0/33", "10.0.0/8", "10.0.0.0/", "10.0.0.0/8x", "fc00::/129",
                                        "10.0.0.0/-1", "x", "10.0.0.0/+8",
                                        "1111:1111:1111:1111:1111:1111:1111:1111:1111:1111/8"};
    struct ip_prefix p = {.version = 9};

    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
        assert_int_not_equal(ip_prefix_parse(wrong[i], &p), 0);
    assert_int_equal(p.version, 9);
}

static void contains_compares_whole_and_partial_octets(void **state)
{
    (void)state;
    struct ip_prefix p;
    static const uint8_t in[4] = {172, 31, 0, 1}, out[4] = {172, 32, 0, 1};

    assert_int_equal(ip_prefix_parse("172.16.0.0/12", &p), 0);
    assert_true(ip_prefix_contains(&p, 4, in));
    assert_false(ip_prefix_contains(&p, 4, out));
    assert_false(ip_prefix_contains(&p, 6, in));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(formats_addresses),
        cmocka_unit_test(prefixes_round_trip_with_host_bits_cleared),
        cmocka_unit_test(wrong_prefixes_are_refused_and_leave_the_result_alone),
        cmocka_unit_test(contains_compares_whole_and_partial_octets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
