#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/notify.h"

/* A service manager's end of NOTIFY_SOCKET, of this process alone. */
static int manager(void)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    int len = snprintf(name.sun_path + 1, sizeof(name.sun_path) - 1, "weir-notify-%d", getpid());

    assert_int_equal(bind(fd, (struct sockaddr *)&name,
                          (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)len)),
                     0);
    name.sun_path[0] = '@';
    setenv("NOTIFY_SOCKET", name.sun_path, 1);
    return fd;
}

static void expect(int fd, const char *expected)
{
    char text[512];
    ssize_t n = recv(fd, text, sizeof(text) - 1, 0);

    if (n < 0 && !expected)
        return;
    assert_true(n > 0);
    text[n] = '\0';
    assert_non_null(expected);
    assert_memory_equal(text, expected, strlen(expected));
}

static void tells_the_manager(void **state)
{
    (void)state;
    int fd = manager();

    notify_ready();
    char octet;
    if (recv(fd, &octet, 1, MSG_PEEK) < 0 && errno == EAGAIN) {
        close(fd);
        skip(); /* a build without libsystemd */
    }
    expect(fd, "READY=1");
    notify_status("2 workers, 1.0 Mpps");
    expect(fd, "STATUS=2 workers, 1.0 Mpps");
    notify_reloading();
    expect(fd, "RELOADING=1\nMONOTONIC_USEC=");
    notify_watchdog();
    expect(fd, "WATCHDOG=1");
    notify_stopping();
    expect(fd, "STOPPING=1");
    expect(fd, NULL);
    assert_true(notify_wanted());
    unsetenv("NOTIFY_SOCKET");
    assert_false(notify_wanted());
    notify_ready();
    notify_watchdog();
    expect(fd, NULL);
    close(fd);
}

static void a_manager_that_is_gone_is_no_trouble(void **state)
{
    (void)state;
    close(manager());
    notify_ready();
    notify_watchdog();
    unsetenv("NOTIFY_SOCKET");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_the_manager),
        cmocka_unit_test(a_manager_that_is_gone_is_no_trouble),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
