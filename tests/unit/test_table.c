#include "format_records.h"

#include "format/format.h"

static void assert_shows(const struct flow_record *r, const char *expected)
{
    struct config c = sample_config();
    char *line = encode(&format_table, &c, r);
    if (!strstr(line, expected))
        fail_msg("\"%s\" is not in %s", expected, line);
    free(line);
}

static void columns_stand_below_their_titles(void **state)
{
    (void)state;
    struct config c = sample_config();
    struct flow_record r = sample_tcp();
    char head[ENCODE_MAX + 1];
    head[format_table.head(&c, head)] = '\0';

    assert_string_equal(
        head,
        "first packet (UTC)       lasted proto       initiator                responder           "
        "  pkts> <pkts octs> <octs state  end       history  notes\n");
    assert_encodes(
        &format_table, &r,
        "2026-01-02T03:04:05.123  3.157s tcp         10.1.2.3:40264        -> 192.0.2.80:443      "
        "     12    10  1584  2199 SF     end       ShADadFf\n");
}

/* The widest addresses, counts, state and reason of IPv4, an open connection, a common history. */
static void ipv4_fits_140_columns(void **state)
{
    (void)state;
    struct config c = sample_config();
    struct flow_record r = sample_tcp();

    memset(r.address, 0xff, sizeof(r.address));
    r.port[0] = r.port[1] = 65535;
    r.delta = (struct flow_counts){{12345678, 12345678}, {UINT64_MAX, 12345678901}, {0, 0}};
    r.end_ns = r.start_ns + 3661 * SECOND_NS * 24;
    r.conn_state = CONN_RSTOS0;
    r.end_reason = END_RESOURCES;
    char *line = encode(&format_table, &c, &r);
    assert_non_null(strstr(line, " 1d00h "));
    assert_non_null(strstr(line, " 12.3M 12.3M 18.4E 12.3G RSTOS0 resources ShADadFf\n"));
    assert_in_range(strlen(line), 1, 141);
    free(line);
}

static void aggregates(void **state)
{
    (void)state;
    struct flow_record from = sample_aggregate(), to = sample_aggregate_to();

    assert_encodes(
        &format_table, &from,
        "2026-01-02T03:04:05.123 30.000s tcp         10.1.2.4/31           -> ~4321 addresses:22   "
        "  4500     0  180k     0        active             aggregate\n");
    assert_shows(&to, " ~4321 addresses       -> fe80::2/128 ");
}

static void endpoints(void **state)
{
    (void)state;
    struct flow_record udp = sample_udp_part(), icmp = sample_icmp6(), gre = sample_tcp();
    gre.proto = 47;

    assert_shows(&udp, " [2001:db8::1]:40264   -> [2001:db8:0:1::2]:443 ");
    assert_shows(&udp, " active+   Dd       vlan_changed,sensor_loss\n");
    assert_shows(&icmp, " icmp6 128/0 fe80::1               -> fe80::2 ");
    assert_shows(&gre, " gre         10.1.2.3              -> 192.0.2.80 ");
}

static void durations_for_people(void **state)
{
    (void)state;
    static const struct {
        uint64_t us;
        const char *expected;
    } cases[] = {{0, "    0us"},          {999, "  999us"},         {1000, "  1.0ms"},
                 {12399, " 12.3ms"},      {999999, "999.9ms"},      {1000000, " 1.000s"},
                 {59999999, "59.999s"},   {60000000, "  1m00s"},    {754000000, " 12m34s"},
                 {3599999999, " 59m59s"}, {18120000000, "  5h02m"}, {302400000000, "  3d12h"}};
    struct flow_record r = sample_tcp();
    r.start_ns = 0;

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char expected[32] = " ";
        r.end_ns = cases[i].us * 1000;
        assert_shows(&r, strcat(strcat(expected, cases[i].expected), " "));
    }
}

static void counts_for_people(void **state)
{
    (void)state;
    static const struct {
        uint64_t value;
        const char *expected;
    } cases[] = {
        {1, "    1"},         {9999, " 9999"},       {10000, "10.0k"},
        {99999, "99.9k"},     {100000, " 100k"},     {999999, " 999k"},
        {1000000, "1.00M"},   {1239999999, "1.23G"}, {45 * UINT64_C(1000000000000), "45.0T"},
        {UINT64_MAX, "18.4E"}};
    struct flow_record r = sample_tcp();

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char expected[32] = "   10 ";
        r.delta.octets[0] = cases[i].value;
        assert_shows(&r, strcat(strcat(expected, cases[i].expected), "  2199"));
    }
}

static void closing_notices_are_left_out(void **state)
{
    (void)state;
    struct flow_record r = sample_notice();
    assert_encodes(&format_table, &r, "");
}

static void any_record_is_one_printable_line(void **state)
{
    (void)state;
    struct config c = sample_config();
    uint64_t seed = 886751236;

    for (unsigned i = 0; i <= RANDOM_RECORDS; i++) {
        struct flow_record r = i ? random_record(&seed) : widest_record();
        char *line = encode(&format_table, &c, &r);
        size_t len = strlen(line);
        assert_in_range(len, 100, 600);
        for (size_t k = 0; k + 1 < len; k++)
            assert_in_range((uint8_t)line[k], ' ', '~');
        assert_int_equal(line[len - 1], '\n');
        free(line);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_stand_below_their_titles),
        cmocka_unit_test(ipv4_fits_140_columns),
        cmocka_unit_test(aggregates),
        cmocka_unit_test(endpoints),
        cmocka_unit_test(durations_for_people),
        cmocka_unit_test(counts_for_people),
        cmocka_unit_test(closing_notices_are_left_out),
        cmocka_unit_test(any_record_is_one_printable_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
