#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/host_port.h"

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static void addresses_are_split(void **state)
{
    (void)state;
    static const char *const cases[][3] = {
        {"host", "host", NULL},
        {"a-b.example:4739", "a-b.example", "4739"},
        {"192.0.2.1:x", "192.0.2.1", "x"},
        {"h:", "h", ""},
        {"[::1]", "::1", NULL},
        {"[fe80::1%eth0]:2055", "fe80::1%eth0", "2055"},
        {"2001:db8::1", "2001:db8::1", NULL},
    };
    char host[32];
    const char *port;

    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_int_equal(host_port_split(cases[i][0], host, sizeof(host), &port), 0);
        assert_string_equal(host, cases[i][1]);
        if (cases[i][2])
            assert_string_equal(port, cases[i][2]);
        else
            assert_null(port);
    }
}

static void what_is_no_address_is_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {"",      ":1",     "a b",    "a/b",    "[::1",
                                        "[]:1",  "[::1]x", "[a]b]",  "a,b",    "h\xc3\xbc",
                                        "[a b]", "%eth0",  "[::1]]", "\"a\":1"};
    char host[8];
    const char *port;

    for (size_t i = 0; i < COUNT(wrong); i++)
        assert_int_equal(host_port_split(wrong[i], host, sizeof(host), &port), -EINVAL);
    assert_int_equal(host_port_split("abcdefgh:1", host, sizeof(host), &port), -ENAMETOOLONG);
    assert_int_equal(host_port_split("abcdefg:1", host, sizeof(host), &port), 0);
}

static void both_parts_are_judged(void **state)
{
    (void)state;
    static const char *const wrong[] = {"host",    "host:",       "host:0",  "host:65536", "host:x",
                                        "host:-1", "host:000001", "::1:80",  ":80",        "[::1]",
                                        "",        "host:1 ",     "host:+1", "a:b:1"};

    assert_int_equal(host_port_check("host:1"), 1);
    assert_int_equal(host_port_check("[::1]:65535"), 65535);
    for (size_t i = 0; i < COUNT(wrong); i++)
        assert_int_equal(host_port_check(wrong[i]), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_split),
        cmocka_unit_test(what_is_no_address_is_refused),
        cmocka_unit_test(both_parts_are_judged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
