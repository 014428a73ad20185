/*
 * A collector of the tests' own: checks what RFC 7011 wants of a stream, remembers what it read.
 */
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fake_message.h"

#define RECORDS_MAX 400000

struct reader {
    int listener, fd;
    uint16_t port;
    uint8_t buffer[MESSAGE_MAX];
    size_t have;
    unsigned templates; /* seen on this connection */
    uint32_t sequence;
    unsigned connections;
    uint64_t told_not_sent; /* greatest */
    uint64_t records;       /* duplicates included */
    uint8_t *seen;          /* by flow_id */
};

static inline void reader_listen(struct reader *r)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(at);
    int on = 1, small = 4096;

    at.sin_port = htons(r->port);
    r->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    setsockopt(r->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    setsockopt(r->listener, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    assert_int_equal(bind(r->listener, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(listen(r->listener, 4), 0);
    getsockname(r->listener, (struct sockaddr *)&at, &len);
    r->port = ntohs(at.sin_port);
}

static inline void reader_init(struct reader *r)
{
    *r = (struct reader){.fd = -1, .seen = calloc(1, RECORDS_MAX)};
    reader_listen(r);
}

static inline void reader_drop(struct reader *r, int linger)
{
    struct linger l = {.l_onoff = 1, .l_linger = 0};

    if (r->fd < 0)
        return;
    if (!linger)
        setsockopt(r->fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
    close(r->fd);
    r->fd = -1;
}

static inline void reader_close(struct reader *r)
{
    if (r->listener >= 0)
        close(r->listener);
    r->listener = -1;
}

static inline void reader_fini(struct reader *r)
{
    reader_drop(r, 0);
    reader_close(r);
    free(r->seen);
}

static inline void take_message(struct reader *r, const uint8_t *m, size_t len)
{
    unsigned set = (unsigned)fake_get(m + 16, 2);

    assert_int_equal(fake_get(m, 2), 10);
    assert_int_equal(fake_get(m + 8, 4), r->sequence);
    assert_int_equal(fake_get(m + 12, 4), 77);
    if (set == FAKE_TEMPLATE_SET)
        r->templates++;
    if (set != FAKE_TEMPLATE_SET)
        assert_true(r->templates >= 2); /* templates come first */
    if (set == FAKE_STATISTICS_SET) {
        r->sequence++;
        if (fake_get(m + FAKE_HEADER, 8) > r->told_not_sent)
            r->told_not_sent = fake_get(m + FAKE_HEADER, 8);
    }
    for (size_t at = FAKE_HEADER; set == FAKE_DATA_SET && at < len; at += 8) {
        uint64_t id = fake_get(m + at, 8);
        assert_true(id < RECORDS_MAX);
        r->seen[id] = 1;
        r->records++;
        r->sequence++;
    }
}

static inline void take_octets(struct reader *r)
{
    size_t at = 0;

    while (r->have - at >= 16) {
        size_t len = fake_get(r->buffer + at + 2, 2);
        assert_true(len >= 16);
        if (r->have - at < len)
            break;
        take_message(r, r->buffer + at, len);
        at += len;
    }
    memmove(r->buffer, r->buffer + at, r->have - at);
    r->have -= at;
}

static inline void reader_accept(struct reader *r)
{
    if (r->fd >= 0 || r->listener < 0)
        return;
    r->fd = accept4(r->listener, NULL, NULL, SOCK_NONBLOCK);
    if (r->fd < 0)
        return;
    r->connections++;
    r->templates = r->sequence = 0;
    r->have = 0;
}

/* At most so many octets; closes in answer to the end. */
static inline void reader_read(struct reader *r, size_t most)
{
    reader_accept(r);
    while (r->fd >= 0 && most) {
        size_t room = sizeof(r->buffer) - r->have;
        ssize_t n = read(r->fd, r->buffer + r->have, room < most ? room : most);
        if (n < 0)
            return;
        if (n == 0) {
            reader_drop(r, 1);
            return;
        }
        r->have += (size_t)n;
        most -= (size_t)n;
        take_octets(r);
    }
}
