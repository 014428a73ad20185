/* What weir top shows of lines that it does not trust. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/top_page.h"

struct screen {
    unsigned lines, widest;
    char text[65536];
};

static void take(void *context, enum top_style style, const char *text)
{
    struct screen *s = context;

    (void)style;
    s->lines++;
    s->widest = strlen(text) > s->widest ? (unsigned)strlen(text) : s->widest;
    strcat(strcat(s->text, text), "\n");
}

static struct top_page *page_of(unsigned hosts)
{
    struct top_page *p = calloc(1, sizeof(*p));

    assert_non_null(p);
    strcpy(p->title, "here");
    p->now_ns = UINT64_C(1700000100000000000);
    for (unsigned i = 0; i < hosts; i++) {
        char line[256];
        snprintf(line, sizeof(line),
                 "{\"host\":\"10.0.%u.%u\",\"start\":1700000040.0,\"octets_out\":%u,"
                 "\"octets_in\":1000,\"opened\":3,\"open\":1,\"peers\":2,\"oldest\":1700000000.5}",
                 i / 256, i % 256, i * 1000);
        top_add_host(p, line);
    }
    top_add_connection(p, "{\"host\":\"10.0.0.1\",\"peer\":\"::1\",\"start\":1699990000.0,"
                          "\"port\":443,\"proto\":6,\"octets_out\":5,\"octets_in\":1234567}");
    top_add_alert(p, "{\"ts\":1700000090.1,\"rule\":\"beacon\",\"severity\":\"high\","
                     "\"state\":\"raised\",\"text\":\"a \\\"b\\\" \\u001b[31m\\\\ \xc3\xa9\"}");
    top_arrange(p);
    return p;
}

static struct screen *render(const struct top_page *p, unsigned width, unsigned height)
{
    struct screen *s = calloc(1, sizeof(*s));

    assert_non_null(s);
    top_render(p, width, height, take, s);
    return s;
}

static void a_page_has_all_of_it(void **state)
{
    struct top_page *p = page_of(3);
    struct screen *s = render(p, 120, 0);

    (void)state;
    assert_non_null(strstr(s->text, "weir top - here - "));
    assert_non_null(strstr(s->text, "10.0.0.2          2.0k   1.0k   0.33       3      1      2"));
    assert_true(strstr(s->text, "10.0.0.2 ") < strstr(s->text, "10.0.0.0 "));
    assert_non_null(strstr(s->text, "    5   1.2M 10.0.0.1 > ::1 443/tcp"));
    assert_non_null(strstr(s->text, "high     raised    beacon: a \"b\" ?[31m\\ ??"));
    assert_null(strchr(s->text, '\x1b'));
    free(s);
    free(p);
}

static void it_fits_any_terminal(void **state)
{
    struct top_page *p = page_of(300);

    (void)state;
    for (unsigned height = 1; height < 60; height++)
        for (unsigned width = 1; width < 130; width += 13) {
            struct screen *s = render(p, width, height);
            assert_true(s->lines <= height && s->widest <= width);
            free(s);
        }
    struct screen *s = render(p, 80, 24);
    assert_int_equal(s->lines, 24);
    assert_non_null(strstr(s->text, "beacon"));
    free(s);
    free(p);
}

static void what_is_not_understood_is_left_out(void **state)
{
    static const char *const odd[] = {"",
                                      "{",
                                      "{}",
                                      "{\"host\":",
                                      "{\"host\":\"",
                                      "{\"host\":\"10.0.0.1",
                                      "{\"host\":\"10.0.0.1\\",
                                      "{\"host\":\"\\u00",
                                      "{\"host\":5}",
                                      "{\"host\":\"no address\"}",
                                      "{\"text\":\"\\\"host\\\":\\\"10.0.0.1\\\"\"}"};
    struct top_page *p = calloc(1, sizeof(*p));

    (void)state;
    for (size_t i = 0; i < sizeof(odd) / sizeof(*odd); i++) {
        top_add_host(p, odd[i]);
        top_add_connection(p, odd[i]);
        top_add_alert(p, odd[i]);
    }
    assert_int_equal(p->rows + p->connections + p->alerts, 0);
    free(p);
}

static void there_is_an_end_to_what_it_holds(void **state)
{
    struct top_page *p = page_of(TOP_ROWS + 100);

    (void)state;
    for (int i = 0; i < 200; i++) {
        top_add_connection(p, "{\"host\":\"1.1.1.1\",\"peer\":\"2.2.2.2\"}");
        top_add_alert(p, "{\"rule\":\"x\"}");
    }
    assert_int_equal(p->rows, TOP_ROWS);
    assert_int_equal(p->connections, TOP_LISTED);
    assert_int_equal(p->alerts, TOP_LISTED);
    struct screen *s = render(p, 80, 0);
    assert_true(s->lines >= TOP_ROWS);
    free(s);
    free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_page_has_all_of_it),
        cmocka_unit_test(it_fits_any_terminal),
        cmocka_unit_test(what_is_not_understood_is_left_out),
        cmocka_unit_test(there_is_an_end_to_what_it_holds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
