#include "capture/xdp_socket.h"

#include <errno.h>
#include <linux/if_xdp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/number.h"
#include "weir/packet.h"

/* Newer than the headers of Debian 12 (Linux 6.6). */
#ifndef XDP_USE_SG
#define XDP_USE_SG (1 << 4)
#endif
#ifndef XDP_PKT_CONTD
#define XDP_PKT_CONTD (1 << 0)
#endif
#ifndef SO_PREFER_BUSY_POLL
#define SO_PREFER_BUSY_POLL 69
#define SO_BUSY_POLL_BUDGET 70
#endif

#define HEADROOM 256u /* XDP_PACKET_HEADROOM: before each frame, for the program */
#define HUGE_PAGE ((size_t)2 << 20)
#define BUSY_POLL_US 20
#define LOCK_TRIES 64
#define BUSY_TRIES 50
#define BUSY_WAIT_US 20000

/* --- rings --- */

static int ring_map(struct xdp_ring *ring, int fd, const struct xdp_ring_offset *offset,
                    uint32_t entries, size_t entry_octets, uint64_t page)
{
    size_t octets = offset->desc + entries * entry_octets;
    uint8_t *map =
        mmap(NULL, octets, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, (off_t)page);

    if (map == MAP_FAILED)
        return -errno;
    *ring = (struct xdp_ring){
        .producer = (_Atomic uint32_t *)(map + offset->producer),
        .consumer = (_Atomic uint32_t *)(map + offset->consumer),
        .flags = (_Atomic uint32_t *)(map + offset->flags),
        .entries = map + offset->desc,
        .mask = entries - 1,
        .map = map,
        .map_octets = octets,
    };
    return 0;
}

static void ring_unmap(struct xdp_ring *ring)
{
    if (ring->map)
        munmap(ring->map, ring->map_octets);
    ring->map = NULL;
}

static int ring_request(int fd, int option, uint32_t entries)
{
    return setsockopt(fd, SOL_XDP, option, &entries, sizeof(entries)) == 0 ? 0 : -errno;
}

static int ring_offsets(int fd, struct xdp_mmap_offsets *offsets)
{
    socklen_t length = sizeof(*offsets);

    if (getsockopt(fd, SOL_XDP, XDP_MMAP_OFFSETS, offsets, &length) != 0)
        return -errno;
    return length == sizeof(*offsets) ? 0 : -EPROTO;
}

static const struct xdp_desc *rx_desc(const struct xdp_ring *rx, uint32_t index)
{
    return (const struct xdp_desc *)rx->entries + (index & rx->mask);
}

/* --- memory --- */

uint32_t xdp_chunk_room(uint32_t chunk)
{
    return chunk - HEADROOM;
}

/* Room for all rings full and a burst in the hands of each worker; and one more, so that a full
 * ring is found before a lack of frames, and told as what it is. */
int xdp_umem_open(struct xdp_umem *umem, const struct xdp_socket_options *o, enum xdp_step *step)
{
    *step = XDP_STEP_MEMORY;
    umem->chunk = o->chunk;
    umem->frames = o->sockets * (o->ring + 2 * PACKET_BURST_MAX);
    umem->shared = o->sockets > 1;
    umem->octets = ((size_t)umem->frames * umem->chunk + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
    umem->area = mmap(NULL, umem->octets, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
    umem->huge = umem->area != MAP_FAILED;
    if (!umem->huge)
        umem->area = memory_reserve(umem->octets);
    return umem->area ? 0 : -ENOMEM;
}

void xdp_umem_close(struct xdp_umem *umem)
{
    ring_unmap(&umem->fill);
    ring_unmap(&umem->completion);
    memory_release(umem->area, umem->octets);
    umem->area = NULL;
}

/* --- opening --- */

static int umem_register(struct xdp_umem *umem, int fd, enum xdp_step *step)
{
    struct xdp_umem_reg registration = {
        .addr = (uintptr_t)umem->area,
        .len = (uint64_t)umem->frames * umem->chunk,
        .chunk_size = umem->chunk,
    };
    struct xdp_mmap_offsets offsets;
    uint32_t fill = power_of_two(umem->frames), completion = PACKET_BURST_MAX;

    *step = XDP_STEP_UMEM;
    if (setsockopt(fd, SOL_XDP, XDP_UMEM_REG, &registration, sizeof(registration)) != 0)
        return -errno;
    *step = XDP_STEP_RING;
    int status = ring_request(fd, XDP_UMEM_FILL_RING, fill);
    if (status == 0) /* must be there, though nothing is sent */
        status = ring_request(fd, XDP_UMEM_COMPLETION_RING, completion);
    if (status == 0)
        status = ring_offsets(fd, &offsets);
    if (status == 0)
        status = ring_map(&umem->fill, fd, &offsets.fr, fill, sizeof(uint64_t),
                          XDP_UMEM_PGOFF_FILL_RING);
    if (status == 0)
        status = ring_map(&umem->completion, fd, &offsets.cr, completion, sizeof(uint64_t),
                          XDP_UMEM_PGOFF_COMPLETION_RING);
    return status;
}

static void fill_all(struct xdp_umem *umem)
{
    uint64_t *entries = umem->fill.entries;

    for (uint32_t i = 0; i < umem->frames; i++)
        entries[i] = (uint64_t)i * umem->chunk;
    umem->fill.own = umem->frames;
    atomic_store_explicit(umem->fill.producer, umem->frames, memory_order_release);
}

static int rx_ring_open(struct xdp_socket *s, uint32_t entries, enum xdp_step *step)
{
    struct xdp_mmap_offsets offsets;

    *step = XDP_STEP_RING;
    int status = ring_request(s->fd, XDP_RX_RING, entries);
    if (status == 0)
        status = ring_offsets(s->fd, &offsets);
    if (status == 0)
        status = ring_map(&s->rx, s->fd, &offsets.rx, entries, sizeof(struct xdp_desc),
                          XDP_PGOFF_RX_RING);
    return status;
}

static int busy_poll_set(int fd)
{
    static const struct {
        int option, value;
    } wanted[] = {{SO_PREFER_BUSY_POLL, 1},
                  {SO_BUSY_POLL, BUSY_POLL_US},
                  {SO_BUSY_POLL_BUDGET, PACKET_BURST_MAX}};

    for (size_t i = 0; i < sizeof(wanted) / sizeof(*wanted); i++)
        if (setsockopt(fd, SOL_SOCKET, wanted[i].option, &wanted[i].value, sizeof(int)) != 0)
            return -errno;
    return 0;
}

static int bind_with(const struct xdp_socket *s, const struct xdp_socket_options *o, int flags,
                     int umem_fd)
{
    struct sockaddr_xdp address = {
        .sxdp_family = AF_XDP,
        .sxdp_flags = (uint16_t)flags,
        .sxdp_ifindex = o->interface,
        .sxdp_queue_id = o->queue,
        .sxdp_shared_umem_fd = (uint32_t)umem_fd,
    };

    return bind(s->fd, (struct sockaddr *)&address, sizeof(address)) == 0 ? 0 : -errno;
}

/*
 * Without copies where the driver can; else with, and then always for frames in several chunks,
 * which costs nothing there: offloads make frames longer than the MTU. Kernels before 6.6 know no
 * such frames. Only what the driver or the kernel does not know leads to the next attempt.
 */
static int bind_somehow(const struct xdp_socket *s, const struct xdp_socket_options *o)
{
    const int attempts[] = {
        o->generic ? 0 : XDP_ZEROCOPY | (o->fragments ? XDP_USE_SG : 0),
        XDP_COPY | XDP_USE_SG,
        XDP_COPY,
    };
    int status = -EOPNOTSUPP;

    for (size_t i = 0; i < sizeof(attempts) / sizeof(*attempts); i++) {
        if (attempts[i])
            status = bind_with(s, o, attempts[i] | XDP_USE_NEED_WAKEUP, 0);
        if (status == 0 || status == -EBUSY || status == -ENODEV || status == -ENETDOWN)
            break;
    }
    return status;
}

/* The kernel lets go of a queue some time after the process that held it has ended. */
static int bind_first(const struct xdp_socket *s, const struct xdp_socket_options *o)
{
    int status = bind_somehow(s, o);

    for (unsigned i = 0; status == -EBUSY && i < BUSY_TRIES; i++) {
        usleep(BUSY_WAIT_US);
        status = bind_somehow(s, o);
    }
    return status;
}

int xdp_socket_open(struct xdp_socket *s, struct xdp_umem *umem, const struct xdp_socket *first,
                    const struct xdp_socket_options *o, enum xdp_step *step)
{
    int status = 0;

    s->umem = umem;
    *step = XDP_STEP_MEMORY;
    s->held = calloc(umem->frames, sizeof(*s->held));
    if (!s->held)
        return -ENOMEM;
    *step = XDP_STEP_SOCKET;
    s->fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);
    if (s->fd < 0)
        return -errno;
    if (!first)
        status = umem_register(umem, s->fd, step);
    if (status == 0)
        status = rx_ring_open(s, o->ring, step);
    if (status != 0)
        return status;
    if (!first)
        fill_all(umem);
    s->busy_poll = o->busy_poll;
    *step = XDP_STEP_BIND;
    if (o->busy_poll)
        status = busy_poll_set(s->fd);
    if (status == 0)
        status = first ? bind_with(s, o, XDP_SHARED_UMEM, first->fd) : bind_first(s, o);
    return status;
}

void xdp_socket_close(struct xdp_socket *s)
{
    ring_unmap(&s->rx);
    if (s->fd >= 0)
        close(s->fd);
    s->fd = -1;
    free(s->held);
    s->held = NULL;
}

bool xdp_socket_copies(const struct xdp_socket *s)
{
    struct xdp_options options = {0};
    socklen_t length = sizeof(options);

    return getsockopt(s->fd, SOL_XDP, XDP_OPTIONS, &options, &length) != 0 ||
           !(options.flags & XDP_OPTIONS_ZEROCOPY);
}

/* --- receiving --- */

static bool umem_try_take(struct xdp_umem *umem)
{
    if (!umem->shared)
        return true;
    for (int i = 0; i < LOCK_TRIES; i++)
        if (!atomic_flag_test_and_set_explicit(&umem->taken, memory_order_acquire))
            return true;
    return false;
}

/* The fill ring holds all frames there are, so that it always has room. */
static void frames_give_back(struct xdp_socket *s)
{
    struct xdp_umem *umem = s->umem;
    uint64_t *entries = umem->fill.entries;

    if (!s->held_count || !umem_try_take(umem))
        return;
    for (uint32_t i = 0; i < s->held_count; i++)
        entries[umem->fill.own++ & umem->fill.mask] = s->held[i];
    atomic_store_explicit(umem->fill.producer, umem->fill.own, memory_order_release);
    s->held_count = 0;
    if (umem->shared)
        atomic_flag_clear_explicit(&umem->taken, memory_order_release);
}

/* A driver that ran out of frames, or is polled by nobody but us, goes on when it is called. */
static void driver_wake(const struct xdp_socket *s, bool idle)
{
    uint32_t flags = atomic_load_explicit(s->umem->fill.flags, memory_order_relaxed);

    if ((flags & XDP_RING_NEED_WAKEUP) || (idle && s->busy_poll))
        (void)recvfrom(s->fd, NULL, 0, MSG_DONTWAIT, NULL, NULL);
}

static void frame_hold(struct xdp_socket *s, uint64_t address)
{
    s->held[s->held_count++] = address & ~(uint64_t)(s->umem->chunk - 1);
}

/* One frame, from the descriptor at *next to its last one. False: its end has not arrived. */
static bool frame_take(struct xdp_socket *s, uint32_t *next, uint32_t end, struct packet *p)
{
    const struct xdp_desc *first = rx_desc(&s->rx, *next), *d = first;
    uint32_t held = s->held_count, index = *next, wire_len = 0;

    do {
        if (index == end) {
            s->held_count = held;
            return false;
        }
        d = rx_desc(&s->rx, index++);
        frame_hold(s, d->addr);
        wire_len += d->len;
    } while (d->options & XDP_PKT_CONTD);
    p->data = s->umem->area + first->addr;
    p->cap_len = first->len;
    p->wire_len = wire_len;
    *next = index;
    return true;
}

/* The count goes up before the ring moves on, so that no frame is in neither (xdp_account.h). */
static void taken_publish(struct xdp_socket *s, uint32_t packets)
{
    uint64_t before = atomic_load_explicit(&s->delivered, memory_order_relaxed);

    atomic_store_explicit(&s->delivered, before + packets, memory_order_relaxed);
    atomic_store_explicit(s->rx.consumer, s->rx.own, memory_order_release);
}

uint32_t xdp_socket_receive(struct xdp_socket *s, struct burst *burst)
{
    uint32_t end = atomic_load_explicit(s->rx.producer, memory_order_acquire), count = 0;

    frames_give_back(s);
    while (count < PACKET_BURST_MAX && s->rx.own != end &&
           frame_take(s, &s->rx.own, end, &burst->packet[count]))
        count++;
    if (count)
        taken_publish(s, count);
    driver_wake(s, count == 0);
    return count;
}

/* --- what any thread may ask --- */

/* Linux before 5.9 fills 24 octets and counts full rings as dropped. */
void xdp_socket_losses(const struct xdp_socket *s, struct xdp_losses *losses)
{
    struct xdp_statistics kernel = {0};
    socklen_t length = sizeof(kernel);

    memset(losses, 0, sizeof(*losses));
    if (getsockopt(s->fd, SOL_XDP, XDP_STATISTICS, &kernel, &length) != 0)
        return;
    losses->no_buffer = kernel.rx_dropped;
    losses->invalid = kernel.rx_invalid_descs;
    if (length > offsetof(struct xdp_statistics, rx_ring_full))
        losses->ring_full = kernel.rx_ring_full;
}

uint32_t xdp_socket_pending(const struct xdp_socket *s)
{
    uint32_t next = atomic_load_explicit(s->rx.consumer, memory_order_acquire);
    uint32_t end = atomic_load_explicit(s->rx.producer, memory_order_acquire), packets = 0;

    for (; next != end; next++)
        packets += !(rx_desc(&s->rx, next)->options & XDP_PKT_CONTD);
    return packets;
}
