#include "format_records.h"

#include <errno.h>

#include "format/format.h"
#include "format/json_in.h"
#include "weir/encode.h"

#define LINES 2000

/* Whatever format_json writes comes back, as far as it is read. */
static void lines_of_format_json_come_back(void **state)
{
    (void)state;
    static struct config config;
    char line[ENCODE_MAX + 1], error[JSON_IN_ERROR_MAX];

    strcpy(config.sensor.name, "s");
    for (uint64_t i = 0; i < LINES; i++) {
        struct flow_record in = {.delta = {{1 + i, i}, {UINT64_MAX >> 12, 2 * i}, {i, 3}},
                                 .flow_id = i * 0x123456789abcdefu,
                                 .start_ns = 1700000000000000000u + i * 1001000,
                                 .port = {(uint16_t)(i * 7), (uint16_t)i},
                                 .ip_version = i % 2 ? 4 : 6,
                                 .proto = i % 3 ? 6 : 17,
                                 .flags = {(uint8_t)i, (uint8_t)(i >> 3)},
                                 .record_no = (uint32_t)(1 + i % 9),
                                 .open = i % 4 == 1};
        struct flow_record out;
        in.end_ns = in.start_ns + i * 3000;
        in.conn_start_ns = in.start_ns - i * 1000000;
        in.total = in.delta;
        in.total.octets[1] += i % 4 == 1 ? 500 : 0;
        memset(in.address, (int)(i % 200 + 20), in.ip_version == 4 ? 4 : 16);
        memset(in.address[1], (int)(i % 100 + 1), in.ip_version == 4 ? 4 : 16);
        line[format_json.record(&config, &in, line)] = '\0';
        if (json_to_flow(line, &out, error))
            fail_msg("%s: %s", error, line);
        assert_int_equal(out.ip_version, in.ip_version);
        assert_memory_equal(out.address[1], in.address[1], 16);
        assert_memory_equal(out.port, in.port, sizeof(in.port));
        assert_memory_equal(&out.delta, &in.delta, sizeof(in.delta));
        assert_int_equal(out.start_ns, in.start_ns);
        assert_int_equal(out.end_ns, in.end_ns);
        assert_int_equal(out.open, in.open);
        assert_int_equal(out.flow_id, in.flow_id);
        assert_int_equal(out.proto, in.proto);
    }
}

static void aggregates_come_back(void **state)
{
    (void)state;
    static struct config config;
    struct flow_record in[] = {sample_aggregate(), sample_aggregate_to()};

    for (unsigned i = 0; i < 2; i++) {
        char line[ENCODE_MAX + 1], error[JSON_IN_ERROR_MAX];
        struct flow_record out;
        line[format_json.record(&config, &in[i], line)] = '\0';
        assert_int_equal(json_to_flow(line, &out, error), 0);
        assert_int_equal(out.aggregate, in[i].aggregate);
        assert_int_equal(out.ip_version, in[i].ip_version);
        assert_memory_equal(out.address, in[i].address, sizeof(in[i].address));
        assert_memory_equal(&out.delta, &in[i].delta, sizeof(in[i].delta));
        assert_int_equal(out.port[1], in[i].port[1]);
    }
}

static void what_is_no_record_is_told(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "[]",
        "{",
        "nothing",
        "{}",
        "{\"ts\":1}",
        "{\"ts\":1,\"ip_proto\":6,\"id.orig_h\":\"1.2.3.4\",\"id.resp_h\":\"::1\"}",
        "{\"ts\":1,\"ip_proto\":6,\"id.orig_h\":\"1.2.3\",\"id.resp_h\":\"1.2.3.4\"}",
        "{\"ts\":\"1\",\"ip_proto\":6,\"id.orig_h\":\"1.2.3.4\",\"id.resp_h\":\"1.2.3.4\"}"};

    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        char error[JSON_IN_ERROR_MAX] = "";
        struct flow_record r = {.proto = 99};
        assert_int_equal(json_to_flow(bad[i], &r, error), -EINVAL);
        assert_true(strlen(error) > 10 && !strchr(error, '\n'));
        assert_int_equal(r.proto, 99);
    }
}

static void numbers_may_be_anything(void **state)
{
    (void)state;
    char error[JSON_IN_ERROR_MAX];
    struct flow_record r;

    assert_int_equal(json_to_flow("{\"ts\":-5,\"duration\":1e9,\"orig_pkts\":-1,\"ip_proto\":1e3,"
                                  "\"id.orig_h\":\"::1\",\"id.resp_h\":\"::2\",\"flow_id\":\"zz\"}",
                                  &r, error),
                     0);
    assert_int_equal(r.delta.packets[0], 0);
    assert_int_equal(r.ip_version, 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_of_format_json_come_back),
        cmocka_unit_test(aggregates_come_back),
        cmocka_unit_test(what_is_no_record_is_told),
        cmocka_unit_test(numbers_may_be_anything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
