#include "format_records.h"

#include <locale.h>
#include <time.h>

#include "format/fields.h"
#include "format/format.h"

static void faces_are_found_by_name(void **state)
{
    (void)state;
    size_t count;
    const struct record_encoder *const *all = format_all(&count);

    assert_int_equal(count, 5);
    assert_ptr_equal(all[0], &format_table);
    for (size_t i = 0; i < count; i++) {
        assert_ptr_equal(format_find(all[i]->name), all[i]);
        assert_int_not_equal(all[i]->summary[0], '\0');
    }
    assert_null(format_find("xml"));
    assert_null(format_find(""));
}

static void every_field_says_where_it_comes_from(void **state)
{
    (void)state;
    size_t count;
    const struct format_field *field = format_fields(&count);

    assert_true(count > 40);
    for (size_t i = 0; i < count; i++) {
        assert_int_not_equal(field[i].name[0], '\0');
        assert_int_not_equal(field[i].source[0], '\0');
        assert_true(field[i].kind < FIELD_KIND_COUNT && field[i].faces &&
                    !(field[i].faces & ~(IN_ALL | OF_AGGREGATE)));
    }
}

/* FIELD_TEXT_MAX is what json gives each field. */
static void no_field_is_wider_than_its_room(void **state)
{
    (void)state;
    struct config c = widest_config();
    uint64_t seed = 123456789;
    size_t count;
    const struct format_field *field = format_fields(&count);

    for (unsigned i = 0; i < 10000; i++) {
        struct flow_record r = i ? random_record(&seed) : widest_record();
        struct field_view views[] = {field_view_record(&c, &r), field_view_connection(&c, &r)};
        for (size_t k = 0; k < 2 * count; k++) {
            char *text = malloc(FIELD_TEXT_MAX);
            char *end = field_write(&field[k / 2], &views[k % 2], text);
            assert_in_range(end - text, 0, FIELD_TEXT_MAX - 1);
            free(text);
        }
    }
}

static void time_zone_and_locale_do_not_matter(void **state)
{
    (void)state;
    struct config c = sample_config();
    struct flow_record r = sample_tcp();
    size_t count;
    const struct record_encoder *const *all = format_all(&count);

    for (size_t i = 0; i < count; i++) {
        setenv("TZ", "UTC", 1);
        tzset();
        char *before = encode(all[i], &c, &r);
        setenv("TZ", "Asia/Tokyo", 1);
        tzset();
        setlocale(LC_ALL, "");
        char *after = encode(all[i], &c, &r);
        assert_string_equal(before, after);
        free(before);
        free(after);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(faces_are_found_by_name),
        cmocka_unit_test(every_field_says_where_it_comes_from),
        cmocka_unit_test(no_field_is_wider_than_its_room),
        cmocka_unit_test(time_zone_and_locale_do_not_matter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
