#include "capture/live.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/memory.h"
#include "capture/link.h"
#include "weir/config.h"
#include "weir/packet.h"

static int queues_open(struct live_port *port, char error[CAPTURE_ERROR_MAX])
{
    int status = 0, group = -1;

    for (uint16_t i = 0; status == 0 && i < port->queue_count; i++) {
        port->queue[i].owner = port;
        status = live_queue_open(&port->queue[i], &group, error);
    }
    if (status != 0)
        return status;
    port->link = (uint8_t)link_of_dlt(pcap_datalink(port->queue[0].pcap));
    status = live_filter_prepare(port, &port->options->config->capture, error);
    return status == 0 ? live_filter_commit(port, error) : status;
}

/* --- the port --- */

static struct capture *live_queue_of(struct port *port, unsigned worker)
{
    struct live_port *live = (struct live_port *)port;

    return worker < live->queue_count ? &live->queue[worker].base : NULL;
}

static void live_port_stats(struct port *port, struct port_stats *stats)
{
    struct live_port *live = (struct live_port *)port;
    struct interface_state state;

    if (!live_is_any(live) && !live->last.gone && interface_read(&live->interface, &state) == 0) {
        live->last.gone = state.gone;
        live->last.link_up = state.up;
        if (!state.gone) {
            live->last.interface_packets = state.rx_packets - live->first.rx_packets;
            live->last.interface_dropped = state.rx_dropped - live->first.rx_dropped;
        }
    }
    *stats = live->last;
}

static int live_prepare(struct port *port, const struct capture_config *config,
                        char error[CAPTURE_ERROR_MAX])
{
    return live_filter_prepare((struct live_port *)port, config, error);
}

static int live_commit(struct port *port, char error[CAPTURE_ERROR_MAX])
{
    return live_filter_commit((struct live_port *)port, error);
}

static void live_stop(struct port *port)
{
    struct live_port *live = (struct live_port *)port;
    char ignored[CAPTURE_ERROR_MAX];

    for (uint16_t i = 0; i < live->queue_count; i++)
        live_filter_nothing(&live->queue[i], ignored);
}

static const char *live_describe(const struct port *port)
{
    return ((const struct live_port *)port)->about;
}

static void live_close(struct port *port)
{
    struct live_port *live = (struct live_port *)port;

    for (uint16_t i = 0; i < live->queue_count; i++)
        live_queue_fini(&live->queue[i]);
    live_filter_fini(live);
    interface_close(&live->interface);
    free(live->source);
    free(live);
}

static const struct port_ops live_ops = {
    .queue = live_queue_of,
    .prepare = live_prepare,
    .commit = live_commit,
    .stop = live_stop,
    .stats = live_port_stats,
    .describe = live_describe,
    .close = live_close,
};

static int explain_interface(const struct live_port *port, int status,
                             char error[CAPTURE_ERROR_MAX])
{
    if (status == -ENODEV)
        snprintf(error, CAPTURE_ERROR_MAX, "%.200s: no such interface: ip link lists them",
                 port->source);
    else
        snprintf(error, CAPTURE_ERROR_MAX, "%.200s: %s", port->source, strerror(-status));
    return status;
}

static int interface_watch(struct live_port *port, char error[CAPTURE_ERROR_MAX])
{
    port->last.link_up = true;
    if (live_is_any(port))
        return 0;
    int status = interface_open(&port->interface, port->device);
    if (status == 0)
        status = interface_read(&port->interface, &port->first);
    if (status == 0 && port->first.gone)
        status = -ENODEV;
    return status == 0 ? 0 : explain_interface(port, status, error);
}

static const char *spread_text(const struct live_port *port)
{
    if (port->queue_count == 1)
        return "1 worker";
    return port->options->config->capture.spread == SPREAD_L4 ? "workers share by addresses and "
                                                                "ports"
                                                              : "workers share by address pair";
}

static void about_write(struct live_port *port)
{
    char buffer[16];
    int dlt = pcap_datalink(port->queue[0].pcap);

    snprintf(port->about, sizeof(port->about),
             "%.200s: a copy by libpcap (%s%s), %u x %d MiB ring%s, %s", port->source,
             link_dlt_name(dlt, buffer),
             port->link == LINK_UNSUPPORTED ? ", not supported: its packets make no flows" : "",
             port->queue_count, live_ring_octets(port) >> 20,
             port->promiscuous && !live_is_any(port) ? ", promiscuous" : "", spread_text(port));
}

static int live_start(struct live_port *port, char error[CAPTURE_ERROR_MAX])
{
    int status = interface_watch(port, error);

    if (status == 0)
        status = queues_open(port, error);
    if (status == 0)
        about_write(port);
    port->options = NULL;
    return status;
}

int port_open_live(const struct port_options *options, struct port **out,
                   char error[CAPTURE_ERROR_MAX])
{
    struct live_port *port =
        memory_lines(sizeof(*port) + options->workers * sizeof(struct live_queue));

    snprintf(error, CAPTURE_ERROR_MAX, "%.200s: out of memory", options->source);
    if (!port)
        return -ENOMEM;
    port->base.ops = &live_ops;
    port->interface.socket = -1;
    port->options = options;
    port->filter = options->filter;
    port->index = options->index;
    port->promiscuous = options->config->capture.promiscuous;
    port->queue_count = options->workers;
    port->source = strdup(options->source);
    port->device = port->source ? port_device(port->source) : NULL;
    int status = port->source ? live_start(port, error) : -ENOMEM;
    if (status != 0) {
        live_close(&port->base);
        return status;
    }
    *out = &port->base;
    return 0;
}
