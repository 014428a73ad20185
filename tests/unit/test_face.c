#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/face.h"
#include "weir/encode.h"
#include "weir/flow.h"

static size_t head(const struct config *config, char *out)
{
    (void)config;
    return (size_t)sprintf(out, "head\n");
}

static size_t tail(const struct config *config, char *out)
{
    (void)config;
    return (size_t)sprintf(out, "tail\n");
}

/* Records with an odd number are not for this face. */
static size_t line(const struct config *config, const struct flow_record *r, char *out)
{
    (void)config;
    return r->record_no % 2 ? 0 : (size_t)sprintf(out, "record %u of the flow\n", r->record_no);
}

static const struct record_encoder encoder = {
    .name = "test", .head = head, .record = line, .tail = tail};

struct reader {
    int fd[2];
    struct face *face;
};

static void reader_open(struct reader *r)
{
    assert_int_equal(pipe(r->fd), 0);
    fcntl(r->fd[0], F_SETFL, O_NONBLOCK);
    assert_int_equal(face_create(&encoder, NULL, r->fd[1], &r->face), 0);
}

static void reader_close(struct reader *r)
{
    face_destroy(r->face);
    close(r->fd[0]);
    close(r->fd[1]);
}

static void add(struct reader *r, uint32_t no)
{
    struct flow_record record = {.record_no = no, .delta.packets = {1, 0}};
    face_add(r->face, &record);
}

static struct face_stats stats_of(const struct reader *r)
{
    struct face_stats s;

    face_stats(r->face, &s);
    assert_true(s.handed == s.written + s.dropped + s.queued);
    return s;
}

static uint64_t soon(unsigned ms)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec + ms * 1000000u;
}

static void records_come_out_between_head_and_tail(void **state)
{
    (void)state;
    struct reader r;
    char text[256];

    reader_open(&r);
    add(&r, 2);
    add(&r, 3);
    struct flow_record notice = {.record_no = 4};
    face_add(r.face, &notice);
    face_step(r.face, 0);
    assert_int_equal(stats_of(&r).written, 2);
    assert_int_equal(stats_of(&r).queued, 0);
    face_drain(r.face, soon(10000));
    ssize_t n = read(r.fd[0], text, sizeof(text) - 1);
    assert_true(n > 0);
    text[n] = '\0';
    assert_string_equal(text, "head\nrecord 2 of the flow\nrecord 4 of the flow\ntail\n");
    reader_close(&r);
}

/* Nobody reads: nothing waits, what has no room is dropped and counted. */
static void a_reader_that_stops_stops_nobody(void **state)
{
    (void)state;
    struct reader r;
    uint32_t no = 0;

    reader_open(&r);
    while (face_room(r.face)) {
        add(&r, no += 2);
        if (no % 1000 == 0)
            face_step(r.face, 0);
    }
    assert_true(no > 100000);
    for (int i = 0; i < 1000; i++)
        add(&r, 2);
    struct face_stats s = stats_of(&r);
    assert_int_equal(s.dropped, 1000);
    assert_true(s.written > 0 && s.queued > 0);
    face_drain(r.face, soon(20));
    s = stats_of(&r);
    assert_int_equal(s.queued, 0);
    assert_true(s.dropped > 1000);
    reader_close(&r);
}

/* A slow reader gets every line whole and in order. */
static void a_slow_reader_gets_every_line(void **state)
{
    (void)state;
    struct reader r;
    char text[1024], want[64];
    FILE *got = tmpfile();
    ssize_t n;

    assert_non_null(got);
    reader_open(&r);
    for (uint32_t i = 1; i <= 20000; i++) {
        add(&r, 2 * i);
        if (i % 8 == 0) {
            face_step(r.face, 0);
            n = read(r.fd[0], text, 150);
            fwrite(text, 1, n > 0 ? (size_t)n : 0, got);
        }
    }
    do {
        face_step(r.face, 0);
        while ((n = read(r.fd[0], text, sizeof(text))) > 0)
            fwrite(text, 1, (size_t)n, got);
    } while (stats_of(&r).queued);
    assert_int_equal(stats_of(&r).written, 20000);
    rewind(got);
    assert_non_null(fgets(text, sizeof(text), got));
    for (uint32_t i = 1; i <= 20000; i++) {
        sprintf(want, "record %u of the flow\n", 2 * i);
        assert_non_null(fgets(text, sizeof(text), got));
        assert_string_equal(text, want);
    }
    fclose(got);
    reader_close(&r);
}

static void a_reader_that_went_away_is_seen(void **state)
{
    (void)state;
    struct reader r;

    reader_open(&r);
    face_step(r.face, 0);
    assert_int_equal(stats_of(&r).error, 0);
    add(&r, 2);
    close(r.fd[0]);
    face_step(r.face, 0);
    assert_int_equal(stats_of(&r).error, EPIPE);
    assert_true(face_room(r.face));
    add(&r, 4);
    assert_int_equal(stats_of(&r).dropped, 2);
    face_drain(r.face, soon(10000));
    r.fd[0] = open("/dev/null", O_RDONLY);
    reader_close(&r);
}

static void a_full_disk_is_an_error(void **state)
{
    (void)state;
    struct face *face;
    struct face_stats s;
    struct flow_record record = {.record_no = 2, .delta.packets = {1, 0}};
    int fd = open("/dev/full", O_WRONLY);

    assert_int_equal(face_create(&encoder, NULL, fd, &face), 0);
    face_add(face, &record);
    face_step(face, 0);
    face_stats(face, &s);
    assert_int_equal(s.error, ENOSPC);
    assert_int_equal(s.dropped, 1);
    face_destroy(face);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_come_out_between_head_and_tail),
        cmocka_unit_test(a_reader_that_stops_stops_nobody),
        cmocka_unit_test(a_slow_reader_gets_every_line),
        cmocka_unit_test(a_reader_that_went_away_is_seen),
        cmocka_unit_test(a_full_disk_is_an_error),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
