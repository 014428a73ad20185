#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "config/collector.h"
#include "config/config.h"
#include "config/error.h"
#include "config/keys.h"
#include "config/number.h"
#include "config/value.h"
#include "weir/config.h"
#include "weir/packet.h"

#define COUNT(array) (sizeof(array) / sizeof(*(array)))
#define S UINT64_C(1000000000)

static void durations_are_read_and_written(void **state)
{
    (void)state;
    static const struct {
        const char *in;
        uint64_t ns;
        const char *out;
    } cases[] = {
        {"500ms", S / 2, "500ms"},
        {"15s", 15 * S, "15s"},
        {"15", 15 * S, "15s"},
        {"2m", 120 * S, "2m"},
        {"1h", 3600 * S, "1h"},
        {"1d", 86400 * S, "1d"},
        {"1h30m", 5400 * S, "1h30m"},
        {"90m", 5400 * S, "1h30m"},
        {"0", 0, "0s"},
        {"1d1h1m1s1ms", 90061 * S + S / 1000, "1d1h1m1s1ms"},
        {"60s", 60 * S, "1m"},
        {"99999999999999999999999d", UINT64_MAX, NULL},
        {"300000000d", UINT64_MAX, NULL},
    };
    char text[NUMBER_TEXT_MAX];

    for (size_t i = 0; i < COUNT(cases); i++) {
        uint64_t ns = 7;
        assert_int_equal(duration_parse(cases[i].in, &ns), 0);
        assert_int_equal(ns, cases[i].ns);
        if (cases[i].out)
            assert_string_equal(duration_format(ns, text), cases[i].out);
    }
    assert_true(strlen(duration_format(UINT64_MAX, text)) < NUMBER_TEXT_MAX);
}

static void wrong_durations_are_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {"",      "s",     "15x",  "-1s",  "1.5s", "1m30",
                                        "30m1h", "1s1s",  " 15s", "15s ", "15 s", "+1",
                                        "1S",    "0x10s", "1hm",  "1us"};
    for (size_t i = 0; i < COUNT(wrong); i++) {
        uint64_t ns = 7;
        assert_int_not_equal(duration_parse(wrong[i], &ns), 0);
        assert_int_equal(ns, 7);
    }
}

static void counts_are_read_and_written(void **state)
{
    (void)state;
    static const struct {
        const char *in;
        uint64_t count;
        const char *out;
    } cases[] = {
        {"0", 0, "0"},
        {"4096", 4096, "4096"},
        {"100k", 100000, "100k"},
        {"1000", 1000, "1k"},
        {"4M", 4000000, "4M"},
        {"2G", 2000000000, "2G"},
        {"1500k", 1500000, "1500k"},
        {"99999999999G", UINT64_MAX, "18446744073709551615"},
    };
    static const char *const wrong[] = {"",     "k",   "1K",   "1kk",  "-1",
                                        "1.5k", "1 k", "47x9", "0x10", "1k5"};
    char text[NUMBER_TEXT_MAX];
    uint64_t count;

    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_int_equal(count_parse(cases[i].in, &count), 0);
        assert_int_equal(count, cases[i].count);
        assert_string_equal(count_format(count, text), cases[i].out);
    }
    for (size_t i = 0; i < COUNT(wrong); i++)
        assert_int_not_equal(count_parse(wrong[i], &count), 0);
}

static void sizes_and_plain_numbers_are_read_and_written(void **state)
{
    (void)state;
    static const struct {
        const char *in;
        uint64_t octets;
        const char *out;
    } cases[] = {
        {"0", 0, "0"},
        {"1400", 1400, "1400"},
        {"8MiB", 8 << 20, "8MiB"},
        {"8192", 8192, "8KiB"},
        {"1024KiB", 1 << 20, "1MiB"},
        {"1G", 1000000000, "1G"},
        {"64k", 64000, "64k"},
        {"3GiB", UINT64_C(3) << 30, "3GiB"},
        {"1500k", 1500000, "1500k"},
        {"99999999999GiB", UINT64_MAX, "18446744073709551615"},
    };
    static const char *const wrong[] = {"", "MiB", "1MB", "1kib", "1 MiB", "1.5GiB", "-1", "1KiB2"};
    char text[NUMBER_TEXT_MAX];
    uint64_t value;

    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_int_equal(octets_parse(cases[i].in, &value), 0);
        assert_int_equal(value, cases[i].octets);
        assert_string_equal(octets_format(value, text), cases[i].out);
    }
    for (size_t i = 0; i < COUNT(wrong); i++)
        assert_int_not_equal(octets_parse(wrong[i], &value), 0);
    assert_int_equal(digits_parse("5000", &value), 0);
    assert_string_equal(digits_format(value, text), "5000");
    assert_int_not_equal(digits_parse("5k", &value), 0);
    assert_int_not_equal(digits_parse("47x9", &value), 0);
}

static void paths_have_an_index(void **state)
{
    (void)state;
    assert_int_equal(config_path_index("flow.idle"), 0);
    assert_int_equal(config_path_index("export.collectors[12].port"), 12);
    assert_int_equal(config_path_index("export.collectors[4294967295].port"), UINT32_MAX);
    assert_int_equal(config_path_index("export.collectors[99999999999999999999].port"), UINT32_MAX);
    assert_null(config_key_find("export.collectors[].port"));
    assert_null(config_key_find("export.collectors[x].port"));
    assert_null(config_key_find("export.collectors[1.port"));
    assert_null(config_key_find("export.collectors[1]"));
    assert_null(config_key_find("export.collectors1].port"));
    assert_int_equal(config_key_under("export.collectors[1]"),
                     config_key_find("export.collectors[1].name") - config_keys);
}

/* export.collectors[].port -> export.collectors[3].port */
static void use_index(const char *name, char path[CONFIG_KEY_MAX + 1])
{
    const char *close = strchr(name, ']');

    strcpy(path, name);
    if (close)
        sprintf(path + (close - name), "3%s", close);
}

static void the_table_is_well_formed(void **state)
{
    (void)state;
    char range[CONFIG_RANGE_MAX];

    for (size_t i = 0; i < config_key_count; i++) {
        const struct config_key *key = &config_keys[i];
        assert_true(strlen(key->name) < CONFIG_KEY_MAX);
        assert_non_null(strchr(key->name, '.'));
        assert_true(key->help && *key->help);
        char path[CONFIG_KEY_MAX + 1];
        use_index(key->name, path);
        assert_ptr_equal(config_key_find(path), key);
        assert_int_equal(config_key_under(path), i); /* no key is the section of another */
        assert_int_equal(!key->stride, !strchr(key->name, '['));
        assert_true(strlen(config_value_range(key, range)) < sizeof(range));
    }
}

/* Printing walks the table once, so each section stands in one piece. */
static void the_table_keeps_sections_together(void **state)
{
    (void)state;
    for (size_t i = 1; i < config_key_count; i++) {
        char section[CONFIG_KEY_MAX + 1];
        if (config_keys[i].stride) {
            assert_true(config_keys[i - 1].stride || config_keys[i - 1].type == CONFIG_COLLECTORS);
            continue;
        }
        strcpy(section, config_keys[i].name);
        for (char *dot; (dot = strrchr(section, '.'));) {
            *dot = '\0';
            size_t len = strlen(section), first = (size_t)config_key_under(section);
            for (size_t j = first; j < i; j++)
                assert_true(strncmp(config_keys[j].name, section, len) == 0 &&
                            config_keys[j].name[len] == '.');
        }
    }
}

/* Where no quotes or brackets are in the way. */
static void defaults_are_written_as_they_are_printed(void **state)
{
    (void)state;
    static struct config config;
    struct config_error error;

    config_defaults(&config);
    assert_int_equal(config_collector_append(&config, &error), 0);
    for (size_t i = 0; i < config_key_count; i++) {
        char *text;
        size_t len;
        if (strcmp(config_keys[i].name, "sensor.name") == 0 ||
            config_type_is_list(config_keys[i].type))
            continue;
        FILE *out = open_memstream(&text, &len);
        config_value_print(&config_keys[i], &config, out);
        fclose(out);
        assert_string_equal(text, config_keys[i].fallback);
        free(text);
    }
}

static void the_nearest_key_is_found(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"flow.idel", "flow.idle"},
        {"flwo", "flow"},
        {"idle", "flow.idle"},
        {"hosts.idle", "flow.idle"},
        {"flow.kep", "flow.keep"},
        {"flow.keep.tpc", "flow.keep.tcp"},
        {"host.network", "hosts.networks"},
        {"flow.max-flows", "flow.max_flows"},
        {"export.collector", "export.collectors"},
        {"export.collectors[12].prot", "export.collectors[].port"},
        {"export.collectors[0].flush", "export.flush"},
    };
    static const char *const strange[] = {
        "",
        "x",
        "completely.different",
        "flow.one_key_that_is_much_longer_than_any_key_which_the_table_could_hold",
    };
    char near[CONFIG_KEY_MAX];

    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_true(config_key_nearest(cases[i][0], near));
        assert_string_equal(near, cases[i][1]);
    }
    for (size_t i = 0; i < COUNT(strange); i++)
        assert_false(config_key_nearest(strange[i], near));
}

static void quoting_makes_one_printable_line(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"plain", "plain"},         {"a\nb\x1b[m", "a\\x0ab\\x1b[m"},
        {"\x7f", "\\x7f"},          {"gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f"},
        {"\xc2\x9b", "\\xc2\\x9b"}, {"\xff", "\\xff"},
        {"\xe2\x82", "\\xe2\\x82"}, {"\xf0\x9f\x8c\x8a", "\xf0\x9f\x8c\x8a"},
    };
    char out[CONFIG_QUOTED_MAX], small[8], text[300];

    for (size_t i = 0; i < COUNT(cases); i++)
        assert_string_equal(config_quote(cases[i][0], out, sizeof(out)), cases[i][1]);
    memset(text, 'a', sizeof(text));
    text[299] = '\0';
    assert_true(strlen(config_quote(text, out, sizeof(out))) < sizeof(out));
    assert_string_equal(out + strlen(out) - 4, "a...");
    assert_string_equal(config_quote("\x01\x01\x01", small, sizeof(small)), "\\x01...");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(durations_are_read_and_written),
        cmocka_unit_test(wrong_durations_are_refused),
        cmocka_unit_test(counts_are_read_and_written),
        cmocka_unit_test(sizes_and_plain_numbers_are_read_and_written),
        cmocka_unit_test(paths_have_an_index),
        cmocka_unit_test(the_table_is_well_formed),
        cmocka_unit_test(the_table_keeps_sections_together),
        cmocka_unit_test(defaults_are_written_as_they_are_printed),
        cmocka_unit_test(the_nearest_key_is_found),
        cmocka_unit_test(quoting_makes_one_printable_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
