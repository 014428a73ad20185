#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "export/stream.h"

#define READ_ROUNDS 16
#define HEARD_MAX 41
#define TLS_ALERT 21 /* record types of RFC 8446 §5.1 */
#define TLS_HANDSHAKE 22

struct tcp_session {
    struct stream stream;
    char heard[HEARD_MAX]; /* what the peer said first, as text; a collector says nothing */
};

static struct tcp_session *tcp_of(struct session *s)
{
    return (struct tcp_session *)s;
}

static struct stream *stream_of(struct session *s)
{
    return &tcp_of(s)->stream;
}

static int tcp_open(struct session *s, uint64_t now_ns)
{
    tcp_of(s)->heard[0] = '\0';
    return stream_open(stream_of(s), now_ns);
}

/* The first line, as far as it is text. */
static void hear(struct tcp_session *t, const uint8_t *octets, size_t len)
{
    size_t n = 0;

    if (t->heard[0])
        return;
    if (octets[0] == TLS_ALERT || octets[0] == TLS_HANDSHAKE)
        n = (size_t)snprintf(t->heard, sizeof(t->heard), "a TLS record");
    else
        for (; n < len && n < sizeof(t->heard) - 1 && octets[n] >= ' ' && octets[n] <= '~'; n++)
            t->heard[n] = (char)octets[n];
    t->heard[n] = '\0';
}

static int take_input(struct tcp_session *t)
{
    uint8_t octets[4096];

    for (int round = 0; round < READ_ROUNDS && !t->stream.base.peer_ended; round++) {
        ssize_t n = stream_receive(&t->stream, octets, sizeof(octets));
        if (n == -EAGAIN)
            return 0;
        if (n < 0)
            return (int)n;
        if (n > 0)
            hear(t, octets, (size_t)n);
    }
    return 0;
}

/* Something else than a collector may have said what it is before it went. */
static int lost(struct tcp_session *t, int error)
{
    char why[SESSION_TEXT_MAX];

    memcpy(why, t->stream.base.text, sizeof(why));
    take_input(t);
    if (!t->heard[0])
        return session_fail(&t->stream.base, error, "%s", why);
    return session_fail(&t->stream.base, error,
                        "%.120s (the peer said \"%s\": is it a collector of this kind?)", why,
                        t->heard);
}

static int tcp_step(struct session *base, uint32_t events, uint64_t now_ns)
{
    struct stream *s = stream_of(base);

    if (base->state == SESSION_CONNECTING) {
        int rc = stream_connect(s, events, now_ns);
        if (rc == 1)
            base->state = SESSION_UP;
        return rc < 0 ? rc : 0;
    }
    int rc = events ? take_input(tcp_of(base)) : 0;
    if (rc)
        return lost(tcp_of(base), rc);
    if (base->state == SESSION_FINISHING && stream_is_read(s))
        base->state = SESSION_FINISHED;
    return 0;
}

static ssize_t tcp_write(struct session *base, const uint8_t *octets, size_t len)
{
    struct stream *s = stream_of(base);
    ssize_t n = stream_send(s, octets, len);

    base->produced = s->sent;
    return n < 0 && n != -EAGAIN ? lost(tcp_of(base), (int)n) : n;
}

static uint64_t tcp_acknowledged(struct session *s)
{
    return stream_acknowledged(stream_of(s));
}

static void tcp_finish(struct session *s)
{
    stream_finish(stream_of(s));
}

static void tcp_close(struct session *s)
{
    stream_close(stream_of(s));
}

static void tcp_destroy(struct session *s)
{
    tcp_close(s);
    free(s);
}

static const struct session_ops tcp_ops = {
    .open = tcp_open,
    .step = tcp_step,
    .write = tcp_write,
    .acknowledged = tcp_acknowledged,
    .finish = tcp_finish,
    .close = tcp_close,
    .destroy = tcp_destroy,
};

int session_tcp_create(const struct session_options *options, struct session **out, char *text)
{
    struct tcp_session *t = calloc(1, sizeof(*t));

    if (!t)
        return -ENOMEM;
    t->stream.base.ops = &tcp_ops;
    int rc = stream_init(&t->stream, options, text);
    if (rc)
        free(t);
    else
        *out = &t->stream.base;
    return rc;
}
