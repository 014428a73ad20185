#include "capture/dpdk.h"

#include <errno.h>
#include <linux/capability.h>
#include <rte_dev.h>
#include <rte_mempool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "base/memory.h"
#include "capture/eal.h"
#include "capture/filter.h"
#include "capture/rights.h"
#include "weir/config.h"

static struct dpdk_port *dpdk_of(struct port *port)
{
    return (struct dpdk_port *)port;
}

/* --- finding the device --- */

bool dpdk_is_af_xdp(const char *source, char interface[64])
{
    return strncmp(port_device(source), "net_af_xdp", strlen("net_af_xdp")) == 0 &&
           eal_device_argument(source, "iface", interface, 64);
}

static int device_probe(struct dpdk_port *port, struct dpdk_words *words,
                        char error[CAPTURE_ERROR_MAX])
{
    bool pci = eal_is_pci(port->source);
    uint16_t other;

    if (rte_eth_dev_get_port_by_name(port->device, &other) == 0 && !pci)
        return dpdk_explain(port, -EEXIST, "cannot be opened", "this device is named twice", error);
    if (!pci) {
        int status = rte_dev_probe(port_device(port->source));
        if (status != 0)
            return dpdk_explain_device(port, status, "DPDK cannot make this device", words, error);
    }
    if (rte_eth_dev_get_port_by_name(port->device, &port->id) == 0)
        return 0;
    port->id = DPDK_NO_PORT;
    if (pci)
        return dpdk_explain_pci(port, error);
    return dpdk_explain(port, -ENODEV, "cannot be opened", "the device has no Ethernet port",
                        error);
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
        return dpdk_explain(port, status, name, "no such interface: ip link lists them", error);
    port->is_kept = port->first.xdp_program != 0;
    return status == 0 ? 0 : dpdk_explain(port, status, name, strerror(-status), error);
}

static int refuse_default_route(struct dpdk_port *port, const struct port_options *options,
                                char error[CAPTURE_ERROR_MAX])
{
    char name[64];

    if (port->interface.socket < 0 || options->take_over || !dpdk_is_af_xdp(port->source, name) ||
        interface_has_default_route(&port->interface) != 1)
        return 0;
    return dpdk_explain(
        port, -EBUSY, "refused",
        "the interface holds the default route, taking it would cut this machine off; "
        "if that is meant, say --take-over",
        error);
}

static int dpdk_prepare(struct port *base, const struct capture_config *config,
                        char error[CAPTURE_ERROR_MAX])
{
    struct dpdk_port *port = dpdk_of(base);
    char text[CAPTURE_ERROR_MAX];
    int status = filter_slot_prepare(&port->leaves, port->filter, config, DLT_EN10MB, text);

    return status == 0 ? 0 : dpdk_explain(port, status, "filter", text, error);
}

static int dpdk_commit(struct port *base, char error[CAPTURE_ERROR_MAX])
{
    (void)error;
    filter_slot_commit(&dpdk_of(base)->leaves);
    return 0;
}

static int filter_make(struct dpdk_port *port, const struct port_options *options,
                       char error[CAPTURE_ERROR_MAX])
{
    port->filter = options->filter;
    int status = dpdk_prepare(&port->base, &options->config->capture, error);
    return status == 0 ? dpdk_commit(&port->base, error) : status;
}

/* --- what it counts --- */

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

/* Rights have been given up before this, if they are; a filter of system calls may forbid to ask
 * for them. */
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
    return seccomp != 0 || !(rights & RIGHT(CAP_NET_ADMIN));
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
    filter_slot_fini(&port->leaves);
    free(port->queue);
    free(port->source);
    free(port);
}

static const struct port_ops dpdk_ops = {
    .queue = dpdk_queue_of,
    .start = dpdk_start,
    .prepare = dpdk_prepare,
    .commit = dpdk_commit,
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
    port->queue = memory_lines(options->workers * sizeof(*port->queue));
    if (!port->source || !port->queue)
        return -ENOMEM;
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
        status = dpdk_eal_start(options, dpdk_memory_needed(options), words, error);
    if (status == 0)
        status = device_probe(port, words, error);
    dpdk_printers_find(port->printers);
    if (status == 0)
        status = dpdk_setup(port, options, words, error);
    if (status != 0)
        return status;
    for (uint16_t i = 0; i < port->workers; i++)
        dpdk_queue_init(&port->queue[i], port, i);
    port->huge_pages = rte_eal_has_hugepages();
    dpdk_about_write(port);
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
