#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/address.h"
#include "base/clock.h"
#include "hunt/sink.h"

#define RETRY_NS INT64_C(1000000000)
#define WHY_MAX 128
#define OUT_MAX (64u << 10) /* messages that a slow TCP peer has not yet taken */

enum transport { UDP, TCP, UNIX_SOCKET };

struct syslog_sink {
    struct alert_sink sink;
    const struct config *config;
    alert_encoder *encode;
    enum transport transport;
    struct address address;
    int fd;
    int64_t tried_ns;
    size_t used;
    uint64_t waiting;  /* messages in out */
    char out[OUT_MAX]; /* tcp: octets not yet written; whole messages but for the first */
};

static void hang_up(struct syslog_sink *s)
{
    if (s->fd >= 0)
        close(s->fd);
    s->fd = -1;
    s->used = 0;
    s->sink.lost += s->waiting;
    s->sink.written -= s->waiting;
    s->waiting = 0;
}

/* connect() does not wait: a TCP connection under way shows by poll() when it stands. */
static int dial(struct syslog_sink *s)
{
    int kind = s->transport == TCP ? SOCK_STREAM : SOCK_DGRAM;

    if (s->fd >= 0)
        return 0;
    if (s->tried_ns && (int64_t)clock_monotonic_ns() - s->tried_ns < RETRY_NS)
        return -ENOTCONN;
    s->tried_ns = (int64_t)clock_monotonic_ns();
    s->fd = socket(s->address.at.ss_family, kind | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (s->fd < 0)
        return -errno;
    if (connect(s->fd, (struct sockaddr *)&s->address.at, s->address.len) == 0 ||
        errno == EINPROGRESS)
        return 0;
    int rc = -errno;
    hang_up(s);
    return rc;
}

static int flush(struct syslog_sink *s)
{
    size_t done = 0;
    int rc = 0;

    while (done < s->used && !rc) {
        ssize_t n = send(s->fd, s->out + done, s->used - done, MSG_NOSIGNAL);
        if (n >= 0)
            done += (size_t)n;
        else if (errno != EINTR)
            rc = -errno;
    }
    memmove(s->out, s->out + done, s->used - done);
    s->used -= done;
    if (!s->used)
        s->waiting = 0;
    return rc;
}

static bool is_waiting(int rc)
{
    return rc == -EAGAIN || rc == -ENOTCONN || rc == -EINPROGRESS;
}

/* Octet counting: the length in digits, a space, the message. */
static int stream_send(struct syslog_sink *s, const char *message, size_t len)
{
    char head[24];
    size_t head_len = (size_t)snprintf(head, sizeof(head), "%zu ", len);

    if (head_len + len > sizeof(s->out) - s->used)
        return -ENOBUFS;
    memcpy(s->out + s->used, head, head_len);
    memcpy(s->out + s->used + head_len, message, len);
    s->used += head_len + len;
    int rc = flush(s);
    if (rc && !is_waiting(rc))
        return rc;
    s->waiting += s->used > 0;
    return 0;
}

static int datagram_send(struct syslog_sink *s, const char *message, size_t len)
{
    ssize_t n;

    while ((n = send(s->fd, message, len, MSG_NOSIGNAL)) < 0 && errno == EINTR)
        ;
    return n < 0 ? -errno : 0;
}

static int syslog_send(struct syslog_sink *s, const char *message, size_t len)
{
    int rc = dial(s);

    if (rc)
        return rc;
    rc = s->transport == TCP ? stream_send(s, message, len) : datagram_send(s, message, len);
    if (rc && rc != -ENOBUFS && rc != -EAGAIN)
        hang_up(s);
    return rc;
}

static int syslog_write(struct alert_sink *sink, const struct alert *alert)
{
    struct syslog_sink *s = (struct syslog_sink *)sink;
    char message[ALERT_LINE_MAX];
    size_t len = s->encode(s->config, alert, message);
    int rc = syslog_send(s, message, len);

    /* A refusal of the message before, or a connection that had died: once more. */
    if (rc && s->fd < 0 && rc != -ENOTCONN) {
        s->tried_ns = 0;
        rc = syslog_send(s, message, len);
    }
    *(rc ? &sink->lost : &sink->written) += 1;
    return rc;
}

/* A connection under way stands by and by, a slow peer has room again. */
static void syslog_step(struct alert_sink *sink)
{
    struct syslog_sink *s = (struct syslog_sink *)sink;
    int rc = s->fd >= 0 && s->used ? flush(s) : 0;

    if (rc && !is_waiting(rc))
        hang_up(s);
}

/* What waits gets a second to leave. */
static void syslog_close(struct alert_sink *sink)
{
    struct syslog_sink *s = (struct syslog_sink *)sink;

    if (!s)
        return;
    struct pollfd ready = {.fd = s->fd, .events = POLLOUT};
    while (s->fd >= 0 && s->used && poll(&ready, 1, 1000) == 1)
        if (!is_waiting(flush(s)) && s->used)
            break;
    hang_up(s);
    free(s);
}

static const struct alert_sink_ops syslog_ops = {"syslog", syslog_write, syslog_step, syslog_close};

static int fail(char error[ALERT_SINK_ERROR_MAX], int rc, const char *address, const char *why)
{
    snprintf(error, ALERT_SINK_ERROR_MAX,
             "hunts.syslog: \"%.100s\": %s (udp://host:port, tcp://host:port or unix:/path)",
             address, why);
    return rc;
}

static int resolve_unix(struct syslog_sink *s, const char *path)
{
    struct sockaddr_un *un = (struct sockaddr_un *)&s->address.at;

    if (!*path || strlen(path) >= sizeof(un->sun_path))
        return -EINVAL;
    un->sun_family = AF_UNIX;
    strcpy(un->sun_path, path);
    s->address.len = sizeof(*un);
    s->transport = UNIX_SOCKET;
    return 0;
}

static int resolve_inet(struct syslog_sink *s, const char *text, char why[WHY_MAX])
{
    int socktype = s->transport == TCP ? SOCK_STREAM : SOCK_DGRAM;
    struct addresses found;
    int rc = address_parse(text, ADDRESS_NO_PORT, socktype, &found, why, WHY_MAX);

    if (!rc)
        s->address = found.address[0];
    return rc;
}

static int resolve(struct syslog_sink *s, const char *address, char why[WHY_MAX])
{
    if (strncmp(address, "unix:", 5) == 0)
        return resolve_unix(s, address + 5);
    s->transport = strncmp(address, "tcp://", 6) == 0 ? TCP : UDP;
    if (s->transport == UDP && strncmp(address, "udp://", 6) != 0)
        return -EINVAL;
    return resolve_inet(s, address + 6, why);
}

int alert_sink_syslog(const char *address, const struct config *config, alert_encoder *encode,
                      struct alert_sink **out, char error[ALERT_SINK_ERROR_MAX])
{
    struct syslog_sink *s = calloc(1, sizeof(*s));
    char why[WHY_MAX] = "not an address";

    if (!s)
        return fail(error, -ENOMEM, address, "needs memory");
    s->sink.ops = &syslog_ops;
    s->config = config;
    s->encode = encode;
    s->fd = -1;
    int rc = resolve(s, address, why);
    if (rc) {
        free(s);
        return fail(error, rc, address, why);
    }
    *out = &s->sink;
    return 0;
}
