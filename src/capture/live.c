#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <pcap/pcap.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "capture/fanout.h"
#include "capture/filter.h"
#include "capture/interface.h"
#include "capture/link.h"
#include "capture/port.h"
#include "weir/config.h"
#include "weir/packet.h"

#define SNAP_LENGTH 2048 /* holds any chain of headers that decode follows */
#define FRAME_ALIGN 64u
#define WAKE_MS 10 /* the kernel hands over a block that is not full after so long */
#define OCTETS_PER_DESCRIPTOR 2048u
#define PREFIX_MAX 8 /* instructions before a filter */
#define ANY_DEVICE "any"

/* No such frames exist (IEEE 802: local experiments), so nothing arrives before all is set. */
#define PROTOCOL_NONE ETH_P_802_EX1

struct live_port;

struct live_queue {
    struct capture base;
    struct live_port *owner;
    pcap_t *pcap;
    int fd;
    struct burst *burst; /* being filled */
    uint8_t *arena;      /* its frames: the kernel's block may be given back within a call */
    struct bpf_program program;
    bool filters_here; /* cooked frames have no header in the kernel that a filter could read */
    enum capture_status status;
    char error[CAPTURE_ERROR_MAX];
    /* written by the worker */
    _Atomic uint64_t handed, filtered, filtered_octets;
    /* written by who reads the kernel's counters, which go back to 0 by that */
    _Atomic uint64_t received, missed;
};

struct live_port {
    struct port base;
    const struct port_options *options; /* while opening */
    char *source;
    const char *device;
    uint16_t index;
    uint8_t link;
    bool promiscuous;
    struct interface interface; /* of a device other than any */
    struct interface_state first;
    struct port_stats last;
    char about[CAPTURE_ERROR_MAX];
    uint16_t queue_count;
    struct live_queue queue[];
};

/* --- a worker's queue --- */

static void frame_take(uint8_t *user, const struct pcap_pkthdr *h, const uint8_t *data)
{
    struct live_queue *q = (struct live_queue *)user;
    uint32_t wire_len = h->len > h->caplen ? h->len : h->caplen;

    if (q->filters_here && !pcap_offline_filter(&q->program, h, data)) {
        atomic_fetch_add_explicit(&q->filtered, 1, memory_order_relaxed);
        atomic_fetch_add_explicit(&q->filtered_octets, wire_len, memory_order_relaxed);
        return;
    }
    struct packet *p = &q->burst->packet[q->burst->count];
    uint8_t *frame = q->arena + (size_t)SNAP_LENGTH * q->burst->count++;
    p->cap_len = h->caplen < SNAP_LENGTH ? h->caplen : SNAP_LENGTH;
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

static const struct capture_ops queue_ops = {
    .receive = live_receive,
    .stats = live_stats,
    .error = live_error,
    .close = live_close_queue,
    .wait_fd = live_wait_fd,
};

static void queue_fini(struct live_queue *q)
{
    if (q->filters_here)
        pcap_freecode(&q->program);
    if (q->pcap)
        pcap_close(q->pcap);
    free(q->arena);
}

/* --- opening --- */

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

static bool is_any(const struct live_port *port)
{
    return strcmp(port->device, ANY_DEVICE) == 0;
}

static int ring_octets(const struct live_port *port)
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
    pcap_set_snaplen(q->pcap, SNAP_LENGTH);
    pcap_set_promisc(q->pcap, port->promiscuous && !is_any(port));
    pcap_set_timeout(q->pcap, WAKE_MS);
    pcap_set_buffer_size(q->pcap, ring_octets(port));
    pcap_set_tstamp_precision(q->pcap, PCAP_TSTAMP_PRECISION_NANO);
    pcap_set_protocol_linux(q->pcap, PROTOCOL_NONE);
    int code = pcap_activate(q->pcap);
    if (code < 0)
        return explain_activate(q, code, error);
    if (is_any(port))
        pcap_set_datalink(q->pcap, DLT_LINUX_SLL2);
    q->fd = pcap_get_selectable_fd(q->pcap);
    return pcap_setnonblock(q->pcap, 1, text) == 0 ? 0 : -EIO;
}

static int filter_attach(struct live_queue *q, struct sock_filter *code, unsigned count,
                         char error[CAPTURE_ERROR_MAX])
{
    struct sock_fprog program = {.len = (unsigned short)count, .filter = code};

    if (count <= BPF_MAXINSNS &&
        setsockopt(q->fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) == 0)
        return 0;
    int status = count > BPF_MAXINSNS ? -E2BIG : -errno;
    snprintf(error, CAPTURE_ERROR_MAX,
             "%.200s: the kernel refuses a filter of %u instructions: %s; shorten -F or "
             "capture.ignore, or raise net.core.optmem_max",
             q->owner->source, count, strerror(-status));
    return status;
}

static int filter_nothing(struct live_queue *q, char error[CAPTURE_ERROR_MAX])
{
    struct sock_filter nothing = {.code = BPF_RET | BPF_K, .k = 0};

    return filter_attach(q, &nothing, 1, error);
}

/* The loopback interface shows each packet twice, going out and coming in: only the second counts.
 */
static unsigned prefix_write(const struct live_port *port, struct sock_filter code[PREFIX_MAX])
{
    const struct sock_filter not_outgoing[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_PKTTYPE)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PACKET_OUTGOING, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, 0),
    };
    const struct sock_filter if_loopback[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_IFINDEX)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, if_nametoindex("lo"), 0, 3),
    };
    unsigned count = 0;

    if (is_any(port)) {
        memcpy(code, if_loopback, sizeof(if_loopback));
        count = 2;
    }
    if (count || port->first.loopback) {
        memcpy(code + count, not_outgoing, sizeof(not_outgoing));
        count += 3;
    }
    return count;
}

static int filter_install(struct live_queue *q, const struct bpf_program *wanted,
                          char error[CAPTURE_ERROR_MAX])
{
    struct bpf_insn all = {.code = BPF_RET | BPF_K, .k = SNAP_LENGTH};
    const struct bpf_insn *rest = wanted ? wanted->bf_insns : &all;
    unsigned rest_count = wanted ? wanted->bf_len : 1;
    struct sock_filter *code = calloc(PREFIX_MAX + rest_count, sizeof(*code));

    if (!code)
        return -ENOMEM;
    unsigned count = prefix_write(q->owner, code);
    for (unsigned i = 0; i < rest_count; i++)
        code[count++] = (struct sock_filter){rest[i].code, rest[i].jt, rest[i].jf, rest[i].k};
    int status = filter_attach(q, code, count, error);
    free(code);
    return status;
}

/* From here on nothing arrives until the filter proper is installed. */
static int queue_shut(struct live_queue *q, char error[CAPTURE_ERROR_MAX])
{
    struct sockaddr_ll address = {
        .sll_family = AF_PACKET,
        .sll_protocol = htons(ETH_P_ALL),
        .sll_ifindex = is_any(q->owner) ? 0 : (int)q->owner->interface.index,
    };
    int status = filter_nothing(q, error);

    if (status != 0)
        return status;
    if (bind(q->fd, (struct sockaddr *)&address, sizeof(address)) == 0)
        return 0;
    status = -errno;
    snprintf(error, CAPTURE_ERROR_MAX, "%.200s: bind: %s", q->owner->source, strerror(-status));
    return status;
}

static int queue_compile(struct live_queue *q, const struct capture_filter *filter,
                         struct bpf_program *program, char error[CAPTURE_ERROR_MAX])
{
    char text[CAPTURE_ERROR_MAX];
    int dlt = pcap_datalink(q->pcap);
    bool cooked = dlt == DLT_LINUX_SLL || dlt == DLT_LINUX_SLL2;
    pcap_t *pcap = cooked ? pcap_open_dead(dlt, SNAP_LENGTH) : q->pcap;

    if (!pcap)
        return -ENOMEM;
    int status = capture_filter_compile(filter, pcap, program, text);
    if (status != 0)
        snprintf(error, CAPTURE_ERROR_MAX, "%.100s: %.400s", q->owner->source, text);
    q->filters_here = cooked && status == 0;
    if (cooked)
        pcap_close(pcap);
    return status;
}

static int queue_filter(struct live_queue *q, const struct capture_filter *filter,
                        char error[CAPTURE_ERROR_MAX])
{
    struct bpf_program program;

    if (!filter)
        return filter_install(q, NULL, error);
    int status = queue_compile(q, filter, &program, error);
    if (status != 0)
        return status;
    if (q->filters_here) {
        q->program = program;
        return filter_install(q, NULL, error);
    }
    status = filter_install(q, &program, error);
    pcap_freecode(&program);
    return status;
}

static int queue_open(struct live_queue *q, int *group, char error[CAPTURE_ERROR_MAX])
{
    struct live_port *port = q->owner;
    int status = queue_activate(q, error);

    q->base.ops = &queue_ops;
    q->arena = aligned_alloc(FRAME_ALIGN, (size_t)SNAP_LENGTH * PACKET_BURST_MAX);
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

static int queues_open(struct live_port *port, const struct capture_filter *filter,
                       char error[CAPTURE_ERROR_MAX])
{
    int status = 0, group = -1;

    for (uint16_t i = 0; status == 0 && i < port->queue_count; i++) {
        port->queue[i].owner = port;
        status = queue_open(&port->queue[i], &group, error);
    }
    if (status != 0)
        return status;
    port->link = (uint8_t)link_of_dlt(pcap_datalink(port->queue[0].pcap));
    for (uint16_t i = 0; status == 0 && i < port->queue_count; i++)
        status = queue_filter(&port->queue[i], filter, error);
    return status;
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

    if (!is_any(live) && !live->last.gone && interface_read(&live->interface, &state) == 0) {
        live->last.gone = state.gone;
        live->last.link_up = state.up;
        if (!state.gone) {
            live->last.interface_packets = state.rx_packets - live->first.rx_packets;
            live->last.interface_dropped = state.rx_dropped - live->first.rx_dropped;
        }
    }
    *stats = live->last;
}

static void live_stop(struct port *port)
{
    struct live_port *live = (struct live_port *)port;
    char ignored[CAPTURE_ERROR_MAX];

    for (uint16_t i = 0; i < live->queue_count; i++)
        filter_nothing(&live->queue[i], ignored);
}

static const char *live_describe(const struct port *port)
{
    return ((const struct live_port *)port)->about;
}

static void live_close(struct port *port)
{
    struct live_port *live = (struct live_port *)port;

    for (uint16_t i = 0; i < live->queue_count; i++)
        queue_fini(&live->queue[i]);
    interface_close(&live->interface);
    free(live->source);
    free(live);
}

static const struct port_ops live_ops = {
    .queue = live_queue_of,
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
    if (is_any(port))
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
             port->queue_count, ring_octets(port) >> 20,
             port->promiscuous && !is_any(port) ? ", promiscuous" : "", spread_text(port));
}

static int live_start(struct live_port *port, char error[CAPTURE_ERROR_MAX])
{
    struct capture_filter *filter = NULL;
    int status = interface_watch(port, error);

    if (status == 0)
        status = capture_filter_with_ignored(port->options->filter, &port->options->config->capture,
                                             &filter, error);
    if (status == 0)
        status = queues_open(port, filter, error);
    if (status == 0)
        about_write(port);
    capture_filter_destroy(filter);
    port->options = NULL;
    return status;
}

int port_open_live(const struct port_options *options, struct port **out,
                   char error[CAPTURE_ERROR_MAX])
{
    struct live_port *port =
        calloc(1, sizeof(*port) + options->workers * sizeof(struct live_queue));

    snprintf(error, CAPTURE_ERROR_MAX, "%.200s: out of memory", options->source);
    if (!port)
        return -ENOMEM;
    port->base.ops = &live_ops;
    port->interface.socket = -1;
    port->options = options;
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
