#include "host_fixture.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "hunt/sink.h"

#define WAIT_MS 10000

static char folder[64];

static size_t encode(const struct config *config, const struct alert *a, char *out)
{
    (void)config;
    return (size_t)sprintf(out, "alert %s\n", a->rule);
}

static int make_folder(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/weir-sinks-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    return rmdir(folder);
}

static const char *path_of(const char *name)
{
    static char path[128];

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    return path;
}

static size_t content(const char *path, char *out, size_t size)
{
    FILE *f = fopen(path, "r");

    assert_non_null(f);
    size_t n = fread(out, 1, size - 1, f);
    out[n] = '\0';
    fclose(f);
    return n;
}

static void a_file_grows_by_lines_and_may_be_moved(void **state)
{
    (void)state;
    struct alert a = {.rule = "one"};
    struct alert_sink *s;
    char text[128], moved[128];
    struct stat st;

    assert_int_equal(alert_sink_file(path_of("alerts"), NULL, encode, &s), 0);
    assert_int_equal(s->ops->write(s, &a), 0);
    assert_int_equal(s->ops->write(s, &a), 0);
    assert_int_equal(stat(path_of("alerts"), &st), 0);
    assert_int_equal(st.st_mode & 0777 & ~0640, 0);
    strcpy(moved, path_of("moved"));
    assert_int_equal(rename(path_of("alerts"), moved), 0);
    strcpy(a.rule, "two");
    assert_int_equal(s->ops->write(s, &a), 0);
    content(moved, text, sizeof(text));
    assert_string_equal(text, "alert one\nalert one\n");
    content(path_of("alerts"), text, sizeof(text));
    assert_string_equal(text, "alert two\n");
    assert_int_equal(s->written, 3);
    s->ops->close(s);
    unlink(moved);
    unlink(path_of("alerts"));
}

static void a_file_that_cannot_be_is_said(void **state)
{
    (void)state;
    struct alert_sink *s;

    assert_int_equal(alert_sink_file("/nowhere/at/all", NULL, encode, &s), -ENOENT);
}

static int bound(int kind, uint16_t *port)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(in);
    int fd = socket(AF_INET, kind, 0);

    assert_int_equal(bind(fd, (struct sockaddr *)&in, len), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &len), 0);
    *port = ntohs(in.sin_port);
    return fd;
}

static void assert_received(int fd, const char *expected)
{
    char text[256] = "";
    size_t n = 0;

    while (n < strlen(expected)) {
        struct pollfd ready = {.fd = fd, .events = POLLIN};
        assert_int_equal(poll(&ready, 1, WAIT_MS), 1);
        ssize_t got = recv(fd, text + n, sizeof(text) - 1 - n, 0);
        assert_true(got > 0);
        n += (size_t)got;
    }
    assert_string_equal(text, expected);
}

static struct alert_sink *open_syslog(const char *address)
{
    char error[ALERT_SINK_ERROR_MAX] = "";
    struct alert_sink *s;

    if (alert_sink_syslog(address, NULL, encode, &s, error))
        fail_msg("%s", error);
    return s;
}

static void udp_sends_datagrams(void **state)
{
    (void)state;
    struct alert a = {.rule = "one"};
    char address[64];
    uint16_t port;
    int fd = bound(SOCK_DGRAM, &port);

    sprintf(address, "udp://127.0.0.1:%u", port);
    struct alert_sink *s = open_syslog(address);
    assert_int_equal(s->ops->write(s, &a), 0);
    assert_received(fd, "alert one\n");
    s->ops->close(s);
    close(fd);
}

static void tcp_counts_octets_and_comes_back(void **state)
{
    (void)state;
    struct alert a = {.rule = "one"};
    char address[64];
    uint16_t port;
    int fd = bound(SOCK_STREAM, &port);

    assert_int_equal(listen(fd, 5), 0);
    sprintf(address, "tcp://127.0.0.1:%u", port);
    struct alert_sink *s = open_syslog(address);
    assert_int_equal(s->ops->write(s, &a), 0);
    int peer = accept(fd, NULL, NULL);
    assert_int_equal(s->ops->write(s, &a), 0);
    assert_received(peer, "10 alert one\n10 alert one\n");
    /* the peer goes: what is written meanwhile may be lost, then it is dialled again */
    close(peer);
    struct pollfd again = {.fd = fd, .events = POLLIN};
    for (int i = 0; i < 1000 && poll(&again, 1, 10) == 0; i++)
        s->ops->write(s, &a);
    peer = accept(fd, NULL, NULL);
    assert_true(peer >= 0);
    assert_int_equal(s->ops->write(s, &a), 0);
    struct pollfd ready = {.fd = peer, .events = POLLIN};
    assert_int_equal(poll(&ready, 1, WAIT_MS), 1);
    s->ops->close(s);
    close(peer);
    close(fd);
}

/* A listener whose queue is full drops the SYN; it is sent again after a second. */
static void a_connection_under_way_gets_its_message_without_another(void **state)
{
    (void)state;
    const struct timespec pause = {.tv_nsec = 20000000};
    struct alert a = {.rule = "one"};
    struct pollfd again;
    char address[64];
    uint16_t port;
    int fd = bound(SOCK_STREAM, &port), before, peer = -1;

    assert_int_equal(listen(fd, 0), 0);
    sprintf(address, "tcp://127.0.0.1:%u", port);
    struct alert_sink *first = open_syslog(address), *s = open_syslog(address);
    assert_int_equal(first->ops->write(first, &a), 0);
    assert_int_equal(s->ops->write(s, &a), 0);
    before = accept(fd, NULL, NULL);
    assert_true(before >= 0);
    again = (struct pollfd){.fd = fd, .events = POLLIN};
    assert_int_equal(poll(&again, 1, WAIT_MS), 1);
    peer = accept(fd, NULL, NULL);
    struct pollfd ready = {.fd = peer, .events = POLLIN};
    for (int i = 0; i < WAIT_MS / 20 && poll(&ready, 1, 0) == 0; i++) {
        s->ops->step(s);
        nanosleep(&pause, NULL);
    }
    assert_received(peer, "10 alert one\n");
    assert_int_equal(s->written, 1);
    first->ops->close(first);
    s->ops->close(s);
    close(before);
    close(peer);
    close(fd);
}

/* Nobody accepts, and then the connection is refused: what waited is lost, and counted so. */
static void what_never_left_is_counted_as_lost(void **state)
{
    (void)state;
    struct alert a = {.rule = "one"};
    char address[64];
    uint16_t port;
    int fd = bound(SOCK_STREAM, &port);

    assert_int_equal(listen(fd, 0), 0);
    sprintf(address, "tcp://127.0.0.1:%u", port);
    struct alert_sink *first = open_syslog(address), *s = open_syslog(address);
    assert_int_equal(first->ops->write(first, &a), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(s->ops->write(s, &a), 0);
    assert_int_equal(s->written, 3);
    close(fd);
    const struct timespec pause = {.tv_nsec = 20000000};
    for (int i = 0; i < WAIT_MS / 20 && !s->lost; i++) {
        s->ops->step(s);
        nanosleep(&pause, NULL);
    }
    assert_int_equal(s->lost, 3);
    assert_int_equal(s->written, 0);
    first->ops->close(first);
    s->ops->close(s);
}

static void a_peer_that_is_away_costs_no_waiting(void **state)
{
    (void)state;
    struct alert a = {.rule = "one"};
    struct alert_sink *s = open_syslog("unix:/nowhere/at/all");

    for (int i = 0; i < 1000; i++)
        assert_true(s->ops->write(s, &a) < 0);
    assert_int_equal(s->lost, 1000);
    s->ops->close(s);
}

static void unix_sockets_take_datagrams(void **state)
{
    (void)state;
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    struct alert a = {.rule = "one"};
    char address[128];
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

    strcpy(un.sun_path, path_of("log"));
    assert_int_equal(bind(fd, (struct sockaddr *)&un, sizeof(un)), 0);
    sprintf(address, "unix:%.100s", un.sun_path);
    struct alert_sink *s = open_syslog(address);
    assert_int_equal(s->ops->write(s, &a), 0);
    assert_received(fd, "alert one\n");
    s->ops->close(s);
    close(fd);
    unlink(un.sun_path);
}

static void addresses_are_checked(void **state)
{
    (void)state;
    static const char *const bad[] = {"",           "localhost", "udp://",     "udp://host",
                                      "tcp://:514", "unix:",     "http://x:1", "udp://127.0.0.1:"};
    struct alert_sink *s;

    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        char error[ALERT_SINK_ERROR_MAX] = "";
        assert_true(alert_sink_syslog(bad[i], NULL, encode, &s, error) < 0);
        assert_non_null(strstr(error, "hunts.syslog: "));
    }
    s = open_syslog("udp://[::1]:514");
    s->ops->close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_grows_by_lines_and_may_be_moved),
        cmocka_unit_test(a_file_that_cannot_be_is_said),
        cmocka_unit_test(udp_sends_datagrams),
        cmocka_unit_test(tcp_counts_octets_and_comes_back),
        cmocka_unit_test(a_connection_under_way_gets_its_message_without_another),
        cmocka_unit_test(what_never_left_is_counted_as_lost),
        cmocka_unit_test(a_peer_that_is_away_costs_no_waiting),
        cmocka_unit_test(unix_sockets_take_datagrams),
        cmocka_unit_test(addresses_are_checked),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
