#include <dirent.h>
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "capture/eal.h"
#include "capture/interface.h"
#include "capture/port.h"
#include "core/machine.h"
#include "core/machine_file.h"
#include "core/machine_netdev.h"
#include "weir/config.h"

#define PCI_FOLDER "/sys/bus/pci/devices"
#define L4_PORTS (RXH_L4_B_0_1 | RXH_L4_B_2_3)
#define RSS_KEY_PERIOD 2 /* octets: by these source and destination may change places */

static enum fact fact_of(bool holds)
{
    return holds ? FACT_YES : FACT_NO;
}

/* One ethtool command; 0 or -errno. */
static int ethtool(int fd, const char *interface, void *command)
{
    struct ifreq request = {.ifr_data = command};

    memcpy(request.ifr_name, interface, IFNAMSIZ);
    return ioctl(fd, SIOCETHTOOL, &request) < 0 ? -errno : 0;
}

static void gather_flags(int fd, struct machine_port *p)
{
    struct ifreq request = {0};

    memcpy(request.ifr_name, p->interface, IFNAMSIZ);
    if (ioctl(fd, SIOCGIFFLAGS, &request) < 0)
        return;
    p->up = request.ifr_flags & IFF_UP;
    p->carrier = request.ifr_flags & IFF_RUNNING;
}

static void gather_channels(int fd, struct machine_port *p)
{
    struct ethtool_channels channels = {.cmd = ETHTOOL_GCHANNELS};

    if (ethtool(fd, p->interface, &channels) < 0)
        return;
    p->queues = channels.rx_count + channels.combined_count;
    p->queues_max = channels.max_combined ? channels.max_combined : channels.max_rx;
}

static void gather_ring(int fd, struct machine_port *p)
{
    struct ethtool_ringparam ring = {.cmd = ETHTOOL_GRINGPARAM};

    if (ethtool(fd, p->interface, &ring) < 0)
        return;
    p->ring = ring.rx_pending;
    p->ring_max = ring.rx_max_pending;
}

static void gather_merging(int fd, struct machine_port *p)
{
    struct ethtool_value gro = {.cmd = ETHTOOL_GGRO}, flags = {.cmd = ETHTOOL_GFLAGS};
    bool known = ethtool(fd, p->interface, &gro) == 0;

    known &= ethtool(fd, p->interface, &flags) == 0;
    if (known)
        p->merges = fact_of(gro.data || (flags.data & ETH_FLAG_LRO));
}

/* The key and the indirection table stand behind the request. */
static struct ethtool_rxfh *read_hash(int fd, const struct machine_port *p)
{
    struct ethtool_rxfh sizes = {.cmd = ETHTOOL_GRSSH};

    if (ethtool(fd, p->interface, &sizes) < 0 || !sizes.key_size)
        return NULL;
    struct ethtool_rxfh *hash =
        calloc(1, sizeof(*hash) + sizes.indir_size * sizeof(uint32_t) + sizes.key_size);
    if (!hash)
        return NULL;
    hash->cmd = ETHTOOL_GRSSH;
    hash->indir_size = sizes.indir_size;
    hash->key_size = sizes.key_size;
    if (ethtool(fd, p->interface, hash) == 0)
        return hash;
    free(hash);
    return NULL;
}

static bool key_is_symmetric(const struct ethtool_rxfh *hash)
{
    const uint8_t *key = (const uint8_t *)(hash->rss_config + hash->indir_size);

    for (uint32_t i = RSS_KEY_PERIOD; i < hash->key_size; i++)
        if (key[i] != key[i - RSS_KEY_PERIOD])
            return false;
    return true;
}

/* Drivers without hardware, whose packets the kernel hashes. */
static bool hashes_in_software(const char *driver)
{
    return strcmp(driver, "veth") == 0 || strcmp(driver, "tun") == 0;
}

static void gather_hash(int fd, struct machine_port *p)
{
    struct ethtool_rxnfc fields = {.cmd = ETHTOOL_GRXFH, .flow_type = UDP_V4_FLOW};
    struct ethtool_rxfh *hash = read_hash(fd, p);

    if (hash)
        p->hash = key_is_symmetric(hash) ? HASH_SYMMETRIC : HASH_ASYMMETRIC;
    else if (hashes_in_software(p->driver))
        p->hash = HASH_SOFTWARE;
    free(hash);
    if (ethtool(fd, p->interface, &fields) == 0)
        p->hash_ports = fact_of(fields.data & L4_PORTS);
}

static void gather_node(struct machine_port *p, const char *bus)
{
    char path[160], text[16];

    snprintf(path, sizeof(path), PCI_FOLDER "/%.64s/numa_node", bus);
    if (machine_read_word(path, text, sizeof(text)) == 0 && *text)
        p->numa_node = atoi(text);
}

static void gather_driver(int fd, struct machine_port *p)
{
    struct ethtool_drvinfo info = {.cmd = ETHTOOL_GDRVINFO};

    if (ethtool(fd, p->interface, &info) < 0)
        return;
    snprintf(p->driver, sizeof(p->driver), "%.31s", info.driver);
    gather_node(p, info.bus_info);
}

static void gather_xdp(struct machine_port *p, const struct interface *interface)
{
    uint64_t features;

    if (netdev_xdp_features(interface->index, &features) < 0)
        return;
    p->native_xdp = fact_of(features & NETDEV_XDP_BASIC && features & NETDEV_XDP_REDIRECT);
    p->zero_copy = fact_of(features & NETDEV_XDP_ZEROCOPY);
    p->multi_buffer = fact_of(features & NETDEV_XDP_RX_SG);
}

static void gather_link(struct machine_port *p, struct interface *interface)
{
    struct interface_state state;
    int route = interface_has_default_route(interface);

    p->default_route = route < 0 ? FACT_UNKNOWN : fact_of(route);
    if (interface_read(interface, &state) < 0)
        return;
    p->missing = state.gone;
    p->loopback = state.loopback;
    p->ethernet = state.ethernet;
    p->mtu = state.mtu;
    p->queues = state.rx_queues;
    p->xdp_program = state.xdp_program;
    p->xdp_generic = state.xdp_generic;
}

static void gather_interface(struct machine_port *p)
{
    struct interface interface;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (interface_open(&interface, p->interface) < 0) {
        p->missing = p->kind != PORT_PCI;
    } else {
        gather_link(p, &interface);
        gather_xdp(p, &interface);
        interface_close(&interface);
    }
    if (fd >= 0 && !p->missing) {
        gather_flags(fd, p);
        gather_driver(fd, p);
        gather_channels(fd, p);
        gather_ring(fd, p);
        gather_merging(fd, p);
        gather_hash(fd, p);
    }
    if (fd >= 0)
        close(fd);
}

/* The first name in a folder, as the one interface of a device has it. */
static bool first_name(const char *folder, char *name, size_t size)
{
    DIR *d = opendir(folder);
    bool found = false;

    for (struct dirent *e; d && !found && (e = readdir(d));) {
        found = e->d_name[0] != '.' && strlen(e->d_name) < size;
        if (found)
            strcpy(name, e->d_name);
    }
    if (d)
        closedir(d);
    return found;
}

static void gather_pci(struct machine_port *p)
{
    char path[160], target[256];

    snprintf(path, sizeof(path), PCI_FOLDER "/%s", p->device);
    p->missing = access(path, F_OK) != 0;
    snprintf(path, sizeof(path), PCI_FOLDER "/%s/driver", p->device);
    ssize_t n = readlink(path, target, sizeof(target) - 1);
    target[n > 0 ? n : 0] = '\0';
    const char *slash = strrchr(target, '/');
    snprintf(p->driver, sizeof(p->driver), "%.63s", slash ? slash + 1 : target);
    snprintf(path, sizeof(path), PCI_FOLDER "/%s/iommu_group", p->device);
    p->iommu = fact_of(access(path, F_OK) == 0);
    gather_node(p, p->device);
    snprintf(path, sizeof(path), PCI_FOLDER "/%s/net", p->device);
    if (first_name(path, p->interface, sizeof(p->interface)))
        gather_interface(p);
}

static enum machine_port_kind kind_of(const char *source)
{
    if (strncmp(source, "dpdk:", 5) == 0)
        return eal_is_pci(source) ? PORT_PCI : PORT_VDEV;
    return port_takes(source) ? PORT_XDP : PORT_LIVE;
}

static void name_interface(struct machine_port *p)
{
    const char *device = port_device(p->source);

    if (p->kind == PORT_VDEV && strncmp(device, "net_af_", 7) == 0)
        eal_device_argument(p->source, "iface", p->interface, sizeof(p->interface));
    else if (p->kind != PORT_VDEV && strlen(device) < sizeof(p->interface))
        strcpy(p->interface, device);
    else if (p->kind != PORT_VDEV)
        p->missing = true;
}

void machine_gather_port(struct machine_port *p, const struct config *config, uint32_t index)
{
    const char *sources[CONFIG_PORTS_MAX], *source = config->capture.port[index];
    struct port_options options = {.config = config,
                                   .source = source,
                                   .index = (uint16_t)index,
                                   .all_sources = sources,
                                   .source_count = (uint16_t)config->capture.port_count,
                                   .inline_mode = config->capture.mode == MODE_INLINE};

    for (uint32_t i = 0; i < config->capture.port_count; i++)
        sources[i] = config->capture.port[i];
    memset(p, 0, sizeof(*p));
    p->source = source;
    p->numa_node = -1;
    p->kind = kind_of(source);
    if (port_check(&options, p->unusable) < 0)
        return;
    if (p->kind == PORT_PCI) {
        eal_device_name(source, p->device, sizeof(p->device));
        gather_pci(p);
        return;
    }
    name_interface(p);
    if (*p->interface)
        gather_interface(p);
}
