#include <linux/if_packet.h>
#include <stdio.h>
#include <sys/socket.h>

#include "capture/live.h"
#include "weir/packet.h"

static void frame_take(uint8_t *user, const struct pcap_pkthdr *h, const uint8_t *data)
{
    struct live_queue *q = (struct live_queue *)user;
    uint32_t wire_len = h->len > h->caplen ? h->len : h->caplen;

    if (q->filter && !pcap_offline_filter(q->filter, h, data)) {
        atomic_fetch_add_explicit(&q->filtered, 1, memory_order_relaxed);
        atomic_fetch_add_explicit(&q->filtered_octets, wire_len, memory_order_relaxed);
        return;
    }
    struct packet *p = &q->burst->packet[q->burst->count];
    uint8_t *frame = q->arena + (size_t)LIVE_SNAP_LENGTH * q->burst->count++;
    p->cap_len = h->caplen < LIVE_SNAP_LENGTH ? h->caplen : LIVE_SNAP_LENGTH;
    memcpy(frame, data, p->cap_len);
    p->data = frame;
    p->ts_ns = (uint64_t)h->ts.tv_sec * 1000000000u + (uint64_t)h->ts.tv_usec;
    p->wire_len = wire_len;
    p->port = q->owner->index;
    p->link = q->owner->link;
    p->fate = 0;
}

static enum capture_status live_receive(struct capture *capture, struct burst *burst)
{
    struct live_queue *q = (struct live_queue *)capture;

    burst->count = 0;
    if (q->status != CAPTURE_OK)
        return q->status;
    q->burst = burst;
    q->filter = filter_slot_get(&q->owner->leaves);
    int n = pcap_dispatch(q->pcap, PACKET_BURST_MAX, frame_take, (uint8_t *)q);
    atomic_fetch_add_explicit(&q->handed, burst->count, memory_order_relaxed);
    if (n < 0) {
        snprintf(q->error, sizeof(q->error), "%.200s: %.250s", q->owner->source,
                 pcap_geterr(q->pcap));
        q->status = CAPTURE_ERROR;
    }
    return q->status;
}

/* The kernel counts a packet it had no room for as received, too, and starts again at 0. */
static void kernel_counters_take(struct live_queue *q)
{
    struct tpacket_stats_v3 stats = {0};
    socklen_t length = sizeof(stats);

    if (getsockopt(q->fd, SOL_PACKET, PACKET_STATISTICS, &stats, &length) != 0)
        return;
    atomic_fetch_add(&q->missed, stats.tp_drops);
    atomic_fetch_add(&q->received, stats.tp_packets);
}

static void live_stats(const struct capture *capture, struct capture_stats *stats)
{
    struct live_queue *q = (struct live_queue *)(uintptr_t)capture;
    uint64_t handed = atomic_load(&q->handed);

    *stats = (struct capture_stats){
        .filtered = atomic_load(&q->filtered),
        .filtered_octets = atomic_load(&q->filtered_octets),
    };
    kernel_counters_take(q);
    stats->received = atomic_load(&q->received);
    stats->missed[MISS_RING_FULL] = atomic_load(&q->missed);
    uint64_t known = handed + stats->filtered + stats->missed[MISS_RING_FULL];
    stats->pending = stats->received > known ? stats->received - known : 0;
}

static const char *live_error(const struct capture *capture)
{
    return ((const struct live_queue *)capture)->error;
}

static void live_close_queue(struct capture *capture)
{
    (void)capture; /* the port owns it */
}

static int live_wait_fd(const struct capture *capture)
{
    return ((const struct live_queue *)capture)->fd;
}

const struct capture_ops live_queue_ops = {
    .receive = live_receive,
    .stats = live_stats,
    .error = live_error,
    .close = live_close_queue,
    .wait_fd = live_wait_fd,
};
