#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/clock.h"
#include "capture/filter.h"
#include "capture/xdp_port.h"
#include "weir/counters.h"
#include "weir/packet.h"

#define SNAP_LENGTH 65535

static struct xdp_queue *queue_of(const struct capture *capture)
{
    return (struct xdp_queue *)capture;
}

/* --- the worker's part --- */

/* What the filter leaves out is taken from the burst, the rest moves up. */
static uint32_t filter_apply(struct xdp_queue *q, struct burst *burst, uint32_t count)
{
    uint64_t octets = 0;
    uint32_t kept = 0;

    for (uint32_t i = 0; i < count; i++) {
        struct packet *p = &burst->packet[i];
        struct pcap_pkthdr header = {.caplen = p->cap_len, .len = p->wire_len};
        if (pcap_offline_filter(&q->filter, &header, p->data))
            burst->packet[kept++] = *p;
        else
            octets += p->wire_len;
    }
    atomic_fetch_add_explicit(&q->filtered, count - kept, memory_order_relaxed);
    atomic_fetch_add_explicit(&q->filtered_octets, octets, memory_order_relaxed);
    return kept;
}

/* From the first socket in turn that has any: the frames of a burst share one lock and ring. */
static enum capture_status queue_receive(struct capture *capture, struct burst *burst)
{
    struct xdp_queue *q = queue_of(capture);
    struct xdp_port *port = q->port;
    uint32_t count = 0;

    for (uint32_t i = 0; i < q->count && count == 0; i++) {
        count = xdp_socket_receive(&port->socket[q->socket[q->next]], burst);
        q->next = q->next + 1 == q->count ? 0 : q->next + 1;
    }
    for (uint32_t i = 0; i < count; i++) {
        struct packet *p = &burst->packet[i];
        p->ts_ns = 0;
        p->port = port->index;
        p->link = LINK_ETHERNET;
        p->fate = FATE_FLOW;
    }
    burst->count = q->filtering ? filter_apply(q, burst, count) : count;
    return CAPTURE_OK;
}

static int queue_wait_fd(const struct capture *capture)
{
    return queue_of(capture)->wait_fd;
}

/* --- any thread's part --- */

/* Two threads that ask at once: one steps the account, the other takes what stands there. */
static uint64_t misdirected(struct xdp_audit *audit, const struct xdp_reading *r)
{
    if (!atomic_flag_test_and_set_explicit(&audit->taken, memory_order_acquire)) {
        uint64_t now = xdp_account_step(&audit->account, r, clock_monotonic_ns());
        atomic_store_explicit(&audit->misdirected, now, memory_order_relaxed);
        atomic_flag_clear_explicit(&audit->taken, memory_order_release);
    }
    return atomic_load_explicit(&audit->misdirected, memory_order_relaxed);
}

static void socket_stats(struct xdp_port *port, uint32_t number, struct capture_stats *stats)
{
    const struct xdp_socket *s = &port->socket[number];
    struct xdp_losses losses;
    struct xdp_reading r = {.steered = xdp_program_steered(&port->program, number)};

    r.pending = xdp_socket_pending(s);
    r.delivered = atomic_load_explicit(&s->delivered, memory_order_relaxed);
    xdp_socket_losses(s, &losses);
    r.missed = losses.no_buffer + losses.ring_full + losses.invalid;
    stats->received += r.steered;
    stats->pending += r.pending;
    stats->missed[MISS_RING_FULL] += losses.ring_full;
    stats->missed[MISS_NO_BUFFER] += losses.no_buffer;
    stats->missed[MISS_INVALID] += losses.invalid;
    stats->missed[MISS_MISDIRECTED] += misdirected(&port->audit[number], &r);
}

static void queue_stats(const struct capture *capture, struct capture_stats *stats)
{
    const struct xdp_queue *q = queue_of(capture);

    memset(stats, 0, sizeof(*stats));
    stats->filtered = atomic_load_explicit(&q->filtered, memory_order_relaxed);
    stats->filtered_octets = atomic_load_explicit(&q->filtered_octets, memory_order_relaxed);
    for (uint32_t i = 0; i < q->count; i++)
        socket_stats(q->port, q->socket[i], stats);
}

static const char *queue_error(const struct capture *capture)
{
    (void)capture; /* a removed interface is the port's to tell; nothing else fails */
    return "";
}

static void queue_close_nothing(struct capture *capture)
{
    (void)capture; /* owned by the port */
}

static const struct capture_ops queue_ops = {
    .receive = queue_receive,
    .stats = queue_stats,
    .error = queue_error,
    .close = queue_close_nothing,
    .wait_fd = queue_wait_fd,
};

/* --- life --- */

static int wait_on(int epoll, int fd)
{
    struct epoll_event event = {.events = EPOLLIN};

    return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0 ? 0 : -errno;
}

static int wait_fd_open(struct xdp_queue *q)
{
    int status = 0;

    if (q->count == 1) {
        q->wait_fd = q->port->socket[q->socket[0]].fd;
        return 0;
    }
    q->wait_fd = epoll_create1(EPOLL_CLOEXEC);
    if (q->wait_fd < 0)
        return -errno;
    for (uint32_t i = 0; status == 0 && i < q->count; i++)
        status = wait_on(q->wait_fd, q->port->socket[q->socket[i]].fd);
    return status;
}

int xdp_queue_open(struct xdp_queue *q, struct xdp_port *port, unsigned worker)
{
    q->base.ops = &queue_ops;
    q->port = port;
    for (uint32_t i = 0; i < port->plan.sockets; i++)
        if (port->plan.socket[i].worker == worker)
            q->socket[q->count++] = i;
    return wait_fd_open(q);
}

int xdp_queue_filter(struct xdp_queue *q, const struct capture_filter *filter,
                     char error[CAPTURE_ERROR_MAX])
{
    char text[CAPTURE_ERROR_MAX];
    pcap_t *pcap = pcap_open_dead(DLT_EN10MB, SNAP_LENGTH);

    if (!pcap)
        return -ENOMEM;
    int status = capture_filter_compile(filter, pcap, &q->filter, text);
    if (status != 0)
        snprintf(error, CAPTURE_ERROR_MAX, "%.100s: %.400s", q->port->source, text);
    q->filtering = status == 0;
    pcap_close(pcap);
    return status;
}

void xdp_queue_close(struct xdp_queue *q)
{
    if (q->filtering)
        pcap_freecode(&q->filter);
    if (q->count > 1 && q->wait_fd >= 0)
        close(q->wait_fd);
    q->filtering = false;
    q->wait_fd = -1;
}
