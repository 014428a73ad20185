#include "format_json_check.h"

#include "format/format.h"

static yajl_val document(const struct config *c, const struct flow_record *r)
{
    char *line = encode(&format_ecs, c, r);
    yajl_val v = parse_line(line);
    free(line);
    return v;
}

static void assert_words(yajl_val root, const char *path, const char *expected)
{
    char text[256] = "";
    yajl_val v = json_at(root, path);

    if (!YAJL_IS_ARRAY(v))
        fail_msg("%s is no array", path);
    for (size_t i = 0; i < v->u.array.len; i++) {
        const char *word = YAJL_GET_STRING(v->u.array.values[i]);
        if (!word)
            fail_msg("%s holds no strings", path);
        else
            strcat(strcat(text, i ? " " : ""), word);
    }
    assert_string_equal(text, expected);
}

static void whole_tcp_connection(void **state)
{
    (void)state;
    struct config c = sample_config();
    struct flow_record r = sample_tcp();
    yajl_val v = document(&c, &r);

    assert_json_string(v, "@timestamp", "2026-01-02T03:04:08.281287Z");
    assert_json_string(v, "event/start", "2026-01-02T03:04:05.123456Z");
    assert_json_string(v, "event/end", "2026-01-02T03:04:08.281287Z");
    assert_json_number(v, "event/duration", "3157831000");
    assert_json_string(v, "event/kind", "event");
    assert_words(v, "event/category", "network");
    assert_words(v, "event/type", "connection start end");
    assert_json_string(v, "event/action", "network_flow");
    assert_json_string(v, "event/dataset", "weir.flow");
    assert_json_string(v, "event/id", "0123456789abcdef-1");
    assert_json_string(v, "event/reason", "end of flow detected");
    static const char *const sides[][2] = {{"source", "destination"}, {"client", "server"}};
    for (unsigned i = 0; i < 2; i++) {
        char path[32];
        assert_json_string(v, strcat(strcpy(path, sides[i][0]), "/ip"), "10.1.2.3");
        assert_json_string(v, strcat(strcpy(path, sides[i][0]), "/mac"), "02-00-5E-10-FA-01");
        assert_json_number(v, strcat(strcpy(path, sides[i][0]), "/bytes"), "1584");
        assert_json_number(v, strcat(strcpy(path, sides[i][0]), "/packets"), "12");
        assert_json_number(v, strcat(strcpy(path, sides[i][1]), "/port"), "443");
        assert_json_absent(v, strcat(strcpy(path, sides[i][1]), "/mac"));
    }
    assert_json_number(v, "network/bytes", "3783");
    assert_json_number(v, "network/packets", "22");
    assert_json_string(v, "network/transport", "tcp");
    assert_json_string(v, "network/iana_number", "6");
    assert_json_string(v, "network/type", "ipv4");
    assert_json_string(v, "network/direction", "outbound");
    assert_json_string(v, "network/community_id", "1:bmC9B0Vht9NDKyuakOrPb3t896g=");
    assert_json_absent(v, "network/vlan");
    assert_words(v, "related/ip", "10.1.2.3 192.0.2.80");
    assert_json_string(v, "observer/name", "tap-1");
    assert_json_string(v, "observer/type", "sensor");
    assert_json_string(v, "observer/product", "weir");
    assert_json_string(v, "observer/ingress/interface/id", "0");
    assert_json_string(v, "ecs/version", "8.11.0");
    assert_json_string(v, "weir/history", "ShADadFf");
    assert_json_number(v, "weir/source/flags_first", "2");
    assert_json_number(v, "weir/destination/ttl_min", "57");
    assert_json_number(v, "weir/rtt_us", "20017");
    assert_json_absent(v, "weir/source/total");
    yajl_tree_free(v);
}

static void part_of_a_tunnelled_connection(void **state)
{
    (void)state;
    struct config c = sample_config();
    struct flow_record r = sample_udp_part();
    r.mpls_top = 16003u << 12 | 0x1ff;
    yajl_val v = document(&c, &r);

    assert_words(v, "event/type", "connection");
    assert_json_string(v, "event/reason", "active timeout");
    assert_json_string(v, "network/type", "ipv6");
    assert_json_string(v, "network/direction", "external");
    assert_json_string(v, "network/vlan/id", "100");
    assert_json_string(v, "network/inner/vlan/id", "7");
    assert_words(v, "observer/ingress/interface/id", "0 3");
    assert_words(v, "weir/quality", "vlan_changed sensor_loss");
    assert_true(YAJL_IS_TRUE(json_at(v, "weir/open")));
    assert_json_number(v, "weir/record_no", "2");
    assert_json_string(v, "weir/conn_start", "2026-01-02T03:04:05.123456Z");
    assert_json_number(v, "weir/source/total/bytes", "6000000000");
    assert_json_number(v, "weir/destination/total/packets", "1100");
    assert_json_absent(v, "weir/source/flags");
    assert_json_number(v, "weir/mpls/label", "16003");
    assert_json_string(v, "weir/tunnel/type", "vxlan");
    assert_json_number(v, "weir/tunnel/id", "5001");
    assert_json_string(v, "weir/tunnel/dst", "203.0.113.2");
    yajl_tree_free(v);
}

static void icmp_has_no_ports(void **state)
{
    (void)state;
    struct config c = sample_config();
    struct flow_record r = sample_icmp6();
    yajl_val v = document(&c, &r);

    assert_json_string(v, "network/transport", "ipv6-icmp");
    assert_json_absent(v, "source/port");
    assert_json_absent(v, "server/port");
    assert_json_number(v, "weir/icmp/type", "128");
    assert_json_number(v, "weir/icmp/code", "0");
    yajl_tree_free(v);
}

static void direction_is_seen_from_the_perimeter(void **state)
{
    (void)state;
    static const struct {
        uint8_t from, to;
        const char *expected;
    } cases[] = {{10, 10, "internal"}, {10, 9, "outbound"}, {9, 10, "inbound"}, {9, 9, "external"}};
    struct config c = sample_config();
    struct flow_record r = sample_tcp();
    yajl_val v;

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        r.address[0][0] = cases[i].from;
        r.address[1][0] = cases[i].to;
        v = document(&c, &r);
        assert_json_string(v, "network/direction", cases[i].expected);
        yajl_tree_free(v);
    }
    c.hosts.networks.count = 0;
    v = document(&c, &r);
    assert_json_absent(v, "network/direction");
    yajl_tree_free(v);
}

static void sensor_name_is_escaped(void **state)
{
    (void)state;
    struct config c = sample_config();
    struct flow_record r = sample_tcp();
    strcpy(c.sensor.name, "a\"b\\c\n\xc3\xa9\xff");
    yajl_val v = document(&c, &r);

    assert_json_string(v, "observer/name", "a\"b\\c\n\xc3\xa9\xef\xbf\xbd");
    yajl_tree_free(v);
}

static void aggregates(void **state)
{
    (void)state;
    struct config c = sample_config();
    struct flow_record from = sample_aggregate(), to = sample_aggregate_to();
    yajl_val v = document(&c, &from);

    assert_json_string(v, "event/kind", "event");
    assert_words(v, "event/category", "network");
    assert_words(v, "event/type", "info");
    assert_json_string(v, "event/action", "network_flow_aggregate");
    assert_json_string(v, "event/dataset", "weir.aggregate");
    assert_json_string(v, "source/ip", "10.1.2.4");
    assert_json_number(v, "source/packets", "4500");
    assert_json_absent(v, "source/port");
    assert_json_absent(v, "destination/ip");
    assert_json_number(v, "destination/port", "22");
    assert_json_absent(v, "network/community_id");
    assert_json_absent(v, "network/direction");
    assert_words(v, "related/ip", "10.1.2.4 192.0.2.80 198.51.100.7");
    assert_json_string(v, "weir/aggregate/side", "source");
    assert_json_string(v, "weir/aggregate/prefix", "10.1.2.4/31");
    assert_json_number(v, "weir/aggregate/flows", "4500");
    assert_json_number(v, "weir/aggregate/distinct", "4321");
    assert_words(v, "weir/aggregate/samples", "192.0.2.80 198.51.100.7");
    assert_json_number(v, "weir/flags", "2");
    assert_json_absent(v, "weir/conn_state");
    yajl_tree_free(v);
    to.sample_count = 0; /* as profiles without own elements tell it */
    v = document(&c, &to);
    assert_json_string(v, "weir/aggregate/side", "destination");
    assert_json_absent(v, "weir/aggregate/samples");
    assert_json_absent(v, "source/ip");
    assert_json_string(v, "destination/ip", "fe80::2");
    assert_words(v, "related/ip", "fe80::2");
    yajl_tree_free(v);
}

static void closing_notices_are_left_out(void **state)
{
    (void)state;
    struct flow_record r = sample_notice();
    assert_encodes(&format_ecs, &r, "");
}

static void any_record_gives_valid_json(void **state)
{
    (void)state;
    assert_json_random_records(&format_ecs);
    assert_json_widest_record(&format_ecs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_tcp_connection),
        cmocka_unit_test(part_of_a_tunnelled_connection),
        cmocka_unit_test(icmp_has_no_ports),
        cmocka_unit_test(direction_is_seen_from_the_perimeter),
        cmocka_unit_test(sensor_name_is_escaped),
        cmocka_unit_test(aggregates),
        cmocka_unit_test(closing_notices_are_left_out),
        cmocka_unit_test(any_record_gives_valid_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
