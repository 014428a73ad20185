#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "capture/ahead.h"
#include "capture/unpack.h"

#define LEN (20 * AHEAD_BLOCK + 12345)

static uint8_t octet_at(size_t i)
{
    return (uint8_t)(i * 2654435761u >> 13);
}

static int file_of(size_t len)
{
    int fd = memfd_create("ahead", 0);
    uint8_t *data = malloc(len);

    assert_true(fd >= 0);
    for (size_t i = 0; i < len; i++)
        data[i] = octet_at(i);
    assert_int_equal(write(fd, data, len), (ssize_t)len);
    lseek(fd, 0, SEEK_SET);
    free(data);
    return fd;
}

static struct ahead *start(int fd, struct unpack **unpack)
{
    struct ahead *a;

    assert_int_equal(unpack_open(fd, unpack), 0);
    assert_int_equal(ahead_start(*unpack, &a), 0);
    return a;
}

static void stop(struct ahead *a, struct unpack *unpack)
{
    ahead_stop(a);
    unpack_close(unpack);
}

/* Also the octets in front of a block are kept, and the offset belongs to what was taken. */
static void octets_come_in_order_to_their_end(void **state)
{
    (void)state;
    struct unpack *unpack;
    struct ahead *a = start(file_of(LEN), &unpack);
    size_t len = 0;
    ssize_t n;

    assert_int_equal(ahead_offset(a), 0);
    for (;;) {
        uint8_t *at = ahead_place(a);
        memset(at - AHEAD_KEPT, 0xaa, AHEAD_KEPT);
        n = ahead_next(a);
        if (n <= 0)
            break;
        for (ssize_t i = 0; i < n; i++)
            if (at[i] != octet_at(len + (size_t)i))
                fail_msg("octet %zu", len + (size_t)i);
        assert_int_equal(at[-1], 0xaa);
        assert_int_equal(at[-AHEAD_KEPT], 0xaa);
        len += (size_t)n;
        assert_int_equal(ahead_offset(a), len);
    }
    assert_int_equal(n, 0);
    assert_int_equal(len, LEN);
    assert_int_equal(ahead_next(a), 0);
    assert_null(ahead_error(a));
    stop(a, unpack);
}

static void an_error_comes_behind_what_was_read(void **state)
{
    (void)state;
    struct unpack *unpack;
    int ends[2];

    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], "\x1f\x8b\x08", 3), 3); /* a gzip file that is cut short */
    close(ends[1]);
    struct ahead *a = start(ends[0], &unpack);
    for (int i = 0; i < 3; i++) {
        errno = 0;
        assert_int_equal(ahead_next(a), -1);
        assert_int_equal(errno, EIO);
        assert_string_equal(ahead_error(a), "gzip data end too early");
    }
    stop(a, unpack);

    a = start(open("/", O_RDONLY), &unpack);
    assert_int_equal(ahead_next(a), -1);
    assert_int_equal(errno, EISDIR);
    assert_null(ahead_error(a));
    stop(a, unpack);
}

/* Before anything was taken, with all blocks full, and at the end. */
static void it_stops_at_any_time(void **state)
{
    (void)state;
    for (int taken = 0; taken < 25; taken++) {
        struct unpack *unpack;
        struct ahead *a = start(file_of(LEN), &unpack);
        for (int i = 0; i < taken; i++)
            ahead_next(a);
        stop(a, unpack);
    }
    ahead_stop(NULL);
}

/* What a pipe has brought is there, though the thread waits for more; else this test does not end.
 */
static void it_stops_while_the_thread_waits(void **state)
{
    (void)state;
    struct unpack *unpack;
    int ends[2];

    assert_int_equal(pipe(ends), 0);
    struct ahead *a = start(ends[0], &unpack);
    assert_int_equal(write(ends[1], "octets", 6), 6);
    const uint8_t *at = ahead_place(a);
    size_t len = 0;
    while (len < 6) {
        ssize_t n = ahead_next(a);
        assert_memory_equal(at, &"octets"[len], (size_t)n);
        len += (size_t)n;
        at = ahead_place(a);
    }
    stop(a, unpack);
    close(ends[1]);
}

static void on_signal(int number)
{
    (void)number;
}

/* Until somebody has heard of it: the first ones may come before he waits. */
static void *send_signals(void *context)
{
    const struct timespec pause = {.tv_nsec = 1000000};
    const pthread_t *to = context;

    for (;;) {
        pthread_kill(*to, SIGUSR1);
        nanosleep(&pause, NULL);
    }
    return NULL;
}

static void a_signal_breaks_off_the_wait(void **state)
{
    (void)state;
    const struct sigaction action = {.sa_handler = on_signal};
    pthread_t self = pthread_self(), sender;
    struct unpack *unpack;
    int ends[2];

    assert_int_equal(pipe(ends), 0);
    struct ahead *a = start(ends[0], &unpack);
    sigaction(SIGUSR1, &action, NULL);
    assert_int_equal(pthread_create(&sender, NULL, send_signals, &self), 0);
    assert_int_equal(ahead_next(a), -1);
    assert_int_equal(errno, EINTR);
    pthread_cancel(sender);
    pthread_join(sender, NULL);
    assert_int_equal(write(ends[1], "octets", 6), 6); /* nothing was taken, all goes on */
    const uint8_t *at = ahead_place(a);
    assert_in_range(ahead_next(a), 1, 6);
    assert_int_equal(at[0], 'o');
    stop(a, unpack);
    close(ends[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(octets_come_in_order_to_their_end),
        cmocka_unit_test(an_error_comes_behind_what_was_read),
        cmocka_unit_test(it_stops_at_any_time),
        cmocka_unit_test(it_stops_while_the_thread_waits),
        cmocka_unit_test(a_signal_breaks_off_the_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
