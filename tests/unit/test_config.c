#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/ip.h"
#include "config/config.h"
#include "weir/config.h"
#include "weir/packet.h"

#define COUNT(array) (sizeof(array) / sizeof(*(array)))
#define S UINT64_C(1000000000)

static int load(const char *text, struct config *config, struct config_error *error)
{
    return config_load_memory("weir.yaml", text, strlen(text), config, error);
}

static char *printed(const struct config *config)
{
    char *text;
    size_t len;
    FILE *out = open_memstream(&text, &len);

    config_print(config, out);
    fclose(out);
    return text;
}

static void assert_same(const struct config *a, const struct config *b)
{
    char *text_a = printed(a), *text_b = printed(b);
    assert_string_equal(text_a, text_b);
    free(text_a);
    free(text_b);
}

static void defaults_are_those_of_the_design(void **state)
{
    (void)state;
    struct config c;
    static const uint8_t inside[4] = {172, 20, 0, 1};

    config_defaults(&c);
    assert_string_equal(c.sensor.name, "weir");
    assert_false(c.capture.dedup);
    assert_int_equal(c.flow.idle_ns, 30 * S);
    assert_int_equal(c.flow.active_ns, 60 * S);
    assert_int_equal(c.flow.keep_ns[KEEP_TCP_ESTABLISHED], 3600 * S);
    assert_int_equal(c.flow.keep_ns[KEEP_UDP], 120 * S);
    assert_int_equal(c.flow.keep_ns[KEEP_OTHER], 60 * S);
    assert_int_equal(c.flow.keep_ns[KEEP_TCP_HALF_OPEN], 15 * S);
    assert_int_equal(c.flow.keep_ns[KEEP_TCP_CLOSED], 2 * S);
    assert_true(c.flow.timeouts);
    assert_int_equal(c.flow.max_flows, 0);
    assert_int_equal(c.flow.max_fragments, 4096);
    assert_int_equal(c.flow.fragment_ns, 30 * S);
    assert_int_equal(c.flow.decap, (1 << TUNNEL_KIND_COUNT) - (1 << TUNNEL_GRE));
    assert_false(c.flow.vlan_in_key || c.flow.tunnel_in_key);
    assert_int_equal(c.hosts.networks.count, 6);
    assert_true(ip_prefix_contains(&c.hosts.networks.prefix[1], 4, inside));
}

static void a_file_without_keys_gives_the_defaults(void **state)
{
    (void)state;
    static const char *const texts[] = {"",
                                        "\n# nothing\n",
                                        "---\n",
                                        "---\n...\n",
                                        "~",
                                        "{}",
                                        "flow:\n",
                                        "flow: {}\nhosts: ~\n",
                                        "flow:\n  keep:\n",
                                        "\xef\xbb\xbf# with a byte order mark\n"};
    struct config defaults, c;
    struct config_error error;

    config_defaults(&defaults);
    for (size_t i = 0; i < COUNT(texts); i++) {
        memset(&c, 0xff, sizeof(c));
        assert_int_equal(load(texts[i], &c, &error), 0);
        assert_same(&c, &defaults);
    }
}

static void every_type_is_read(void **state)
{
    (void)state;
    struct config c;
    struct config_error error;
    char text[IP_TEXT_MAX + 4];

    assert_int_equal(load("sensor: {name: dc1-tap.3}\r\n"
                          "capture:\r\n"
                          "  dedup: Yes\r\n"
                          "flow:\n"
                          "  keep: {tcp: 1h30m}\n"
                          "  timeouts: 'off'\n"
                          "  idle: 15\n"
                          "  max_flows: 100k\n"
                          "  decap: [gre, \"vxlan\"]\n"
                          "hosts:\n"
                          "  networks:\n"
                          "    - 10.1.2.3/8\n"
                          "    - \"2001:db8::/32\"\n",
                          &c, &error),
                     0);
    assert_string_equal(c.sensor.name, "dc1-tap.3");
    assert_true(c.capture.dedup);
    assert_int_equal(c.flow.keep_ns[KEEP_TCP_ESTABLISHED], 5400 * S);
    assert_int_equal(c.flow.keep_ns[KEEP_UDP], 120 * S);
    assert_false(c.flow.timeouts);
    assert_int_equal(c.flow.idle_ns, 15 * S);
    assert_int_equal(c.flow.max_flows, 100000);
    assert_int_equal(c.flow.decap, 1 << TUNNEL_GRE | 1 << TUNNEL_VXLAN);
    assert_int_equal(c.hosts.networks.count, 2);
    ip_prefix_format(&c.hosts.networks.prefix[1], text);
    assert_string_equal(text, "2001:db8::/32");
}

static void lists_may_be_empty_or_text(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint32_t decap;
    } cases[] = {
        {"flow: {decap: []}", 0},
        {"flow: {decap: none}", 0},
        {"flow: {decap: ''}", 0},
        {"flow:\n  decap: gre,  ipip ,gtp\n",
         1 << TUNNEL_GRE | 1 << TUNNEL_IPIP | 1 << TUNNEL_GTPU},
        {"flow:\n  decap: [gre, gre]\n", 1 << TUNNEL_GRE},
    };
    struct config c;
    struct config_error error;

    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_int_equal(load(cases[i].text, &c, &error), 0);
        assert_int_equal(c.flow.decap, cases[i].decap);
    }
}

static void sections_of_a_list_are_read(void **state)
{
    (void)state;
    static struct config c;
    struct config_error error;
    const struct collector_config *all = c.exports.collector;

    assert_int_equal(load("capture:\n"
                          "  ports: [eth0, 'dpdk:net_pcap0,rx_pcap=a.pcap']\n"
                          "  cores: [2-5, 8]\n"
                          "  mode: inline\n"
                          "export:\n"
                          "  collectors:\n"
                          "    - name: first\n"
                          "      transport: tls\n"
                          "      host: collector.example\n"
                          "      spool: 64MiB\n"
                          "    - udp://[2001:db8::1]:2055?profile=elk\n"
                          "    - {path: \"a \\\"b\\\\.ipfix\", transport: file}\n"
                          "    - {}\n"
                          "  queue: 1MiB\n",
                          &c, &error),
                     0);
    assert_int_equal(c.capture.port_count, 2);
    assert_string_equal(c.capture.port[1], "dpdk:net_pcap0,rx_pcap=a.pcap");
    assert_int_equal(c.capture.core_count, 5);
    assert_int_equal(c.capture.core[3], 5);
    assert_int_equal(c.capture.core[4], 8);
    assert_int_equal(c.capture.mode, MODE_INLINE);
    assert_int_equal(c.exports.collector_count, 4);
    assert_string_equal(all[0].name, "first");
    assert_int_equal(all[0].transport, TRANSPORT_TLS);
    assert_string_equal(all[0].host, "collector.example");
    assert_int_equal(all[0].spool_octets, 64 << 20);
    assert_int_equal(all[0].reconnect_ns, 60 * S);
    assert_int_equal(all[1].transport, TRANSPORT_UDP);
    assert_string_equal(all[1].host, "2001:db8::1");
    assert_int_equal(all[1].port, 2055);
    assert_int_equal(all[1].profile, PROFILE_ELK);
    assert_string_equal(all[2].path, "a \"b\\.ipfix");
    assert_int_equal(all[3].transport, TRANSPORT_TCP);
    assert_int_equal(all[3].spool_octets, 1 << 30);
    assert_int_equal(c.exports.queue_octets, 1 << 20);
}

/* What is wrong, and the whole line that says so. */
static const char *const mistakes[][2] = {
    {"\nflow: {idle: 15x}", "2: flow.idle: \"15x\" is not a duration (100ms..30d)"},
    {"flow: {idle: 1ms}", "1: flow.idle: \"1ms\" is out of range (100ms..30d)"},
    {"flow: {max_flows: 3}", "1: flow.max_flows: \"3\" is out of range (16..268435456, auto)"},
    {"flow: {max_fragments: 0}", "1: flow.max_fragments: \"0\" is out of range (16..1048576)"},
    {"flow: {max_fragments: auto}", "1: flow.max_fragments: \"auto\" is not a count (16..1048576)"},
    {"capture: {dedup: 1}", "1: capture.dedup: \"1\" is not a bool (true or false)"},
    {"sensor: {name: -x}", "1: sensor.name: \"-x\" is not a name (1..63 of a-z A-Z 0-9 . _ -)"},
    {"sensor: {name: \"a\\nb\"}",
     "1: sensor.name: \"a\\x0ab\" is not a name (1..63 of a-z A-Z 0-9 . _ -)"},
    {"flow:\n  decap:\n  - gre\n  - vxlam\n",
     "4: flow.decap[1]: \"vxlam\" is not a known name (gre erspan ipip vxlan geneve gtp)"},
    {"flow: {decap: 'gre, ,ipip'}",
     "1: flow.decap: \"\" is not a known name (gre erspan ipip vxlan geneve gtp)"},
    {"hosts: {networks: [10/8]}",
     "1: hosts.networks[0]: \"10/8\" is not an address prefix (such as 10.0.0.0/8; at most 256)"},
    {"flow:\n  idel: 3s", "2: flow.idel: no such key (did you mean flow.idle?)"},
    {"zzzzzzzz: 3s", "1: zzzzzzzz: no such key (weir check --keys lists all)"},
    {"flow.idle: 3s",
     "1: flow.idle: sections are written as nested mappings, not with dots or brackets"},
    {"flow:\n  idle: 5s\n  idle: 5s", "3: flow.idle: given twice, first in line 2"},
    {"flow:\n  idle: 5s\nflow:\n  active: 5s", "3: flow: given twice, first in line 1"},
    {"flow: {idle: {a: b}}", "1: flow.idle: expected a value, found a mapping"},
    {"flow: {idle: [5s]}", "1: flow.idle: expected a value, found a list"},
    {"flow: {idle: }", "1: flow.idle: expected a value, found nothing"},
    {"flow: {decap: {a: b}}", "1: flow.decap: expected a list, found a mapping"},
    {"flow: {decap: }", "1: flow.decap: expected a list, found nothing"},
    {"flow: {decap: [[gre]]}", "1: flow.decap[0]: expected a value, found a list"},
    {"flow: {decap: [~]}", "1: flow.decap[0]: expected a value, found nothing"},
    {"flow: 5s", "1: flow: expected keys, found a value"},
    {"flow: [idle]", "1: flow: expected keys, found a list"},
    {"[flow]", "1: expected keys, found a list"},
    {"flow", "1: expected keys, found a value"},
    {"? {a: b}\n: c", "1: expected the name of a key, found a mapping"},
    {"'': c", "1: expected the name of a key, found nothing"},
    {"flow: {idle: &a 5s}", "1: flow.idle: anchors (&) and aliases (*) are not allowed here"},
    {"flow: &a {idle: 5s}", "1: flow: anchors (&) and aliases (*) are not allowed here"},
    {"flow: {decap: &a [gre]}", "1: flow.decap: anchors (&) and aliases (*) are not allowed here"},
    {"flow: {idle: *a}", "1: flow.idle: anchors (&) and aliases (*) are not allowed here"},
    {"flow: {idle: !!str 5s}", "1: flow.idle: tags (!) are not allowed here"},
    {"flow: !a {idle: 5s}", "1: flow: tags (!) are not allowed here"},
    {"export:\n  collectors:\n    - host: a\n      port: 47x9\n",
     "4: export.collectors[0].port: \"47x9\" is not a port (1..65535, auto)"},
    {"export:\n  collectors:\n    - host: a\n    - prot: 5\n",
     "4: export.collectors[1].prot: no such key (did you mean export.collectors[].port?)"},
    {"export: {collectors: [{host: a, port: 70000}]}",
     "1: export.collectors[0].port: \"70000\" is out of range (1..65535, auto)"},
    {"export: {collectors: [{host: a, host: b}]}",
     "1: export.collectors[0].host: given twice, first in line 1"},
    {"export: {collectors: [{transport: sctp}]}",
     "1: export.collectors[0].transport: \"sctp\" is not one of the choices (tcp tls udp file)"},
    {"export: {collectors: [{host: [a]}]}",
     "1: export.collectors[0].host: expected a value, found a list"},
    {"export: {collectors: [a]}",
     "1: export.collectors[0]: \"a\": expected tcp://host:port, tls://, udp:// or "
     "file:/path.ipfix"},
    {"export: {collectors: [[a]]}", "1: export.collectors[0]: expected a value, found a list"},
    {"export: {collectors: {host: a}}", "1: export.collectors: expected a list, found a mapping"},
    {"export: {'collectors[0]': {host: a}}",
     "1: export.collectors[0]: sections are written as nested mappings, not with dots or brackets"},
    {"export: {queue: 1MB}", "1: export.queue: \"1MB\" is not a number of octets (256KiB..64GiB)"},
    {"capture: {cores: [5-2]}",
     "1: capture.cores[0]: \"5-2\" is not a number (0..1023, or 2-5; at most 64)"},
    {"capture: {cores: 0-64}", "1: capture.cores: more than 64 elements"},
    {"capture: {ports: ['']}",
     "1: capture.ports[0]: \"\" is not a printable text (1..255 octets; at most 16)"},
    {"sensor: {control: \"a\\nb\"}",
     "1: sensor.control: \"a\\x0ab\" is not a printable text (1..255 octets, none)"},
    {"flow:\n---\nflow:\n", "2: a second YAML document"},
    {"flow: {idle: \"5\\0s\"}", "1: flow.idle: a value with a NUL character"},
    {"flow:\n  idle: \xff\n", "2: not valid UTF-8 text: invalid leading UTF-8 octet"},
    {"\xff\xfe"
     "f",
     "1: not valid UTF-8 text: invalid leading UTF-8 octet"},
    {"flow:\n\tidle: 5s\n", "2: not valid YAML: found character that cannot start any token"},
    {"flow: {idle: 5s", "1: not valid YAML: did not find expected ',' or '}'"},
};

static void every_mistake_is_named_with_its_line(void **state)
{
    (void)state;
    struct config c, before;
    struct config_error error;

    config_defaults(&c);
    c.flow.idle_ns = 77;
    before = c;
    for (size_t i = 0; i < COUNT(mistakes); i++) {
        char line[CONFIG_ERROR_MAX];
        snprintf(line, sizeof(line), "weir.yaml:%s", mistakes[i][1]);
        assert_int_equal(load(mistakes[i][0], &c, &error), -EINVAL);
        assert_string_equal(error.text, line);
        assert_memory_equal(&c, &before, sizeof(c));
    }
}

/* libyaml would climb: the walk must leave at the first level that no key has. */
static void deep_nesting_and_size_are_bounded(void **state)
{
    (void)state;
    static const char *const units[] = {"[", "{", "a: {", "? ", "- ", "flow: {decap: [["};
    size_t len = CONFIG_FILE_MAX;
    char *text = malloc(len + 1);
    struct config c;
    struct config_error error;

    for (size_t i = 0; i < COUNT(units); i++) {
        size_t unit = strlen(units[i]);
        for (size_t n = 0; n < len; n++)
            text[n] = units[i][n % unit];
        assert_int_equal(config_load_memory("weir.yaml", text, len, &c, &error), -EINVAL);
    }
    memset(text, '#', len + 1);
    assert_int_equal(config_load_memory("weir.yaml", text, len, &c, &error), 0);
    assert_int_equal(config_load_memory("weir.yaml", text, len + 1, &c, &error), -EFBIG);
    assert_string_equal(error.text, "weir.yaml: longer than 1048576 octets");
    free(text);
}

static void a_long_list_is_refused(void **state)
{
    (void)state;
    char text[CONFIG_NETWORKS_MAX * 20 + 64] = "hosts:\n  networks:\n";
    size_t n = strlen(text);
    struct config c;
    struct config_error error;

    for (int i = 0; i < CONFIG_NETWORKS_MAX; i++)
        n += (size_t)snprintf(text + n, sizeof(text) - n, "  - 10.0.%d.0/24\n", i);
    assert_int_equal(load(text, &c, &error), 0);
    assert_int_equal(c.hosts.networks.count, CONFIG_NETWORKS_MAX);
    strcpy(text + n, "  - 11.0.0.0/8\n");
    assert_int_equal(load(text, &c, &error), -EINVAL);
    assert_string_equal(error.text, "weir.yaml:259: hosts.networks[256]: more than 256 elements");
}

static void set_takes_any_key(void **state)
{
    (void)state;
    struct config c;
    struct config_error error;

    config_defaults(&c);
    assert_int_equal(config_set(&c, "flow.idle", "15s", &error), 0);
    assert_int_equal(config_set(&c, "flow.keep.closed", "1s", &error), 0);
    assert_int_equal(config_set(&c, "flow.max_flows", "auto", &error), 0);
    assert_int_equal(config_set(&c, "hosts.networks", "192.0.2.0/24, ::/0", &error), 0);
    assert_int_equal(c.flow.idle_ns, 15 * S);
    assert_int_equal(c.flow.keep_ns[KEEP_TCP_CLOSED], S);
    assert_int_equal(c.flow.max_flows, 0);
    assert_int_equal(c.hosts.networks.count, 2);
    assert_int_equal(c.hosts.networks.prefix[1].version, 6);
    assert_int_equal(config_set(&c, "hosts.networks", "none", &error), 0);
    assert_int_equal(c.hosts.networks.count, 0);
}

static void set_names_what_is_wrong_and_changes_nothing(void **state)
{
    (void)state;
    static const char *const cases[][3] = {
        {"flow.idle", "x", "flow.idle: \"x\" is not a duration (100ms..30d)"},
        {"flow.idel", "1s", "flow.idel: no such key (did you mean flow.idle?)"},
        {"flow.keep", "1s", "flow.keep: a section, not a key"},
        {"qqq.qqqqqq", "1s", "qqq.qqqqqq: no such key (weir check --keys lists all)"},
        {"export.collectors[1].host", "a", "export.collectors[1].host: there are only 0"},
        {"export.collectors[0].prot", "a",
         "export.collectors[0].prot: no such key (did you mean export.collectors[].port?)"},
        {"export.collectors[0]", "a", "export.collectors[0]: a section, not a key"},
        {"export.collectors[0].port", "x",
         "export.collectors[0].port: \"x\" is not a port (1..65535, auto)"},
        {"export.collectors", "tcp://a, b",
         "export.collectors: \"b\": expected tcp://host:port, tls://, udp:// or file:/path.ipfix"},
        {"hosts.networks", "192.0.2.0/24,x",
         "hosts.networks: \"x\" is not an address prefix (such as 10.0.0.0/8; at most 256)"},
        {"flow.decap", "gre,none",
         "flow.decap: \"none\" is not a known name (gre erspan ipip vxlan geneve gtp)"},
    };
    struct config c, before;
    struct config_error error;

    config_defaults(&c);
    before = c;
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_true(config_set(&c, cases[i][0], cases[i][1], &error) < 0);
        assert_string_equal(error.text, cases[i][2]);
        assert_memory_equal(&c, &before, sizeof(c));
    }
}

static void collectors_are_set_by_index_and_by_url(void **state)
{
    (void)state;
    static struct config c;
    struct config_error error;
    const struct collector_config *all = c.exports.collector;

    config_defaults(&c);
    assert_int_equal(config_set(&c, "export.collectors[0].host", "a", &error), 0);
    assert_int_equal(config_set(&c, "export.collectors[0].port", "4740", &error), 0);
    assert_int_equal(config_add_collector(&c, "tls://b?cert=c.pem&key=k.pem", &error), 0);
    assert_int_equal(config_add_collector(&c, "x/y.ipfix", &error), 0);
    assert_int_equal(c.exports.collector_count, 3);
    assert_int_equal(all[0].port, 4740);
    assert_string_equal(all[1].cert, "c.pem");
    assert_string_equal(all[1].key, "k.pem");
    assert_int_equal(all[2].transport, TRANSPORT_FILE);
    assert_string_equal(all[2].path, "x/y.ipfix");
    assert_int_equal(config_set(&c, "export.collectors", "tcp://d, udp://e:1", &error), 0);
    assert_int_equal(c.exports.collector_count, 2);
    assert_string_equal(all[1].host, "e");
    assert_int_equal(config_set(&c, "export.collectors", "none", &error), 0);
    assert_int_equal(c.exports.collector_count, 0);
}

static void urls_of_collectors(void **state)
{
    (void)state;
    static const struct {
        const char *url;
        uint64_t transport, port;
        const char *host, *path;
    } cases[] = {
        {"tcp://host:4739", TRANSPORT_TCP, 4739, "host", ""},
        {"tcp://192.0.2.1", TRANSPORT_TCP, 0, "192.0.2.1", ""},
        {"tls://host/", TRANSPORT_TLS, 0, "host", ""},
        {"udp://[::1]:2055", TRANSPORT_UDP, 2055, "::1", ""},
        {"udp://fe80::1", TRANSPORT_UDP, 0, "fe80::1", ""},
        {"file:/var/x.ipfix", TRANSPORT_FILE, 0, "", "/var/x.ipfix"},
        {"file:///var/x", TRANSPORT_FILE, 0, "", "/var/x"},
        {"file:x?profile=json", TRANSPORT_FILE, 0, "", "x"},
        {"file:-?profile=json", TRANSPORT_FILE, 0, "", "-"},
        {"/a b/x.ipfix", TRANSPORT_FILE, 0, "", "/a b/x.ipfix"},
        {"tcp:x.ipfix", TRANSPORT_FILE, 0, "", "tcp:x.ipfix"},
    };
    static const char *const wrong[][2] = {
        {"host:4739", "\"host:4739\": expected tcp://host:port, tls://, udp:// or "
                      "file:/path.ipfix"},
        {"", "\"\": expected tcp://host:port, tls://, udp:// or file:/path.ipfix"},
        {"sctp://h", "\"sctp://h\": transport: \"sctp\" is not one of the choices (tcp tls udp "
                     "file)"},
        {"tcp://", "\"tcp://\": \"\" is not an address (host:port, [::1]:port)"},
        {"tcp://a b", "\"tcp://a b\": \"a b\" is not an address (host:port, [::1]:port)"},
        {"tcp://[::1", "\"tcp://[::1\": \"[::1\" is not an address (host:port, [::1]:port)"},
        {"tcp://h:0", "\"tcp://h:0\": port: \"0\" is not a port (1..65535)"},
        {"tcp://h:47x9", "\"tcp://h:47x9\": port: \"47x9\" is not a port (1..65535, auto)"},
        {"tcp://h?prot=3",
         "\"tcp://h?prot=3\": prot: no such key of a collector (did you mean port?)"},
        {"tcp://h?queue=3", "\"tcp://h?queue=3\": queue: no such key of a collector"},
        {"tcp://h?port", "\"tcp://h?port\": port: \"\" is not a port (1..65535, auto)"},
    };
    static struct config c, before;
    struct config_error error;

    config_defaults(&c);
    before = c;
    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct collector_config *one = &c.exports.collector[0];
        c.exports.collector_count = 0;
        if (config_add_collector(&c, cases[i].url, &error) < 0)
            fail_msg("%s", error.text);
        assert_int_equal(one->transport, cases[i].transport);
        assert_int_equal(one->port, cases[i].port);
        assert_string_equal(one->host, cases[i].host);
        assert_string_equal(one->path, cases[i].path);
    }
    c = before;
    for (size_t i = 0; i < COUNT(wrong); i++) {
        assert_int_equal(config_add_collector(&c, wrong[i][0], &error), -EINVAL);
        assert_string_equal(error.text, wrong[i][1]);
        assert_int_equal(c.exports.collector_count, 0);
    }
}

static void a_list_of_sources_splits_where_a_source_ends(void **state)
{
    (void)state;
    static struct config c;
    struct config_error error;

    config_defaults(&c);
    assert_int_equal(config_set(&c, "capture.ports",
                                "eth0,xdp:eth1, dpdk:net_pcap0,rx_pcap=a:b,tx=c ,dpdk:0000:3b:00.0",
                                &error),
                     0);
    assert_int_equal(c.capture.port_count, 4);
    assert_string_equal(c.capture.port[0], "eth0");
    assert_string_equal(c.capture.port[1], "xdp:eth1");
    assert_string_equal(c.capture.port[2], "dpdk:net_pcap0,rx_pcap=a:b,tx=c");
    assert_string_equal(c.capture.port[3], "dpdk:0000:3b:00.0");
    assert_int_equal(config_add_port(&c, "dpdk:net_null0,size=64", &error), 0);
    assert_int_equal(c.capture.port_count, 5);
}

static void what_is_printed_loads_to_the_same(void **state)
{
    (void)state;
    static const char *const settings[][2] = {
        {"sensor.name", "1"},
        {"sensor.name", "null"},
        {"capture.dedup", "on"},
        {"flow.idle", "1d1h1m1s1ms"},
        {"flow.keep.udp", "100ms"},
        {"flow.max_flows", "16"},
        {"flow.max_flows", "268435456"},
        {"flow.decap", "none"},
        {"flow.decap", "gtp"},
        {"sensor.user", "yes"},
        {"sensor.control", "/a \"b\" \\ # c: \xc3\xbc"},
        {"sensor.control", "none"},
        {"sensor.control", " null"},
        {"capture.ports", "eth0, dpdk:net_pcap0,a=\"b\""},
        {"capture.ports", "none"},
        {"capture.cores", "2-5, 8"},
        {"capture.mode", "inline"},
        {"export.domain", "1000"},
        {"export.queue", "1000000"},
        {"export.collectors[0].host", "a"},
        {"export.collectors[1].path", "/x y\""},
        {"export.collectors[1].rotate_size", "1GiB"},
        {"export.collectors[0].name", "none"},
        {"export.collectors[0].template_resend", "never"},
        {"export.collectors[2].reconnect", "1s"},
        {"export.collectors", "none"},
        {"hosts.networks", "none"},
        {"hosts.networks", "::/0, ::1, 1.2.3.4, 0.0.0.0/0, ::ffff:1.2.3.4/128"},
    };
    struct config c, again;
    struct config_error error;

    config_defaults(&c);
    for (size_t i = 0; i < COUNT(settings); i++) {
        assert_int_equal(config_set(&c, settings[i][0], settings[i][1], &error), 0);
        char *text = printed(&c);
        if (load(text, &again, &error) < 0)
            fail_msg("%s\n%s", error.text, text);
        free(text);
        assert_same(&c, &again);
        assert_int_equal(c.flow.decap, again.flow.decap);
        assert_int_equal(c.hosts.networks.count, again.hosts.networks.count);
    }
}

static void the_longest_list_is_printed_so_that_it_loads(void **state)
{
    (void)state;
    struct config c, again;
    struct config_error error;

    config_defaults(&c);
    c.hosts.networks.count = CONFIG_NETWORKS_MAX;
    for (unsigned i = 0; i < CONFIG_NETWORKS_MAX; i++) {
        c.hosts.networks.prefix[i] = (struct ip_prefix){.version = 6, .length = 128};
        memset(c.hosts.networks.prefix[i].address, 0x11, 15);
        c.hosts.networks.prefix[i].address[15] = (uint8_t)i;
    }
    char *text = printed(&c);
    assert_int_equal(load(text, &again, &error), 0);
    free(text);
    assert_same(&c, &again);
}

static void files_that_cannot_be_read_are_named(void **state)
{
    (void)state;
    char dir[] = "/tmp/weir-test-XXXXXX", path[64], line[128];
    struct config c, before;
    struct config_error error;

    assert_non_null(mkdtemp(dir));
    config_defaults(&c);
    before = c;
    assert_int_equal(config_load(dir, &c, &error), -EISDIR);
    snprintf(line, sizeof(line), "%s: Is a directory", dir);
    assert_string_equal(error.text, line);
    snprintf(path, sizeof(path), "%s/weir.yaml", dir);
    assert_int_equal(config_load(path, &c, &error), -ENOENT);
    snprintf(line, sizeof(line), "%s: No such file or directory", path);
    assert_string_equal(error.text, line);
    assert_int_equal(config_load("/dev/zero", &c, &error), -EFBIG);
    assert_memory_equal(&c, &before, sizeof(c));

    FILE *out = fopen(path, "w");
    fputs("flow: {idle: 7s}\n", out);
    fclose(out);
    assert_int_equal(config_load(path, &c, &error), 0);
    assert_int_equal(c.flow.idle_ns, 7 * S);
    unlink(path);
    rmdir(dir);
}

static void keys_are_listed_in_columns(void **state)
{
    (void)state;
    char *text;
    size_t len;
    FILE *out = open_memstream(&text, &len);

    config_print_keys(out);
    fclose(out);
    const char *header = strstr(text, "default\n"), *row = strstr(text, "\nflow.idle ") + 1;
    assert_ptr_equal(text, strstr(text, "key "));
    assert_int_equal(strstr(row, "30s") - row, header - text);
    assert_int_equal(strstr(row, "duration") - row, strstr(text, "type") - text);
    assert_int_equal(strstr(row, "100ms..30d") - row, strstr(text, "range") - text);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_those_of_the_design),
        cmocka_unit_test(a_file_without_keys_gives_the_defaults),
        cmocka_unit_test(every_type_is_read),
        cmocka_unit_test(lists_may_be_empty_or_text),
        cmocka_unit_test(sections_of_a_list_are_read),
        cmocka_unit_test(every_mistake_is_named_with_its_line),
        cmocka_unit_test(deep_nesting_and_size_are_bounded),
        cmocka_unit_test(a_long_list_is_refused),
        cmocka_unit_test(set_takes_any_key),
        cmocka_unit_test(set_names_what_is_wrong_and_changes_nothing),
        cmocka_unit_test(collectors_are_set_by_index_and_by_url),
        cmocka_unit_test(urls_of_collectors),
        cmocka_unit_test(a_list_of_sources_splits_where_a_source_ends),
        cmocka_unit_test(what_is_printed_loads_to_the_same),
        cmocka_unit_test(the_longest_list_is_printed_so_that_it_loads),
        cmocka_unit_test(files_that_cannot_be_read_are_named),
        cmocka_unit_test(keys_are_listed_in_columns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
