#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"

struct pipe_log {
    int fd[2];
    struct log log;
};

static void pipe_open(struct pipe_log *p)
{
    assert_int_equal(pipe(p->fd), 0);
    log_init(&p->log, p->fd[1], LOG_INFO);
}

static void pipe_close(struct pipe_log *p)
{
    close(p->fd[0]);
    close(p->fd[1]);
}

static const char *pipe_read(struct pipe_log *p)
{
    static char text[65536];
    ssize_t n = read(p->fd[0], text, sizeof(text) - 1);

    assert_true(n >= 0);
    text[n] = '\0';
    return text;
}

static void a_line_has_time_level_and_text(void **state)
{
    (void)state;
    struct pipe_log p;
    int year, month, day, hour, minute, second, ms, end = 0;
    char level[16];

    pipe_open(&p);
    log_warning(&p.log, "%s: link is %s", "xdp:eth1", "down");
    const char *line = pipe_read(&p);
    assert_int_equal(sscanf(line, "%4d-%2d-%2dT%2d:%2d:%2d.%3dZ %15s %n", &year, &month, &day,
                            &hour, &minute, &second, &ms, level, &end),
                     8);
    assert_string_equal(level, "warning");
    assert_string_equal(line + end, "xdp:eth1: link is down\n");
    pipe_close(&p);
}

static void levels_are_kept(void **state)
{
    (void)state;
    struct pipe_log p;

    pipe_open(&p);
    log_debug(&p.log, "not asked for");
    log_set_level(&p.log, LOG_DEBUG);
    log_debug(&p.log, "asked for");
    const char *text = pipe_read(&p);
    assert_null(strstr(text, "not asked for"));
    assert_non_null(strstr(text, "debug asked for\n"));
    pipe_close(&p);
}

static void an_event_is_one_line(void **state)
{
    (void)state;
    struct pipe_log p;
    char longest[3 * LOG_LINE_MAX];

    pipe_open(&p);
    log_info(&p.log, "name\nwith\x1b[2Jtricks");
    const char *text = pipe_read(&p);
    assert_non_null(strstr(text, "name?with?[2Jtricks\n"));
    memset(longest, 'x', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    log_info(&p.log, "%s", longest);
    text = pipe_read(&p);
    assert_int_equal(strlen(text), LOG_LINE_MAX);
    assert_ptr_equal(strchr(text, '\n'), text + LOG_LINE_MAX - 1);
    pipe_close(&p);
}

/* Nobody reads: lines are dropped, the caller goes on, and the count is told when somebody does. */
static void a_full_pipe_stops_nobody(void **state)
{
    (void)state;
    struct pipe_log p;
    unsigned told = 0;

    pipe_open(&p);
    for (int i = 0; i < 5000; i++)
        log_info(&p.log, "line %d of a log that nobody reads", i);
    uint64_t dropped = p.log.dropped;
    assert_true(dropped > 0 && dropped < 5000);
    pipe_read(&p);
    log_info(&p.log, "back again");
    const char *text = pipe_read(&p);
    assert_int_equal(sscanf(text, "%*s warning log: %u lines were dropped", &told), 1);
    assert_int_equal(told, dropped);
    assert_non_null(strstr(text, "back again\n"));
    assert_int_equal(p.log.dropped, 0);
    pipe_close(&p);
}

static void the_journal_gets_its_prefix(void **state)
{
    (void)state;
    struct pipe_log p;
    struct stat st;
    char stream[64];

    pipe_open(&p);
    assert_int_equal(fstat(p.fd[1], &st), 0);
    snprintf(stream, sizeof(stream), "%lu:%lu", (unsigned long)st.st_dev, (unsigned long)st.st_ino);
    setenv("JOURNAL_STREAM", stream, 1);
    log_init(&p.log, p.fd[1], LOG_INFO);
    log_error(&p.log, "gone");
    assert_string_equal(pipe_read(&p), "<3>gone\n");
    setenv("JOURNAL_STREAM", "1:1", 1);
    log_init(&p.log, p.fd[1], LOG_INFO);
    assert_false(p.log.journal);
    unsetenv("JOURNAL_STREAM");
    pipe_close(&p);
}

static void text_waits_for_a_reader_but_not_for_ever(void **state)
{
    (void)state;
    static char text[20000];
    struct pipe_log p;

    pipe_open(&p);
    memset(text, 'x', sizeof(text));
    assert_true(fcntl(p.fd[1], F_SETPIPE_SZ, 4096) >= 4096);
    assert_true(log_text(&p.log, "ledger closed\n", 14, 1000));
    assert_string_equal(pipe_read(&p), "ledger closed\n");
    assert_false(log_text(&p.log, text, sizeof(text), 20));
    pipe_read(&p);
    assert_true(log_text(&p.log, "again\n", 6, 0));
    pipe_close(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_has_time_level_and_text),
        cmocka_unit_test(levels_are_kept),
        cmocka_unit_test(an_event_is_one_line),
        cmocka_unit_test(a_full_pipe_stops_nobody),
        cmocka_unit_test(the_journal_gets_its_prefix),
        cmocka_unit_test(text_waits_for_a_reader_but_not_for_ever),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
