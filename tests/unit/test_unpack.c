#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include <zlib.h>

#include "capture/unpack.h"

static uint8_t out[1 << 20];

static uLong pack(const char *text, int flush, uint8_t *packed, uLong room)
{
    z_stream z = {.next_in = (uint8_t *)(uintptr_t)text,
                  .avail_in = (uInt)strlen(text),
                  .next_out = packed,
                  .avail_out = (uInt)room};

    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(deflate(&z, flush), flush == Z_FINISH ? Z_STREAM_END : Z_OK);
    deflateEnd(&z);
    return z.total_out;
}

/* A pipe that holds the octets; its writer is still there. */
static struct unpack *pipe_of(const void *data, size_t len, int *writer)
{
    struct unpack *u;
    int ends[2];

    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], data, len), (ssize_t)len);
    assert_int_equal(unpack_open(ends[0], &u), 0);
    *writer = ends[1];
    return u;
}

/* All there is, in reads of size octets; what the last one returned at *last. */
static size_t read_all(struct unpack *u, size_t size, ssize_t *last)
{
    size_t len = 0;

    while ((*last = unpack_read(u, out + len, size)) > 0)
        len += (size_t)*last;
    return len;
}

static void expect(const void *data, size_t len, const char *text)
{
    ssize_t last;
    int writer;

    for (size_t size = 1; size < 100; size += 7) {
        struct unpack *u = pipe_of(data, len, &writer);
        close(writer);
        assert_int_equal(read_all(u, size, &last), strlen(text));
        assert_memory_equal(out, text, strlen(text));
        assert_int_equal(last, 0);
        assert_int_equal(unpack_read(u, out, size), 0);
        assert_null(unpack_error(u));
        assert_int_equal(unpack_offset(u), len);
        unpack_close(u);
    }
}

static void plain_octets_pass(void **state)
{
    (void)state;
    expect("", 0, "");
    expect("x", 1, "x");
    expect("\x1f", 1, "\x1f");
    expect("\x1fxy", 3, "\x1fxy");
    expect("plain", 5, "plain");
}

static void gzip_is_undone(void **state)
{
    (void)state;
    static uint8_t packed[4096];

    expect(packed, pack("one and two", Z_FINISH, packed, sizeof(packed)), "one and two");
    expect(packed, pack("", Z_FINISH, packed, sizeof(packed)), "");
}

static void members_follow_each_other(void **state)
{
    (void)state;
    static uint8_t packed[4096];
    uLong len = pack("one", Z_FINISH, packed, sizeof(packed));

    len += pack("", Z_FINISH, packed + len, sizeof(packed) - len);
    len += pack(" and two", Z_FINISH, packed + len, sizeof(packed) - len);
    expect(packed, len, "one and two");
    memcpy(packed + len, "\x1fone of ours", 12);
    expect(packed, len + 1, "one and two");
    expect(packed, len + 12, "one and two");
}

/* What has been written to a pipe does not wait for more: else this test would not end. */
static void a_pipe_gives_what_has_come(void **state)
{
    (void)state;
    static uint8_t packed[4096];
    uLong len = pack("one", Z_SYNC_FLUSH, packed, sizeof(packed));
    const struct {
        const void *data;
        size_t len;
    } sources[] = {{"one", 3}, {packed, len}};

    for (int i = 0; i < 2; i++) {
        int writer;
        struct unpack *u = pipe_of(sources[i].data, sources[i].len, &writer);
        assert_int_equal(unpack_read(u, out, sizeof(out)), 3);
        assert_memory_equal(out, "one", 3);
        close(writer);
        unpack_close(u);
    }
}

/* By small reads as by a large one: of a run of octets inflate() holds back what had no room, also
 * when it has taken the last octet of the pipe. */
static void a_pipe_gives_all_that_has_come(void **state)
{
    (void)state;
    static uint8_t packed[4096];
    static char run[1000];

    memset(run, 'r', sizeof(run) - 1);
    uLong stored = pack(run, Z_SYNC_FLUSH, packed, sizeof(packed));
    for (uLong cut = 0; cut < 8; cut++) {
        int writer[2];
        struct unpack *large = pipe_of(packed, stored - cut, &writer[0]);
        struct unpack *small = pipe_of(packed, stored - cut, &writer[1]);
        ssize_t all = unpack_read(large, out, sizeof(out));
        for (ssize_t n = 0; all > 0; all -= n) {
            n = unpack_read(small, out, 10);
            assert_in_range(n, 1, 10);
        }
        for (int i = 0; i < 2; i++) {
            close(writer[i]);
            unpack_close(i ? small : large);
        }
    }
}

/* A member cut anywhere, in its head, data or trailer. */
static void an_early_end_is_an_error(void **state)
{
    (void)state;
    static uint8_t packed[4096];
    uLong len = pack("one and two", Z_FINISH, packed, sizeof(packed));

    for (uLong cut = 2; cut < len; cut++) {
        ssize_t last;
        int writer;
        struct unpack *u = pipe_of(packed, cut, &writer);
        close(writer);
        read_all(u, 64, &last);
        assert_int_equal(last, -1);
        assert_int_equal(errno, EIO);
        assert_string_equal(unpack_error(u), "gzip data end too early");
        unpack_close(u);
    }
}

static void what_comes_before_damage_is_given(void **state)
{
    (void)state;
    static uint8_t packed[4096];
    uLong len = pack("one and two", Z_FINISH, packed, sizeof(packed));
    ssize_t last;
    int writer;

    packed[len - 6] ^= 0xff; /* in the checksum of RFC 1952 §2.3.1 */
    struct unpack *u = pipe_of(packed, len, &writer);
    close(writer);
    assert_int_equal(read_all(u, 64, &last), 11);
    assert_int_equal(last, -1);
    assert_string_equal(unpack_error(u), "gzip data are damaged");
    assert_int_equal(unpack_read(u, out, 64), -1);
    assert_int_equal(errno, EIO);
    unpack_close(u);
}

static void a_read_that_fails_says_why(void **state)
{
    (void)state;
    struct unpack *u;

    assert_int_equal(unpack_open(open("/", O_RDONLY), &u), 0);
    assert_int_equal(unpack_read(u, out, sizeof(out)), -1);
    assert_int_equal(errno, EISDIR);
    assert_null(unpack_error(u));
    unpack_close(u);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_octets_pass),
        cmocka_unit_test(gzip_is_undone),
        cmocka_unit_test(members_follow_each_other),
        cmocka_unit_test(a_pipe_gives_what_has_come),
        cmocka_unit_test(a_pipe_gives_all_that_has_come),
        cmocka_unit_test(an_early_end_is_an_error),
        cmocka_unit_test(what_comes_before_damage_is_given),
        cmocka_unit_test(a_read_that_fails_says_why),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
