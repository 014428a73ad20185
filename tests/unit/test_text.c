#include "format_records.h"

#include <stdio.h>
#include <time.h>

#include "format/text.h"

#define NS_PER_SECOND UINT64_C(1000000000)
#define RANDOM_NUMBERS 100000

static void numbers_as_printf_writes_them(void **state)
{
    (void)state;
    uint64_t seed = 2463534242;
    char text[64], expected[64];

    for (unsigned i = 0; i < RANDOM_NUMBERS; i++) {
        uint64_t value = i == 0 ? 0 : i == 1 ? UINT64_MAX : random_next(&seed) >> (i % 64);
        *put_u64(text, value) = '\0';
        sprintf(expected, "%llu", (unsigned long long)value);
        assert_string_equal(text, expected);
        *put_hex64(text, value) = '\0';
        sprintf(expected, "%016llx", (unsigned long long)value);
        assert_string_equal(text, expected);
        *put_seconds(text, value) = '\0';
        sprintf(expected, "%llu.%06llu", (unsigned long long)value / 1000000,
                (unsigned long long)value % 1000000);
        assert_string_equal(text, expected);
    }
}

static void assert_utc(uint64_t ns)
{
    char text[64], expected[64];
    time_t seconds = (time_t)(ns / NS_PER_SECOND);
    struct tm tm;

    gmtime_r(&seconds, &tm);
    size_t len = strftime(expected, sizeof(expected), "%Y-%m-%dT%H:%M:%S", &tm);
    *put_utc(text, ns, 0) = '\0';
    assert_string_equal(text, expected);
    sprintf(expected + len, ".%09llu", (unsigned long long)(ns % NS_PER_SECOND));
    for (unsigned decimals = 3; decimals <= 9; decimals += 3) {
        *put_utc(text, ns, decimals) = '\0';
        assert_int_equal(strlen(text), len + 1 + decimals);
        assert_memory_equal(text, expected, len + 1 + decimals);
    }
}

static void times_as_the_library_writes_them(void **state)
{
    (void)state;
    uint64_t seed = 1812433253;

    assert_utc(0);
    assert_utc(UINT64_MAX);
    for (uint64_t day = 0; day < 213503; day++) {
        assert_utc(day * 86400 * NS_PER_SECOND);
        assert_utc(day * 86400 * NS_PER_SECOND + 86399 * NS_PER_SECOND + 999999999);
    }
    for (unsigned i = 0; i < RANDOM_NUMBERS; i++)
        assert_utc(random_next(&seed));
}

static void microseconds_between_floored_times(void **state)
{
    (void)state;
    assert_int_equal(us_between(999, 1000), 1);
    assert_int_equal(us_between(1000, 1999), 0);
    assert_int_equal(us_between(5000, 4000), 0);
    assert_int_equal(us_between(0, UINT64_MAX), UINT64_MAX / 1000);
}

static void json_text_is_escaped(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"", ""},
        {"plain/\x7f", "plain/\x7f"},
        {"\"\\\n\x01\x1f", "\\\"\\\\\\u000a\\u0001\\u001f"},
        {"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"},
        {"\x80", "\\ufffd"}, /* continuation alone */
        {"\xc3", "\\ufffd"}, /* cut */
        {"\xc3z", "\\ufffdz"},
        {"\xc0\xaf", "\\ufffd\\ufffd"},                       /* overlong */
        {"\xe0\x9f\xbf", "\\ufffd\\ufffd\\ufffd"},            /* overlong */
        {"\xed\xa0\x80", "\\ufffd\\ufffd\\ufffd"},            /* surrogate */
        {"\xf4\x90\x80\x80", "\\ufffd\\ufffd\\ufffd\\ufffd"}, /* above U+10FFFF */
    };
    char text[64];

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        *put_json_text(text, cases[i][0]) = '\0';
        assert_string_equal(text, cases[i][1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_as_printf_writes_them),
        cmocka_unit_test(times_as_the_library_writes_them),
        cmocka_unit_test(microseconds_between_floored_times),
        cmocka_unit_test(json_text_is_escaped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
