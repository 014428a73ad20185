#include <errno.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "export/relay_internal.h"

#define WAITING_MAX (64u << 10) /* of a socket's 208 KiB by default; memory, not octets */
#define MEMORY_PER_DATAGRAM 1280
#define LOOK_NS 1000000ull /* while full */
#define LOOK_IDLE_NS 100000000ull

/* 127.0.1.1, 127.0.1.2, ...; of the next block 127.1.1.1, ... */
static struct sockaddr_in source_address(const struct relay *r, uint32_t exporter)
{
    struct sockaddr_in at = {.sin_family = AF_INET};

    at.sin_addr.s_addr =
        htonl(0x7f000101u + (r->block << 16) + exporter / 254 * 256 + exporter % 254);
    return at;
}

/* The name of an abstract socket is there as long as the process, in its network namespace, as
 * loopback is. */
static int take_block(struct relay *r, char *text)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};

    r->guard = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    for (r->block = 0; r->guard >= 0 && r->block < BLOCKS; r->block++) {
        int len = snprintf(name.sun_path + 1, sizeof(name.sun_path) - 1, "weir relay %u", r->block);
        if (bind(r->guard, (struct sockaddr *)&name,
                 (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)len)) == 0)
            return 0;
    }
    snprintf(text, RELAY_TEXT_MAX, "more than %d relays on this machine: one takes many --listen",
             BLOCKS);
    return -EUSERS;
}

int relay_out_open(struct relay *r, char *text)
{
    struct relay_out *o = &r->out;

    o->to = r->options.to;
    o->local = receiver_is_local(&o->to);
    if (r->options.distinguish == DISTINGUISH_SOURCE &&
        (!o->local || o->to.at.ss_family != AF_INET)) {
        snprintf(text, RELAY_TEXT_MAX,
                 "source addresses can tell exporters apart on 127.0.0.0/8 only: use domain ids");
        return -EINVAL;
    }
    return take_block(r, text);
}

int relay_out_socket(struct relay *r, uint32_t exporter)
{
    const struct address *to = &r->out.to;
    struct sockaddr_in from = source_address(r, exporter);
    int buffer = 1 << 20;
    int fd = socket(to->at.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -errno;
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof(buffer));
    bool bound = r->options.distinguish != DISTINGUISH_SOURCE ||
                 bind(fd, (struct sockaddr *)&from, sizeof(from)) == 0;
    if (bound && connect(fd, (const struct sockaddr *)&to->at, to->len) == 0)
        return fd;
    int error = -errno;
    close(fd);
    return error;
}

/* Another socket, or one after none: its templates are unknown. */
static void note_receiver(struct relay *r, const struct receiver *now)
{
    struct relay_out *o = &r->out;
    char to[ADDRESS_TEXT_MAX];

    address_format(&o->to, to);
    if (!now->found) {
        if (!o->away)
            relay_say(r, LOG_WARNING, "nobody listens at udp://%s: exporters have to wait", to);
        o->away = true;
        return;
    }
    if (o->inode != now->inode) {
        o->epoch++;
        o->drops_base = now->drops;
        o->drops_seen = 0;
        if (o->away)
            relay_say(r, LOG_INFO, "the collector listens at udp://%s", to);
    }
    o->away = false;
    o->inode = now->inode;
    uint64_t drops = now->drops - o->drops_base;
    if (drops > o->drops_seen)
        r->stats.drops += drops - o->drops_seen;
    o->drops_seen = drops;
}

void relay_out_look(struct relay *r)
{
    struct relay_out *o = &r->out;
    struct receiver now;

    o->looked_ns = r->now_ns;
    if (!o->local)
        return;
    if (receiver_read(&o->to, &now)) { /* no /proc: as if far away */
        relay_say(r, LOG_WARNING,
                  "/proc/net/udp cannot be read: the collector's losses are "
                  "unknown");
        o->local = false;
        return;
    }
    o->known = true;
    note_receiver(r, &now);
    o->credit = !now.found || now.waiting >= WAITING_MAX ? 0 : WAITING_MAX - now.waiting;
}

static bool has_rate(struct relay *r)
{
    struct relay_out *o = &r->out;
    uint64_t cost = r->options.rate ? NS_PER_S / r->options.rate : 0;

    if (!cost)
        return true;
    o->rate_credit_ns += r->now_ns - o->rate_ns;
    o->rate_ns = r->now_ns;
    if (o->rate_credit_ns > 10 * cost + NS_PER_S / 1000)
        o->rate_credit_ns = 10 * cost + NS_PER_S / 1000;
    return o->rate_credit_ns >= cost;
}

bool relay_out_ready(struct relay *r)
{
    struct relay_out *o = &r->out;

    if (!has_rate(r))
        return false;
    if (!o->local)
        return true;
    if (!o->credit && r->now_ns - o->looked_ns >= LOOK_NS)
        relay_out_look(r);
    else if (r->now_ns - o->looked_ns >= LOOK_IDLE_NS)
        relay_out_look(r);
    return o->credit > 0;
}

static void pay(struct relay *r, uint32_t len)
{
    struct relay_out *o = &r->out;
    uint64_t memory = len + MEMORY_PER_DATAGRAM;

    o->credit -= memory < o->credit ? memory : o->credit;
    if (!o->credit)
        o->looked_ns = r->now_ns - LOOK_NS; /* look before the next */
    if (r->options.rate)
        o->rate_credit_ns -= NS_PER_S / r->options.rate;
}

bool relay_out_send(struct relay *r, int fd, const uint8_t *octets, uint32_t len)
{
    ssize_t n = send(fd, octets, len, MSG_DONTWAIT | MSG_NOSIGNAL);

    if (n < 0 && errno == ECONNREFUSED) { /* of an earlier datagram: nobody had it */
        r->stats.unreachable++;
        r->out.epoch++;
        r->out.credit = 0;
        return false;
    }
    if (n < 0 && (errno == EAGAIN || errno == ENOBUFS || errno == EINTR))
        return false;
    if (n < 0) {
        r->stats.failed++;
        return true;
    }
    r->stats.datagrams++;
    pay(r, len);
    return true;
}
