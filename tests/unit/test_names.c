#include "format_records.h"

#include "format/names.h"

static void assert_distinct(const char *(*name)(uint8_t), unsigned first, unsigned end)
{
    for (unsigned i = first; i < end; i++) {
        assert_non_null(name((uint8_t)i));
        for (unsigned k = first; k < i; k++)
            assert_string_not_equal(name((uint8_t)i), name((uint8_t)k));
    }
    assert_null(name((uint8_t)end));
    assert_null(name(255));
}

static void every_value_has_a_name_of_its_own(void **state)
{
    (void)state;
    assert_distinct(end_reason_name, END_IDLE, END_RESOURCES + 1);
    assert_distinct(end_reason_text, END_IDLE, END_RESOURCES + 1);
    assert_distinct(direction_basis_name, BASIS_FIRST_PACKET, BASIS_COUNT);
    assert_distinct(tunnel_name, TUNNEL_GRE, TUNNEL_KIND_COUNT);
    assert_null(end_reason_name(END_NONE));
    assert_null(tunnel_name(TUNNEL_NONE));
}

static void states_are_zeeks(void **state)
{
    (void)state;
    static const char *const zeek[] = {"OTH",  "S0",   "S1",     "S2",    "S3", "SF", "REJ",
                                       "RSTO", "RSTR", "RSTOS0", "RSTRH", "SH", "SHR"};

    assert_int_equal(sizeof(zeek) / sizeof(*zeek), CONN_STATE_COUNT);
    for (unsigned i = 0; i < CONN_STATE_COUNT; i++)
        assert_string_equal(conn_state_name((uint8_t)i), zeek[i]);
    assert_string_equal(conn_state_name(255), "OTH");
}

static void quality_bits_have_names(void **state)
{
    (void)state;
    assert_string_equal(quality_name(QUALITY_INDEX_MIDSTREAM), "midstream");
    assert_string_equal(quality_name(QUALITY_COUNT - 1), "span_duplicates");
    assert_null(quality_name(QUALITY_COUNT));
}

static void protocols(void **state)
{
    (void)state;
    assert_string_equal(protocol_name(58), "icmp6");
    assert_string_equal(protocol_iana_name(58), "ipv6-icmp");
    assert_string_equal(protocol_zeek_name(58), "icmp");
    assert_string_equal(protocol_iana_name(132), "sctp");
    assert_null(protocol_name(254));
    assert_null(protocol_iana_name(254));
    unsigned with_ports = 0;
    for (unsigned i = 0; i < 256; i++)
        with_ports += protocol_has_ports((uint8_t)i);
    assert_int_equal(with_ports, 5); /* TCP, UDP, UDP-Lite, SCTP, DCCP */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_value_has_a_name_of_its_own),
        cmocka_unit_test(states_are_zeeks),
        cmocka_unit_test(quality_bits_have_names),
        cmocka_unit_test(protocols),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
