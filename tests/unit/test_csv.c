#include "format_records.h"

#include "format/format.h"

#define COLUMNS_MAX 100

/* Splits a line that uses no quotes (RFC 4180) in place; returns the number of fields. */
static unsigned split(char *line, char *fields[COLUMNS_MAX])
{
    unsigned count = 0;
    size_t len = strlen(line);

    assert_true(len > 2 && strcmp(line + len - 2, "\r\n") == 0);
    line[len - 2] = '\0';
    assert_null(strpbrk(line, "\"\r\n"));
    for (char *field; (field = strsep(&line, ","));) {
        assert_in_range(count, 0, COLUMNS_MAX - 1);
        fields[count++] = field;
    }
    return count;
}

static unsigned head(char *line, char *names[COLUMNS_MAX])
{
    struct config c = sample_config();
    size_t len = format_csv.head(&c, line);
    assert_in_range(len, 3, ENCODE_MAX - 1);
    line[len] = '\0';
    return split(line, names);
}

static void assert_field(const struct flow_record *r, const char *name, const char *expected)
{
    struct config c = sample_config();
    char heading[ENCODE_MAX], *names[COLUMNS_MAX], *fields[COLUMNS_MAX];
    unsigned count = head(heading, names);
    char *line = encode(&format_csv, &c, r);

    assert_int_equal(split(line, fields), count);
    unsigned i = 0;
    while (i < count && strcmp(names[i], name) != 0)
        i++;
    if (i == count)
        fail_msg("no column %s", name);
    assert_string_equal(fields[i], expected);
    free(line);
}

static void columns_are_named_once(void **state)
{
    (void)state;
    char heading[ENCODE_MAX], *names[COLUMNS_MAX];
    unsigned count = head(heading, names);

    assert_string_equal(names[0], "ts");
    for (unsigned i = 0; i < count; i++)
        for (unsigned k = 0; k < i; k++)
            assert_string_not_equal(names[i], names[k]);
}

static void fields_stand_in_their_columns(void **state)
{
    (void)state;
    struct flow_record tcp = sample_tcp(), udp = sample_udp_part(), icmp = sample_icmp6();

    assert_field(&tcp, "ts", "1767323045.123456");
    assert_field(&tcp, "id.resp_p", "443");
    assert_field(&tcp, "service", "");
    assert_field(&tcp, "open", "false");
    assert_field(&tcp, "rtt", "0.020017");
    assert_field(&tcp, "total_resp_ip_bytes", "");
    assert_field(&udp, "tunnel.id", "5001");
    assert_field(&udp, "tunnel.dst", "203.0.113.2");
    assert_field(&udp, "quality", "vlan_changed;sensor_loss");
    assert_field(&udp, "ingress", "0;3");
    assert_field(&udp, "total_resp_ip_bytes", "7000");
    assert_field(&icmp, "proto", "icmp6");
    assert_field(&icmp, "icmp_type", "128");
    assert_field(&icmp, "local_orig", "false");
    assert_field(&tcp, "aggregate.prefix", "");
    struct flow_record aggregate = sample_aggregate();
    assert_field(&aggregate, "id.orig_h", "10.1.2.4");
    assert_field(&aggregate, "id.resp_h", "");
    assert_field(&aggregate, "id.resp_p", "22");
    assert_field(&aggregate, "conn_state", "");
    assert_field(&aggregate, "aggregate.prefix", "10.1.2.4/31");
    assert_field(&aggregate, "aggregate.samples", "192.0.2.80;198.51.100.7");
}

static void closing_notices_are_left_out(void **state)
{
    (void)state;
    struct flow_record r = sample_notice();
    assert_encodes(&format_csv, &r, "");
}

static void any_record_has_all_columns(void **state)
{
    (void)state;
    struct config c = widest_config();
    char heading[ENCODE_MAX], *fields[COLUMNS_MAX];
    unsigned count = head(heading, fields);
    uint64_t seed = 362436069;

    for (unsigned i = 0; i <= RANDOM_RECORDS; i++) {
        struct flow_record r = i ? random_record(&seed) : widest_record();
        char *line = encode(&format_csv, &c, &r);
        assert_int_equal(split(line, fields), count);
        free(line);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_are_named_once),
        cmocka_unit_test(fields_stand_in_their_columns),
        cmocka_unit_test(closing_notices_are_left_out),
        cmocka_unit_test(any_record_has_all_columns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
