#include "format_json_check.h"

#include "format/format.h"

static void whole_tcp_connection(void **state)
{
    (void)state;
    struct flow_record r = sample_tcp();

    assert_encodes(
        &format_json, &r,
        "{\"ts\":1767323045.123456,\"uid\":\"C063UfDVRKBz\",\"id.orig_h\":\"10.1.2.3\",\"id.orig_"
        "p\":40264,"
        "\"id.resp_h\":\"192.0.2.80\",\"id.resp_p\":443,\"proto\":\"tcp\",\"duration\":3.157831,"
        "\"orig_bytes\":952,\"resp_bytes\":1671,\"conn_state\":\"SF\",\"local_orig\":true,\"local_"
        "resp\":false,"
        "\"missed_bytes\":0,\"history\":\"ShADadFf\",\"orig_pkts\":12,\"orig_ip_bytes\":1584,"
        "\"resp_pkts\":10,"
        "\"resp_ip_bytes\":2199,\"ip_proto\":6,\"orig_flags\":27,\"resp_flags\":27,"
        "\"community_id\":\"1:bmC9B0Vht9NDKyuakOrPb3t896g=\",\"flow_id\":\"0123456789abcdef\","
        "\"record_no\":1,"
        "\"conn_start\":1767323045.123456,\"end_reason\":\"end\",\"open\":false,\"ingress\":0,"
        "\"direction_basis\":\"syn\",\"rtt\":0.020017}\n");
}

static void part_of_a_tunnelled_connection(void **state)
{
    (void)state;
    struct config c = sample_config();
    struct flow_record r = sample_udp_part();
    char *line = encode(&format_json, &c, &r);
    yajl_val v = parse_line(line);

    assert_json_string(v, "id.orig_h", "2001:db8::1");
    assert_json_number(v, "orig_pkts", "12");
    assert_json_number(v, "total_orig_ip_bytes", "6000000000");
    assert_json_number(v, "total_resp_pkts", "1100");
    assert_json_number(v, "conn_start", "1767323045.123456");
    assert_json_number(v, "ts", "1767323105.123456");
    assert_json_number(v, "vlan", "100");
    assert_json_number(v, "inner_vlan", "7");
    assert_json_string(v, "tunnel/type", "vxlan");
    assert_json_number(v, "tunnel/id", "5001");
    assert_json_string(v, "tunnel/src", "203.0.113.1");
    assert_json_string(v, "tunnel/dst", "203.0.113.2");
    assert_json_absent(v, "orig_flags");
    assert_json_absent(v, "rtt");
    assert_non_null(strstr(line, "\"ingress\":[0,3]"));
    assert_non_null(strstr(line, "\"quality\":[\"vlan_changed\",\"sensor_loss\"]"));
    assert_non_null(strstr(line, "\"open\":true"));
    yajl_tree_free(v);
    free(line);
}

static void aggregates(void **state)
{
    (void)state;
    struct flow_record from = sample_aggregate(), to = sample_aggregate_to();

    assert_encodes(
        &format_json, &from,
        "{\"ts\":1767323045.123456,\"uid\":\"C063UfDVRKBz\",\"id.orig_h\":\"10.1.2.4\","
        "\"id.resp_p\":22,\"proto\":\"tcp\",\"duration\":30.000000,\"orig_bytes\":0,"
        "\"local_orig\":true,\"orig_pkts\":4500,\"orig_ip_bytes\":180000,\"ip_proto\":6,"
        "\"orig_flags\":2,\"flow_id\":\"0123456789abcdef\",\"end_reason\":\"active\",\"ingress\":0,"
        "\"aggregate\":{\"side\":\"orig\",\"prefix\":\"10.1.2.4/31\",\"distinct\":4321,"
        "\"samples\":[\"192.0.2.80\",\"198.51.100.7\"]}}\n");
    assert_encodes(&format_json, &to,
                   "{\"ts\":1767323045.123456,\"uid\":\"C063UfDVRKBz\",\"id.resp_h\":\"fe80::2\","
                   "\"proto\":\"udp\",\"duration\":30.000000,\"orig_bytes\":0,\"local_resp\":false,"
                   "\"orig_pkts\":4500,\"orig_ip_bytes\":180000,\"ip_proto\":17,"
                   "\"flow_id\":\"0123456789abcdef\",\"end_reason\":\"active\",\"ingress\":0,"
                   "\"aggregate\":{\"side\":\"resp\",\"prefix\":\"fe80::2/128\",\"distinct\":4321,"
                   "\"samples\":[\"2001:db8::1\"]}}\n");
}

static void protocols_by_name_or_number(void **state)
{
    (void)state;
    static const struct {
        uint8_t proto;
        const char *expected;
    } cases[] = {{1, "icmp"},   {6, "tcp"},       {17, "udp"}, {58, "icmp6"},
                 {132, "sctp"}, {136, "udplite"}, {253, "253"}};
    struct config c = sample_config();

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct flow_record r = sample_tcp();
        r.proto = cases[i].proto;
        char *line = encode(&format_json, &c, &r);
        yajl_val v = parse_line(line);
        assert_json_string(v, "proto", cases[i].expected);
        yajl_tree_free(v);
        free(line);
    }
}

static void what_is_not_known_is_absent(void **state)
{
    (void)state;
    struct config c = sample_config();
    struct flow_record r = sample_icmp6();
    c.hosts.networks.count = 0;
    r.missed = 1;
    char *line = encode(&format_json, &c, &r);
    yajl_val v = parse_line(line);

    assert_json_number(v, "icmp_type", "128");
    assert_json_number(v, "icmp_code", "0");
    static const char *const absent[] = {
        "service", "history", "missed_bytes", "local_orig", "local_resp",      "tunnel_parents",
        "vlan",    "tunnel",  "orig_flags",   "quality",    "total_orig_pkts", "rtt"};
    for (size_t i = 0; i < sizeof(absent) / sizeof(*absent); i++)
        assert_json_absent(v, absent[i]);
    yajl_tree_free(v);
    free(line);
}

/* floor(last) - floor(first), not floor(last - first). */
static void duration_is_the_difference_of_floored_times(void **state)
{
    (void)state;
    struct config c = sample_config();
    struct flow_record r = sample_tcp();
    r.start_ns = 1000999;
    r.end_ns = 1001001;
    char *line = encode(&format_json, &c, &r);
    yajl_val v = parse_line(line);

    assert_json_number(v, "ts", "0.001000");
    assert_json_number(v, "duration", "0.000001");
    yajl_tree_free(v);
    free(line);
}

static void ingress_of_a_silent_side_is_not_said(void **state)
{
    (void)state;
    struct config c = sample_config();
    struct flow_record r = sample_tcp();
    r.ingress[0] = 0;
    r.ingress[1] = 2;
    r.total.packets[0] = 0;
    char *line = encode(&format_json, &c, &r);

    assert_non_null(strstr(line, "\"ingress\":2,"));
    free(line);
}

static void closing_notices_are_left_out(void **state)
{
    (void)state;
    struct flow_record r = sample_notice();
    assert_encodes(&format_json, &r, "");
}

static void any_record_gives_valid_json(void **state)
{
    (void)state;
    assert_json_random_records(&format_json);
    assert_json_widest_record(&format_json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_tcp_connection),
        cmocka_unit_test(part_of_a_tunnelled_connection),
        cmocka_unit_test(aggregates),
        cmocka_unit_test(protocols_by_name_or_number),
        cmocka_unit_test(what_is_not_known_is_absent),
        cmocka_unit_test(duration_is_the_difference_of_floored_times),
        cmocka_unit_test(ingress_of_a_silent_side_is_not_said),
        cmocka_unit_test(closing_notices_are_left_out),
        cmocka_unit_test(any_record_gives_valid_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
