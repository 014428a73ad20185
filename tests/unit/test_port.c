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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sources_that_are_none_say_what_would_be),
        cmocka_unit_test(what_a_source_takes_is_known_by_its_kind),
        cmocka_unit_test(only_ports_that_send_go_inline),
    };
    config_defaults(&config);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
