#include <errno.h>
#include <linux/ethtool.h>
#include <linux/if_packet.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "capture/xdp_port.h"
#include "base/memory.h"
#include "weir/config.h"

#define ETHERNET_OVERHEAD 22u /* header and a VLAN tag, beside the MTU */
#define CHUNK_SMALL 2048u
#define CHUNK_LARGE 4096u
#define LEFT_TRIES 25
#define LEFT_WAIT_US 20000

/* --- what the interface is like --- */

static int ethtool_get(const struct xdp_port *port, void *request)
{
    struct ifreq r = {.ifr_data = request};

    snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", port->device);
    return ioctl(port->interface.socket, SIOCETHTOOL, &r) == 0 ? 0 : -errno;
}

/* Those in use; the interface may have been made with more. */
static uint32_t queues_count(const struct xdp_port *port)
{
    struct ethtool_channels channels = {.cmd = ETHTOOL_GCHANNELS};
    uint32_t count = 0;

    if (ethtool_get(port, &channels) == 0)
        count = channels.combined_count + channels.rx_count;
    if (!count)
        count = port->first.rx_queues;
    return count ? count : 1;
}

/* A tag that the port takes out of the frame is not seen here. */
static bool strips_vlan(const struct xdp_port *port)
{
    struct ethtool_value flags = {.cmd = ETHTOOL_GFLAGS};

    return ethtool_get(port, &flags) == 0 && (flags.data & ETH_FLAG_RXVLAN);
}

/* --- opening, step by step; each leaves what it did to xdp_close() --- */

static int interface_check(struct xdp_port *port, const struct port_options *options, int *step)
{
    *step = XDP_STEP_INTERFACE;
    int status = interface_open(&port->interface, port->device);
    if (status == 0)
        status = interface_read(&port->interface, &port->first);
    if (status == 0 && port->first.gone)
        status = -ENODEV;
    if (status != 0)
        return status;
    *step = XDP_STEP_ETHERNET;
    if (!port->first.ethernet)
        return -EPROTOTYPE;
    *step = XDP_STEP_DEFAULT_ROUTE;
    if (!options->take_over && interface_has_default_route(&port->interface) > 0)
        return -EBUSY;
    *step = XDP_STEP_FOREIGN_PROGRAM;
    for (unsigned i = 0; port->first.xdp_program && i < LEFT_TRIES; i++) {
        usleep(LEFT_WAIT_US); /* that of a process which has just ended goes by itself */
        interface_read(&port->interface, &port->first);
    }
    return port->first.xdp_program ? -EBUSY : 0;
}

static int plan_make(struct xdp_port *port, const struct port_options *options, int *step)
{
    enum capture_spread spread = (enum capture_spread)options->config->capture.spread;

    *step = XDP_STEP_PLAN;
    return xdp_plan_make(&port->plan, queues_count(port), port->workers, spread);
}

static int rights_check(int *step)
{
    char names[RIGHTS_TEXT_MAX];

    *step = XDP_STEP_RIGHTS;
    return rights_missing(XDP_RIGHTS, rights_effective(), names) ? -EPERM : 0;
}

static int program_load(struct xdp_port *port, const struct port_options *options, int *step)
{
    *step = XDP_STEP_LOAD;
    return xdp_program_load(&port->program, &port->plan, &options->config->capture,
                            options->spread_key);
}

static int queue_sockets_open(struct xdp_port *port, uint32_t queue,
                              struct xdp_socket_options *options, enum xdp_step *step)
{
    const struct xdp_queue_sockets *of = &port->plan.queue[queue];
    struct xdp_umem *umem = &port->umem[queue];

    options->queue = queue;
    options->sockets = of->count;
    int status = xdp_umem_open(umem, options, step);
    for (uint32_t i = 0; status == 0 && i < of->count; i++) {
        const struct xdp_socket *first = i ? &port->socket[of->first] : NULL;
        status = xdp_socket_open(&port->socket[of->first + i], umem, first, options, step);
    }
    return status;
}

static int sockets_open(struct xdp_port *port, const struct port_options *options, int *step)
{
    const struct capture_config *config = &options->config->capture;
    uint32_t frame = port->first.mtu + ETHERNET_OVERHEAD;
    enum xdp_step failed = XDP_STEP_SOCKET;
    struct xdp_socket_options wanted = {
        .interface = port->interface.index,
        .ring = (uint32_t)config->ring,
        .chunk = frame <= xdp_chunk_room(CHUNK_SMALL) ? CHUNK_SMALL : CHUNK_LARGE,
        .fragments = frame > xdp_chunk_room(CHUNK_LARGE),
        .generic = config->xdp_mode == XDP_MODE_GENERIC,
        .busy_poll = config->busy_poll,
    };
    int status = 0;

    for (uint32_t q = 0; status == 0 && q < port->plan.queues; q++)
        status = queue_sockets_open(port, q, &wanted, &failed);
    *step = (int)failed;
    return status;
}

static int queues_open(struct xdp_port *port, const struct port_options *options, int *step,
                       char error[CAPTURE_ERROR_MAX])
{
    int status = 0;

    for (uint32_t i = 0; status == 0 && i < port->workers; i++) {
        *step = XDP_STEP_MEMORY;
        status = xdp_queue_open(&port->queue[i], port, i);
        if (status != 0 || !options->filter)
            continue;
        *step = XDP_STEP_FILTER;
        status = xdp_queue_filter(&port->queue[i], options->filter, error);
    }
    return status;
}

/* The membership ends with the socket, also when the process is killed. */
static int promiscuous_set(struct xdp_port *port, const struct port_options *options, int *step)
{
    struct packet_mreq membership = {
        .mr_ifindex = (int)port->interface.index,
        .mr_type = PACKET_MR_PROMISC,
    };

    *step = XDP_STEP_PROMISCUOUS;
    if (!options->config->capture.promiscuous)
        return 0;
    port->promiscuous = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
    if (port->promiscuous < 0 || setsockopt(port->promiscuous, SOL_PACKET, PACKET_ADD_MEMBERSHIP,
                                            &membership, sizeof(membership)) != 0)
        return -errno;
    return 0;
}

static int program_attach(struct xdp_port *port, const struct port_options *options, int *step)
{
    uint64_t mode = options->config->capture.xdp_mode;
    int status = 0;

    *step = XDP_STEP_LOAD;
    for (uint32_t i = 0; status == 0 && i < port->plan.sockets; i++)
        status = xdp_program_set_socket(&port->program, i, port->socket[i].fd);
    if (status != 0)
        return status;
    *step = XDP_STEP_ATTACH;
    port->generic = mode == XDP_MODE_GENERIC;
    status = xdp_program_attach(&port->program, port->interface.index, port->generic);
    if (status == -EOPNOTSUPP && mode == XDP_MODE_AUTO) {
        port->generic = true;
        status = xdp_program_attach(&port->program, port->interface.index, true);
    }
    return status;
}

/* The program comes last: until then nothing has changed for the traffic. */
static int open_steps(struct xdp_port *port, const struct port_options *options, int *step,
                      char error[CAPTURE_ERROR_MAX])
{
    int status = interface_check(port, options, step);

    if (status == 0)
        status = plan_make(port, options, step);
    if (status == 0)
        status = rights_check(step);
    if (status == 0)
        status = program_load(port, options, step);
    if (status == 0)
        status = sockets_open(port, options, step);
    if (status == 0)
        status = queues_open(port, options, step, error);
    if (status == 0)
        status = promiscuous_set(port, options, step);
    if (status == 0)
        status = program_attach(port, options, step);
    return status;
}

/* --- the port --- */

static struct xdp_port *port_of(struct port *port)
{
    return (struct xdp_port *)port;
}

static struct capture *xdp_queue_of(struct port *port, unsigned worker)
{
    struct xdp_port *xdp = port_of(port);

    return worker < xdp->workers && xdp->queue[worker].count ? &xdp->queue[worker].base : NULL;
}

/* What came in before belongs to the operating system, and is none of ours. */
static int xdp_start(struct port *port)
{
    struct xdp_port *xdp = port_of(port);

    xdp_program_totals(&xdp->program, &xdp->before);
    interface_read(&xdp->interface, &xdp->first);
    xdp_program_run(&xdp->program, true);
    return 0;
}

static int xdp_prepare(struct port *port, const struct capture_config *config,
                       char error[CAPTURE_ERROR_MAX])
{
    (void)error;
    xdp_program_prepare(&port_of(port)->program, config);
    return 0;
}

static int xdp_commit(struct port *port, char error[CAPTURE_ERROR_MAX])
{
    (void)error;
    xdp_program_commit(&port_of(port)->program);
    return 0;
}

/* What was steered lies in the sockets when this returns. */
static void xdp_stop(struct port *port)
{
    xdp_program_run(&port_of(port)->program, false);
    xdp_program_settle();
}

static void xdp_port_stats(struct port *port, struct port_stats *stats)
{
    struct xdp_port *xdp = port_of(port);
    struct interface_state state;
    struct xdp_counters total;

    if (!xdp->last.gone && interface_read(&xdp->interface, &state) == 0) {
        xdp->last.gone = state.gone;
        xdp->last.link_up = state.up;
        if (!state.gone) {
            xdp->last.interface_packets = state.rx_packets - xdp->first.rx_packets;
            xdp->last.interface_dropped = state.rx_dropped - xdp->first.rx_dropped;
        }
    }
    xdp_program_totals(&xdp->program, &total);
    xdp->last.passed = total.passed - xdp->before.passed;
    xdp->last.ignored = total.ignored;
    xdp->last.ignored_octets = total.ignored_octets;
    *stats = xdp->last;
}

static const char *xdp_describe(const struct port *port)
{
    return ((const struct xdp_port *)port)->about;
}

/* The program goes first, so that nothing is steered to sockets that close. */
static void xdp_close(struct port *port)
{
    struct xdp_port *xdp = port_of(port);

    xdp_program_close(&xdp->program);
    for (uint32_t i = 0; xdp->queue && i < xdp->workers; i++)
        xdp_queue_close(&xdp->queue[i]);
    for (uint32_t i = 0; i < XDP_SOCKETS_MAX; i++)
        xdp_socket_close(&xdp->socket[i]);
    for (uint32_t i = 0; i < XDP_QUEUES_MAX; i++)
        xdp_umem_close(&xdp->umem[i]);
    if (xdp->promiscuous >= 0)
        close(xdp->promiscuous);
    interface_close(&xdp->interface);
    free(xdp->queue);
    free(xdp->source);
    free(xdp);
}

static const struct port_ops xdp_ops = {
    .queue = xdp_queue_of,
    .start = xdp_start,
    .prepare = xdp_prepare,
    .commit = xdp_commit,
    .stop = xdp_stop,
    .stats = xdp_port_stats,
    .describe = xdp_describe,
    .close = xdp_close,
};

static const char *mode_text(const struct xdp_port *port, const struct port_options *options)
{
    if (!port->generic)
        return "native";
    return options->config->capture.xdp_mode == XDP_MODE_GENERIC
               ? "generic"
               : "generic (its driver has no native XDP: slower)";
}

static void about_write(struct xdp_port *port, const struct port_options *options)
{
    const struct xdp_umem *umem = &port->umem[0];
    size_t octets = 0;

    for (uint32_t q = 0; q < port->plan.queues; q++)
        octets += port->umem[q].octets;
    snprintf(port->about, sizeof(port->about),
             "%.100s: takes the port by XDP, %s, %s, %u queue%s, %u socket%s, %zu MiB%s%s%s%s",
             port->source, mode_text(port, options),
             xdp_socket_copies(&port->socket[0]) ? "copy" : "zero-copy", port->plan.queues,
             port->plan.queues == 1 ? "" : "s", port->plan.sockets,
             port->plan.sockets == 1 ? "" : "s", octets >> 20, umem->huge ? " in huge pages" : "",
             port->promiscuous >= 0 ? ", promiscuous" : "",
             port->first.mtu + ETHERNET_OVERHEAD > xdp_chunk_room(umem->chunk)
                 ? ", of longer frames only the start is read"
                 : "",
             strips_vlan(port) ? ", VLAN tags are not seen (turn it off: ethtool -K ... rxvlan off)"
                               : "");
}

static struct xdp_port *port_create(const struct port_options *options)
{
    struct xdp_port *port = memory_lines(sizeof(*port));

    if (!port)
        return NULL;
    port->base.ops = &xdp_ops;
    port->interface.socket = port->promiscuous = port->program.link = -1;
    for (uint32_t i = 0; i < XDP_SOCKETS_MAX; i++)
        port->socket[i].fd = -1;
    port->index = options->index;
    port->workers = options->workers;
    port->queue = memory_lines(options->workers * sizeof(*port->queue));
    port->source = strdup(options->source);
    if (!port->queue || !port->source) {
        xdp_close(&port->base);
        return NULL;
    }
    for (uint32_t i = 0; i < port->workers; i++)
        port->queue[i].wait_fd = -1;
    port->device = port_device(port->source);
    port->last.link_up = true;
    return port;
}

int port_open_xdp(const struct port_options *options, struct port **out,
                  char error[CAPTURE_ERROR_MAX])
{
    struct xdp_port *port = port_create(options);
    int step = XDP_STEP_INTERFACE;

    snprintf(error, CAPTURE_ERROR_MAX, "%.100s: out of memory", options->source);
    if (!port)
        return -ENOMEM;
    int status = open_steps(port, options, &step, error);
    if (status != 0) {
        xdp_explain(port, step, status, error);
        xdp_close(&port->base);
        return status;
    }
    about_write(port, options);
    *out = &port->base;
    return 0;
}
