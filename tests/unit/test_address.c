#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/address.h"

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static void addresses_are_parsed_and_formatted(void **state)
{
    (void)state;
    static const struct {
        const char *text, *formatted;
    } cases[] = {
        {"192.0.2.1:4739", "192.0.2.1:4739"},
        {"192.0.2.1", "192.0.2.1:7"},
        {"[2001:db8::1]:65535", "[2001:db8::1]:65535"},
        {"::1", "[::1]:7"},
    };
    char text[ADDRESS_TEXT_MAX], why[128];
    struct addresses found;

    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_int_equal(address_parse(cases[i].text, 7, SOCK_DGRAM, &found, why, sizeof(why)), 0);
        address_format(&found.address[0], text);
        assert_string_equal(text, cases[i].formatted);
    }
}

static void what_is_wrong_is_said(void **state)
{
    (void)state;
    static const struct {
        const char *text, *why;
    } cases[] = {
        {"", "not an address (host:port, [::1]:port)"},
        {":4739", "not an address (host:port, [::1]:port)"},
        {"a b:1", "not an address (host:port, [::1]:port)"},
        {"192.0.2.1", "port: is missing"},
        {"192.0.2.1:", "port: not a number 1..65535"},
        {"192.0.2.1:0", "port: not a number 1..65535"},
        {"192.0.2.1:65536", "port: not a number 1..65535"},
        {"192.0.2.1:4294967297", "port: not a number 1..65535"},
        {"192.0.2.1:+1", "port: not a number 1..65535"},
        {"[::1]:x", "port: not a number 1..65535"},
    };
    char why[128];
    struct addresses found;

    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_int_equal(
            address_parse(cases[i].text, ADDRESS_NO_PORT, SOCK_STREAM, &found, why, sizeof(why)),
            -EINVAL);
        assert_string_equal(why, cases[i].why);
    }
}

static void names_need_a_name_server(void **state)
{
    (void)state;
    assert_true(address_is_numeric("192.0.2.1") && address_is_numeric("2001:db8::1"));
    assert_false(address_is_numeric("collector.example") || address_is_numeric("192.0.2.300"));
}

/* Two of one port, one per family: the one of IPv6 leaves IPv4 alone. */
static void listens_at_a_free_port_of_either_family(void **state)
{
    (void)state;
    static const char *const hosts[] = {"127.0.0.1:0", "[::1]:0"};
    char why[128], text[ADDRESS_TEXT_MAX];
    struct addresses found;
    struct address at;

    for (size_t i = 0; i < COUNT(hosts); i++) {
        assert_int_equal(address_parse_listen(hosts[i], ADDRESS_NO_PORT, &found, why, sizeof(why)),
                         0);
        int fd = address_listen(&found.address[0], 1);
        if (fd == -EADDRNOTAVAIL || fd == -EAFNOSUPPORT)
            continue; /* no IPv6 here */
        assert_true(fd >= 0);
        assert_int_equal(address_of_socket(fd, &at), 0);
        assert_true(address_port(&at) > 0);
        assert_int_equal(address_listen(&at, 1), -EADDRINUSE);
        address_format(&at, text);
        assert_int_equal(strncmp(text, hosts[i], strlen(hosts[i]) - 1), 0);
        close(fd);
    }
    assert_int_equal(address_parse_listen(":0", ADDRESS_NO_PORT, &found, why, sizeof(why)), 0);
    assert_int_equal(address_parse_listen(":x", 1, &found, why, sizeof(why)), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_are_parsed_and_formatted),
        cmocka_unit_test(what_is_wrong_is_said),
        cmocka_unit_test(names_need_a_name_server),
        cmocka_unit_test(listens_at_a_free_port_of_either_family),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
