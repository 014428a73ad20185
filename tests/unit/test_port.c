#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <errno.h>
#include <string.h>
#include <cmocka.h>

#include "capture/port.h"
#include "config/config.h"
#include "weir/config.h"

static struct config config;

static int open_with(const char *source, bool inline_mode, uint16_t count, char *error)
{
    const char *sources[] = {source, source};
    const struct port_options options = {
        .config = &config,
        .source = source,
        .workers = 1,
        .all_sources = sources,
        .source_count = count,
        .inline_mode = inline_mode,
    };
    struct port *port = NULL;
    int status = port_open(&options, &port, error);

    assert_null(port);
    return status;
}

static void assert_refused(const char *source, int status, const char *words)
{
    char error[CAPTURE_ERROR_MAX] = "";

    assert_int_equal(open_with(source, false, 1, error), status);
    assert_non_null(strstr(error, source));
    assert_non_null(strstr(error, words));
    assert_null(strchr(error, '\n'));
}

static void sources_that_are_none_say_what_would_be(void **state)
{
    (void)state;

    assert_refused("pfring:eth0", -EINVAL, "no source has the prefix \"pfring:\"");
    assert_refused(":eth0", -EINVAL, "no source has the prefix");
    assert_refused("0000:3b:00.0", -EINVAL, "name it dpdk:0000:3b:00.0");
    assert_refused("eth:", -EINVAL, "names no interface");
    assert_refused("", -EINVAL, "names no interface");
    assert_refused("weir-no-such", -ENODEV, "no such interface");
    assert_refused("eth:weir-no-such", -ENODEV, "no such interface");
}

static void what_a_source_takes_is_known_by_its_kind(void **state)
{
    (void)state;

    assert_false(port_takes("eth0"));
    assert_false(port_takes("eth:eth0"));
    assert_false(port_takes("nonsense:eth0"));
    assert_true(port_takes("xdp:eth0"));
    assert_true(port_takes("dpdk:net_null0"));
    assert_string_equal(port_device("eth:eth0"), "eth0");
    assert_string_equal(port_device("eth0"), "eth0");
    assert_string_equal(port_device("dpdk:3b:00.0"), "3b:00.0");
}

static void only_ports_that_send_go_inline(void **state)
{
    (void)state;
    char error[CAPTURE_ERROR_MAX] = "";

    assert_int_equal(open_with("eth:lo", true, 2, error), -EINVAL);
    assert_non_null(strstr(error, "dpdk:net_af_xdp0,iface=lo"));
}

static int check_second(const char *first, const char *second, char *error)
{
    const char *sources[] = {first, second};
    const struct port_options options = {.config = &config,
                                         .source = second,
                                         .index = 1,
                                         .workers = 1,
                                         .all_sources = sources,
                                         .source_count = 2};

    return port_check(&options, error);
}

static void an_interface_is_one_source(void **state)
{
    (void)state;
    static const char *const twice[][2] = {
        {"lo", "eth:lo"},
        {"eth:nosuch0", "xdp:nosuch0"},
        {"xdp:lo", "lo"},
        {"lo", "dpdk:net_af_xdp0,iface=lo"},
        {"dpdk:net_af_packet0,iface=lo", "dpdk:net_af_packet1,iface=lo,qpairs=2"},
        {"dpdk:net_af_packet0,iface=lo", "dpdk:net_af_xdp0,iface=lo"},
    };
    static const char *const apart[][2] = {
        {"lo", "any"},
        {"nosuch0", "nosuch1"},
        {"dpdk:net_ring0", "dpdk:net_ring1"},
        {"dpdk:net_tap0,iface=lo", "lo"},
        {"dpdk:net_af_xdp0,iface=lo,start_queue=0", "dpdk:net_af_xdp1,iface=lo,start_queue=1"},
    };
    char error[CAPTURE_ERROR_MAX] = "";

    for (size_t i = 0; i < sizeof(twice) / sizeof(*twice); i++) {
        if (check_second(twice[i][0], twice[i][1], error) == -ENOTSUP)
            continue; /* not in this build */
        assert_int_equal(check_second(twice[i][0], twice[i][1], error), -EEXIST);
        assert_non_null(strstr(error, "name it once"));
    }
    for (size_t i = 0; i < sizeof(apart) / sizeof(*apart); i++)
        assert_int_not_equal(check_second(apart[i][0], apart[i][1], error), -EEXIST);
    if (check_second("dpdk:net_af_xdp0,iface=lo", "dpdk:net_af_xdp1,iface=lo", error) != -ENOTSUP)
        assert_non_null(strstr(error, "start_queue="));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sources_that_are_none_say_what_would_be),
        cmocka_unit_test(what_a_source_takes_is_known_by_its_kind),
        cmocka_unit_test(only_ports_that_send_go_inline),
        cmocka_unit_test(an_interface_is_one_source),
    };
    config_defaults(&config);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
