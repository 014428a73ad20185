#include "host_fixture.h"

#include "hunt/beacon.h"

static void regular_values_score_high(void **state)
{
    (void)state;
    double same[] = {60, 60, 60, 60, 60}, near[] = {59, 60, 61, 60, 59, 61, 60};
    double wild[] = {1, 2, 4, 900, 7, 3000, 2, 80, 1200, 1};

    assert_true(beacon_regularity(same, 5) == 1);
    assert_true(beacon_regularity(near, 7) > 0.95);
    assert_true(beacon_regularity(wild, 10) < 0.5);
    assert_true(beacon_regularity(same, 2) == 0);
}

static struct contact_rhythm every_minute(uint64_t hours)
{
    struct contact_rhythm r = {.first_ns = START_NS,
                               .last_ns = START_NS + hours * 3600 * SECOND - 1,
                               .starts = (uint32_t)hours * 60,
                               .sizes = (uint32_t)hours * 60};

    for (unsigned i = 0; i < CONTACT_SAMPLES; i++) {
        r.interval_ms[i] = 60000;
        r.size[i] = 700;
    }
    for (uint64_t i = 0; i < hours && i < CONTACT_HOURS; i++)
        r.hour[(START_NS / (3600 * SECOND) + i) % CONTACT_HOURS] = 60;
    return r;
}

static void a_clock_scores_one(void **state)
{
    (void)state;
    struct contact_rhythm r = every_minute(12);

    assert_true(beacon_score(&r) > 0.999);
    r = every_minute(3); /* too short for the duration's quarter */
    assert_true(beacon_score(&r) > 0.74 && beacon_score(&r) < 0.76);
    r = every_minute(12);
    r.starts = 3;
    assert_true(beacon_score(&r) == 0);
}

static void people_score_low(void **state)
{
    (void)state;
    struct contact_rhythm r = every_minute(12);
    uint32_t seed = 7;

    for (unsigned i = 0; i < CONTACT_SAMPLES; i++) {
        seed = seed * 1664525 + 1013904223;
        uint32_t burst = i % 5 ? seed >> 22 : seed >> 8;
        r.interval_ms[i] = 100 + burst;
        r.size[i] = 400 + (seed >> 18);
    }
    memset(r.hour, 0, sizeof(r.hour));
    r.hour[0] = 500;
    r.hour[1] = 20;
    assert_true(beacon_score(&r) < 0.7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(regular_values_score_high),
        cmocka_unit_test(a_clock_scores_one),
        cmocka_unit_test(people_score_low),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
