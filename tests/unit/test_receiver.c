#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "export/receiver.h"

#define HEAD                                                                                       \
    "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout " \
    "inode ref pointer drops             \n"
#define LINE(local, remote, rx, inode, drops)                                                      \
    " 1001: " local " " remote " 07 00000000:" rx " 00:00000000 00000000     0        0 " inode    \
    " 2 0000000000000000 " drops "         \n"

static struct address to(const char *text, uint16_t port)
{
    struct address a = {0};
    struct sockaddr_in *four = (struct sockaddr_in *)&a.at;

    four->sin_family = AF_INET;
    four->sin_port = htons(port);
    inet_pton(AF_INET, text, &four->sin_addr);
    a.len = sizeof(*four);
    return a;
}

/* As the kernel writes them on a little-endian machine. */
static void finds_the_socket(void **state)
{
    struct address a = to("127.0.0.1", 2055);
    struct receiver r = {0};

    (void)state;
    receiver_parse(HEAD LINE("0100007F:0808", "00000000:0000", "00000100", "11", "1")
                       LINE("0200007F:0807", "00000000:0000", "00000100", "12", "1")
                           LINE("0100007F:0807", "0100007F:1234", "00000100", "13", "1")
                               LINE("0100007F:0807", "00000000:0000", "00002100", "14", "17"),
                   &a, &r);
    assert_true(r.found);
    assert_int_equal(r.inode, 14);
    assert_int_equal(r.waiting, 0x2100);
    assert_int_equal(r.drops, 17);
}

static void sockets_at_any_address_count(void **state)
{
    struct address a = to("127.0.0.1", 2055);
    struct receiver r = {0};

    (void)state;
    receiver_parse(HEAD LINE("00000000:0807", "00000000:0000", "00000010", "1", "2"), &a, &r);
    receiver_parse(HEAD LINE("00000000000000000000000000000000:0807",
                             "00000000000000000000000000000000:0000", "00000020", "3", "4")
                       LINE("0000000000000000FFFF00000100007F:0807",
                            "00000000000000000000000000000000:0000", "00000000", "2", "8")
                           LINE("00000000000000000000000001000000:0807",
                                "00000000000000000000000000000000:0000", "00000000", "9", "16"),
                   &a, &r);
    assert_true(r.found);
    assert_int_equal(r.drops, 14);
    assert_int_equal(r.waiting, 0x20);
    assert_int_equal(r.inode, 3);
}

static void nobody_is_nobody(void **state)
{
    struct address a = to("127.0.0.1", 2055);
    struct receiver r = {0};

    (void)state;
    receiver_parse(HEAD, &a, &r);
    receiver_parse("", &a, &r);
    receiver_parse("\n\n 1: 0100007F:0807 garbage\n", &a, &r);
    assert_false(r.found);
}

static void agrees_with_the_kernel(void **state)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(at);
    struct receiver r;
    struct stat st;
    int fd = socket(AF_INET, SOCK_DGRAM, 0);

    (void)state;
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    getsockname(fd, (struct sockaddr *)&at, &len);
    struct address a = to("127.0.0.1", ntohs(at.sin_port));
    assert_int_equal(receiver_read(&a, &r), 0);
    assert_true(r.found);
    fstat(fd, &st);
    assert_int_equal(r.inode, st.st_ino);
    assert_int_equal(r.waiting, 0);
    int from = socket(AF_INET, SOCK_DGRAM, 0);
    assert_int_equal(sendto(from, "x", 1, 0, (struct sockaddr *)&at, sizeof(at)), 1);
    assert_int_equal(receiver_read(&a, &r), 0);
    assert_true(r.waiting > 0);
    close(fd);
    assert_int_equal(receiver_read(&a, &r), 0);
    assert_false(r.found);
    close(from);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_the_socket),
        cmocka_unit_test(sockets_at_any_address_count),
        cmocka_unit_test(nobody_is_nobody),
        cmocka_unit_test(agrees_with_the_kernel),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
