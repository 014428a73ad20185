#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <openssl/err.h>

#include "base/bytes.h"
#include "export/reader.h"
#include "export/relay_internal.h"

#define HANDSHAKE_NS (10ull * 1000000000)
#define TURN 32 /* messages of one exporter before the next has its turn */

/* --- Who it is --- */

static void address_octets(const struct sockaddr_storage *at, uint8_t out[16])
{
    memset(out, 0, 16);
    if (at->ss_family == AF_INET6)
        memcpy(out, &((const struct sockaddr_in6 *)at)->sin6_addr, 16);
    else
        memcpy(out + 12, &((const struct sockaddr_in *)at)->sin_addr, 4);
}

/* Its entry from before, else a new one, else the one that is away longest. */
static int find_exporter(struct relay *r, const uint8_t address[16])
{
    int oldest = -1;

    for (uint32_t i = 0; i < r->exporters; i++) {
        const struct relay_exporter *e = &r->exporter[i];
        if (e->busy)
            continue;
        if (memcmp(e->address, address, 16) == 0)
            return (int)i;
        if (oldest < 0 || e->left_ns < r->exporter[oldest].left_ns)
            oldest = (int)i;
    }
    return r->exporters < PEERS_MAX ? (int)r->exporters++ : oldest;
}

/* The number that stands for an exporter's domain; 0: there is none left. */
static uint32_t renumber(struct relay *r, uint32_t exporter, uint32_t id)
{
    uint32_t base = r->block * DOMAINS_MAX + 1;

    for (uint32_t i = 0; i < r->renumbered_count; i++)
        if (r->renumbered[i].exporter == exporter && r->renumbered[i].id == id)
            return base + i;
    if (r->renumbered_count == DOMAINS_MAX)
        return 0;
    r->renumbered[r->renumbered_count].exporter = exporter;
    r->renumbered[r->renumbered_count].id = id;
    return base + r->renumbered_count++;
}

static struct relay_domain *find_domain(struct relay_peer *p, uint32_t id)
{
    struct relay *r = p->relay;

    for (uint32_t i = 0; i < p->domains; i++)
        if (p->domain[i].id == id)
            return &p->domain[i];
    if (p->domains == DOMAINS_PER_PEER)
        return NULL;
    bool renumbers = r->options.distinguish == DISTINGUISH_DOMAIN;
    uint32_t sent_as = renumbers ? renumber(r, p->exporter, id) : id;
    if (renumbers && !sent_as)
        return NULL;
    struct relay_domain *d = &p->domain[p->domains++];
    *d = (struct relay_domain){.id = id,
                               .sent_as = sent_as,
                               .refresh_ns = r->now_ns + r->options.refresh_ns,
                               .epoch = r->out.epoch};
    return d;
}

/* --- Its end --- */

void relay_peer_close(struct relay_peer *p)
{
    if (p->closed)
        return;
    p->closed = true;
    if (p->ssl && p->shaken)
        SSL_shutdown(p->ssl);
    SSL_free(p->ssl);
    close(p->fd);
    if (p->out >= 0)
        close(p->out);
    template_cache_destroy(p->templates);
    p->relay->exporter[p->exporter].busy = false;
    p->relay->exporter[p->exporter].left_ns = p->relay->now_ns;
    p->relay->stats.open--;
}

static void refuse(struct relay_peer *p, const char *why)
{
    p->relay->stats.malformed++;
    relay_say(p->relay, LOG_WARNING, "%s: %s: connection closed", p->name, why);
    relay_peer_close(p);
}

/* --- Messages --- */

/* Templates said again, under the number of the message that follows. False: to be tried again. */
static bool refresh(struct relay_peer *p, struct relay_domain *d, const uint8_t *message)
{
    struct relay *r = p->relay;
    uint32_t cursor = 0, len;
    uint8_t header[MESSAGE_HEADER];

    memcpy(header, message, sizeof(header));
    put_be32(header + 12, d->sent_as);
    while ((len = template_cache_message(p->templates, header, d->id, &cursor, r->scratch, 1400)) ||
           (len = template_cache_message(p->templates, header, d->id, &cursor, r->scratch,
                                         DATAGRAM_MAX))) {
        if (!relay_out_send(r, p->out, r->scratch, len))
            return false;
        r->stats.refreshes++;
    }
    d->refresh_ns = r->now_ns + r->options.refresh_ns;
    d->epoch = r->out.epoch;
    return true;
}

static void say_too_long(struct relay_peer *p, uint32_t len)
{
    struct relay *r = p->relay;

    if (!r->stats.too_long++)
        relay_say(r, LOG_WARNING,
                  "%s: message of %u octets is longer than a datagram (%u): not passed on; set "
                  "message_size at the exporter (further ones are only counted)",
                  p->name, len, DATAGRAM_MAX);
}

/* The message was looked at: it is learned from once, however often it is tried. */
enum outcome { MESSAGE_DONE, MESSAGE_LATER, MESSAGE_REFUSED };

static enum outcome pass_on(struct relay_peer *p, uint8_t *message, uint32_t len)
{
    struct relay *r = p->relay;
    struct relay_domain *d = find_domain(p, load_be32(message + 12));
    char text[TEMPLATE_TEXT_MAX];
    uint32_t rest = len;

    if (!d) {
        refuse(p, "more observation domains than are followed");
        return MESSAGE_REFUSED;
    }
    if ((r->now_ns >= d->refresh_ns || d->epoch != r->out.epoch) && !refresh(p, d, message))
        return MESSAGE_LATER;
    memcpy(r->scratch, message, len);
    if (template_cache_learn(p->templates, r->scratch, &rest, text)) {
        refuse(p, text);
        return MESSAGE_REFUSED;
    }
    if (len > DATAGRAM_MAX) {
        say_too_long(p, len);
        return MESSAGE_DONE;
    }
    put_be32(r->scratch + 12, d->sent_as);
    if (rest > MESSAGE_HEADER && !relay_out_send(r, p->out, r->scratch, rest))
        return MESSAGE_LATER;
    return MESSAGE_DONE;
}

/* False: nothing more can be done with what is in the buffer. */
static bool next_message(struct relay_peer *p)
{
    uint8_t *message = p->buffer + p->done;
    uint32_t have = p->used - p->done;
    int len = ipfix_frame(message, have);

    if (len < 0) {
        refuse(p, "this is not IPFIX");
        return false;
    }
    if (!len || (uint32_t)len > have || !relay_out_ready(p->relay))
        return false;
    enum outcome outcome = pass_on(p, message, (uint32_t)len);
    if (outcome != MESSAGE_DONE)
        return false;
    p->done += (uint32_t)len;
    p->relay->stats.messages++;
    p->relay->stats.octets += (uint32_t)len;
    return true;
}

bool relay_peer_waits(const struct relay_peer *p)
{
    uint32_t have = p->used - p->done;
    int len = ipfix_frame(p->buffer + p->done, have);

    return len < 0 || (len > 0 && (uint32_t)len <= have);
}

static void pass_on_all(struct relay_peer *p)
{
    for (int i = 0; i < TURN && !p->closed && next_message(p); i++)
        ;
    if (p->closed || !p->done)
        return;
    memmove(p->buffer, p->buffer + p->done, p->used - p->done);
    p->used -= p->done;
    p->done = 0;
}

/* --- Octets --- */

static ssize_t tls_read(struct relay_peer *p, uint8_t *out, size_t room)
{
    char text[TLS_TEXT_MAX];

    ERR_clear_error();
    int n = SSL_read(p->ssl, out, (int)room);
    if (SSL_is_init_finished(p->ssl))
        p->shaken = true;
    if (n > 0)
        return n;
    int error = SSL_get_error(p->ssl, n);
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE)
        return -EAGAIN;
    if (error == SSL_ERROR_ZERO_RETURN || (error == SSL_ERROR_SYSCALL && p->shaken))
        return 0;
    tls_explain(p->ssl, n, NULL, text);
    refuse(p, text);
    return -EPROTO;
}

static ssize_t read_some(struct relay_peer *p)
{
    uint8_t *at = p->buffer + p->used;
    size_t room = sizeof(p->buffer) - p->used;

    if (p->ssl)
        return tls_read(p, at, room);
    ssize_t n = recv(p->fd, at, room, MSG_DONTWAIT);
    return n < 0 ? -errno : n;
}

static void end_of_stream(struct relay_peer *p)
{
    p->ended = true;
    epoll_ctl(p->relay->epoll, EPOLL_CTL_DEL, p->fd, NULL);
}

static bool fill(struct relay_peer *p)
{
    if (p->ended || p->used == sizeof(p->buffer))
        return false;
    ssize_t n = read_some(p);
    if (p->closed || n == -EAGAIN || n == -EINTR)
        return false;
    if (n <= 0) {
        end_of_stream(p);
        return false;
    }
    p->used += (uint32_t)n;
    return true;
}

static void end_if_done(struct relay_peer *p)
{
    if (p->ssl && !p->shaken && p->relay->now_ns - p->since_ns > HANDSHAKE_NS) {
        refuse(p, "no TLS handshake within 10 s");
        return;
    }
    if (!p->ended || relay_peer_waits(p))
        return;
    if (p->used)
        refuse(p, "the stream ended inside a message");
    else
        relay_peer_close(p);
}

bool relay_peer_step(struct relay_peer *p, bool readable)
{
    bool filled = false;

    if (readable && !relay_peer_waits(p))
        filled = fill(p);
    if (!p->closed)
        pass_on_all(p);
    if (!p->closed)
        end_if_done(p);
    return !p->closed && (filled || relay_peer_waits(p));
}

/* --- Its begin --- */

static void set_option(int fd, int level, int option, int value)
{
    setsockopt(fd, level, option, &value, sizeof(value));
}

static void keep_alive(int fd)
{
    set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, 30);
    set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, 10);
    set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, 3);
}

static int open_peer(struct relay *r, struct relay_peer *p, bool tls)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP, .data.ptr = p};
    int rc = template_cache_create(&p->templates);

    p->out = -1;
    if (!rc && tls) {
        p->ssl = SSL_new(r->ctx);
        if (!p->ssl || SSL_set_fd(p->ssl, p->fd) != 1)
            rc = -ENOMEM;
        else
            SSL_set_accept_state(p->ssl);
    }
    if (!rc) {
        p->out = relay_out_socket(r, p->exporter);
        rc = p->out < 0 ? p->out : 0;
    }
    if (!rc && epoll_ctl(r->epoll, EPOLL_CTL_ADD, p->fd, &event) < 0)
        rc = -errno;
    return rc;
}

static void start_peer(struct relay *r, int fd, const struct address *from, bool tls)
{
    struct relay_peer *p = calloc(1, sizeof(*p));
    uint8_t octets[16];

    address_octets(&from->at, octets);
    int exporter = p ? find_exporter(r, octets) : -1;
    if (exporter < 0) {
        free(p);
        close(fd);
        r->stats.refused_connections++;
        return;
    }
    *p = (struct relay_peer){.relay = r, .fd = fd, .exporter = (uint32_t)exporter};
    p->since_ns = r->now_ns;
    address_format(from, p->name);
    memcpy(r->exporter[exporter].address, octets, 16);
    r->exporter[exporter].busy = true;
    r->stats.connections++;
    r->stats.open++;
    int rc = open_peer(r, p, tls);
    p->next = r->peers;
    r->peers = p;
    if (!rc)
        return;
    relay_say(r, LOG_ERROR, "%s: cannot be served: %s", p->name, strerror(-rc));
    relay_peer_close(p);
}

void relay_accept(struct relay *r, uint32_t listener)
{
    struct address from = {.len = sizeof(from.at)};
    int fd = accept4(r->listener[listener], (struct sockaddr *)&from.at, &from.len,
                     SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (fd < 0)
        return;
    if (r->stats.open >= RELAY_CONNECTIONS) {
        if (!r->stats.refused_connections++)
            relay_say(r, LOG_WARNING, "more than %u connections: refused (counted from now on)",
                      RELAY_CONNECTIONS);
        close(fd);
        return;
    }
    keep_alive(fd);
    start_peer(r, fd, &from, r->listener_tls[listener]);
}
