/*
 * What a machine is like, as far as it matters to a sensor: facts for findings.h to judge.
 * Gathering changes nothing on the machine and needs no rights; what cannot be known stays unknown.
 */
#pragma once

#include <net/if.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>

#include "weir/capture.h"
#include "weir/config.h"

#define MACHINE_WORD_MAX 64
#define MACHINE_WHY_MAX 256
#define MACHINE_PATHS_MAX (4 * CONFIG_COLLECTORS_MAX + 8)
#define MACHINE_NAMES_MAX (CONFIG_COLLECTORS_MAX + 4)
#define MACHINE_NODES_MAX 64

enum fact { FACT_UNKNOWN, FACT_NO, FACT_YES };

enum machine_port_kind { PORT_LIVE, PORT_XDP, PORT_PCI, PORT_VDEV };

/* How the interface spreads packets over its queues. */
enum machine_hash {
    HASH_UNKNOWN,
    HASH_SOFTWARE,   /* by the kernel, which meets both directions */
    HASH_SYMMETRIC,  /* by the NIC, likewise */
    HASH_ASYMMETRIC, /* by the NIC, each direction elsewhere */
};

struct machine_port {
    const char *source; /* as the user named it */
    enum machine_port_kind kind;
    char unusable[CAPTURE_ERROR_MAX]; /* why no build or not this one opens it; or "" */
    char device[MACHINE_WORD_MAX];    /* PCI address */
    bool missing;                     /* no such interface or device */
    char interface[IFNAMSIZ];         /* of the kernel, where there is one behind it; or "" */
    char driver[MACHINE_WORD_MAX];    /* or "" */
    bool up, carrier, loopback, ethernet;
    uint32_t mtu;
    uint32_t queues, queues_max; /* receive queues in use, possible; 0 = unknown */
    uint32_t ring, ring_max;     /* descriptors of the NIC's, likewise */
    enum fact native_xdp, zero_copy, multi_buffer;
    uint32_t xdp_program; /* id of one that is attached; 0 = none */
    bool xdp_generic;     /* how it is attached */
    enum fact default_route;
    enum machine_hash hash;
    enum fact hash_ports; /* TCP and UDP ports are in the hash */
    enum fact merges;     /* GRO or LRO: packets are merged before a copy is taken */
    enum fact iommu;      /* PORT_PCI: the device is in a group of its own or others */
    int numa_node;        /* -1 = unknown or none */
};

enum machine_need {
    NEED_READ,
    NEED_DIRECTORY, /* that files can be made in */
    NEED_MADE       /* likewise; who starts the sensor makes it where it is not there */
};

struct machine_path {
    const char *key; /* of the configuration */
    char path[CONFIG_PATH_MAX];
    enum machine_need need;
    int error;      /* errno for who runs this, 0 = fine */
    int user_error; /* for sensor.user */
};

struct machine_certificate {
    unsigned collector;
    char why[MACHINE_WHY_MAX]; /* why it is of no use, or "" */
    int64_t days_left;         /* negative: over; only without why */
};

/* A host name that has to be looked up, or an address that is listened on. */
struct machine_name {
    const char *key;
    char name[CONFIG_ADDRESS_MAX];
    char why[MACHINE_WHY_MAX]; /* or "" */
};

struct machine_core {
    bool online, allowed; /* for this process */
    bool isolated;        /* from the scheduler */
    int16_t node;         /* NUMA; -1 = unknown */
    int16_t physical;     /* the lowest core that shares its pipelines */
    int32_t pinned_pid;   /* of another process that is pinned to it alone; 0 = none */
    char pinned_name[16];
};

struct machine {
    char kernel[MACHINE_WORD_MAX];
    uint32_t kernel_version; /* major << 8 | minor */
    uint64_t capabilities;   /* effective, bits of linux/capability.h */
    bool root;
    bool user_missing;              /* sensor.user */
    uint64_t memlock;               /* octets; UINT64_MAX = no limit */
    uint64_t available;             /* octets of memory */
    uint64_t huge_free, huge_total; /* octets in huge pages */
    bool bpf_jit;
    int landlock;    /* version, 0 = none */
    bool can_filter; /* this build filters system calls */
    char clock_source[MACHINE_WORD_MAX];
    bool steady_counter; /* the processor's time stamp counter runs at a constant rate */
    char governor[MACHINE_WORD_MAX]; /* of the clock frequency; or "" */
    uint32_t node_count;
    struct machine_core core[CPU_SETSIZE];
    uint32_t port_count, path_count, certificate_count, name_count, listen_count;
    struct machine_port port[CONFIG_PORTS_MAX];
    struct machine_path path[MACHINE_PATHS_MAX];
    struct machine_certificate certificate[CONFIG_COLLECTORS_MAX];
    struct machine_name name[MACHINE_NAMES_MAX];
    struct machine_name listen[2];
};

/* All facts that the configuration makes interesting; it must outlive them. Looking up names may
 * take the resolver's time. Large: keep it on the heap. */
void machine_gather(struct machine *, const struct config *);

/* Parts of it. */
void machine_gather_cores(struct machine *);
void machine_gather_port(struct machine_port *, const struct config *, uint32_t index);
void machine_gather_files(struct machine *, const struct config *);
