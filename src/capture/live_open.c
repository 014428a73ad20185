#include <errno.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "capture/fanout.h"
#include "capture/live.h"
#include "weir/config.h"
#include "weir/packet.h"

#define FRAME_ALIGN 64u
#define WAKE_MS 10 /* the kernel hands over a block that is not full after so long */
#define OCTETS_PER_DESCRIPTOR 2048u

/* No such frames exist (IEEE 802: local experiments), so nothing arrives before all is set. */
#define PROTOCOL_NONE ETH_P_802_EX1

static int explain_activate(struct live_queue *q, int code, char error[CAPTURE_ERROR_MAX])
{
    const char *source = q->owner->source;

    switch (code) {
    case PCAP_ERROR_PERM_DENIED:
    case PCAP_ERROR_PROMISC_PERM_DENIED:
        snprintf(error, CAPTURE_ERROR_MAX,
                 "%.200s: no right to capture: start as root or with the capability NET_RAW "
                 "(setcap cap_net_raw+ep weir)",
                 source);
        return -EPERM;
    case PCAP_ERROR_NO_SUCH_DEVICE:
        snprintf(error, CAPTURE_ERROR_MAX, "%.200s: no such interface: ip link lists them", source);
        return -ENODEV;
    case PCAP_ERROR_IFACE_NOT_UP:
        snprintf(error, CAPTURE_ERROR_MAX, "%.200s: the interface is down: ip link set %.100s up",
                 source, q->owner->device);
        return -ENETDOWN;
    default:
        snprintf(error, CAPTURE_ERROR_MAX, "%.200s: %.200s", source,
                 *pcap_geterr(q->pcap) ? pcap_geterr(q->pcap) : pcap_statustostr(code));
        return -EIO;
    }
}

int live_ring_octets(const struct live_port *port)
{
    uint64_t octets = port->options->config->capture.ring * OCTETS_PER_DESCRIPTOR;

    return octets < (1u << 21) ? 1 << 21 : octets > (1u << 30) ? 1 << 30 : (int)octets;
}

static int queue_activate(struct live_queue *q, char error[CAPTURE_ERROR_MAX])
{
    struct live_port *port = q->owner;
    char text[PCAP_ERRBUF_SIZE] = "";

    q->pcap = pcap_create(port->device, text);
    if (!q->pcap) {
        snprintf(error, CAPTURE_ERROR_MAX, "%.200s: %.200s", port->source, text);
        return -ENOMEM;
    }
    pcap_set_snaplen(q->pcap, LIVE_SNAP_LENGTH);
    pcap_set_promisc(q->pcap, port->promiscuous && !live_is_any(port));
    pcap_set_timeout(q->pcap, WAKE_MS);
    pcap_set_buffer_size(q->pcap, live_ring_octets(port));
    pcap_set_tstamp_precision(q->pcap, PCAP_TSTAMP_PRECISION_NANO);
    pcap_set_protocol_linux(q->pcap, PROTOCOL_NONE);
    int code = pcap_activate(q->pcap);
    if (code < 0)
        return explain_activate(q, code, error);
    if (live_is_any(port))
        pcap_set_datalink(q->pcap, DLT_LINUX_SLL2);
    q->fd = pcap_get_selectable_fd(q->pcap);
    return pcap_setnonblock(q->pcap, 1, text) == 0 ? 0 : -EIO;
}

/* From here on nothing arrives until the filter proper is installed. */
static int queue_shut(struct live_queue *q, char error[CAPTURE_ERROR_MAX])
{
    struct sockaddr_ll address = {
        .sll_family = AF_PACKET,
        .sll_protocol = htons(ETH_P_ALL),
        .sll_ifindex = live_is_any(q->owner) ? 0 : (int)q->owner->interface.index,
    };
    int status = live_filter_nothing(q, error);

    if (status != 0)
        return status;
    if (bind(q->fd, (struct sockaddr *)&address, sizeof(address)) == 0)
        return 0;
    status = -errno;
    snprintf(error, CAPTURE_ERROR_MAX, "%.200s: bind: %s", q->owner->source, strerror(-status));
    return status;
}

int live_queue_open(struct live_queue *q, int *group, char error[CAPTURE_ERROR_MAX])
{
    struct live_port *port = q->owner;
    int status = queue_activate(q, error);

    q->base.ops = &live_queue_ops;
    q->arena = aligned_alloc(FRAME_ALIGN, (size_t)LIVE_SNAP_LENGTH * PACKET_BURST_MAX);
    if (status == 0 && !q->arena)
        status = -ENOMEM;
    if (status == 0)
        status = queue_shut(q, error);
    if (status != 0 || port->queue_count == 1)
        return status;
    enum capture_spread spread = (enum capture_spread)port->options->config->capture.spread;
    status = fanout_join(q->fd, spread, pcap_datalink(q->pcap) == DLT_EN10MB, group);
    if (status != 0)
        snprintf(error, CAPTURE_ERROR_MAX,
                 "%.200s: the kernel cannot spread over %u workers (PACKET_FANOUT): %s; use "
                 "capture.workers: 1",
                 port->source, port->queue_count, strerror(-status));
    return status;
}

void live_queue_fini(struct live_queue *q)
{
    if (q->pcap)
        pcap_close(q->pcap);
    free(q->arena);
}
