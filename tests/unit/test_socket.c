#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/socket.h"

#define BIG ((size_t)4 << 20)

struct fixture {
    struct control_socket *socket;
    char directory[32], path[64];
    char error[SOCKET_ERROR_MAX];
    unsigned calls;
};

static void echo(void *context, const char *argument, FILE *out)
{
    struct fixture *f = context;
    f->calls++;
    fprintf(out, "<%s>\n", argument);
}

static void big(void *context, const char *argument, FILE *out)
{
    (void)context;
    (void)argument;
    for (size_t i = 0; i < BIG; i++)
        fputc(i % 64 == 63 ? '\n' : 'x', out);
}

static const struct socket_command commands[] = {
    {"echo", "gives its argument back", echo},
    {"big", "says much", big},
    {NULL},
};

static int open_socket(struct fixture *f)
{
    return control_socket_open(f->path, NULL, commands, f, &f->socket, f->error);
}

static int make_fixture(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    if (!f)
        return -1;
    *state = f;
    strcpy(f->directory, "/tmp/weir-socket-XXXXXX");
    if (!mkdtemp(f->directory))
        return -1;
    snprintf(f->path, sizeof(f->path), "%s/control", f->directory);
    return open_socket(f);
}

static int free_fixture(void **state)
{
    struct fixture *f = *state;
    control_socket_close(f->socket);
    unlink(f->path);
    int r = rmdir(f->directory);
    free(f);
    return r;
}

static int dial(const struct fixture *f)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

    strcpy(name.sun_path, f->path);
    assert_int_equal(connect(fd, (struct sockaddr *)&name, sizeof(name)), 0);
    return fd;
}

static void say(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* As the control thread does, until nothing is left to do. */
static void turn(struct fixture *f)
{
    struct pollfd p = {.fd = control_socket_fd(f->socket), .events = POLLIN};
    for (int i = 0; i < 1000 && poll(&p, 1, 0) > 0; i++)
        control_socket_step(f->socket);
}

/* What the client has been sent so far. */
static size_t hear(int fd, char *text, size_t room)
{
    size_t len = 0;
    ssize_t n;
    while (len < room - 1 && (n = recv(fd, text + len, room - 1 - len, 0)) > 0)
        len += (size_t)n;
    text[len] = '\0';
    return len;
}

static void expect(int fd, const char *expected)
{
    char text[4096];
    hear(fd, text, sizeof(text));
    assert_string_equal(text, expected);
}

static bool closed(int fd)
{
    char octet;
    return recv(fd, &octet, 1, 0) == 0 || errno == ECONNRESET;
}

static void answers_a_line_with_lines_and_an_empty_one(void **state)
{
    struct fixture *f = *state;
    int fd = dial(f);

    say(fd, "echo  hello you \r\n");
    turn(f);
    expect(fd, "<hello you>\n\n");
    say(fd, "ec");
    turn(f);
    expect(fd, "");
    say(fd, "ho\necho 2\nwhat\n\n");
    turn(f);
    expect(fd, "<>\n\n<2>\n\nerror: no such command, try help\n\nerror: no such command, try "
               "help\n\n");
    say(fd, "help\n");
    turn(f);
    expect(fd, "echo         gives its argument back\nbig          says much\nhelp         these "
               "lines\n\n");
    close(fd);
    turn(f);
}

static void a_client_that_has_said_all_gets_all_answers(void **state)
{
    struct fixture *f = *state;
    int fd = dial(f);

    for (int i = 0; i < 20; i++)
        say(fd, "echo 1\n");
    say(fd, "echo last");
    shutdown(fd, SHUT_WR);
    turn(f);
    char text[4096];
    hear(fd, text, sizeof(text));
    assert_int_equal(f->calls, 21);
    assert_non_null(strstr(text, "<last>\n\n"));
    assert_true(closed(fd));
    close(fd);
}

static void a_line_that_is_too_long_ends_the_client(void **state)
{
    struct fixture *f = *state;
    int fd = dial(f);
    char text[2 * SOCKET_LINE_MAX];

    memset(text, 'e', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    say(fd, text);
    turn(f);
    assert_true(closed(fd));
    assert_int_equal(f->calls, 0);
    close(fd);
}

static void a_client_that_does_not_read_waits_alone(void **state)
{
    struct fixture *f = *state;
    int lazy = dial(f), quick = dial(f);

    say(lazy, "big\necho after\n");
    turn(f);
    say(quick, "echo 1\n");
    turn(f);
    expect(quick, "<1>\n\n");
    assert_int_equal(f->calls, 1);

    char *text = malloc(BIG + 64);
    assert_non_null(text);
    size_t len = 0;
    for (int i = 0; i < 100000 && f->calls < 2; i++) {
        len += hear(lazy, text + len, BIG + 64 - len);
        turn(f);
    }
    len += hear(lazy, text + len, BIG + 64 - len);
    assert_int_equal(len, BIG + strlen("\n<after>\n\n"));
    assert_string_equal(text + BIG, "\n<after>\n\n");
    free(text);
    close(lazy);
    close(quick);
}

static void clients_are_bounded(void **state)
{
    struct fixture *f = *state;
    int fd[SOCKET_CLIENTS_MAX + 1];

    for (int i = 0; i <= SOCKET_CLIENTS_MAX; i++) {
        fd[i] = dial(f);
        turn(f);
    }
    expect(fd[SOCKET_CLIENTS_MAX], "error: too many clients\n\n");
    assert_true(closed(fd[SOCKET_CLIENTS_MAX]));
    close(fd[0]);
    close(fd[SOCKET_CLIENTS_MAX]);
    turn(f);
    fd[0] = dial(f);
    say(fd[0], "echo 1\n");
    turn(f);
    expect(fd[0], "<1>\n\n");
    for (int i = 0; i < SOCKET_CLIENTS_MAX; i++)
        close(fd[i]);
}

static void a_client_is_turned_away_when_descriptors_run_out(void **state)
{
    struct fixture *f = *state;
    struct rlimit before, none;
    int fd = dial(f);

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = (rlim_t)fd + 1;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    turn(f);
    assert_true(closed(fd));
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    close(fd);
    fd = dial(f);
    say(fd, "echo 1\n");
    turn(f);
    expect(fd, "<1>\n\n");
    close(fd);
}

static void clients_that_vanish_leave_no_trace(void **state)
{
    struct fixture *f = *state;

    for (int i = 0; i < 5 * SOCKET_CLIENTS_MAX; i++) {
        int fd = dial(f);
        say(fd, i % 2 ? "big\n" : "echo 1\n");
        if (i % 3 == 0)
            turn(f);
        close(fd);
        turn(f);
    }
    int fd = dial(f);
    say(fd, "echo 1\n");
    turn(f);
    expect(fd, "<1>\n\n");
    close(fd);
}

static void the_file_has_its_mode_and_goes_at_the_end(void **state)
{
    struct fixture *f = *state;
    struct stat st;

    assert_int_equal(stat(f->path, &st), 0);
    assert_true(S_ISSOCK(st.st_mode));
    assert_int_equal(st.st_mode & 07777, 0660);
    control_socket_close(f->socket);
    f->socket = NULL;
    assert_int_equal(stat(f->path, &st), -1);
}

static void a_live_socket_is_refused_and_a_stale_one_replaced(void **state)
{
    struct fixture *f = *state, second = *f;
    struct sockaddr_un name = {.sun_family = AF_UNIX};

    assert_int_equal(open_socket(&second), -EADDRINUSE);
    assert_non_null(strstr(second.error, f->path));
    control_socket_close(f->socket);
    f->socket = NULL;
    int dead = socket(AF_UNIX, SOCK_STREAM, 0);
    strcpy(name.sun_path, f->path);
    assert_int_equal(bind(dead, (struct sockaddr *)&name, sizeof(name)), 0);
    close(dead);
    assert_int_equal(open_socket(f), 0);
}

static void another_file_is_left_alone(void **state)
{
    struct fixture *f = *state;

    control_socket_close(f->socket);
    f->socket = NULL;
    FILE *file = fopen(f->path, "w");
    assert_non_null(file);
    fclose(file);
    assert_int_equal(open_socket(f), -EEXIST);
    assert_int_equal(access(f->path, F_OK), 0);
    snprintf(f->path + strlen(f->path), 8, "/no");
    assert_int_equal(open_socket(f), -ENOTDIR);
    f->path[strlen(f->path) - 3] = '\0';
}

static void a_successor_keeps_its_file(void **state)
{
    struct fixture *f = *state, second = *f;

    unlink(f->path);
    assert_int_equal(open_socket(&second), 0);
    control_socket_close(f->socket);
    f->socket = second.socket;
    assert_int_equal(access(f->path, F_OK), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, make_fixture, free_fixture)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(answers_a_line_with_lines_and_an_empty_one),
        TEST(a_client_that_has_said_all_gets_all_answers),
        TEST(a_line_that_is_too_long_ends_the_client),
        TEST(a_client_that_does_not_read_waits_alone),
        TEST(clients_are_bounded),
        TEST(a_client_is_turned_away_when_descriptors_run_out),
        TEST(clients_that_vanish_leave_no_trace),
        TEST(the_file_has_its_mode_and_goes_at_the_end),
        TEST(a_live_socket_is_refused_and_a_stale_one_replaced),
        TEST(another_file_is_left_alone),
        TEST(a_successor_keeps_its_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
