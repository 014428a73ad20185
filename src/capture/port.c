#include "capture/port.h"

#include <ctype.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture/eal.h"

typedef int (*port_opener)(const struct port_options *, struct port **,
                           char error[CAPTURE_ERROR_MAX]);

struct port_kind {
    const char *prefix;
    bool takes;       /* the port away from the operating system */
    bool can_forward; /* inline mode */
    port_opener open; /* NULL: this build lacks it */
    const char *lacks;
};

#ifdef WEIR_HAVE_XDP
#define OPEN_XDP port_open_xdp
#else
#define OPEN_XDP NULL
#endif
#ifdef WEIR_HAVE_DPDK
#define OPEN_DPDK port_open_dpdk
#else
#define OPEN_DPDK NULL
#endif

static const struct port_kind kinds[] = {
    {"eth:", false, false, port_open_live, NULL},
    {"xdp:", true, false, OPEN_XDP, "AF_XDP (libbpf, clang and bpftool)"},
    {"dpdk:", true, true, OPEN_DPDK, "DPDK (libdpdk)"},
};

/* A source without prefix is the name of an interface. NULL: a prefix that is none. */
static const struct port_kind *kind_of(const char *source)
{
    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
        if (strncmp(source, kinds[i].prefix, strlen(kinds[i].prefix)) == 0)
            return &kinds[i];
    return strchr(source, ':') ? NULL : &kinds[0];
}

const char *port_device(const char *source)
{
    const struct port_kind *kind = kind_of(source);
    size_t length = kind ? strlen(kind->prefix) : 0;

    return kind && strncmp(source, kind->prefix, length) == 0 ? source + length : source;
}

bool port_takes(const char *source)
{
    const struct port_kind *kind = kind_of(source);

    return kind && kind->takes;
}

/* 0000:3b:00.0 or 3b:00.0 */
static bool is_pci_address(const char *source)
{
    const char *last = strrchr(source, ':');

    return last && isxdigit((unsigned char)source[0]) && isxdigit((unsigned char)last[1]) &&
           strchr(last, '.');
}

static int explain_unknown(const char *source, char error[CAPTURE_ERROR_MAX])
{
    if (is_pci_address(source))
        snprintf(error, CAPTURE_ERROR_MAX, "%.200s: to take this PCI device, name it dpdk:%.200s",
                 source, source);
    else
        snprintf(error, CAPTURE_ERROR_MAX,
                 "%.200s: no source has the prefix \"%.*s\": a source is eth0 (observe a copy), "
                 "xdp:eth1, or dpdk: with a PCI address or a virtual device (net_...)",
                 source, (int)strcspn(source, ":") + 1, source);
    return -EINVAL;
}

/* --- one interface, one source --- */

/* The interface of the kernel that a source reads; false when it reads none. */
static bool interface_of(const char *source, char name[IFNAMSIZ])
{
    const char *device = port_device(source);

    if (strncmp(source, "dpdk:", strlen("dpdk:")) == 0)
        return strncmp(device, "net_af_", strlen("net_af_")) == 0 &&
               eal_device_argument(source, "iface", name, IFNAMSIZ);
    snprintf(name, IFNAMSIZ, "%.*s", IFNAMSIZ - 1, device);
    return true;
}

/* An interface may have other names (ip link property). */
static bool is_same_interface(const char *source, const char *other)
{
    char name[IFNAMSIZ], other_name[IFNAMSIZ];

    if (!interface_of(source, name) || !interface_of(other, other_name))
        return false;
    unsigned index = if_nametoindex(name);
    return index ? index == if_nametoindex(other_name) : strcmp(name, other_name) == 0;
}

/* The queue of a net_af_xdp device; -1: the source reads all that its interface has. */
static int queue_of(const char *source)
{
    char number[16] = "0";

    if (strncmp(source, "dpdk:net_af_xdp", strlen("dpdk:net_af_xdp")) != 0)
        return -1;
    (void)eal_device_argument(source, "start_queue", number, sizeof(number));
    return (int)strtol(number, NULL, 10);
}

/* Against the sources before it. */
static int check_interface(const struct port_options *options, char error[CAPTURE_ERROR_MAX])
{
    int queue = queue_of(options->source);

    for (uint16_t i = 0; i < options->index && i < options->source_count; i++) {
        const char *other = options->all_sources[i];
        if (!is_same_interface(options->source, other))
            continue;
        if (queue < 0 || queue_of(other) < 0) {
            snprintf(error, CAPTURE_ERROR_MAX,
                     "%.180s: reads the same interface as %.180s: name it once", options->source,
                     other);
            return -EEXIST;
        }
        if (queue == queue_of(other)) {
            snprintf(error, CAPTURE_ERROR_MAX,
                     "%.150s: reads the same queue as %.150s: give each a start_queue= of its own",
                     options->source, other);
            return -EEXIST;
        }
    }
    return 0;
}

int port_check(const struct port_options *options, char error[CAPTURE_ERROR_MAX])
{
    const char *source = options->source;
    const struct port_kind *kind = kind_of(source);

    if (!kind)
        return explain_unknown(source, error);
    if (!*port_device(source)) {
        snprintf(error, CAPTURE_ERROR_MAX, "\"%.200s\": names no interface or device", source);
        return -EINVAL;
    }
    if (!kind->open) {
        snprintf(error, CAPTURE_ERROR_MAX, "%.200s: this build of weir lacks %s", source,
                 kind->lacks);
        return -ENOTSUP;
    }
    if (options->inline_mode && !kind->can_forward) {
        snprintf(error, CAPTURE_ERROR_MAX,
                 "%.200s: capture.mode inline needs dpdk: ports, which can send; for a kernel "
                 "interface that is dpdk:net_af_xdp0,iface=%.200s",
                 source, port_device(source));
        return -EINVAL;
    }
    if (options->inline_mode && options->source_count % 2) {
        snprintf(error, CAPTURE_ERROR_MAX,
                 "%.200s: capture.mode inline needs ports in pairs (the first with the second, the "
                 "third with the fourth), there are %u",
                 source, options->source_count);
        return -EINVAL;
    }
    return check_interface(options, error);
}

int port_open(const struct port_options *options, struct port **out, char error[CAPTURE_ERROR_MAX])
{
    int status = port_check(options, error);

    return status < 0 ? status : kind_of(options->source)->open(options, out, error);
}
