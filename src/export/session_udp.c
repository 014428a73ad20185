/*
 * One datagram per message (RFC 7011 §10.3). Nothing acknowledges them: sent is all that is known,
 * and that a port is unreachable where a host says so. Paced, since a collector that is read in
 * turns loses what comes faster than its socket's buffer holds.
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/address.h"
#include "export/session.h"

#define UDP_RATE 20000 /* datagrams per second, over more than a moment */
#define UDP_BURST 40

struct udp_session {
    struct session base;
    struct addresses peers;
    uint32_t next;      /* address of the next attempt */
    uint64_t credit_ns; /* what may be sent, in time */
    uint64_t filled_ns;
};

static struct udp_session *udp_of(struct session *s)
{
    return (struct udp_session *)s;
}

static int udp_open(struct session *s, uint64_t now_ns)
{
    struct udp_session *u = udp_of(s);
    const struct address *peer = &u->peers.address[u->next++ % u->peers.count];
    address_format(peer, s->peer);
    s->fd = socket(peer->at.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (s->fd >= 0 && connect(s->fd, (const struct sockaddr *)&peer->at, peer->len) == 0) {
        s->state = SESSION_UP;
        s->produced = 0;
        u->filled_ns = now_ns;
        return 0;
    }
    int error = -errno;
    s->ops->close(s);
    return session_fail(s, error, "cannot send to %.80s: %s", s->peer, strerror(-error));
}

static int udp_step(struct session *s, uint32_t events, uint64_t now_ns)
{
    struct udp_session *u = udp_of(s);
    uint64_t most = UDP_BURST * (1000000000ull / UDP_RATE);

    (void)events;
    u->credit_ns += now_ns - u->filled_ns;
    if (u->credit_ns > most)
        u->credit_ns = most;
    u->filled_ns = now_ns;
    return 0;
}

/* A pending port unreachable fails one call, and tells of an earlier datagram: this one is sent
 * again. */
static ssize_t send_datagram(struct session *s, const uint8_t *octets, size_t len)
{
    ssize_t n = send(s->fd, octets, len, MSG_DONTWAIT | MSG_NOSIGNAL);

    if (n < 0 && errno == ECONNREFUSED) {
        s->refused++;
        n = send(s->fd, octets, len, MSG_DONTWAIT | MSG_NOSIGNAL);
    }
    return n < 0 ? -errno : n;
}

static bool is_short(int error)
{
    return error == EAGAIN || error == ENOBUFS || error == EINTR;
}

static ssize_t udp_write(struct session *s, const uint8_t *octets, size_t len)
{
    struct udp_session *u = udp_of(s);
    uint64_t cost = 1000000000ull / UDP_RATE;

    if (u->credit_ns < cost)
        return -EAGAIN;
    ssize_t n = send_datagram(s, octets, len);
    if (n == -ECONNREFUSED) {
        s->refused++;
        return -EAGAIN;
    }
    if (n < 0 && is_short((int)-n))
        return -EAGAIN;
    if (n < 0)
        return session_fail(s, (int)n, "cannot send: %s", strerror((int)-n));
    u->credit_ns -= cost;
    s->produced += len;
    return n;
}

static uint64_t udp_acknowledged(struct session *s)
{
    return s->produced;
}

static void udp_close(struct session *s)
{
    if (s->fd >= 0)
        close(s->fd);
    s->fd = -1;
    s->state = SESSION_CLOSED;
}

static void udp_finish(struct session *s)
{
    udp_close(s);
    s->state = SESSION_FINISHED;
}

static void udp_destroy(struct session *s)
{
    udp_close(s);
    free(s);
}

static const struct session_ops udp_ops = {
    .open = udp_open,
    .step = udp_step,
    .write = udp_write,
    .acknowledged = udp_acknowledged,
    .finish = udp_finish,
    .close = udp_close,
    .destroy = udp_destroy,
};

int session_udp_create(const struct session_options *options, struct session **out, char *text)
{
    const struct collector_config *config = options->config;
    struct udp_session *u = calloc(1, sizeof(*u));

    if (!u)
        return -ENOMEM;
    u->base = (struct session){.ops = &udp_ops, .config = config, .fd = -1};
    int rc = session_resolve(config, SOCK_DGRAM, &u->peers, text);
    if (rc)
        free(u);
    else
        *out = &u->base;
    return rc;
}
