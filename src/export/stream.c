#include "export/stream.h"

#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define LISTEN_FOR (EPOLLIN | EPOLLRDHUP)

int stream_init(struct stream *s, const struct session_options *options, char *text)
{
    s->base.config = options->config;
    s->base.epoll = options->epoll;
    s->base.tag = options->tag;
    s->base.fd = -1;
    s->base.wakes = s->base.replays = true;
    return session_resolve(options->config, SOCK_STREAM, &s->peers, text);
}

static void set_option(int fd, int level, int option, int value)
{
    setsockopt(fd, level, option, &value, sizeof(value));
}

static int stream_socket(int family)
{
    int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -errno;
    set_option(fd, SOL_SOCKET, SO_SNDBUF, STREAM_SEND_BUFFER);
    set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, 30);
    set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, 10);
    set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, 3);
    set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, STREAM_USER_TIMEOUT_MS);
    return fd;
}

static int start_address(struct stream *s, const struct address *peer, uint64_t now_ns)
{
    int fd = stream_socket(peer->at.ss_family);

    address_format(peer, s->base.peer);
    if (fd < 0)
        return fd;
    if (connect(fd, (const struct sockaddr *)&peer->at, peer->len) < 0 && errno != EINPROGRESS) {
        int error = -errno;
        close(fd);
        return error;
    }
    s->base.fd = fd;
    s->base.want = 0;
    s->base.state = SESSION_CONNECTING;
    s->deadline_ns = now_ns + SESSION_CONNECT_NS;
    session_want(&s->base, EPOLLOUT);
    return 0;
}

static int connect_failed(struct stream *s, int error)
{
    return session_fail(&s->base, error, "cannot connect to %.80s: %s", s->base.peer,
                        strerror(-error));
}

/* To the next address that can at least be tried. error: what the last one failed with. */
static int next_address(struct stream *s, int error, uint64_t now_ns)
{
    while (s->tried < s->peers.count) {
        error = start_address(s, &s->peers.address[s->tried++], now_ns);
        if (!error)
            return 0;
    }
    return connect_failed(s, error);
}

int stream_open(struct stream *s, uint64_t now_ns)
{
    s->tried = 0;
    s->sent = 0;
    s->finished = false;
    s->base.produced = 0;
    s->base.peer_ended = false;
    return next_address(s, -EADDRNOTAVAIL, now_ns);
}

static int socket_error(int fd)
{
    int error = 0;
    socklen_t len = sizeof(error);

    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0 ? -errno : -error;
}

int stream_connect(struct stream *s, uint32_t events, uint64_t now_ns)
{
    int error = 0;

    if (events)
        error = socket_error(s->base.fd);
    else if (now_ns >= s->deadline_ns)
        error = -ETIMEDOUT;
    else
        return 0;
    if (!error && events & EPOLLOUT) {
        session_want(&s->base, LISTEN_FOR);
        return 1;
    }
    if (!error)
        return 0;
    stream_close(s);
    return next_address(s, error, now_ns);
}

ssize_t stream_send(struct stream *s, const uint8_t *octets, size_t len)
{
    ssize_t n = send(s->base.fd, octets, len, MSG_DONTWAIT | MSG_NOSIGNAL);
    uint32_t listen_for = s->base.peer_ended ? 0 : LISTEN_FOR;

    if (n < 0 && errno != EAGAIN && errno != EINTR) {
        int error = -errno;
        return session_fail(&s->base, error, "connection lost: %s", strerror(-error));
    }
    if (n < 0 || (size_t)n < len)
        session_want(&s->base, listen_for | EPOLLOUT);
    else if (s->base.want & EPOLLOUT)
        session_want(&s->base, listen_for ? listen_for : EPOLLERR);
    if (n < 0)
        return -EAGAIN;
    s->sent += (size_t)n;
    return n;
}

ssize_t stream_receive(struct stream *s, uint8_t *octets, size_t room)
{
    ssize_t n = recv(s->base.fd, octets, room, MSG_DONTWAIT);

    if (n > 0)
        return n;
    if (n == 0) { /* its readiness lasts: it would wake us for ever */
        s->base.peer_ended = true;
        session_want(&s->base, s->base.want & EPOLLOUT ? EPOLLOUT : EPOLLERR);
        return 0;
    }
    if (errno == EAGAIN || errno == EINTR)
        return -EAGAIN;
    int error = -errno;
    return session_fail(&s->base, error, "connection lost: %s", strerror(-error));
}

uint64_t stream_acknowledged(struct stream *s)
{
    int unacknowledged = 0;

    if (s->base.fd < 0 || ioctl(s->base.fd, SIOCOUTQ, &unacknowledged) < 0)
        return 0;
    uint64_t fin = s->finished && unacknowledged > 0; /* counts as one octet */
    return s->sent + fin - (uint64_t)unacknowledged;
}

void stream_finish(struct stream *s)
{
    shutdown(s->base.fd, SHUT_WR);
    s->finished = true;
    s->base.state = SESSION_FINISHING;
}

bool stream_is_read(struct stream *s)
{
    int unacknowledged = 0;

    return s->base.peer_ended && ioctl(s->base.fd, SIOCOUTQ, &unacknowledged) == 0 &&
           unacknowledged == 0;
}

void stream_close(struct stream *s)
{
    if (s->base.fd >= 0) {
        session_want(&s->base, 0);
        close(s->base.fd);
    }
    s->base.fd = -1;
    s->base.want = 0;
    s->base.state = SESSION_CLOSED;
}
