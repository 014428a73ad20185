#include <errno.h>
#include <rte_lcore.h>
#include <stdio.h>
#include <time.h>

#include "capture/dpdk.h"
#include "capture/spread.h"

#define BURST PACKET_BURST_MAX
#define POLLS_BEFORE_REST 1000u /* empty ones */
#define REST_NS 20000           /* far less than a receive ring takes to fill */

/* Frames of one burst, by worker. */
struct shares {
    unsigned count[CONFIG_WORKERS_MAX];
    struct rte_mbuf *frame[CONFIG_WORKERS_MAX][BURST];
};

int dpdk_spread_create(struct dpdk_port *port, uint32_t ring)
{
    char name[RTE_RING_NAMESIZE];

    for (uint16_t i = 0; i < port->workers; i++) {
        snprintf(name, sizeof(name), "weir-%u-%u", port->id, i);
        port->queue[i].ring = rte_ring_create(name, ring, port->socket,
                                              RING_F_SP_ENQ | RING_F_SC_DEQ | RING_F_EXACT_SZ);
        if (!port->queue[i].ring)
            return -ENOMEM;
    }
    return 0;
}

static void share(const struct dpdk_port *port, struct shares *shares, struct rte_mbuf *m)
{
    uint32_t hash = spread_hash(rte_pktmbuf_mtod(m, const uint8_t *), m->data_len, port->seed);
    uint32_t worker = spread_pick(hash, port->workers);

    shares->frame[worker][shares->count[worker]++] = m;
}

/* Counted first: a worker must not have taken more than was spread. */
static void hand_over(struct dpdk_queue *q, struct rte_mbuf **frames, unsigned count)
{
    atomic_fetch_add_explicit(&q->spread, count, memory_order_release);
    unsigned taken = rte_ring_sp_enqueue_burst(q->ring, (void **)frames, count, NULL);

    if (taken == count)
        return;
    rte_pktmbuf_free_bulk(frames + taken, count - taken);
    atomic_fetch_add_explicit(&q->spread_full, count - taken, memory_order_relaxed);
    atomic_fetch_sub_explicit(&q->spread, count - taken, memory_order_release);
}

static unsigned spread_step(struct dpdk_port *port, uint16_t queue, struct shares *shares)
{
    struct rte_mbuf *frames[BURST];
    unsigned count = rte_eth_rx_burst(port->id, queue, frames, BURST);

    for (unsigned i = 0; i < count; i++)
        rte_prefetch0(rte_pktmbuf_mtod(frames[i], void *));
    for (unsigned i = 0; i < count; i++)
        share(port, shares, frames[i]);
    for (uint16_t i = 0; count && i < port->workers; i++) {
        if (shares->count[i])
            hand_over(&port->queue[i], shares->frame[i], shares->count[i]);
        shares->count[i] = 0;
    }
    return count;
}

static unsigned spread_all(struct dpdk_port *port, struct shares *shares)
{
    unsigned count = 0;

    for (uint16_t queue = 0; queue < port->plan.queues; queue++)
        count += spread_step(port, queue, shares);
    return count;
}

/* After a stop: what waited, until a round finds nothing. */
static void spread_last(struct dpdk_port *port, struct shares *shares)
{
    uint32_t most = port->ring * port->plan.queues, count;

    do {
        count = spread_all(port, shares);
        most -= count < most ? count : most;
    } while (count && most);
}

static void *spread_run(void *user)
{
    const struct timespec rest = {.tv_nsec = REST_NS};
    struct dpdk_port *port = user;
    struct shares shares = {0};
    unsigned empty = 0;
    bool known = rte_thread_register() == 0; /* else without a cache of buffers */

    while (!atomic_load_explicit(&port->stopped, memory_order_acquire)) {
        empty = spread_all(port, &shares) ? 0 : empty + 1;
        if (empty > POLLS_BEFORE_REST)
            nanosleep(&rest, NULL);
    }
    spread_last(port, &shares);
    if (known)
        rte_thread_unregister();
    return NULL;
}

int dpdk_spread_start(struct dpdk_port *port)
{
    int status = pthread_create(&port->spreader, NULL, spread_run, port);
    port->spreading = status == 0;
    if (status == 0)
        pthread_setname_np(port->spreader, "spread");
    return -status;
}

void dpdk_spread_stop(struct dpdk_port *port)
{
    if (!port->spreading)
        return;
    atomic_store(&port->stopped, true);
    pthread_join(port->spreader, NULL);
    port->spreading = false;
}
