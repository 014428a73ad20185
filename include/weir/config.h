/*
 * The configuration: one nested struct per stage. config_load() (src/config/config.h) makes a
 * generation; a loaded generation is immutable. Keys, ranges and defaults stand in one table,
 * src/config/keys.c; `weir check --keys` prints it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define CONFIG_NETWORKS_MAX 256
#define CONFIG_NAME_MAX 64

/* An address prefix; IPv4 in the first 4 octets of address. */
struct ip_prefix {
    uint8_t address[16];
    uint8_t version;
    uint8_t length; /* bits */
};

struct sensor_config {
    char name[CONFIG_NAME_MAX];
};

struct capture_config {
    bool dedup; /* leave SPAN duplicates out of flows */
};

/* How long a connection keeps its entry after its last packet. */
enum flow_keep {
    KEEP_OTHER, /* protocols other than TCP and UDP */
    KEEP_UDP,
    KEEP_TCP_ESTABLISHED,
    KEEP_TCP_HALF_OPEN,
    KEEP_TCP_CLOSED,
    KEEP_COUNT
};

struct flow_config {
    uint64_t idle_ns;
    uint64_t active_ns;
    uint64_t keep_ns[KEEP_COUNT];
    bool timeouts;      /* false: only TCP end, a new SYN and the end of the capture end a flow */
    uint64_t max_flows; /* 0 = by free memory */
    uint64_t max_fragments; /* datagrams whose fragments are tracked at once */
    uint64_t fragment_ns;   /* how long */
    uint32_t decap;         /* mask of 1 << enum tunnel_kind */
    bool vlan_in_key;
    bool tunnel_in_key;
};

struct hosts_config {
    uint32_t network_count;
    struct ip_prefix network[CONFIG_NETWORKS_MAX]; /* what is inside */
};

struct config {
    struct sensor_config sensor;
    struct capture_config capture;
    struct flow_config flow;
    struct hosts_config hosts;
};
