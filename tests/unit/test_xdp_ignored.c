#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <string.h>

#include "capture/xdp_ignored.h"

static struct capture_config config;
static uint64_t sizes[XDP_TABLES], ports[XDP_PORT_ENTRIES];
static struct xdp_range networks[XDP_NETWORK_ENTRIES];
static const struct xdp_ignored maps = {sizes, networks, ports};

#define SET 1
static uint64_t *const port_word = &ports[SET * XDP_PORT_WORDS];
static const struct xdp_range *const ip4 = &networks[2 * SET * XDP_NETWORKS_MAX];
static const struct xdp_range *const ip6 = &networks[(2 * SET + 1) * XDP_NETWORKS_MAX];
static const uint64_t *const count4 = &sizes[2 * SET], *const count6 = &sizes[2 * SET + 1];

static void network(const char *text, uint8_t length)
{
    struct ip_prefix *p = &config.ignore_networks.prefix[config.ignore_networks.count++];

    p->version = strchr(text, ':') ? 6 : 4;
    p->length = length;
    assert_int_equal(inet_pton(p->version == 6 ? AF_INET6 : AF_INET, text, p->address), 1);
}

static void write_all(void)
{
    memset(sizes, 0xff, sizeof(sizes));
    memset(ports, 0xff, sizeof(ports));
    xdp_ignored_write(&config, &maps, SET);
    assert_true(sizes[0] == UINT64_MAX && sizes[1] == UINT64_MAX && ports[0] == UINT64_MAX);
}

static int clear(void **state)
{
    (void)state;
    config = (struct capture_config){0};
    return 0;
}

static void expect(const struct xdp_range *range, uint64_t first_high, uint64_t first_low,
                   uint64_t last_high, uint64_t last_low)
{
    assert_int_equal(range->first.high, first_high);
    assert_int_equal(range->first.low, first_low);
    assert_int_equal(range->last.high, last_high);
    assert_int_equal(range->last.low, last_low);
}

static void nothing_is_ignored(void **state)
{
    (void)state;
    write_all();
    assert_false(xdp_ignores(&config));
    assert_int_equal(*count4 + *count6, 0);
    for (unsigned i = 0; i < XDP_PORT_WORDS; i++)
        assert_int_equal(port_word[i], 0);
}

static void networks_are_ranges_in_order(void **state)
{
    (void)state;
    network("192.0.2.0", 24);
    network("10.1.2.3", 8); /* a range holds whole networks */
    network("203.0.113.7", 32);
    network("2001:db8:0:1::", 64);
    network("2001:db8::", 65);
    network("2001:db8:8000::", 33);
    network("::1", 128);
    write_all();
    assert_true(xdp_ignores(&config));
    assert_int_equal(*count4, 3);
    expect(&ip4[0], 0, 0x0a000000, 0, 0x0affffff);
    expect(&ip4[1], 0, 0xc0000200, 0, 0xc00002ff);
    expect(&ip4[2], 0, 0xcb007107, 0, 0xcb007107);
    assert_int_equal(*count6, 4);
    expect(&ip6[0], 0, 1, 0, 1);
    expect(&ip6[1], 0x20010db800000000, 0, 0x20010db800000000, INT64_MAX);
    expect(&ip6[2], 0x20010db800000001, 0, 0x20010db800000001, UINT64_MAX);
    expect(&ip6[3], 0x20010db880000000, 0, 0x20010db8ffffffff, UINT64_MAX);
}

static void network_within_another_adds_nothing(void **state)
{
    (void)state;
    network("10.9.0.0", 16);
    network("10.0.0.0", 16);
    network("10.0.0.0", 8);
    network("10.255.255.255", 32);
    network("10.0.0.0", 8);
    network("11.0.0.0", 8);
    network("fe80::", 10);
    network("::", 0);
    write_all();
    assert_int_equal(*count4, 2);
    expect(&ip4[0], 0, 0x0a000000, 0, 0x0affffff);
    expect(&ip4[1], 0, 0x0b000000, 0, 0x0bffffff);
    assert_int_equal(*count6, 1);
    expect(&ip6[0], 0, 0, UINT64_MAX, UINT64_MAX);
}

static void all_of_one_version(void **state)
{
    (void)state;
    network("0.0.0.0", 0);
    write_all();
    assert_int_equal(*count4, 1);
    expect(&ip4[0], 0, 0, 0, UINT32_MAX);
    assert_int_equal(*count6, 0);
}

static void each_port_has_its_bit(void **state)
{
    (void)state;
    const uint64_t wanted[] = {1, 63, 64, 443, 65535};

    memcpy(config.ignore_port, wanted, sizeof(wanted));
    config.ignore_port_count = 5;
    write_all();
    assert_true(xdp_ignores(&config));
    for (unsigned port = 0; port < 65536; port++) {
        bool is_one = port == 1 || port == 63 || port == 64 || port == 443 || port == 65535;
        assert_int_equal(port_word[port / 64] >> (port % 64) & 1, is_one);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(nothing_is_ignored, clear),
        cmocka_unit_test_setup(networks_are_ranges_in_order, clear),
        cmocka_unit_test_setup(network_within_another_adds_nothing, clear),
        cmocka_unit_test_setup(all_of_one_version, clear),
        cmocka_unit_test_setup(each_port_has_its_bit, clear),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
