/*
 * DPDK ports, inside the capture stage: the files dpdk*.c and rss.c are the only ones with rte_*.
 *
 *   dpdk.c         a port: finding its device, opening, counters, closing
 *   dpdk_eal.c     the environment (EAL), which a process has once
 *   dpdk_setup.c   buffers, queues and spread of a device
 *   dpdk_words.c   what DPDK says, and what a port says of itself
 *   dpdk_queue.c   what a worker receives from, and sends inline
 *   dpdk_spread.c  the thread that spreads one queue over several workers
 */
#pragma once

#include <pcap/pcap.h>
#include <pthread.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_ring.h>
#include <stdalign.h>
#include <stdatomic.h>

#include "capture/filter.h"
#include "capture/interface.h"
#include "capture/port.h"
#include "capture/rss.h"
#include "weir/packet.h"

#define DPDK_NAME_MAX 128
#define DPDK_NO_PORT RTE_MAX_ETHPORTS

/* Libraries below drivers print what is no news when a port is closed. Found while files may be
 * opened, called when they may not. */
typedef void *(*dpdk_print_setter)(void *print);
enum { DPDK_PRINTERS = 2 };

struct dpdk_port;

struct dpdk_queue {
    struct capture base;
    struct dpdk_port *port;
    uint16_t worker;
    uint16_t rx_queue, rx_first, rx_step; /* the next to read; its queues: first, + step, ... */
    uint16_t tx_queue;                    /* of the pair */
    uint32_t last;         /* frames still taken after a stop: at most what the ring held */
    struct rte_ring *ring; /* software spread; else NULL */
    unsigned held_count;   /* frames of the last burst */
    struct rte_mbuf *held[PACKET_BURST_MAX];

    /* written by the worker */
    alignas(64) _Atomic uint64_t handed;
    _Atomic uint64_t filtered, filtered_octets, sent, send_failed;
    /* written by the spreading thread */
    alignas(64) _Atomic uint64_t spread;
    _Atomic uint64_t spread_full;
};

struct dpdk_port {
    struct port base;
    char *source;
    char device[DPDK_NAME_MAX];
    char pair_device[DPDK_NAME_MAX]; /* inline; else empty */
    uint16_t id;                     /* DPDK's; DPDK_NO_PORT = none yet */
    uint16_t pair;                   /* likewise, inline */
    uint16_t index;
    uint16_t workers;
    int socket; /* NUMA node, or SOCKET_ID_ANY */
    bool configured;
    bool huge_pages;
    struct rss_plan plan;
    int only_worker; /* the device is one queue of an interface: whose; -1 = all */
    /* The other devices on that interface, in the first of them: what it received besides. */
    uint16_t sibling_count;
    char sibling[CONFIG_PORTS_MAX][DPDK_NAME_MAX];
    bool is_sibling;                     /* of one before */
    bool is_kept;                        /* not to be closed: see device_release() */
    const struct capture_filter *filter; /* -F */
    struct filter_slot leaves;           /* out: that and capture.ignore */
    struct interface interface;          /* behind a virtual device; socket -1 = none */
    int promiscuous_fd;
    struct interface_state first;    /* when it was started */
    struct rte_eth_stats base_stats; /* when it was opened */
    struct port_stats last;

    dpdk_print_setter printers[DPDK_PRINTERS];

    uint32_t ring;          /* descriptors of a queue */
    _Atomic bool stopped;   /* nothing but what waits in the rings is received any more */
    uint64_t missed_at_end; /* valid when stopped */

    pthread_t spreader;
    bool spreading;
    uint64_t seed;

    char about[CAPTURE_ERROR_MAX];
    struct rte_mempool *pool[CONFIG_WORKERS_MAX];
    struct dpdk_queue *queue; /* of `workers` */
};

/* What the EAL, its drivers and the libraries below them said while something was tried: their log
 * and all that goes to standard output and error, since libbpf and libxdp know no other place. */
enum { DPDK_OUTPUTS = 2 };

struct dpdk_words {
    FILE *file;
    int saved[DPDK_OUTPUTS];
    char *text;
};

/* shown: let them speak, as the user asked. */
void dpdk_words_begin(struct dpdk_words *, bool shown);
/* The most telling line, or fallback; valid until dpdk_words_end(). */
const char *dpdk_words_line(struct dpdk_words *, const char *fallback);
void dpdk_words_end(struct dpdk_words *);
/* No log from here on. */
void dpdk_silence(void);

/* Of the libraries that are loaded; NULL for the others. */
void dpdk_printers_find(dpdk_print_setter found[DPDK_PRINTERS]);

/* Starts the EAL if it is not yet; 0 or -errno and one line at error. */
int dpdk_eal_start(const struct port_options *, uint64_t memory_octets, struct dpdk_words *,
                   char error[CAPTURE_ERROR_MAX]);
/* Ends it when no port is left. */
void dpdk_eal_stop(void);
bool dpdk_eal_logs(const struct port_options *);

/* Octets of packet buffers that all ports need. */
uint64_t dpdk_memory_needed(const struct port_options *);
/* Makes a probed device receive; 0, or -errno and one line at error. */
int dpdk_setup(struct dpdk_port *, const struct port_options *, struct dpdk_words *,
               char error[CAPTURE_ERROR_MAX]);
/* Whether the source is a queue of an interface, by DPDK's driver for AF_XDP; of which. */
bool dpdk_is_af_xdp(const char *source, char interface[64]);

/* One line at error, "source: what: why"; returns status, or -EIO where that is none. */
int dpdk_explain(const struct dpdk_port *, int status, const char *what, const char *why,
                 char error[CAPTURE_ERROR_MAX]);
/* The same, of a device that its driver could not set up. */
int dpdk_explain_device(const struct dpdk_port *, int status, const char *what, struct dpdk_words *,
                        char error[CAPTURE_ERROR_MAX]);
int dpdk_explain_pci(const struct dpdk_port *, char error[CAPTURE_ERROR_MAX]);
/* The line that port_ops.describe() returns. */
void dpdk_about_write(struct dpdk_port *);

void dpdk_queue_init(struct dpdk_queue *, struct dpdk_port *, uint16_t worker);
void dpdk_queue_fini(struct dpdk_queue *);
/* What the port itself counted since it was opened. */
void dpdk_port_counters(const struct dpdk_port *, struct rte_eth_stats *);

/* A ring for each worker, before the port starts. */
int dpdk_spread_create(struct dpdk_port *, uint32_t ring);
int dpdk_spread_start(struct dpdk_port *);
void dpdk_spread_stop(struct dpdk_port *);
