/*
 * An AF_XDP port as its files see it: xdp.c opens it, xdp_queue.c reads it for a worker,
 * xdp_error.c says what went wrong.
 */
#pragma once

#include <linux/capability.h>
#include <pcap/pcap.h>
#include <stdatomic.h>

#include "base/memory.h"
#include "capture/interface.h"
#include "capture/port.h"
#include "capture/rights.h"
#include "capture/xdp_account.h"
#include "capture/xdp_plan.h"
#include "capture/xdp_program.h"
#include "capture/xdp_socket.h"

/* CAP_IPC_LOCK depends on how much memory is wanted, and is the kernel's to miss. */
#define XDP_RIGHTS (RIGHT(CAP_NET_RAW) | RIGHT(CAP_NET_ADMIN) | RIGHT(CAPABILITY_BPF))

/* What was being done when it failed; the first are those of enum xdp_step. */
enum xdp_port_step {
    XDP_STEP_INTERFACE = XDP_STEP_BIND + 1,
    XDP_STEP_ETHERNET,
    XDP_STEP_DEFAULT_ROUTE,
    XDP_STEP_FOREIGN_PROGRAM,
    XDP_STEP_RIGHTS,
    XDP_STEP_PLAN,
    XDP_STEP_FILTER,
    XDP_STEP_PROMISCUOUS,
    XDP_STEP_LOAD,
    XDP_STEP_ATTACH
};

struct xdp_port;

/* What one worker reads: its sockets, in turn. */
struct xdp_queue {
    struct capture base;
    struct xdp_port *port;
    uint32_t count, next;
    uint32_t socket[XDP_SOCKETS_MAX]; /* numbers of the plan */
    int wait_fd;                      /* of its only socket, or of an epoll over several */
    struct bpf_program filter;        /* -F */
    bool filtering;
    _Atomic uint64_t filtered, filtered_octets; /* written by the worker */
} __attribute__((aligned(MEMORY_LINE)));

/* A socket's account: its worker and the control thread may ask at once. */
struct xdp_audit {
    atomic_flag taken; /* by whoever steps the account */
    struct xdp_account account;
    _Atomic uint64_t misdirected; /* what it has found */
} __attribute__((aligned(MEMORY_LINE)));

struct xdp_port {
    struct port base;
    char *source;
    const char *device;
    uint16_t index;
    uint16_t workers;
    bool generic;
    int promiscuous; /* packet socket that keeps the interface so, or -1 */
    struct interface interface;
    struct interface_state first; /* when it was started */
    struct xdp_counters before;   /* likewise */
    struct port_stats last;
    struct xdp_plan plan;
    struct xdp_program program;
    struct xdp_umem umem[XDP_QUEUES_MAX];
    struct xdp_socket socket[XDP_SOCKETS_MAX];
    struct xdp_audit audit[XDP_SOCKETS_MAX];
    char about[CAPTURE_ERROR_MAX];
    struct xdp_queue *queue; /* one per worker */
};

/* The queue of a worker, with the sockets that the plan gives it. 0 or -errno. */
int xdp_queue_open(struct xdp_queue *, struct xdp_port *, unsigned worker);
void xdp_queue_close(struct xdp_queue *);

/* Compiles -F for a queue; 0, or -errno with one line at error. */
int xdp_queue_filter(struct xdp_queue *, const struct capture_filter *,
                     char error[CAPTURE_ERROR_MAX]);

/* One line: what failed, why, and how to mend it. Returns status. */
int xdp_explain(const struct xdp_port *, int step, int status, char error[CAPTURE_ERROR_MAX]);
