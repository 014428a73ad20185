/*
 * Live ports: what `weir run` receives from. One port is one interface or NIC port, with one queue
 * (struct capture) for each worker that reads it.
 *
 *   eth0, eth:eth0     libpcap copy of an interface; harmless
 *   xdp:eth1           AF_XDP; takes the port
 *   dpdk:0000:3b:00.0  a DPDK port by PCI address; takes the port
 *   dpdk:net_ring0,... a DPDK port by vdev string
 *
 * Life: port_open() in the control thread, with all rights; then rights are dropped; port_start();
 * workers use the queues; port_stop(); when all workers have stopped, port_close(), which needs no
 * rights. Other functions are the control thread's, once a second.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "weir/capture.h"

struct config;
struct capture_config;
struct capture_filter;
struct port;

struct port_options {
    const struct config *config;         /* must outlive the port */
    const struct capture_filter *filter; /* -F, or NULL; must outlive the port */
    const char *source;                  /* as above, with its prefix */
    uint16_t index;                      /* packet.port, and its place in all_sources */
    uint16_t workers;                    /* queues wanted */
    const char *const *all_sources;      /* DPDK's EAL starts once, with all its ports */
    uint16_t source_count;
    bool inline_mode;
    uint64_t spread_key[2]; /* of hashes that choose a worker: secret, and one for all ports, so
                               that the directions of a two-port tap meet */
    bool take_over;         /* may take an interface that holds the default route */
};

/* What the interface itself counts, and what is checked with it. 0 where it has no such counter. */
struct port_stats {
    uint64_t interface_packets; /* received by the interface since the port was opened */
    uint64_t interface_dropped; /* dropped by the interface or its driver since then */
    uint64_t passed;            /* handed on to the operating system by the port's program */
    uint64_t ignored;           /* left out in the kernel or NIC by capture.ignore */
    uint64_t ignored_octets;
    bool link_up;
    bool gone; /* the interface does not exist any more */
};

struct port_ops {
    /* The queue of a worker, owned by the port; NULL when it has none for it. */
    struct capture *(*queue)(struct port *, unsigned worker);
    int (*start)(struct port *); /* NULL = nothing to start; for threads of its own. 0 or -errno */
    /*
     * While workers receive: what capture.ignore_* of another configuration names is made ready to
     * be left out, and is left out from commit() on. 0, or -errno and one line at error: the port
     * then goes on with what it had. Since a commit() every worker must have begun a poll before
     * the next prepare(). Need no rights.
     */
    int (*prepare)(struct port *, const struct capture_config *, char error[CAPTURE_ERROR_MAX]);
    int (*commit)(struct port *, char error[CAPTURE_ERROR_MAX]);
    /* NULL = nothing to stop. From here on no packet is received any more, so that workers can
     * empty their queues and the counts of the port come to rest. Needs no rights. */
    void (*stop)(struct port *);
    void (*stats)(struct port *, struct port_stats *);
    /* One line for the log: what was opened and how ("xdp:eth1: native, copy, 4 queues, ..."). */
    const char *(*describe)(const struct port *);
    void (*close)(struct port *);
};

/* Every implementation begins with this. */
struct port {
    const struct port_ops *ops;
};

/*
 * Opens a source. Returns 0, or -errno and one line at error that names the source, what is wrong
 * and how to mend it; nothing on the machine is then changed. -ENOTSUP when this build lacks the
 * kind.
 */
int port_open(const struct port_options *, struct port **, char error[CAPTURE_ERROR_MAX]);

/* Whether this build could open the source beside those before it, judged by their names alone: 0,
 * or as port_open(). */
int port_check(const struct port_options *, char error[CAPTURE_ERROR_MAX]);

/* Whether the source takes the port away from the operating system. */
bool port_takes(const char *source);

/* What the source names behind its prefix. */
const char *port_device(const char *source);

/* For each kind, as port_open(). */
int port_open_live(const struct port_options *, struct port **, char error[CAPTURE_ERROR_MAX]);
int port_open_xdp(const struct port_options *, struct port **, char error[CAPTURE_ERROR_MAX]);
int port_open_dpdk(const struct port_options *, struct port **, char error[CAPTURE_ERROR_MAX]);

static inline void port_stop(struct port *p)
{
    if (p->ops->stop)
        p->ops->stop(p);
}

static inline void port_close(struct port *p)
{
    if (p)
        p->ops->close(p);
}
