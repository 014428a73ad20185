#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "core/machine_file.h"

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

static void lists_of_cores_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *list;
        int count, first, last;
    } cases[] = {
        {"0", 1, 0, 0},          {"0-3", 4, 0, 3},
        {"2-5,8\n", 5, 2, 8},    {"", 0, -1, -1},
        {"\n", 0, -1, -1},       {"x", 0, -1, -1},
        {"7-3", 0, -1, -1},      {"1022-5000", 2, 1022, 1023},
        {"99999999", 0, -1, -1}, {"3,", 1, 3, 3},
        {"1,1,1", 1, 1, 1},      {"4-", 0, -1, -1},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        cpu_set_t set;
        machine_parse_cores(cases[i].list, &set);
        assert_int_equal(CPU_COUNT(&set), cases[i].count);
        if (cases[i].count) {
            assert_true(CPU_ISSET(cases[i].first, &set));
            assert_true(CPU_ISSET(cases[i].last, &set));
        }
    }
}

static void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    fputs(text, f);
    fclose(f);
}

static void words_and_numbers_are_read(void **state)
{
    (void)state;
    char path[] = "/tmp/weir-test-XXXXXX", word[6];
    static const char *const wrong[] = {"", "x\n", "-1\n", "1x\n", "99999999999999999999999\n"};
    uint64_t number = 7;

    close(mkstemp(path));
    write_file(path, "first line\nsecond\n");
    assert_int_equal(machine_read_word(path, word, sizeof(word)), 0);
    assert_string_equal(word, "first");
    write_file(path, "");
    assert_int_equal(machine_read_word(path, word, sizeof(word)), 0);
    assert_string_equal(word, "");
    for (size_t i = 0; i < COUNT(wrong); i++) {
        write_file(path, wrong[i]);
        assert_int_equal(machine_read_number(path, &number), -EINVAL);
        assert_int_equal(number, 7);
    }
    write_file(path, "4096\n");
    assert_int_equal(machine_read_number(path, &number), 0);
    assert_int_equal(number, 4096);
    unlink(path);
    assert_int_equal(machine_read_number(path, &number), -ENOENT);
    assert_int_equal(machine_read_word(path, word, sizeof(word)), -ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_of_cores_are_read),
        cmocka_unit_test(words_and_numbers_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
