#include "format_records.h"

#include "format/format.h"

#define COLUMNS_MAX 100

/* A log as zeek-cut reads it: '#' lines are headers; "#separator " is followed by one blank and
 * \xHH; "#fields" and
 * "#types" follow each other, and their first column is the header's own name; every other line is
 * a row. */
struct log {
    char text[3 * ENCODE_MAX];
    char separator[2];
    char *unset;
    unsigned field_count, type_count, value_count;
    char *fields[COLUMNS_MAX], *types[COLUMNS_MAX], *values[COLUMNS_MAX];
    unsigned rows;
};

static unsigned columns(struct log *log, char *line, char **out)
{
    unsigned count = 0;
    for (char *field; (field = strsep(&line, log->separator));) {
        assert_in_range(count, 0, COLUMNS_MAX - 1);
        out[count++] = field;
    }
    return count;
}

static void read_header(struct log *log, char *line, const char *previous)
{
    if (strncmp(line, "#separator ", 11) == 0) {
        assert_memory_equal(line + 11, "\\x", 2);
        log->separator[0] = (char)strtol(line + 13, NULL, 16);
    } else if (strncmp(line, "#unset_field", 12) == 0) {
        log->unset = line + 13;
    } else if (strncmp(line, "#fields", 7) == 0) {
        log->field_count = columns(log, line + 8, log->fields);
    } else if (strncmp(line, "#types", 6) == 0) {
        assert_memory_equal(previous, "#fields", 7);
        log->type_count = columns(log, line + 7, log->types);
    }
}

static void read_log(struct log *log)
{
    char *rest = log->text, *line;
    const char *previous = "";

    while ((line = strsep(&rest, "\n")) && rest) {
        if (line[0] == '#') {
            read_header(log, line, previous);
        } else {
            log->value_count = columns(log, line, log->values);
            assert_int_equal(log->value_count, log->field_count);
            log->rows++;
        }
        previous = line;
    }
    assert_string_equal(line, ""); /* the last line has its end */
}

static struct log *log_of(const struct config *c, const struct flow_record *r)
{
    struct log *log = calloc(1, sizeof(*log));
    assert_non_null(log);
    size_t len = format_zeek.head(c, log->text);
    len += format_zeek.record(c, r, log->text + len);
    len += format_zeek.tail(c, log->text + len);
    assert_in_range(len, 1, sizeof(log->text) - 1);
    read_log(log);
    return log;
}

static const char *value(const struct log *log, const char *name)
{
    for (unsigned i = 0; i < log->field_count; i++)
        if (strcmp(log->fields[i], name) == 0)
            return log->values[i];
    fail_msg("no column %s", name);
    return NULL;
}

static void header_is_a_conn_log(void **state)
{
    (void)state;
    struct config c = sample_config();
    struct flow_record r = sample_tcp();
    struct log *log = log_of(&c, &r);
    static const char *const names[] = {"ts",         "uid",           "id.orig_h",
                                        "id.orig_p",  "id.resp_h",     "id.resp_p",
                                        "proto",      "service",       "duration",
                                        "orig_bytes", "resp_bytes",    "conn_state",
                                        "local_orig", "local_resp",    "missed_bytes",
                                        "history",    "orig_pkts",     "orig_ip_bytes",
                                        "resp_pkts",  "resp_ip_bytes", "tunnel_parents",
                                        "vlan",       "inner_vlan",    "ip_proto"};
    static const char *const types[] = {
        "time",     "string", "addr",  "port",   "addr",        "port",  "enum",  "string",
        "interval", "count",  "count", "string", "bool",        "bool",  "count", "string",
        "count",    "count",  "count", "count",  "set[string]", "count", "count", "count"};

    assert_int_equal(log->separator[0], '\t');
    assert_string_equal(log->unset, "-");
    assert_int_equal(log->field_count, log->type_count);
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        assert_string_equal(log->fields[i], names[i]);
        assert_string_equal(log->types[i], types[i]);
    }
    for (unsigned i = 0; i < log->field_count; i++)
        for (unsigned k = 0; k < i; k++)
            assert_string_not_equal(log->fields[i], log->fields[k]);
    free(log);
}

static void row_of_a_connection(void **state)
{
    (void)state;
    struct flow_record r = sample_tcp();

    assert_encodes(&format_zeek, &r,
                   "1767323045.123456\tC063UfDVRKBz\t10.1.2.3\t40264\t192.0.2.80\t443\ttcp\t-\t3."
                   "157831\t952\t1671\t"
                   "SF\tT\tF\t0\tShADadFf\t12\t1584\t10\t2199\t-\t-\t-\t6\t"
                   "27\t27\t-\t-\t-\t-\t-\t-\t1:bmC9B0Vht9NDKyuakOrPb3t896g="
                   "\t0123456789abcdef\t1\tend\t-\t0\tsyn\t"
                   "0.020017\n");
}

static void row_of_an_aggregate(void **state)
{
    (void)state;
    struct config c = sample_config();
    struct flow_record r = sample_aggregate();
    struct log *log = log_of(&c, &r);

    assert_int_equal(log->rows, 1);
    assert_string_equal(value(log, "id.orig_h"), "10.1.2.4");
    assert_string_equal(value(log, "id.orig_p"), "-");
    assert_string_equal(value(log, "id.resp_h"), "-");
    assert_string_equal(value(log, "id.resp_p"), "22");
    assert_string_equal(value(log, "orig_pkts"), "4500");
    assert_string_equal(value(log, "conn_state"), "-");
    assert_string_equal(value(log, "community_id"), "-");
    free(log);
}

static void row_counts_the_whole_connection(void **state)
{
    (void)state;
    struct config c = sample_config();
    struct flow_record r = sample_udp_part();
    r.open = 0;
    struct log *log = log_of(&c, &r);

    assert_int_equal(log->rows, 1);
    assert_string_equal(value(log, "ts"), "1767323045.123456");
    assert_string_equal(value(log, "duration"), "119.000000");
    assert_string_equal(value(log, "orig_pkts"), "1200");
    assert_string_equal(value(log, "orig_ip_bytes"), "6000000000");
    assert_string_equal(value(log, "orig_bytes"), "5900000000");
    assert_string_equal(value(log, "quality"), "vlan_changed,sensor_loss");
    assert_string_equal(value(log, "ingress"), "0,3");
    assert_string_equal(value(log, "tunnel.type"), "vxlan");
    assert_string_equal(value(log, "vlan"), "100");
    free(log);
}

static void closing_notices_make_rows_and_open_connections_do_not(void **state)
{
    (void)state;
    struct config c = sample_config();
    struct flow_record notice = sample_notice(), open = sample_udp_part();
    struct log *log = log_of(&c, &notice);

    assert_int_equal(log->rows, 1);
    assert_string_equal(value(log, "orig_pkts"), "12");
    assert_string_equal(value(log, "orig_flags"), "27");
    free(log);
    log = log_of(&c, &open);
    assert_int_equal(log->rows, 0);
    free(log);
    assert_true(format_zeek.per_connection);
}

static void protocols_have_zeek_names(void **state)
{
    (void)state;
    static const struct {
        uint8_t proto;
        const char *name, *number;
    } cases[] = {{1, "icmp", "1"},
                 {58, "icmp", "58"},
                 {6, "tcp", "6"},
                 {17, "udp", "17"},
                 {132, "unknown_transport", "132"}};
    struct config c = sample_config();

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct flow_record r = sample_icmp6();
        r.proto = cases[i].proto;
        struct log *log = log_of(&c, &r);
        assert_string_equal(value(log, "proto"), cases[i].name);
        assert_string_equal(value(log, "ip_proto"), cases[i].number);
        assert_string_equal(value(log, "id.orig_p"), "128");
        assert_string_equal(value(log, "history"), "-");
        free(log);
    }
}

static void any_record_has_all_columns(void **state)
{
    (void)state;
    struct config c = widest_config();
    struct flow_record sample = sample_tcp();
    struct log *log = log_of(&c, &sample);
    char *values[COLUMNS_MAX];
    uint64_t seed = 521288629;

    for (unsigned i = 0; i <= RANDOM_RECORDS; i++) {
        struct flow_record r = i ? random_record(&seed) : widest_record();
        r.open = 0;
        char *line = encode(&format_zeek, &c, &r);
        char *end = strchr(line, '\n');
        assert_non_null(end);
        assert_int_equal(end[1], '\0');
        *end = '\0';
        assert_int_equal(columns(log, line, values), log->field_count);
        for (unsigned k = 0; k < log->field_count; k++)
            assert_int_not_equal(values[k][0], '\0');
        free(line);
    }
    free(log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(header_is_a_conn_log),
        cmocka_unit_test(row_of_a_connection),
        cmocka_unit_test(row_of_an_aggregate),
        cmocka_unit_test(row_counts_the_whole_connection),
        cmocka_unit_test(closing_notices_make_rows_and_open_connections_do_not),
        cmocka_unit_test(protocols_have_zeek_names),
        cmocka_unit_test(any_record_has_all_columns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
