#include "format_json_check.h"

#include "format/alert.h"
#include "weir/alert.h"

static struct config config;

static struct alert sample(void)
{
    struct alert a = {.id = 0xabcdef,
                      .ts_ns = UINT64_C(1700000000123456789),
                      .rule = "exfil-volume",
                      .technique = "T1048",
                      .text = "10.1.2.3 sent \"812 MB\"",
                      .community_id = "1:abc=",
                      .measure = "octets_out",
                      .value = 812000000,
                      .threshold = 20000000,
                      .evidence = {{"octets_out", 812000000}, {"ratio", 0.93751}},
                      .evidence_count = 2,
                      .severity = SEVERITY_HIGH,
                      .proto = 6,
                      .has_peer = 1,
                      .has_port = 1,
                      .port = 443,
                      .host = host_key_of(4, (const uint8_t[]){10, 1, 2, 3}),
                      .peer = host_key_of(6, (const uint8_t[16]){0x20, 1, 0xd, 0xb8, [15] = 9}),
                      .flow_id = 0x11};
    return a;
}

static void json_has_the_promised_names(void **state)
{
    (void)state;
    char line[ALERT_LINE_MAX + 1];
    struct alert a = sample();

    strcpy(config.sensor.name, "sen\"sor");
    line[alert_json(&config, &a, line)] = '\0';
    yajl_val v = parse_line(line);
    assert_json_string(v, "rule", "exfil-volume");
    assert_json_string(v, "severity", "high");
    assert_json_string(v, "state", "raised");
    assert_json_string(v, "scope", "flow");
    assert_json_string(v, "host", "10.1.2.3");
    assert_json_string(v, "peer", "2001:db8::9");
    assert_json_string(v, "proto", "tcp");
    assert_json_string(v, "technique", "T1048");
    assert_json_string(v, "text", "10.1.2.3 sent \"812 MB\"");
    assert_json_string(v, "flow_id", "0000000000000011");
    assert_json_string(v, "community_id", "1:abc=");
    assert_json_string(v, "sensor", "sen\"sor");
    assert_true(YAJL_GET_DOUBLE(json_at(v, "ts")) > 1700000000.1);
    assert_int_equal(YAJL_GET_INTEGER(json_at(v, "port")), 443);
    assert_int_equal(YAJL_GET_INTEGER(json_at(v, "value")), 812000000);
    assert_int_equal(YAJL_GET_INTEGER(json_at(v, "threshold")), 20000000);
    assert_true(YAJL_GET_DOUBLE(json_at(v, "evidence/ratio")) == 0.9375);
    assert_null(json_at(v, "window"));
    yajl_tree_free(v);
    a.window_ns = host_window_ns[WINDOW_MINUTE];
    a.has_peer = a.has_port = 0;
    a.flow_id = 0;
    a.community_id[0] = a.technique[0] = '\0';
    a.state = ALERT_CLEARED;
    line[alert_json(&config, &a, line)] = '\0';
    v = parse_line(line);
    assert_json_string(v, "window", "1m");
    assert_json_string(v, "state", "cleared");
    assert_null(json_at(v, "peer"));
    assert_null(json_at(v, "port"));
    assert_null(json_at(v, "flow_id"));
    assert_null(json_at(v, "technique"));
    yajl_tree_free(v);
}

static void ecs_is_an_alert(void **state)
{
    (void)state;
    char line[ALERT_LINE_MAX + 1];
    struct alert a = sample();

    line[alert_ecs(&config, &a, line)] = '\0';
    yajl_val v = parse_line(line);
    assert_json_string(v, "event/kind", "alert");
    assert_json_string(v, "@timestamp", "2023-11-14T22:13:20.123456Z");
    assert_json_string(v, "rule/name", "exfil-volume");
    assert_json_string(v, "source/ip", "10.1.2.3");
    assert_json_string(v, "destination/ip", "2001:db8::9");
    assert_int_equal(YAJL_GET_INTEGER(json_at(v, "destination/port")), 443);
    assert_int_equal(YAJL_GET_INTEGER(json_at(v, "event/severity")), 73);
    assert_true(YAJL_IS_ARRAY(json_at(v, "threat/technique/id")));
    assert_true(YAJL_IS_ARRAY(json_at(v, "event/category")));
    assert_json_string(v, "network/community_id", "1:abc=");
    assert_int_equal(json_at(v, "related/ip")->u.array.len, 2);
    yajl_tree_free(v);
}

static void syslog_is_rfc_5424(void **state)
{
    (void)state;
    char line[ALERT_LINE_MAX + 1];
    struct alert a = sample();

    strcpy(config.sensor.name, "s 1");
    strcpy(a.text, "one\ntwo");
    line[alert_syslog(&config, &a, line)] = '\0';
    assert_string_equal(line,
                        "<131>1 2023-11-14T22:13:20.123456Z s1 weir - exfil-volume "
                        "[alert@32473 rule=\"exfil-volume\" state=\"raised\" severity=\"high\" "
                        "host=\"10.1.2.3\" peer=\"2001:db8::9\" port=\"443\" proto=\"tcp\" "
                        "value=\"812000000\" threshold=\"20000000\" technique=\"T1048\" "
                        "community_id=\"1:abc=\" id=\"0000000000abcdef\"] one two");
    strcpy(a.technique, "a\"]\\b");
    line[alert_syslog(&config, &a, line)] = '\0';
    assert_non_null(strstr(line, "technique=\"a\\\"\\]\\\\b\""));
}

static void a_table_line_is_one_line(void **state)
{
    (void)state;
    char line[ALERT_LINE_MAX + 1];
    struct alert a = sample();

    line[alert_table(&config, &a, line)] = '\0';
    assert_string_equal(line, "2023-11-14T22:13:20Z  high      raised     exfil-volume      "
                              "10.1.2.3 sent \"812 MB\"\n");
}

/* Any octets in an alert give well-formed output that fits. */
static void any_alert_is_safe(void **state)
{
    (void)state;
    static alert_encoder *const face[] = {alert_json, alert_ecs, alert_syslog, alert_table};
    char line[ALERT_LINE_MAX + 1];
    uint64_t seed = 99;

    memset(config.sensor.name, 0xff, sizeof(config.sensor.name) - 1);
    for (unsigned round = 0; round < 2000; round++) {
        struct alert a;
        for (size_t i = 0; i < sizeof(a); i++)
            ((uint8_t *)&a)[i] = (uint8_t)(random_next(&seed) >> 32);
        a.text[sizeof(a.text) - 1] = a.rule[sizeof(a.rule) - 1] = '\0';
        a.technique[sizeof(a.technique) - 1] = '\0';
        memcpy(a.community_id, "1:x", 4);
        a.measure = "octets_out";
        for (unsigned i = 0; i < ALERT_EVIDENCE_MAX; i++)
            a.evidence[i].name = &"abcdefghijklmnop"[i];
        for (size_t i = 0; i < sizeof(face) / sizeof(*face); i++) {
            size_t len = face[i](&config, &a, line);
            assert_true(len < ALERT_LINE_MAX);
            line[len] = '\0';
            if (i < 2)
                yajl_tree_free(parse_line(line));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_has_the_promised_names), cmocka_unit_test(ecs_is_an_alert),
        cmocka_unit_test(syslog_is_rfc_5424),          cmocka_unit_test(a_table_line_is_one_line),
        cmocka_unit_test(any_alert_is_safe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
