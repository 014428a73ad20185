/*
 * TLS over a stream. OpenSSL works on memory alone: what it encrypts lies in `out` until the stream
 * takes it, so that the end of each message is a known place of the stream. Nothing is written
 * before the peer has proved who it is.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include <openssl/err.h>

#include "export/stream.h"
#include "export/tls.h"

#define CHUNK 16384
#define PENDING_MAX (64 << 10) /* encrypted octets that wait, beyond the last message */
#define READ_ROUNDS 16

struct tls_session {
    struct stream stream;
    SSL_CTX *ctx;
    SSL *ssl;
    BIO *in, *out; /* owned by ssl */
    bool shaking;  /* the TCP connection is there, the handshake is not done */
    uint8_t chunk[CHUNK];
    size_t chunk_at, chunk_len; /* of what was taken from out and not yet sent */
};

static struct tls_session *tls_of(struct session *s)
{
    return (struct tls_session *)s;
}

static const char *expected(const struct tls_session *t)
{
    const struct collector_config *config = t->stream.base.config;

    return config->peer[0] ? config->peer : config->host;
}

static int fail_tls(struct tls_session *t, int rc)
{
    char text[TLS_TEXT_MAX];

    tls_explain(t->ssl, rc, expected(t), text);
    return session_fail(&t->stream.base, -EPROTO, "%.80s: %.170s", t->stream.base.peer, text);
}

static void free_ssl(struct tls_session *t)
{
    SSL_free(t->ssl);
    t->ssl = NULL;
    t->shaking = false;
    t->chunk_at = t->chunk_len = 0;
}

static int make_ssl(struct tls_session *t)
{
    ERR_clear_error();
    t->ssl = SSL_new(t->ctx);
    t->in = BIO_new(BIO_s_mem());
    t->out = BIO_new(BIO_s_mem());
    if (!t->ssl || !t->in || !t->out) {
        BIO_free(t->in);
        BIO_free(t->out);
        free_ssl(t);
        return session_fail(&t->stream.base, -ENOMEM, "TLS: out of memory");
    }
    BIO_set_mem_eof_return(t->in, -1);
    SSL_set_bio(t->ssl, t->in, t->out);
    SSL_set_connect_state(t->ssl);
    t->shaking = true;
    if (tls_expect_peer(t->ssl, expected(t)) == 0)
        return 0;
    return session_fail(&t->stream.base, -EINVAL, "peer: \"%.100s\" is no name that can be checked",
                        expected(t));
}

static int tls_open(struct session *s, uint64_t now_ns)
{
    free_ssl(tls_of(s));
    return stream_open(&tls_of(s)->stream, now_ns);
}

/* What OpenSSL has to say goes out. 0: all of it; -EAGAIN; -errno with text. */
static int push(struct tls_session *t)
{
    for (;;) {
        if (t->chunk_at == t->chunk_len) {
            int n = BIO_read(t->out, t->chunk, sizeof(t->chunk));
            if (n <= 0)
                return 0;
            t->chunk_at = 0;
            t->chunk_len = (size_t)n;
        }
        ssize_t n = stream_send(&t->stream, t->chunk + t->chunk_at, t->chunk_len - t->chunk_at);
        if (n < 0)
            return (int)n;
        t->chunk_at += (size_t)n;
    }
}

/* Octets from the peer to OpenSSL. 0 or -errno with text. */
static int pull(struct tls_session *t)
{
    uint8_t octets[4096];

    for (int round = 0; round < READ_ROUNDS && !t->stream.base.peer_ended; round++) {
        ssize_t n = stream_receive(&t->stream, octets, sizeof(octets));
        if (n == -EAGAIN)
            return 0;
        if (n < 0)
            return (int)n;
        if (n > 0 && BIO_write(t->in, octets, (int)n) != n)
            return session_fail(&t->stream.base, -ENOMEM, "TLS: out of memory");
    }
    return 0;
}

/* A collector has nothing to say but alerts and new keys. */
static int discard_input(struct tls_session *t)
{
    uint8_t octets[4096];

    for (;;) {
        ERR_clear_error();
        int rc = SSL_read(t->ssl, octets, sizeof(octets));
        if (rc > 0)
            continue;
        int error = SSL_get_error(t->ssl, rc);
        return error == SSL_ERROR_SSL ? fail_tls(t, rc) : 0;
    }
}

static int shake(struct tls_session *t, uint64_t now_ns)
{
    ERR_clear_error();
    int rc = SSL_do_handshake(t->ssl);
    int error = rc == 1 ? SSL_ERROR_NONE : SSL_get_error(t->ssl, rc);

    if (error == SSL_ERROR_SSL) {
        int failed = fail_tls(t, rc);
        char text[SESSION_TEXT_MAX];
        memcpy(text, t->stream.base.text, sizeof(text));
        push(t); /* the peer may learn why */
        memcpy(t->stream.base.text, text, sizeof(text));
        return failed;
    }
    int sent = push(t);
    if (sent < 0 && sent != -EAGAIN)
        return sent;
    if (rc == 1) {
        t->shaking = false;
        t->stream.base.state = SESSION_UP;
        return discard_input(t);
    }
    if (t->stream.base.peer_ended)
        return fail_tls(t, rc);
    if (now_ns >= t->stream.deadline_ns)
        return session_fail(&t->stream.base, -ETIMEDOUT, "%.80s: no TLS handshake within %d s",
                            t->stream.base.peer, (int)(SESSION_CONNECT_NS / 1000000000));
    return 0;
}

/* A connection that was cut may have brought the reason first. */
static int lost_connection(struct tls_session *t, int error)
{
    bool shaking = t->shaking;

    pull(t);
    if (discard_input(t)) /* continues a handshake, too */
        return -EPROTO;
    return session_fail(&t->stream.base, error, "connection lost%s: %s",
                        shaking ? " during the TLS handshake (does the peer speak TLS?)" : "",
                        strerror(-error));
}

static int connect_step(struct tls_session *t, uint32_t events, uint64_t now_ns)
{
    if (!t->shaking) {
        int rc = stream_connect(&t->stream, events, now_ns);
        if (rc <= 0)
            return rc;
        t->stream.deadline_ns = now_ns + SESSION_CONNECT_NS;
        rc = make_ssl(t);
        if (rc)
            return rc;
    } else if (events) {
        int rc = pull(t);
        if (rc)
            return lost_connection(t, rc);
    }
    return shake(t, now_ns);
}

static int tls_step(struct session *s, uint32_t events, uint64_t now_ns)
{
    struct tls_session *t = tls_of(s);

    if (s->state == SESSION_CONNECTING)
        return connect_step(t, events, now_ns);
    int rc = events ? pull(t) : 0;
    int said = events ? discard_input(t) : 0;
    if (said || rc)
        return said ? said : rc;
    rc = push(t);
    if (rc < 0 && rc != -EAGAIN)
        return lost_connection(t, rc);
    if (s->state == SESSION_FINISHING && rc == 0 && !t->stream.finished)
        stream_finish(&t->stream);
    if (s->state == SESSION_FINISHING && t->stream.finished && stream_is_read(&t->stream))
        s->state = SESSION_FINISHED;
    return 0;
}

static uint64_t pending(const struct tls_session *t)
{
    return BIO_pending(t->out) + (t->chunk_len - t->chunk_at);
}

static ssize_t tls_write(struct session *s, const uint8_t *octets, size_t len)
{
    struct tls_session *t = tls_of(s);
    int rc = push(t);

    if (rc < 0 && rc != -EAGAIN)
        return lost_connection(t, rc);
    if (pending(t) > PENDING_MAX)
        return -EAGAIN;
    ERR_clear_error();
    int taken = SSL_write(t->ssl, octets, (int)len); /* memory: all or an error */
    if (taken <= 0)
        return fail_tls(t, taken);
    s->produced = t->stream.sent + pending(t);
    rc = push(t);
    return rc < 0 && rc != -EAGAIN ? lost_connection(t, rc) : taken;
}

static uint64_t tls_acknowledged(struct session *s)
{
    return stream_acknowledged(&tls_of(s)->stream);
}

static void tls_finish(struct session *s)
{
    struct tls_session *t = tls_of(s);

    SSL_shutdown(t->ssl); /* close_notify; our end of the connection follows when it is out */
    s->produced = t->stream.sent + pending(t);
    s->state = SESSION_FINISHING;
    if (push(t) == 0)
        stream_finish(&t->stream);
}

static void tls_close(struct session *s)
{
    free_ssl(tls_of(s));
    stream_close(&tls_of(s)->stream);
}

static void tls_destroy(struct session *s)
{
    tls_close(s);
    SSL_CTX_free(tls_of(s)->ctx);
    free(s);
}

static const struct session_ops tls_ops = {
    .open = tls_open,
    .step = tls_step,
    .write = tls_write,
    .acknowledged = tls_acknowledged,
    .finish = tls_finish,
    .close = tls_close,
    .destroy = tls_destroy,
};

int session_tls_create(const struct session_options *options, struct session **out, char *text)
{
    struct tls_session *t = calloc(1, sizeof(*t));

    if (!t)
        return -ENOMEM;
    t->stream.base.ops = &tls_ops;
    int rc = tls_client_context(options->config, options->ipfix, &t->ctx, text);
    if (!rc)
        rc = stream_init(&t->stream, options, text);
    if (rc) {
        SSL_CTX_free(t->ctx);
        free(t);
        return rc;
    }
    *out = &t->stream.base;
    return 0;
}
