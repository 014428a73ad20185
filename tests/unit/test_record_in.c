/* Records through every profile and back. */
#include "format_records.h"

#include "harness/round_trip.h"
#include "export/reader.h"

#define ROUNDS 2000

static void check(const struct config *c, uint64_t profile, uint32_t size)
{
    uint64_t state = 88172645463325252u + profile;
    struct flow_record r[16];

    for (int round = 0; round < ROUNDS / 16; round++) {
        for (unsigned i = 0; i < 16; i++) {
            r[i] = random_record(&state);
            round_trip_tame(&r[i]);
        }
        const char *difference = round_trip(c, profile, size, r, 16);
        if (difference)
            fail_msg("profile %u: %s differs", (unsigned)profile, difference);
    }
}

static void test_round_trip(void **state)
{
    (void)state;
    struct config c = sample_config();

    for (uint64_t profile = 0; profile < PROFILE_ECS; profile++)
        check(&c, profile, 1400);
    c.exports.enterprise = 64999;
    check(&c, PROFILE_RICH, 512);
    check(&c, PROFILE_RICH, 65535);
}

/* What a record does not say stays as in an empty one that is the whole of its connection. */
static void test_samples(void **state)
{
    (void)state;
    struct config c = sample_config();
    struct flow_record r[] = {sample_tcp(), sample_udp_part(), sample_icmp6()};

    r[0].last_ns[1] = r[1].last_ns[1] = r[2].last_ns[1] = r[0].end_ns;
    for (uint64_t profile = 0; profile < PROFILE_ECS; profile++) {
        const char *difference = round_trip(&c, profile, 8192, r, 3);
        if (difference)
            fail_msg("profile %u: %s differs", (unsigned)profile, difference);
    }
}

static void test_number(void **state)
{
    (void)state;
    const uint8_t octets[9] = {1, 2, 3, 4, 5, 6, 7, 8, 9};

    assert_int_equal(ipfix_value_number(&(struct ipfix_value){octets, 3}), 0x010203);
    assert_int_equal(ipfix_value_number(&(struct ipfix_value){octets, 8}), 0x0102030405060708);
    assert_int_equal(ipfix_value_number(&(struct ipfix_value){octets, 9}), 0);
    assert_int_equal(ipfix_value_number(&(struct ipfix_value){octets, 0}), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_samples),
        cmocka_unit_test(test_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
