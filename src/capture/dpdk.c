#include "capture/dpdk.h"

#include <errno.h>
#include <linux/capability.h>
#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_mempool.h>
#include <rte_version.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "capture/eal.h"
#include "capture/filter.h"
#include "weir/config.h"

#define POOL_CACHE 256
#define SEND_RING 1024
#define MTU_JUMBO 9600
#define BUFFER_OCTETS (RTE_MBUF_DEFAULT_BUF_SIZE + 512) /* with its heads, generously */

static struct dpdk_port *dpdk_of(struct port *port)
{
    return (struct dpdk_port *)port;
}

/* Buffers of one queue: its ring, what waits to be sent, a burst, caches. A fixed amount, so that
 * memory is bounded. */
static uint32_t pool_size(const struct port_options *options, bool spreads)
{
    uint32_t ring = (uint32_t)options->config->capture.ring;
    uint32_t rings = spreads ? options->workers : 0;

    return 3 * ring + rings * ring + 2 * SEND_RING + 4 * POOL_CACHE;
}

static uint64_t memory_needed(const struct port_options *options)
{
    uint64_t per_port = (uint64_t)pool_size(options, false) * (options->workers + 1u);

    if (options->workers > 1 && pool_size(options, true) > per_port)
        per_port = pool_size(options, true);
    return per_port * BUFFER_OCTETS * options->source_count;
}

static int explain(const struct dpdk_port *port, int status, const char *what, const char *why,
                   char error[CAPTURE_ERROR_MAX])
{
    snprintf(error, CAPTURE_ERROR_MAX, "%.180s: %.100s: %.220s", port->source, what, why);
    return status < 0 ? status : -EIO;
}

/* --- finding the device --- */

static bool is_af_xdp(const char *source, char interface[64])
{
    return strncmp(port_device(source), "net_af_xdp", strlen("net_af_xdp")) == 0 &&
           eal_device_argument(source, "iface", interface, 64);
}

static int explain_pci(const struct dpdk_port *port, char error[CAPTURE_ERROR_MAX])
{
    char path[200];

    snprintf(path, sizeof(path), "/sys/bus/pci/devices/%.100s", port->device);
    if (access(path, F_OK) != 0)
        snprintf(error, CAPTURE_ERROR_MAX, "%.200s: no such PCI device: lspci -D lists them",
                 port->source);
    else
        snprintf(error, CAPTURE_ERROR_MAX,
                 "%.200s: no driver of DPDK took the device: bind it with dpdk-devbind.py "
                 "--bind=vfio-pci %.100s (not needed for mlx5)",
                 port->source, port->device);
    return -ENODEV;
}

static int device_probe(struct dpdk_port *port, struct dpdk_words *words,
                        char error[CAPTURE_ERROR_MAX])
{
    bool pci = eal_is_pci(port->source);
    uint16_t other;

    if (rte_eth_dev_get_port_by_name(port->device, &other) == 0 && !pci)
        return explain(port, -EEXIST, "cannot be opened", "this device is named twice", error);
    if (!pci) {
        int status = rte_dev_probe(port_device(port->source));
        if (status != 0)
            return explain(port, status, "DPDK cannot make this device",
                           dpdk_words_line(words, strerror(-status)), error);
    }
    if (rte_eth_dev_get_port_by_name(port->device, &port->id) == 0)
        return 0;
    port->id = DPDK_NO_PORT;
    if (pci)
        return explain_pci(port, error);
    return explain(port, -ENODEV, "cannot be opened", "the device has no Ethernet port", error);
}

/* Virtual devices on an interface of the kernel do not say when it goes. */
static int interface_find(struct dpdk_port *port, char error[CAPTURE_ERROR_MAX])
{
    char name[64];

    port->last.link_up = true;
    if (strncmp(port->device, "net_af_", strlen("net_af_")) != 0 ||
        !eal_device_argument(port->source, "iface", name, sizeof(name)))
        return 0;
    int status = interface_open(&port->interface, name);
    if (status == 0)
        status = interface_read(&port->interface, &port->first);
    if (status == -ENODEV)
        return explain(port, status, "no such interface", name, error);
    port->is_kept = port->first.xdp_program != 0;
    return status == 0 ? 0 : explain(port, status, name, strerror(-status), error);
}

static int refuse_default_route(struct dpdk_port *port, const struct port_options *options,
                                char error[CAPTURE_ERROR_MAX])
{
    char name[64];

    if (port->interface.socket < 0 || options->take_over || !is_af_xdp(port->source, name) ||
        interface_has_default_route(&port->interface) != 1)
        return 0;
    return explain(port, -EBUSY, "refused",
                   "the interface holds the default route, taking it would cut this machine off; "
                   "if that is meant, say --take-over",
                   error);
}

/* --- which worker reads what --- */

/* Several devices net_af_xdp on one interface are its queues: they go to the workers in turn. */
static void siblings_find(struct dpdk_port *port, const struct port_options *options)
{
    char mine[64], other[64];
    unsigned before = 0, behind = 0;

    port->only_worker = -1;
    if (!is_af_xdp(port->source, mine))
        return;
    for (uint16_t i = 0; i < options->source_count; i++) {
        const char *source = options->all_sources[i];
        if (i == options->index || !is_af_xdp(source, other) || strcmp(mine, other) != 0)
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
    return explain(port, status, "cannot set up its queues",
                   dpdk_words_line(words, strerror(-status)), error);
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
        return explain(port, status, "gives no information", strerror(-status), error);
    port->socket = rte_eth_dev_socket_id(port->id);
    port->ring = (uint32_t)options->config->capture.ring;
    plan_make(port, options, &info);
    int send_queues = send_queues_of(port, options, &info, error);
    if (send_queues < 0)
        return send_queues;
    conf_make(port, &info, options->inline_mode, &conf);
    status = rte_eth_dev_configure(port->id, port->plan.queues, (uint16_t)send_queues, &conf);
    if (status != 0)
        return explain(port, status, "cannot be configured",
                       dpdk_words_line(words, strerror(-status)), error);
    port->configured = true;
    return queues_setup(port, options, (uint16_t)send_queues, words, error);
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
        return explain(port, status, "cannot make rings", strerror(-status), error);
    status = rte_eth_dev_start(port->id);
    if (status != 0)
        return explain(port, status, "cannot be started", dpdk_words_line(words, strerror(-status)),
                       error);
    if (options->config->capture.promiscuous)
        promiscuous_set(port);
    rte_eth_stats_get(port->id, &port->base_stats);
    return 0;
}

static int filter_make(struct dpdk_port *port, const struct port_options *options,
                       char error[CAPTURE_ERROR_MAX])
{
    struct capture_filter *filter = NULL;
    char text[CAPTURE_ERROR_MAX];
    int status =
        capture_filter_with_ignored(options->filter, &options->config->capture, &filter, text);

    if (status == 0 && filter) {
        pcap_t *pcap = pcap_open_dead(DLT_EN10MB, 65535);
        status = pcap ? capture_filter_compile(filter, pcap, &port->program, text) : -ENOMEM;
        port->filtering = status == 0;
        if (pcap)
            pcap_close(pcap);
    }
    capture_filter_destroy(filter);
    return status == 0 ? 0 : explain(port, status, "filter", text, error);
}

/* --- what the port says of itself --- */

static const char *spread_text(const struct dpdk_port *port, char buffer[64])
{
    if (port->only_worker >= 0) {
        snprintf(buffer, 64, "1 queue, for worker %d", port->only_worker);
        return buffer;
    }
    switch (port->plan.method) {
    case RSS_HARDWARE:
        snprintf(buffer, 64, "%u queues, spread by the port (symmetric RSS)", port->plan.queues);
        return buffer;
    case RSS_DEVICE:
        snprintf(buffer, 64, "%u queues, as the device fills them", port->plan.queues);
        return buffer;
    case RSS_SOFTWARE:
        snprintf(buffer, 64, "%u queue%s, spread over %u workers in software", port->plan.queues,
                 port->plan.queues == 1 ? "" : "s", port->workers);
        return buffer;
    default:
        snprintf(buffer, 64, "%u queue%s, 1 worker", port->plan.queues,
                 port->plan.queues == 1 ? "" : "s");
        return buffer;
    }
}

/* These drivers do not count what the kernel drops before them. */
static const char *loss_text(const char *driver)
{
    return strcmp(driver, "net_af_packet") == 0 || strcmp(driver, "net_tap") == 0
               ? "; loss in the kernel before this device is not visible"
               : "";
}

static void about_write(struct dpdk_port *port)
{
    struct rte_eth_dev_info info = {.driver_name = ""};
    char buffer[64];

    rte_eth_dev_info_get(port->id, &info);
    snprintf(port->about, sizeof(port->about),
             "%.150s: driver %.40s, %s, %s memory, NUMA node %d%s%s%.150s", port->source,
             info.driver_name, spread_text(port, buffer),
             port->huge_pages ? "huge pages as" : "no huge pages: ordinary", port->socket,
             loss_text(info.driver_name), port->plan.note ? "; " : "",
             port->plan.note ? port->plan.note : "");
}

void dpdk_port_counters(const struct dpdk_port *port, struct rte_eth_stats *stats)
{
    *stats = (struct rte_eth_stats){0};
    if (rte_eth_stats_get(port->id, stats) != 0)
        return;
    stats->ipackets -= port->base_stats.ipackets;
    stats->imissed -= port->base_stats.imissed;
    stats->ierrors -= port->base_stats.ierrors;
}

static uint64_t packets_of(uint16_t id)
{
    struct rte_eth_stats stats = {0};

    rte_eth_stats_get(id, &stats);
    return stats.ipackets + stats.imissed;
}

static uint64_t siblings_packets(const struct dpdk_port *port)
{
    uint64_t packets = 0;
    uint16_t id;

    for (uint16_t i = 0; i < port->sibling_count; i++)
        if (rte_eth_dev_get_port_by_name(port->sibling[i], &id) == 0)
            packets += packets_of(id);
    return packets;
}

/* The account of an interface with several devices is the first one's: the others' packets are not
 * among those it should have. */
static void interface_stats_take(struct dpdk_port *port)
{
    uint64_t elsewhere = siblings_packets(port);
    struct interface_state state;

    if (port->last.gone || interface_read(&port->interface, &state) != 0)
        return;
    port->last.gone = state.gone;
    port->last.link_up = state.up;
    if (state.gone)
        return;
    uint64_t packets = state.rx_packets - port->first.rx_packets;
    port->last.interface_packets = packets > elsewhere ? packets - elsewhere : 0;
    port->last.interface_dropped = state.rx_dropped - port->first.rx_dropped;
}

static void device_stats_take(struct dpdk_port *port)
{
    struct rte_eth_stats counted;

    dpdk_port_counters(port, &counted);
    port->last.interface_packets = counted.ipackets + counted.imissed;
    port->last.interface_dropped = counted.imissed;
}

static void dpdk_port_stats(struct port *base, struct port_stats *stats)
{
    struct dpdk_port *port = dpdk_of(base);
    struct rte_eth_link link;

    if (port->interface.socket >= 0)
        interface_stats_take(port);
    else if (rte_eth_link_get_nowait(port->id, &link) == 0)
        port->last.link_up = link.link_status == RTE_ETH_LINK_UP;
    if (port->interface.socket < 0 || port->is_sibling)
        device_stats_take(port);
    *stats = port->last;
}

static struct capture *dpdk_queue_of(struct port *base, unsigned worker)
{
    struct dpdk_port *port = dpdk_of(base);

    if (worker >= port->workers || (port->only_worker >= 0 && (int)worker != port->only_worker))
        return NULL;
    return &port->queue[worker].base;
}

/* Rights have been given up before this, if they are. */
static bool is_confined(void)
{
    char line[128];
    unsigned long long rights = 0;
    unsigned seccomp = 0;
    FILE *status = fopen("/proc/self/status", "re");

    while (status && fgets(line, sizeof(line), status)) {
        sscanf(line, "CapEff: %llx", &rights);
        sscanf(line, "Seccomp: %u", &seccomp);
    }
    if (status)
        fclose(status);
    return seccomp != 0 || !(rights >> CAP_NET_ADMIN & 1);
}

static int dpdk_start(struct port *base)
{
    struct dpdk_port *port = dpdk_of(base);

    port->is_kept = port->is_kept || is_confined();
    if (port->interface.socket >= 0)
        interface_read(&port->interface, &port->first);
    if (port->pair_device[0] && rte_eth_dev_get_port_by_name(port->pair_device, &port->pair) != 0)
        return -ENODEV;
    return port->plan.method == RSS_SOFTWARE ? dpdk_spread_start(port) : 0;
}

static void dpdk_stop(struct port *base)
{
    struct dpdk_port *port = dpdk_of(base);
    struct rte_eth_stats stats;

    dpdk_port_counters(port, &stats);
    port->missed_at_end = stats.imissed;
    atomic_store_explicit(&port->stopped, true, memory_order_release);
    dpdk_spread_stop(port);
}

static const char *dpdk_describe(const struct port *base)
{
    return ((const struct dpdk_port *)base)->about;
}

static void device_close(struct dpdk_port *port)
{
    if (port->id == DPDK_NO_PORT)
        return;
    for (unsigned i = 0; i < DPDK_PRINTERS; i++)
        if (port->printers[i])
            port->printers[i](NULL);
    if (port->configured)
        rte_eth_dev_stop(port->id);
    rte_eth_dev_close(port->id);
}

/*
 * Without rights drivers cannot undo what they set up, and try with calls that a filter answers
 * with the end of the process. And net_af_xdp takes the program off its interface although another
 * process may have brought it, whose queues would then be deaf. The kernel cleans up after a
 * process, all but that program.
 */
static void device_release(struct dpdk_port *port)
{
    if (port->is_kept)
        return;
    device_close(port);
    for (unsigned i = 0; i < CONFIG_WORKERS_MAX; i++)
        rte_mempool_free(port->pool[i]);
    dpdk_eal_stop();
}

static void dpdk_close(struct port *base)
{
    struct dpdk_port *port = dpdk_of(base);

    dpdk_spread_stop(port);
    for (uint16_t i = 0; port->queue && i < port->workers; i++)
        dpdk_queue_fini(&port->queue[i]);
    device_release(port);
    if (port->promiscuous_fd >= 0)
        close(port->promiscuous_fd);
    interface_close(&port->interface);
    if (port->filtering)
        pcap_freecode(&port->program);
    free(port->queue);
    free(port->source);
    free(port);
}

static const struct port_ops dpdk_ops = {
    .queue = dpdk_queue_of,
    .start = dpdk_start,
    .stop = dpdk_stop,
    .stats = dpdk_port_stats,
    .describe = dpdk_describe,
    .close = dpdk_close,
};

/* --- opening --- */

static int port_prepare(struct dpdk_port *port, const struct port_options *options)
{
    port->base.ops = &dpdk_ops;
    port->id = port->pair = DPDK_NO_PORT;
    port->interface.socket = port->promiscuous_fd = -1;
    port->index = options->index;
    port->workers = options->workers;
    port->source = strdup(options->source);
    port->queue = aligned_alloc(64, options->workers * sizeof(*port->queue));
    if (!port->source || !port->queue)
        return -ENOMEM;
    memset(port->queue, 0, options->workers * sizeof(*port->queue));
    eal_device_name(options->source, port->device, sizeof(port->device));
    if (options->inline_mode)
        eal_device_name(options->all_sources[options->index ^ 1], port->pair_device,
                        sizeof(port->pair_device));
    /* The kernel's random octets for this process: the same for all ports, so that both directions
     * of a tap meet. */
    memcpy(&port->seed, (const void *)getauxval(AT_RANDOM), sizeof(port->seed));
    return 0;
}

static int port_build(struct dpdk_port *port, const struct port_options *options,
                      struct dpdk_words *words, char error[CAPTURE_ERROR_MAX])
{
    int status = interface_find(port, error);

    if (status == 0)
        status = refuse_default_route(port, options, error);
    if (status == 0)
        status = filter_make(port, options, error);
    if (status == 0)
        status = dpdk_eal_start(options, memory_needed(options), words, error);
    if (status == 0)
        status = device_probe(port, words, error);
    dpdk_printers_find(port->printers);
    if (status == 0)
        status = port_configure(port, options, words, error);
    if (status == 0)
        status = port_run(port, options, words, error);
    if (status != 0)
        return status;
    for (uint16_t i = 0; i < port->workers; i++)
        dpdk_queue_init(&port->queue[i], port, i);
    port->huge_pages = rte_eal_has_hugepages();
    about_write(port);
    return 0;
}

int port_open_dpdk(const struct port_options *options, struct port **out,
                   char error[CAPTURE_ERROR_MAX])
{
    struct dpdk_port *port = calloc(1, sizeof(*port));
    struct dpdk_words words;

    snprintf(error, CAPTURE_ERROR_MAX, "%.200s: out of memory", options->source);
    if (!port)
        return -ENOMEM;
    int status = port_prepare(port, options);
    dpdk_words_begin(&words, dpdk_eal_logs(options));
    if (status == 0)
        status = port_build(port, options, &words, error);
    dpdk_words_end(&words);
    if (status != 0) {
        dpdk_close(&port->base);
        return status;
    }
    *out = &port->base;
    return 0;
}
