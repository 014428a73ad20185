#include <errno.h>
#include <stdlib.h>

#include "export/stream.h"

#define READ_ROUNDS 16

static struct stream *stream_of(struct session *s)
{
    return (struct stream *)s;
}

static int tcp_open(struct session *s, uint64_t now_ns)
{
    return stream_open(stream_of(s), now_ns);
}

/* A collector has nothing to say: what it says is thrown away. */
static int discard_input(struct stream *s)
{
    uint8_t octets[4096];

    for (int round = 0; round < READ_ROUNDS && !s->base.peer_ended; round++) {
        ssize_t n = stream_receive(s, octets, sizeof(octets));
        if (n == -EAGAIN)
            return 0;
        if (n < 0)
            return (int)n;
    }
    return 0;
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
    int rc = events ? discard_input(s) : 0;
    if (!rc && base->state == SESSION_FINISHING && stream_is_read(s))
        base->state = SESSION_FINISHED;
    return rc;
}

static ssize_t tcp_write(struct session *base, const uint8_t *octets, size_t len)
{
    struct stream *s = stream_of(base);
    ssize_t n = stream_send(s, octets, len);

    base->produced = s->sent;
    return n;
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
    struct stream *s = calloc(1, sizeof(*s));

    if (!s)
        return -ENOMEM;
    s->base.ops = &tcp_ops;
    int rc = stream_init(s, options, text);
    if (rc)
        free(s);
    else
        *out = &s->base;
    return rc;
}
