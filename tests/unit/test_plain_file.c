#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/plain_file.h"

static void a_file_opens(void **state)
{
    (void)state;
    char path[] = "/tmp/weir-plain-XXXXXX", octet = 0;
    int made = mkstemp(path);

    assert_int_equal(write(made, "x", 1), 1);
    int fd = plain_file_open(path);
    assert_true(fd >= 0);
    assert_int_equal(read(fd, &octet, 1), 1);
    assert_int_equal(octet, 'x');
    assert_int_equal(plain_file_check(path), 0);
    close(fd);
    close(made);
    unlink(path);
}

static void a_fifo_is_refused_at_once(void **state)
{
    (void)state;
    char folder[] = "/tmp/weir-plain-XXXXXX", path[sizeof(folder) + 5];

    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/fifo", folder);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(plain_file_open(path), PLAIN_FILE_MAY_BLOCK);
    assert_int_equal(plain_file_check(path), PLAIN_FILE_MAY_BLOCK);
    assert_non_null(strstr(plain_file_error(PLAIN_FILE_MAY_BLOCK), "regular file"));
    unlink(path);
    rmdir(folder);
}

static void what_is_not_there_is_said(void **state)
{
    (void)state;
    assert_int_equal(plain_file_open("/nonexistent"), -ENOENT);
    assert_string_equal(plain_file_error(-ENOENT), strerror(ENOENT));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_opens),
        cmocka_unit_test(a_fifo_is_refused_at_once),
        cmocka_unit_test(what_is_not_there_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
