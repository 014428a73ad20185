#include "export/session.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/epoll.h>

#include "base/address.h"

int session_create(const struct session_options *options, struct session **out, char *text)
{
    switch (options->config->transport) {
    case TRANSPORT_TLS:
        return session_tls_create(options, out, text);
    case TRANSPORT_UDP:
        return session_udp_create(options, out, text);
    case TRANSPORT_FILE:
        return session_file_create(options, out, text);
    default:
        return session_tcp_create(options, out, text);
    }
}

void session_destroy(struct session *s)
{
    if (s)
        s->ops->destroy(s);
}

int session_resolve(const struct collector_config *c, int socktype, struct addresses *out,
                    char *text)
{
    char why[SESSION_TEXT_MAX / 2];
    int rc = address_resolve(c->host, (uint16_t)c->port, socktype, out, why, sizeof(why));

    if (rc)
        snprintf(text, SESSION_TEXT_MAX, "%.120s: %s", c->host, why);
    return rc;
}

int session_fail(struct session *s, int error, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(s->text, sizeof(s->text), format, args);
    va_end(args);
    return error;
}

void session_want(struct session *s, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = s->tag};

    if (s->want == events || s->fd < 0)
        return;
    int what = !events ? EPOLL_CTL_DEL : s->want ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    if (epoll_ctl(s->epoll, what, s->fd, &event) == 0)
        s->want = events;
}
