#include "export/relay.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "export/relay_internal.h"

#define EVENTS 64
#define BACKLOG 128 /* connections that wait to be accepted */
#define TELL_NS (10ull * 1000000000)
#define FULL_WAIT_MS 1

void relay_say(struct relay *r, enum log_level level, const char *format, ...)
{
    char line[2 * RELAY_TEXT_MAX];
    va_list args;

    va_start(args, format);
    vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    if (r->options.event)
        r->options.event(r->options.context, level, line);
}

static void read_clock(struct relay *r)
{
    r->now_ns = clock_monotonic_ns();
}

/* --- Listening --- */

static int listen_at(struct relay *r, const struct address *at, bool tls, char *text)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = &r->listener[r->listeners]};
    char name[ADDRESS_TEXT_MAX];
    int fd = address_listen(at, BACKLOG), rc = fd < 0 ? fd : 0;

    if (fd >= 0 && epoll_ctl(r->epoll, EPOLL_CTL_ADD, fd, &event) < 0) {
        rc = -errno;
        close(fd);
    }
    if (rc) {
        address_format(at, name);
        snprintf(text, RELAY_TEXT_MAX, "cannot listen at %s: %s", name, strerror(-rc));
        return rc;
    }
    r->listener_tls[r->listeners] = tls;
    r->listener[r->listeners++] = fd;
    return 0;
}

/* A machine without IPv6 still listens at its IPv4 addresses. */
static int listen_at_all(struct relay *r, char *text)
{
    for (uint32_t i = 0; i < r->options.listen_count; i++) {
        const struct addresses *at = &r->options.listen[i].at;
        bool any = false;
        int rc = -EADDRNOTAVAIL;
        for (uint32_t j = 0; j < at->count && r->listeners < RELAY_LISTEN_MAX; j++) {
            rc = listen_at(r, &at->address[j], r->options.listen[i].tls, text);
            if (rc && rc != -EAFNOSUPPORT && rc != -EADDRNOTAVAIL)
                return rc;
            any |= !rc;
        }
        if (!any)
            return rc;
    }
    return 0;
}

static bool wants_tls(const struct relay_options *o)
{
    for (uint32_t i = 0; i < o->listen_count; i++)
        if (o->listen[i].tls)
            return true;
    return false;
}

static int open_relay(struct relay *r, char *text)
{
    int rc = 0;

    r->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (r->epoll < 0)
        rc = -errno;
    if (!rc && wants_tls(&r->options))
        rc = tls_server_context(&r->options.tls, &r->ctx, text);
    if (!rc)
        rc = relay_out_open(r, text);
    return rc ? rc : listen_at_all(r, text);
}

int relay_create(const struct relay_options *options, struct relay **out, char *text)
{
    struct relay *r = calloc(1, sizeof(*r));

    snprintf(text, RELAY_TEXT_MAX, "out of memory or descriptors");
    if (!r)
        return -ENOMEM;
    r->options = *options;
    r->epoll = r->guard = -1;
    read_clock(r);
    int rc = open_relay(r, text);
    if (rc) {
        relay_destroy(r);
        return rc;
    }
    relay_out_look(r);
    *out = r;
    return 0;
}

static void stop_listening(struct relay *r)
{
    while (r->listeners)
        close(r->listener[--r->listeners]);
}

void relay_destroy(struct relay *r)
{
    if (!r)
        return;
    stop_listening(r);
    for (struct relay_peer *p = r->peers, *next; p; p = next) {
        next = p->next;
        relay_peer_close(p);
        free(p);
    }
    if (r->epoll >= 0)
        close(r->epoll);
    if (r->guard >= 0)
        close(r->guard);
    SSL_CTX_free(r->ctx);
    free(r);
}

/* --- The loop --- */

static void tell_losses(struct relay *r)
{
    if (r->stats.drops == r->told_drops || r->now_ns - r->told_ns < TELL_NS)
        return;
    relay_say(r, LOG_ERROR,
              "the collector's socket dropped %" PRIu64 " datagrams for want of room: give it a "
              "larger receive buffer",
              r->stats.drops - r->told_drops);
    r->told_drops = r->stats.drops;
    r->told_ns = r->now_ns;
}

static void free_closed(struct relay *r)
{
    for (struct relay_peer **at = &r->peers; *at;) {
        struct relay_peer *p = *at;
        if (!p->closed) {
            at = &p->next;
            continue;
        }
        *at = p->next;
        free(p);
    }
}

static bool is_listener(struct relay *r, void *tag, uint32_t *index)
{
    int *slot = tag;

    if (slot < r->listener || slot >= r->listener + RELAY_LISTEN_MAX)
        return false;
    *index = (uint32_t)(slot - r->listener);
    return true;
}

static void take_event(struct relay *r, void *tag)
{
    uint32_t listener;

    if (is_listener(r, tag, &listener))
        relay_accept(r, listener);
    else if (!((struct relay_peer *)tag)->closed)
        relay_peer_step(tag, true);
}

/* What is in memory goes first. True: somebody could go on. */
static bool step_waiting(struct relay *r)
{
    bool busy = false;

    for (struct relay_peer *p = r->peers; p; p = p->next)
        if (!p->closed)
            busy |= relay_peer_step(p, false);
    return busy;
}

void relay_step(struct relay *r, int timeout_ms)
{
    struct epoll_event event[EVENTS];

    read_clock(r);
    bool busy = step_waiting(r);
    if (relay_out_ready(r)) {
        int count = epoll_wait(r->epoll, event, EVENTS, busy ? 0 : timeout_ms);
        read_clock(r);
        for (int i = 0; i < count; i++)
            take_event(r, event[i].data.ptr);
    } else {
        struct timespec wait = {.tv_nsec = FULL_WAIT_MS * (r->out.away ? 100 : 1) * 1000000};
        nanosleep(&wait, NULL);
    }
    free_closed(r);
    tell_losses(r);
}

bool relay_finish(struct relay *r)
{
    stop_listening(r);
    for (const struct relay_peer *p = r->peers; p; p = p->next)
        if (!p->closed && relay_peer_waits(p))
            return false;
    return true;
}

bool relay_is_local(const struct address *to)
{
    return receiver_is_local(to);
}

/* --- Figures --- */

void relay_stats(const struct relay *r, struct relay_stats *out)
{
    *out = r->stats;
}

uint16_t relay_port(const struct relay *r, uint32_t index)
{
    struct address at;

    return index >= r->listeners || address_of_socket(r->listener[index], &at) ? 0
                                                                               : address_port(&at);
}
