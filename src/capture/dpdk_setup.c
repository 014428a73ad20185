#include <errno.h>
#include <rte_errno.h>
#include <rte_mempool.h>
#include <stdio.h>
#include <string.h>

#include "capture/dpdk.h"
#include "capture/eal.h"
#include "weir/config.h"

#define POOL_CACHE 256
#define SEND_RING 1024
#define MTU_JUMBO 9600
#define BUFFER_OCTETS (RTE_MBUF_DEFAULT_BUF_SIZE + 512) /* with its heads, generously */

/* --- buffers --- */

/* Buffers of one queue: its ring, what waits to be sent, a burst, caches. A fixed amount, so that
 * memory is bounded. */
static uint32_t pool_size(const struct port_options *options, bool spreads)
{
    uint32_t ring = (uint32_t)options->config->capture.ring;
    uint32_t rings = spreads ? options->workers : 0;

    return 3 * ring + rings * ring + 2 * SEND_RING + 4 * POOL_CACHE;
}

uint64_t dpdk_memory_needed(const struct port_options *options)
{
    uint64_t per_port = (uint64_t)pool_size(options, false) * (options->workers + 1u);

    if (options->workers > 1 && pool_size(options, true) > per_port)
        per_port = pool_size(options, true);
    return per_port * BUFFER_OCTETS * options->source_count;
}

/* --- which worker reads what --- */

/* Several devices net_af_xdp on one interface are its queues: they go to the workers in turn. */
static void siblings_find(struct dpdk_port *port, const struct port_options *options)
{
    char mine[64], other[64];
    unsigned before = 0, behind = 0;

    port->only_worker = -1;
    if (!dpdk_is_af_xdp(port->source, mine))
        return;
    for (uint16_t i = 0; i < options->source_count; i++) {
        const char *source = options->all_sources[i];
        if (i == options->index || !dpdk_is_af_xdp(source, other) || strcmp(mine, other) != 0)
            continue;
        if (i < options->index)
            before++;
        else
            eal_device_name(source, port->sibling[behind++], DPDK_NAME_MAX);
    }
    port->is_sibling = before > 0;
    port->sibling_count = before ? 0 : (uint16_t)behind;
    if (before + behind > 0 && options->workers > 1)
        port->only_worker = (int)(before % options->workers);
}

static void plan_make(struct dpdk_port *port, const struct port_options *options,
                      const struct rte_eth_dev_info *info)
{
    const struct rss_capabilities can = {
        .driver = info->driver_name,
        .max_rx_queues = info->max_rx_queues,
        .hash_key_size = info->hash_key_size,
        .hash_types = info->flow_type_rss_offloads,
    };

    siblings_find(port, options);
    rss_plan_make(&can, (enum capture_spread)options->config->capture.spread,
                  port->only_worker < 0 ? options->workers : 1, &port->plan);
}

/* --- setting the port up --- */

static void conf_make(const struct dpdk_port *port, const struct rte_eth_dev_info *info,
                      bool inline_mode, struct rte_eth_conf *conf)
{
    memset(conf, 0, sizeof(*conf));
    if (port->plan.method == RSS_HARDWARE) {
        conf->rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
        conf->rx_adv_conf.rss_conf = (struct rte_eth_rss_conf){
            .rss_key = (uint8_t *)(uintptr_t)port->plan.key,
            .rss_key_len = port->plan.key_size,
            .rss_hf = port->plan.hash_types,
        };
    }
    if (inline_mode)
        conf->txmode.offloads = info->tx_offload_capa & RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
    if (!eal_is_pci(port->source))
        return; /* a virtual device would change the MTU of what it stands on */
    conf->rxmode.offloads = info->rx_offload_capa & RTE_ETH_RX_OFFLOAD_SCATTER;
    conf->rxmode.mtu = info->max_mtu && info->max_mtu < MTU_JUMBO ? info->max_mtu : MTU_JUMBO;
}

static int pool_create(struct dpdk_port *port, const struct port_options *options, uint16_t queue,
                       char error[CAPTURE_ERROR_MAX])
{
    char name[RTE_MEMPOOL_NAMESIZE];
    uint32_t size = pool_size(options, port->plan.method == RSS_SOFTWARE);

    snprintf(name, sizeof(name), "weir-%u-%u", port->id, queue);
    port->pool[queue] =
        rte_pktmbuf_pool_create(name, size, POOL_CACHE, 0, RTE_MBUF_DEFAULT_BUF_SIZE, port->socket);
    if (port->pool[queue])
        return 0;
    snprintf(error, CAPTURE_ERROR_MAX,
             "%.200s: no memory for %u packet buffers (%u MiB on NUMA node %d): %s; raise "
             "vm.nr_hugepages or lower capture.ring",
             port->source, size, (unsigned)((uint64_t)size * BUFFER_OCTETS >> 20), port->socket,
             rte_strerror(rte_errno));
    return -ENOMEM;
}

static int queues_setup(struct dpdk_port *port, const struct port_options *options,
                        uint16_t send_queues, struct dpdk_words *words,
                        char error[CAPTURE_ERROR_MAX])
{
    uint16_t receive_ring = (uint16_t)options->config->capture.ring, send_ring = SEND_RING;
    int status = rte_eth_dev_adjust_nb_rx_tx_desc(port->id, &receive_ring, &send_ring);

    for (uint16_t i = 0; status == 0 && i < port->plan.queues; i++) {
        status = pool_create(port, options, i, error);
        if (status != 0)
            return status;
        status = rte_eth_rx_queue_setup(port->id, i, receive_ring, (unsigned)port->socket, NULL,
                                        port->pool[i]);
    }
    for (uint16_t i = 0; status == 0 && i < send_queues; i++)
        status = rte_eth_tx_queue_setup(port->id, i, send_ring, (unsigned)port->socket, NULL);
    if (status == 0)
        return 0;
    return dpdk_explain_device(port, status, "cannot set up its queues", words, error);
}

/* Some drivers want as many send queues as receive queues. */
static int send_queues_of(const struct dpdk_port *port, const struct port_options *options,
                          const struct rte_eth_dev_info *info, char error[CAPTURE_ERROR_MAX])
{
    uint16_t senders = port->only_worker < 0 ? options->workers : 1;
    uint16_t queues = port->plan.queues;

    if (options->inline_mode && senders > queues)
        queues = senders;
    if (info->max_tx_queues >= queues)
        return queues;
    if (!options->inline_mode)
        return info->max_tx_queues;
    snprintf(error, CAPTURE_ERROR_MAX,
             "%.200s: inline mode needs a send queue for each of %u workers, the device has %u: "
             "capture.workers: %u",
             port->source, senders, info->max_tx_queues, info->max_tx_queues);
    return -EINVAL;
}

static int port_configure(struct dpdk_port *port, const struct port_options *options,
                          struct dpdk_words *words, char error[CAPTURE_ERROR_MAX])
{
    struct rte_eth_dev_info info;
    struct rte_eth_conf conf;
    int status = rte_eth_dev_info_get(port->id, &info);

    if (status != 0)
        return dpdk_explain(port, status, "gives no information", strerror(-status), error);
    port->socket = rte_eth_dev_socket_id(port->id);
    port->ring = (uint32_t)options->config->capture.ring;
    plan_make(port, options, &info);
    int send_queues = send_queues_of(port, options, &info, error);
    if (send_queues < 0)
        return send_queues;
    conf_make(port, &info, options->inline_mode, &conf);
    status = rte_eth_dev_configure(port->id, port->plan.queues, (uint16_t)send_queues, &conf);
    if (status != 0)
        return dpdk_explain_device(port, status, "cannot be configured", words, error);
    port->configured = true;
    return queues_setup(port, options, (uint16_t)send_queues, words, error);
}

/* When a device starts, DPDK writes this flag anew: of an interface of the kernel it would take
 * away what its administrator has set. */
static void promiscuous_keep(const struct dpdk_port *port)
{
    if (port->first.promiscuous)
        rte_eth_promiscuous_enable(port->id);
}

/* By a socket of weir's where that can be, since it ends with the process whatever happens. */
static void promiscuous_set(struct dpdk_port *port)
{
    if (port->interface.socket >= 0)
        port->promiscuous_fd = interface_hold_promiscuous(&port->interface);
    else
        rte_eth_promiscuous_enable(port->id);
}

static int port_run(struct dpdk_port *port, const struct port_options *options,
                    struct dpdk_words *words, char error[CAPTURE_ERROR_MAX])
{
    int status = 0;

    if (port->plan.method == RSS_SOFTWARE)
        status = dpdk_spread_create(port, (uint32_t)options->config->capture.ring);
    if (status != 0)
        return dpdk_explain(port, status, "cannot make rings", strerror(-status), error);
    promiscuous_keep(port);
    status = rte_eth_dev_start(port->id);
    if (status != 0)
        return dpdk_explain_device(port, status, "cannot be started", words, error);
    if (options->config->capture.promiscuous)
        promiscuous_set(port);
    rte_eth_stats_get(port->id, &port->base_stats);
    return 0;
}

int dpdk_setup(struct dpdk_port *port, const struct port_options *options, struct dpdk_words *words,
               char error[CAPTURE_ERROR_MAX])
{
    int status = port_configure(port, options, words, error);

    return status == 0 ? port_run(port, options, words, error) : status;
}
