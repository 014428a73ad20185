#include <stdio.h>
#include <string.h>

#include "core/findings.h"
#include "core/machine.h"
#include "weir/config.h"

#define XDP_MTU_MAX 3498      /* that a frame fits one page with what XDP needs around it */
#define XDP_SOCKETS_LIMIT 128 /* of weir's program */
#define MANY_QUEUES 8
#define RING_GOOD 4096 /* descriptors beyond which a NIC's ring gains little */
#define SYMMETRIC_KEY                                                                              \
    "6d:5a:6d:5a:6d:5a:6d:5a:6d:5a:6d:5a:6d:5a:6d:5a:6d:5a:6d:5a:6d:5a:6d:5a:6d:5a:6d:5a:6d:5a:"   \
    "6d:5a:6d:5a:6d:5a:6d:5a:6d:5a"

static bool is_af_xdp(const struct machine_port *p)
{
    return p->kind == PORT_XDP || (p->kind == PORT_VDEV && strstr(p->source, "net_af_xdp"));
}

/* Whether the port is taken from the operating system while it is an interface of it. */
static bool takes_interface(const struct machine_port *p)
{
    return *p->interface && (is_af_xdp(p) || p->kind == PORT_PCI);
}

/* What makes the rest not worth judging. */
static bool judge_presence(struct findings *f, const struct machine_port *p)
{
    if (*p->unusable) {
        finding_add(f, FINDING_ERROR, "%s", p->unusable);
        return false;
    }
    if (!p->missing)
        return true;
    if (p->kind == PORT_PCI) {
        finding_add(f, FINDING_ERROR, "%s: no such PCI device", p->source);
        finding_mend(f, "lspci -D lists them");
    } else {
        finding_add(f, FINDING_ERROR, "%s: no such interface", p->source);
        finding_mend(f, "ip link lists them");
    }
    return false;
}

static void judge_use(struct findings *f, const struct machine_port *p)
{
    if (takes_interface(p) && p->default_route == FACT_YES && !f->take_over) {
        finding_add(f, FINDING_ERROR,
                    "%s: holds the default route: taking it would cut this machine off", p->source);
        finding_mend(f, "name another port; if that is meant, say --take-over");
    }
    if (is_af_xdp(p) && p->xdp_program) {
        finding_add(f, FINDING_ERROR, "%s: an XDP program is attached already (id %u, %s)",
                    p->source, p->xdp_program, p->xdp_generic ? "generic" : "native");
        finding_mend(f,
                     "end what attached it (bpftool prog show id %u), or ip link set dev %s %s off",
                     p->xdp_program, p->interface, p->xdp_generic ? "xdpgeneric" : "xdp");
    } else if (p->kind == PORT_LIVE && p->xdp_program) {
        finding_add(f, FINDING_WARNING,
                    "%s: an XDP program is attached (id %u): what it takes is not in the copy",
                    p->source, p->xdp_program);
        finding_mend(f, "bpftool prog show id %u says what it is", p->xdp_program);
    }
}

static void judge_frames(struct findings *f, const struct machine_port *p)
{
    if (!is_af_xdp(p) || p->ethernet)
        return;
    finding_add(f, FINDING_ERROR, "%s: is no Ethernet interface", p->source);
    finding_mend(f, "-i %s observes it by a copy", p->interface);
}

static void judge_link(struct findings *f, const struct machine_port *p)
{
    if (!*p->interface || p->kind == PORT_PCI)
        return;
    if (!p->up) {
        finding_add(f, FINDING_ERROR, "%s: the interface is down", p->source);
        finding_mend(f, "ip link set dev %s up", p->interface);
    } else if (!p->carrier) {
        finding_add(f, FINDING_WARNING, "%s: no carrier", p->source);
        finding_mend(f, "plug in the cable, or set the other end up");
    }
}

static void judge_driver(struct findings *f, const struct machine_port *p)
{
    const char *driver = *p->driver ? p->driver : "unknown";
    bool demanded = f->config->capture.xdp_mode == XDP_MODE_NATIVE;

    if (p->kind != PORT_XDP || f->config->capture.xdp_mode == XDP_MODE_GENERIC)
        return;
    if (p->native_xdp == FACT_NO) {
        finding_add(f, demanded ? FINDING_ERROR : FINDING_WARNING,
                    "%s: driver %s runs no XDP programs: only generic mode, which is slower",
                    p->source, driver);
        finding_mend(f, demanded ? "capture.xdp_mode: auto, or another port"
                                 : "another NIC, or dpdk: where DPDK has a driver for it");
    } else if (p->native_xdp == FACT_YES && p->zero_copy == FACT_NO) {
        finding_add(f, FINDING_OK, "%s: driver %s: native XDP, copied", p->source, driver);
    } else if (p->native_xdp == FACT_YES) {
        finding_add(f, FINDING_OK, "%s: driver %s: native XDP%s", p->source, driver,
                    p->zero_copy == FACT_YES ? ", zero-copy" : "");
    } else {
        finding_add(f, FINDING_OK, "%s: driver %s: the kernel does not say whether it has XDP",
                    p->source, driver);
    }
}

static void judge_mtu(struct findings *f, const struct machine_port *p)
{
    if (!is_af_xdp(p) || p->mtu <= XDP_MTU_MAX)
        return;
    if (p->kind == PORT_VDEV) {
        finding_add(f, FINDING_ERROR, "%s: MTU %u: net_af_xdp takes at most %d", p->source, p->mtu,
                    XDP_MTU_MAX);
        finding_mend(f, "ip link set dev %s mtu %d, or the source xdp:%s", p->interface,
                     XDP_MTU_MAX, p->interface);
    } else if (p->multi_buffer == FACT_NO) {
        finding_add(f, FINDING_WARNING,
                    "%s: MTU %u: the driver gives XDP no frames in parts, as those beyond %d need",
                    p->source, p->mtu, XDP_MTU_MAX);
        finding_mend(f, "ip link set dev %s mtu %d, if no larger frames come", p->interface,
                     XDP_MTU_MAX);
    }
}

static void judge_queues(struct findings *f, const struct machine_port *p)
{
    uint32_t workers = f->workers;

    if (p->kind != PORT_XDP || !p->queues)
        return;
    if (findings_sockets(f, p) > XDP_SOCKETS_LIMIT) {
        finding_add(f, FINDING_ERROR, "%s: %u queues for %u workers need more than %d sockets",
                    p->source, p->queues, workers, XDP_SOCKETS_LIMIT);
        finding_mend(f, "ethtool -L %s combined %u", p->interface,
                     workers < MANY_QUEUES ? workers : MANY_QUEUES);
    } else if (workers > p->queues && p->queues_max > p->queues &&
               f->config->capture.spread != SPREAD_SOFTWARE) {
        finding_add(f, FINDING_WARNING, "%s: %u queues for %u workers, who have to share",
                    p->source, p->queues, workers);
        finding_mend(f, "ethtool -L %s combined %u", p->interface,
                     workers < p->queues_max ? workers : p->queues_max);
    } else {
        finding_add(f, FINDING_OK, "%s: %u queues", p->source, p->queues);
    }
}

/* Several queues of a kernel's interface, each with another worker. */
static bool spread_by_queues(const struct findings *f, const struct machine_port *p)
{
    return p->kind == PORT_XDP && p->queues > 1 && f->workers != 1 &&
           f->config->capture.spread != SPREAD_SOFTWARE;
}

static void judge_spread(struct findings *f, const struct machine_port *p)
{
    if (!spread_by_queues(f, p))
        return;
    if (p->hash == HASH_ASYMMETRIC) {
        finding_add(f, FINDING_WARNING,
                    "%s: its hash sends the two directions of a connection to different queues",
                    p->source);
        finding_mend(f, "ethtool -X %s hkey %s, or capture.spread: software", p->interface,
                     SYMMETRIC_KEY);
    } else if (p->hash == HASH_UNKNOWN) {
        finding_add(f, FINDING_WARNING,
                    "%s: not known whether both directions of a connection get to one queue",
                    p->source);
        finding_mend(f, "capture.spread: software, if weir run reports connections that are split");
    } else {
        finding_add(f, FINDING_OK, "%s: both directions of a connection get to one queue",
                    p->source);
    }
    if (p->hash != HASH_SOFTWARE && p->hash_ports == FACT_YES &&
        f->config->capture.spread == SPREAD_IP) {
        finding_add(f, FINDING_WARNING,
                    "%s: its hash takes ports: fragments part from their connection", p->source);
        finding_mend(f, "ethtool -N %s rx-flow-hash udp4 sd, likewise tcp4, udp6 and tcp6",
                     p->interface);
    }
}

static void judge_offloads(struct findings *f, const struct machine_port *p)
{
    if (p->kind == PORT_LIVE && p->merges == FACT_YES && !p->loopback) {
        finding_add(f, FINDING_WARNING,
                    "%s: packets are merged before the copy is taken, and count as one", p->source);
        finding_mend(f, "ethtool -K %s gro off lro off", p->interface);
    }
    uint32_t good = p->ring_max < RING_GOOD ? p->ring_max : RING_GOOD;
    if (p->kind != PORT_PCI && p->ring && p->ring < good) {
        finding_add(f, FINDING_WARNING, "%s: the NIC's ring has %u of %u descriptors", p->source,
                    p->ring, p->ring_max);
        finding_mend(f, "ethtool -G %s rx %u", p->interface, good);
    }
}

/* Drivers under which a DPDK port works: those of user space, and bifurcated ones. */
static bool is_user_driver(const char *driver)
{
    static const char *const known[] = {"vfio-pci",  "uio_pci_generic", "igb_uio",
                                        "mlx4_core", "mlx5_core",       "mana"};
    for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
        if (strcmp(driver, known[i]) == 0)
            return true;
    return false;
}

static void judge_pci(struct findings *f, const struct machine_port *p)
{
    if (p->kind != PORT_PCI)
        return;
    if (!is_user_driver(p->driver)) {
        finding_add(f, FINDING_ERROR, "%s: %s%s, which DPDK cannot use", p->source,
                    *p->driver ? "driver " : "no driver", p->driver);
        finding_mend(f, "modprobe vfio-pci && dpdk-devbind.py --bind=vfio-pci %s", p->device);
        return;
    }
    finding_add(f, FINDING_OK, "%s: driver %s", p->source, p->driver);
    if (p->iommu == FACT_NO && strcmp(p->driver, "vfio-pci") == 0) {
        finding_add(f, FINDING_WARNING, "%s: no IOMMU: the NIC can write all of the memory",
                    p->source);
        finding_mend(f, "boot with intel_iommu=on or amd_iommu=on, and enable it in the firmware");
    }
}

/* "8-11": as many cores of the node as there are workers. */
static void cores_of_node(const struct machine *m, int node, uint32_t wanted, char out[64])
{
    size_t n = 0;

    out[0] = '\0';
    for (int i = 0; i < CPU_SETSIZE && wanted && n < 56; i++) {
        if (m->core[i].node != node || !m->core[i].online || m->core[i].physical != i)
            continue;
        n += (size_t)snprintf(out + n, 64 - n, "%s%d", n ? ", " : "", i);
        wanted--;
    }
}

static void judge_node(struct findings *f, const struct machine_port *p)
{
    const struct machine *m = f->machine;
    uint32_t far = 0;
    char cores[64];

    if (m->node_count < 2 || p->numa_node < 0)
        return;
    for (uint32_t i = 0; i < f->workers; i++)
        far += f->core[i] < 0 || m->core[f->core[i]].node != p->numa_node;
    if (!far) {
        finding_add(f, FINDING_OK, "%s: NUMA node %d, as its workers", p->source, p->numa_node);
        return;
    }
    cores_of_node(m, p->numa_node, f->workers, cores);
    finding_add(f, FINDING_WARNING, "%s: NUMA node %d, but not %u of %u workers", p->source,
                p->numa_node, far, f->workers);
    finding_mend(f, "capture.cores: %s", cores);
}

void findings_port(struct findings *f, const struct machine_port *p)
{
    uint32_t before = f->count;

    if (!judge_presence(f, p))
        return;
    judge_frames(f, p);
    judge_use(f, p);
    judge_link(f, p);
    judge_driver(f, p);
    judge_pci(f, p);
    judge_mtu(f, p);
    judge_queues(f, p);
    judge_spread(f, p);
    judge_offloads(f, p);
    judge_node(f, p);
    if (f->count == before && *p->interface)
        finding_add(f, FINDING_OK, "%s: interface %s is up", p->source, p->interface);
    else if (f->count == before)
        finding_add(f, FINDING_OK, "%s: a virtual device of DPDK", p->source);
}
