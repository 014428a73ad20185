#include <errno.h>
#include <rte_ether.h>
#include <rte_lcore.h>
#include <stdlib.h>
#include <string.h>

#include "capture/dpdk.h"
#include "weir/counters.h"

#define SEND_TRIES 8 /* while the pair's ring is full: a moment, never a wait */

static struct dpdk_queue *queue_of(struct capture *capture)
{
    return (struct dpdk_queue *)capture;
}

static void release(struct dpdk_queue *q)
{
    if (q->held_count)
        rte_pktmbuf_free_bulk(q->held, q->held_count);
    q->held_count = 0;
}

static unsigned queues_poll(struct dpdk_queue *q)
{
    uint16_t first = q->rx_queue;
    unsigned count;

    do {
        count = rte_eth_rx_burst(q->port->id, q->rx_queue, q->held, PACKET_BURST_MAX);
        q->rx_queue += q->rx_step;
        if (q->rx_queue >= q->port->plan.queues)
            q->rx_queue = q->rx_first;
    } while (!count && q->rx_queue != first);
    return count;
}

/* After a stop: what waited, until a poll finds nothing. */
static unsigned last_take(struct dpdk_queue *q)
{
    unsigned count = q->last ? queues_poll(q) : 0;

    q->last = count < q->last && count ? q->last - count : 0;
    return count;
}

static unsigned frames_take(struct dpdk_queue *q)
{
    if (q->ring)
        return rte_ring_sc_dequeue_burst(q->ring, (void **)q->held, PACKET_BURST_MAX, NULL);
    if (atomic_load_explicit(&q->port->stopped, memory_order_acquire))
        return last_take(q);
    return queues_poll(q);
}

/* Of a frame in several buffers only the first is shown: headers stand there. */
static void packet_fill(const struct dpdk_queue *q, struct packet *p, const struct rte_mbuf *m)
{
    p->data = rte_pktmbuf_mtod(m, const uint8_t *);
    p->ts_ns = 0;
    p->cap_len = m->data_len;
    p->wire_len = m->pkt_len;
    p->port = q->port->index;
    p->link = LINK_ETHERNET;
}

static bool passes(const struct bpf_program *filter, const struct rte_mbuf *m)
{
    return !filter ||
           bpf_filter(filter->bf_insns, rte_pktmbuf_mtod(m, uint8_t *), m->pkt_len, m->data_len);
}

static void filtered_count(struct dpdk_queue *q, const struct rte_mbuf *m)
{
    atomic_fetch_add_explicit(&q->filtered, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&q->filtered_octets, m->pkt_len, memory_order_relaxed);
}

/* Inline, what is filtered is handed out as such: it is to be sent on like the rest. */
static void frame_hand_out(struct dpdk_queue *q, struct burst *burst, const struct rte_mbuf *m,
                           bool wanted)
{
    struct packet *p = &burst->packet[burst->count];

    if (!wanted && q->port->pair == DPDK_NO_PORT) {
        filtered_count(q, m);
        return;
    }
    packet_fill(q, p, m);
    p->fate = wanted ? FATE_FLOW : FATE_FILTERED;
    burst->count++;
}

static enum capture_status dpdk_receive(struct capture *capture, struct burst *burst)
{
    struct dpdk_queue *q = queue_of(capture);
    const struct bpf_program *filter = filter_slot_get(&q->port->leaves);

    burst->count = 0;
    release(q);
    q->held_count = frames_take(q);
    for (unsigned i = 0; i < q->held_count; i++)
        rte_prefetch0(rte_pktmbuf_mtod(q->held[i], void *));
    for (unsigned i = 0; i < q->held_count; i++) {
        /* Some drivers hand over the outermost tag apart from the frame. */
        if (q->held[i]->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED)
            rte_vlan_insert(&q->held[i]);
        frame_hand_out(q, burst, q->held[i], passes(filter, q->held[i]));
    }
    if (burst->count)
        atomic_store_explicit(&q->handed,
                              atomic_load_explicit(&q->handed, memory_order_relaxed) + burst->count,
                              memory_order_release);
    return CAPTURE_OK;
}

static void dpdk_forward(struct capture *capture)
{
    struct dpdk_queue *q = queue_of(capture);
    uint16_t sent = 0;

    if (!q->held_count || q->port->pair == DPDK_NO_PORT)
        return;
    for (unsigned i = 0; i < SEND_TRIES && sent < q->held_count; i++)
        sent += rte_eth_tx_burst(q->port->pair, q->tx_queue, q->held + sent,
                                 (uint16_t)(q->held_count - sent));
    if (sent < q->held_count) {
        rte_pktmbuf_free_bulk(q->held + sent, q->held_count - sent);
        atomic_fetch_add_explicit(&q->send_failed, q->held_count - sent, memory_order_relaxed);
    }
    atomic_fetch_add_explicit(&q->sent, sent, memory_order_relaxed);
    q->held_count = 0;
}

/* --- counters --- */

static uint64_t taken_by(const struct dpdk_queue *q)
{
    return q->ring ? atomic_load(&q->spread) + atomic_load(&q->spread_full)
                   : atomic_load(&q->handed) + atomic_load(&q->filtered);
}

/* Packets that the port counts and no worker has: they wait, or are on their way. */
static uint64_t port_waiting(const struct dpdk_port *port, uint64_t *missed)
{
    struct rte_eth_stats stats;
    uint64_t taken = 0;

    for (uint16_t i = 0; i < port->workers; i++)
        taken += taken_by(&port->queue[i]);
    dpdk_port_counters(port, &stats);
    bool stopped = atomic_load(&port->stopped);
    *missed = stopped ? port->missed_at_end : stats.imissed;
    return !stopped && stats.ipackets > taken ? stats.ipackets - taken : 0;
}

static void dpdk_stats(const struct capture *capture, struct capture_stats *stats)
{
    const struct dpdk_queue *q = (const struct dpdk_queue *)capture;
    uint64_t mine = atomic_load(&q->handed) + atomic_load(&q->filtered);
    uint64_t taken = taken_by(q);

    *stats = (struct capture_stats){
        .received = taken,
        .filtered = atomic_load(&q->filtered),
        .filtered_octets = atomic_load(&q->filtered_octets),
        .sent = atomic_load(&q->sent),
        .send_failed = atomic_load(&q->send_failed),
    };
    stats->missed[MISS_DISPATCH] = atomic_load(&q->spread_full);
    if (q->ring)
        stats->pending = taken - stats->missed[MISS_DISPATCH] - mine;
    if (q->worker == (q->port->only_worker < 0 ? 0 : q->port->only_worker)) {
        uint64_t waiting = port_waiting(q->port, &stats->missed[MISS_HARDWARE]);
        stats->pending += waiting;
        stats->received += waiting + stats->missed[MISS_HARDWARE];
    }
}

static const char *dpdk_error(const struct capture *capture)
{
    return ((const struct dpdk_queue *)capture)->port->source;
}

static void dpdk_close_queue(struct capture *capture)
{
    (void)capture; /* the port owns it */
}

/* A thread that the EAL knows has a cache of buffers of its own. */
static int dpdk_enter(struct capture *capture)
{
    (void)capture;
    if (rte_lcore_id() != LCORE_ID_ANY)
        return 0;
    return rte_thread_register() == 0 ? 0 : -rte_errno;
}

static void dpdk_leave(struct capture *capture)
{
    release(queue_of(capture));
    if (rte_lcore_id() != LCORE_ID_ANY)
        rte_thread_unregister();
}

static const struct capture_ops queue_ops = {
    .receive = dpdk_receive,
    .stats = dpdk_stats,
    .error = dpdk_error,
    .close = dpdk_close_queue,
    .enter = dpdk_enter,
    .leave = dpdk_leave,
    .forward = dpdk_forward,
};

void dpdk_queue_init(struct dpdk_queue *q, struct dpdk_port *port, uint16_t worker)
{
    q->base.ops = &queue_ops;
    q->port = port;
    q->worker = worker;
    q->rx_queue = q->rx_first = q->tx_queue = port->only_worker < 0 ? worker : 0;
    q->last = port->ring * port->plan.queues;
    q->rx_step = port->only_worker < 0 ? port->workers : 1;
}

void dpdk_queue_fini(struct dpdk_queue *q)
{
    void *frame;

    release(q);
    while (q->ring && rte_ring_sc_dequeue(q->ring, &frame) == 0)
        rte_pktmbuf_free(frame);
    rte_ring_free(q->ring);
    q->ring = NULL;
}
