/*
 * The configuration: one nested struct per stage. config_load() (src/config/config.h) makes a
 * generation; a loaded generation is immutable. Keys, ranges and defaults stand in one table,
 * src/config/keys.c; `weir check --keys` prints it.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "weir/config_limits.h"

/* An address prefix; IPv4 in the first 4 octets of address. */
struct ip_prefix {
    uint8_t address[16];
    uint8_t version;
    uint8_t length; /* bits */
};

struct ip_prefixes {
    uint32_t count;
    struct ip_prefix prefix[CONFIG_NETWORKS_MAX];
};

enum log_level { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG, LOG_LEVEL_COUNT };

struct sensor_config {
    char name[CONFIG_NAME_MAX];
    uint64_t log_level;               /* enum log_level */
    uint64_t drain_timeout_ns;        /* SIGTERM: until flows, rings and sessions are out */
    uint64_t stuck_timeout_ns;        /* a worker without heartbeat for so long is reported */
    char user[CONFIG_NAME_MAX];       /* to become after the ports are open; empty = stay */
    char control[CONFIG_PATH_MAX];    /* path of the control socket; empty = none */
    char metrics[CONFIG_ADDRESS_MAX]; /* host:port of /metrics and /healthz; empty = none */
};

enum capture_mode { MODE_OBSERVE, MODE_INLINE, MODE_COUNT };
enum capture_spread { SPREAD_IP, SPREAD_L4, SPREAD_SOFTWARE, SPREAD_COUNT };
enum capture_xdp_mode { XDP_MODE_AUTO, XDP_MODE_NATIVE, XDP_MODE_GENERIC, XDP_MODE_COUNT };

struct capture_config {
    uint32_t port_count; /* sources, as -i names them */
    char port[CONFIG_PORTS_MAX][CONFIG_SOURCE_MAX];
    uint64_t mode;       /* enum capture_mode */
    uint64_t workers;    /* 0 = by cores and queues */
    uint32_t core_count; /* cores of the workers, in their order; 0 = not pinned by hand */
    uint64_t core[CONFIG_WORKERS_MAX];
    uint64_t spread; /* enum capture_spread */
    uint64_t ring;   /* descriptors of each receive ring, a power of two */
    bool promiscuous;
    bool dedup;                         /* leave SPAN duplicates out of flows */
    struct ip_prefixes ignore_networks; /* left out in the kernel */
    uint32_t ignore_port_count;
    uint64_t ignore_port[CONFIG_IGNORE_PORTS_MAX];
    uint64_t xdp_mode; /* enum capture_xdp_mode */
    bool busy_poll;
    char eal[CONFIG_PATH_MAX]; /* more options for DPDK's EAL */
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

enum flow_fold_mode { FOLD_AUTO, FOLD_OFF, FOLD_ON, FOLD_MODE_COUNT };

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
    uint64_t fold;      /* enum flow_fold_mode */
    uint64_t fold_rate; /* flows of one packet, per second and prefix, that get records */
};

enum export_transport {
    TRANSPORT_TCP,
    TRANSPORT_TLS,
    TRANSPORT_UDP,
    TRANSPORT_FILE,
    TRANSPORT_COUNT
};
enum export_profile {
    PROFILE_CORE,
    PROFILE_ELK,
    PROFILE_UNIFLOW,
    PROFILE_SILK,
    PROFILE_RICH,
    PROFILE_ECS,  /* JSON lines, Elastic Common Schema */
    PROFILE_JSON, /* JSON lines, Zeek's names */
    PROFILE_COUNT
};
enum export_group_mode { GROUP_ALL, GROUP_FAILOVER, GROUP_BALANCE, GROUP_MODE_COUNT };

/* One element of export.collectors. */
struct collector_config {
    char name[CONFIG_NAME_MAX]; /* in logs, metrics and the spool; default: its address */
    uint64_t transport;         /* enum export_transport */
    char host[CONFIG_ADDRESS_MAX];
    uint64_t port;               /* 0 = 4739, tls 4740 */
    char path[CONFIG_PATH_MAX];  /* file: where to; -, for JSON: stdout */
    uint64_t profile;            /* enum export_profile */
    char group[CONFIG_NAME_MAX]; /* collectors of one name form a group */
    uint64_t group_mode;         /* enum export_group_mode; equal within a group */
    char ca[CONFIG_PATH_MAX];    /* tls: who may be trusted; default: the system's */
    char cert[CONFIG_PATH_MAX];  /* tls: who we are */
    char key[CONFIG_PATH_MAX];
    char peer[CONFIG_ADDRESS_MAX];     /* tls: the name the peer must prove; default: host */
    uint64_t message_size;             /* octets at most; 0 = 8192, udp 1400 */
    uint64_t reconnect_ns;             /* between the starts of two attempts */
    uint64_t template_ns;              /* templates are sent again so often; 0 = never */
    uint64_t options_ns;               /* statistics records so often; 0 = never */
    uint64_t spool_octets;             /* bound on disk; 0 = no spool */
    uint64_t rotate_octets, rotate_ns; /* file: begin a new one at this size, age; 0 = never */
};

struct export_config {
    uint32_t collector_count;
    struct collector_config collector[CONFIG_COLLECTORS_MAX];
    uint64_t domain;             /* observation domain id; 0 = from sensor.name */
    uint64_t enterprise;         /* PEN of own elements in profile rich; 0 = leave them out */
    char spool[CONFIG_PATH_MAX]; /* directory of the spool; empty = none */
    uint64_t queue_octets;       /* messages in memory, per collector */
    uint64_t
        replay_octets; /* acknowledged messages kept for a collector that dies (replay_window) */
    uint64_t flush_ns; /* a message waits no longer than this for more records */
    uint64_t ring;     /* records between a worker and the exporter, per lane, a power of two */
};

struct hosts_config {
    struct ip_prefixes networks; /* what is inside */
    uint64_t max_inside;         /* inside hosts with counters of their own */
    uint64_t max_outside;        /* outside hosts kept, those with most traffic */
};

struct hunts_config {
    bool enabled;
    char rules[CONFIG_PATH_MAX];     /* YAML file; empty = built-in rules */
    char alerts[CONFIG_PATH_MAX];    /* JSON lines of alerts; empty = none */
    char syslog[CONFIG_ADDRESS_MAX]; /* udp://host:port, tcp://host:port or unix:/path; empty = none
                                      */
    uint64_t learn_ns;               /* first-seen rules stay silent so long after the start */
};

struct redis_config {
    char address[CONFIG_ADDRESS_MAX]; /* host:port or unix:/path; empty = no Redis */
    char user[CONFIG_NAME_MAX];
    char password_file[CONFIG_PATH_MAX];
    uint64_t database;
    char sentinel[CONFIG_NAME_MAX]; /* name of the master: address is then a Sentinel's */
    bool tls;
    char ca[CONFIG_PATH_MAX];
    uint64_t timeout_ns;
    uint64_t push_ns; /* changed hosts are pushed so often */
};

struct config {
    struct sensor_config sensor;
    struct capture_config capture;
    struct flow_config flow;
    struct export_config exports; /* keys export.*: the bare word reads like C++ */
    struct hosts_config hosts;
    struct hunts_config hunts;
    struct redis_config redis;
};
