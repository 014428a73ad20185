#include "config/keys.h"

#include <assert.h>

#include "weir/config.h"
#include "weir/packet.h"

#define MS UINT64_C(1000000)
#define SECOND (1000 * MS)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)
#define KIB UINT64_C(1024)
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)
#define U32_MAX UINT64_C(4294967295)

/* Offset of a field that has the C type its config_type stands for; any other type does not
 * compile. */
#define FIELD(type, field)                                                                         \
    _Generic(((struct config *)0)->field, type : offsetof(struct config, field))
#define SIZE(field) .size = sizeof(((struct config *)0)->field)
#define RANGE(lo, hi) .min = (lo), .max = (hi)
#define NUMBER(type, field, ...) type, .offset = FIELD(uint64_t, field), RANGE(__VA_ARGS__)
#define BOOL(field) CONFIG_BOOL, .offset = FIELD(bool, field)
#define COUNT(field, ...) NUMBER(CONFIG_COUNT, field, __VA_ARGS__)
#define PLAIN(field, ...) NUMBER(CONFIG_NUMBER, field, __VA_ARGS__)
#define PORT(field) NUMBER(CONFIG_PORT, field, 1, 65535)
#define OCTETS(field, ...) NUMBER(CONFIG_OCTETS, field, __VA_ARGS__)
#define DURATION(field, ...) NUMBER(CONFIG_DURATION, field, __VA_ARGS__)
#define LABEL(field) CONFIG_LABEL, .offset = FIELD(char *, field), SIZE(field)
#define TEXT(field) CONFIG_TEXT, .offset = FIELD(char *, field), SIZE(field)
#define NAMES(list) .names = (list), .name_count = sizeof(list) / sizeof(*(list))
#define CHOICE(field, list) CONFIG_CHOICE, .offset = FIELD(uint64_t, field), NAMES(list)
#define MASK(field, list) CONFIG_MASK, .offset = FIELD(uint32_t, field), NAMES(list)
#define LIST(type, list_type, field, count, limit)                                                 \
    type, .offset = FIELD(list_type, field), .count_offset = FIELD(uint32_t, count), .most = (limit)
#define PREFIXES(field)                                                                            \
    LIST(CONFIG_PREFIXES, struct ip_prefix *, field.prefix, field.count, CONFIG_NETWORKS_MAX)
#define COUNTS(field, count, limit, ...)                                                           \
    LIST(CONFIG_COUNTS, uint64_t *, field, count, limit), RANGE(__VA_ARGS__)

/* A key of each collector. */
#define EACH "export.collectors[]."
#define OF(field) exports.collector[0].field
#define STRIDE .stride = sizeof(struct collector_config)

static const char *const tunnel_names[TUNNEL_KIND_COUNT] = {
#define X(symbol, name, help) [TUNNEL_##symbol] = name,
    TUNNEL_KINDS(X)
#undef X
};
static const char *const log_level_names[LOG_LEVEL_COUNT] = {
    [LOG_ERROR] = "error", [LOG_WARNING] = "warning", [LOG_INFO] = "info", [LOG_DEBUG] = "debug"};
static const char *const mode_names[MODE_COUNT] = {
    [MODE_OBSERVE] = "observe", [MODE_INLINE] = "inline"};
static const char *const spread_names[SPREAD_COUNT] = {
    [SPREAD_IP] = "ip", [SPREAD_L4] = "l4", [SPREAD_SOFTWARE] = "software"};
static const char *const xdp_mode_names[XDP_MODE_COUNT] = {
    [XDP_MODE_AUTO] = "auto", [XDP_MODE_NATIVE] = "native", [XDP_MODE_GENERIC] = "generic"};
static const char *const fold_names[FOLD_MODE_COUNT] = {
    [FOLD_AUTO] = "auto", [FOLD_OFF] = "off", [FOLD_ON] = "on"};
static const char *const transport_names[TRANSPORT_COUNT] = {[TRANSPORT_TCP] = "tcp",
                                                             [TRANSPORT_TLS] = "tls",
                                                             [TRANSPORT_UDP] = "udp",
                                                             [TRANSPORT_FILE] = "file"};
static const char *const profile_names[PROFILE_COUNT] = {
    [PROFILE_CORE] = "core", [PROFILE_ELK] = "elk",   [PROFILE_UNIFLOW] = "uniflow",
    [PROFILE_SILK] = "silk", [PROFILE_RICH] = "rich", [PROFILE_ECS] = "ecs",
    [PROFILE_JSON] = "json"};
static const char *const group_mode_names[GROUP_MODE_COUNT] = {
    [GROUP_ALL] = "all", [GROUP_FAILOVER] = "failover", [GROUP_BALANCE] = "balance"};

/* clang-format off */
const struct config_key config_keys[] = {
    {"sensor.name", LABEL(sensor.name), .fallback = "weir",
     .help = "name of this sensor wherever several report to one place"},
    {"sensor.log_level", CHOICE(sensor.log_level, log_level_names), .fallback = "info",
     .help = "what is logged: this and what is worse"},
    {"sensor.drain_timeout", DURATION(sensor.drain_timeout_ns, 100 * MS, HOUR), .fallback = "5s",
     .help = "time that SIGTERM leaves for flows, rings and sessions to get out"},
    {"sensor.stuck_timeout", DURATION(sensor.stuck_timeout_ns, 100 * MS, HOUR), .fallback = "2s",
     .help = "a worker without heartbeat for so long is reported"},
    {"sensor.user", TEXT(sensor.user), .zero = "none", .fallback = "none",
     .help = "user to become when all ports are open; none: stay who started it"},
    {"sensor.control", TEXT(sensor.control), .zero = "none", .fallback = "none",
     .help = "path of the control socket (the service uses /run/weir/control.sock)"},
    {"sensor.metrics", TEXT(sensor.metrics), .zero = "none", .fallback = "none",
     .help = "host:port on which /metrics and /healthz are served"},

    {"capture.ports", LIST(CONFIG_TEXTS, char (*)[CONFIG_SOURCE_MAX], capture.port,
                           capture.port_count, CONFIG_PORTS_MAX),
     SIZE(capture.port[0]), .fallback = "none",
     .help = "sources: eth0 (a copy), xdp:eth1 (takes the port), dpdk:0000:3b:00.0; as -i"},
    {"capture.mode", CHOICE(capture.mode, mode_names), .fallback = "observe",
     .help = "inline: frames leave by the other port of their pair"},
    {"capture.workers", COUNT(capture.workers, 1, CONFIG_WORKERS_MAX), .zero = "auto",
     .fallback = "auto", .help = "worker threads; auto: by cores and queues"},
    {"capture.cores", COUNTS(capture.core, capture.core_count, CONFIG_WORKERS_MAX, 0, 1023),
     .fallback = "none", .help = "cores of the workers, in their order, such as 2-5, 8"},
    {"capture.spread", CHOICE(capture.spread, spread_names), .fallback = "ip",
     .help = "how packets find their worker: by addresses, addresses and ports, or in software"},
    {"capture.ring", COUNT(capture.ring, 64, 65536), .fallback = "4096",
     .help = "descriptors of each receive ring, a power of two"},
    {"capture.promiscuous", BOOL(capture.promiscuous), .fallback = "true",
     .help = "take frames for other stations too"},
    {"capture.dedup", BOOL(capture.dedup), .fallback = "false",
     .help = "leave frames seen twice within 10 ms (SPAN duplicates) out of flows; counted always"},
    {"capture.ignore_networks", PREFIXES(capture.ignore_networks), .fallback = "none",
     .help = "packets from or to these are left out; with xdp: in the kernel"},
    {"capture.ignore_ports", COUNTS(capture.ignore_port, capture.ignore_port_count,
                                    CONFIG_IGNORE_PORTS_MAX, 1, 65535),
     .fallback = "none", .help = "packets from or to these ports are left out likewise"},
    {"capture.xdp_mode", CHOICE(capture.xdp_mode, xdp_mode_names), .fallback = "auto",
     .help = "where the XDP program runs: in the driver or behind it; auto: the former if it can"},
    {"capture.busy_poll", BOOL(capture.busy_poll), .fallback = "false",
     .help = "xdp: the worker itself polls the driver, and interrupts rest"},
    {"capture.eal", TEXT(capture.eal), .zero = "none", .fallback = "none",
     .help = "more options for DPDK's environment, such as --socket-mem=1024"},

    {"flow.idle", DURATION(flow.idle_ns, 100 * MS, 30 * DAY), .fallback = "30s",
     .help = "silence that ends a record (end reason 1); its connection may go on"},
    {"flow.active", DURATION(flow.active_ns, 100 * MS, 30 * DAY), .fallback = "1m",
     .help = "age that ends a record (end reason 2)"},
    {"flow.keep.tcp", DURATION(flow.keep_ns[KEEP_TCP_ESTABLISHED], 100 * MS, 30 * DAY),
     .fallback = "1h", .help = "silence that ends an established TCP connection"},
    {"flow.keep.udp", DURATION(flow.keep_ns[KEEP_UDP], 100 * MS, 30 * DAY), .fallback = "2m",
     .help = "silence that ends a UDP connection"},
    {"flow.keep.other", DURATION(flow.keep_ns[KEEP_OTHER], 100 * MS, 30 * DAY),
     .fallback = "1m", .help = "silence that ends a connection of another protocol"},
    {"flow.keep.half_open", DURATION(flow.keep_ns[KEEP_TCP_HALF_OPEN], 100 * MS, 30 * DAY),
     .fallback = "15s", .help = "silence that ends a TCP connection without complete handshake"},
    {"flow.keep.closed", DURATION(flow.keep_ns[KEEP_TCP_CLOSED], 100 * MS, 30 * DAY),
     .fallback = "2s",
     .help = "silence after which a closed TCP connection is forgotten (late ACKs join it)"},
    {"flow.timeouts", BOOL(flow.timeouts), .fallback = "true",
     .help = "false: only TCP end, a new SYN and the end of the capture end a flow"},
    {"flow.max_flows", COUNT(flow.max_flows, 16, 1 << 28), .zero = "auto", .fallback = "auto",
     .help = "connections held at once, over all workers; auto: by free memory, at most 4 M"},
    {"flow.vlan_in_key", BOOL(flow.vlan_in_key), .fallback = "false",
     .help = "the same addresses and ports in two VLANs are two flows"},
    {"flow.tunnel_in_key", BOOL(flow.tunnel_in_key), .fallback = "false",
     .help = "the same addresses and ports in two tunnels are two flows"},
    {"flow.decap", MASK(flow.decap, tunnel_names),
     .fallback = "gre, erspan, ipip, vxlan, geneve, gtp",
     .help = "tunnels that are opened, so that flows are those inside"},
    {"flow.max_fragments", COUNT(flow.max_fragments, 16, 1 << 20), .fallback = "4096",
     .help = "datagrams whose fragments are tracked at once, per worker"},
    {"flow.fragment_timeout", DURATION(flow.fragment_ns, 100 * MS, HOUR), .fallback = "30s",
     .help = "how long a datagram's fragments are tracked"},
    {"flow.fold", CHOICE(flow.fold, fold_names), .fallback = "auto",
     .help = "floods of one-packet flows become aggregates; auto: in run, not in read, not for zeek"},
    {"flow.fold_rate", COUNT(flow.fold_rate, 1, U32_MAX), .fallback = "1k",
     .help = "one-packet flows per second from or to a /24 (IPv6: /64) that keep their own records"},

    {"export.collectors", LIST(CONFIG_COLLECTORS, struct collector_config *, exports.collector,
                               exports.collector_count, CONFIG_COLLECTORS_MAX),
     .fallback = "none",
     .help = "where records go: URLs such as tcp://host:4739, file:/path.ipfix, or sections"},
    {EACH "name", LABEL(OF(name)), STRIDE, .zero = "auto", .fallback = "auto",
     .help = "in logs, metrics and the spool; auto: from its address"},
    {EACH "transport", CHOICE(OF(transport), transport_names), STRIDE, .fallback = "tcp",
     .help = "how records get there"},
    {EACH "host", TEXT(OF(host)), STRIDE, .zero = "none", .fallback = "none",
     .help = "name or address; not for files"},
    {EACH "port", PORT(OF(port)), STRIDE, .zero = "auto", .fallback = "auto",
     .help = "auto: 4739, with tls 4740"},
    {EACH "path", TEXT(OF(path)), STRIDE, .zero = "none", .fallback = "none",
     .help = "of a file; - is stdout, for the JSON profiles"},
    {EACH "profile", CHOICE(OF(profile), profile_names), STRIDE, .fallback = "core",
     .help = "what a record holds and looks like; ecs and json are lines of JSON"},
    {EACH "group", LABEL(OF(group)), STRIDE, .zero = "none", .fallback = "none",
     .help = "collectors with the same word form a group"},
    {EACH "group_mode", CHOICE(OF(group_mode), group_mode_names), STRIDE, .fallback = "all",
     .help = "each member of the group gets all, or the first one that lives, or a share"},
    {EACH "ca", TEXT(OF(ca)), STRIDE, .zero = "system", .fallback = "system",
     .help = "tls: certificates of those who may vouch for the peer"},
    {EACH "cert", TEXT(OF(cert)), STRIDE, .zero = "none", .fallback = "none",
     .help = "tls: our certificate; IPFIX needs one (RFC 7011 11.3)"},
    {EACH "key", TEXT(OF(key)), STRIDE, .zero = "none", .fallback = "none",
     .help = "tls: our private key"},
    {EACH "peer", TEXT(OF(peer)), STRIDE, .zero = "auto", .fallback = "auto",
     .help = "tls: name that the peer's certificate must hold; auto: host"},
    {EACH "message_size", OCTETS(OF(message_size), 512, 65535), STRIDE, .zero = "auto",
     .fallback = "auto", .help = "octets of an IPFIX message at most; auto: 8KiB, with udp 1400"},
    {EACH "reconnect", DURATION(OF(reconnect_ns), SECOND, DAY), STRIDE, .fallback = "1m",
     .help = "time between the starts of two attempts to connect (RFC 7011 10.4.4)"},
    {EACH "template_resend", DURATION(OF(template_ns), SECOND, DAY), STRIDE, .zero = "never",
     .fallback = "10m", .help = "templates are sent again so often; udp: at least once a minute"},
    {EACH "options", DURATION(OF(options_ns), SECOND, DAY), STRIDE, .zero = "never",
     .fallback = "1m", .help = "statistics of the sensor are sent so often (RFC 7011 4)"},
    {EACH "spool", OCTETS(OF(spool_octets), 64 * KIB, 1024 * GIB), STRIDE, .zero = "none",
     .fallback = "1GiB", .help = "bound of what waits on disk in export.spool"},
    {EACH "rotate_size", OCTETS(OF(rotate_octets), 64 * KIB, 1024 * GIB), STRIDE,
     .zero = "never", .fallback = "never", .help = "file: begin a new one at this size"},
    {EACH "rotate_interval", DURATION(OF(rotate_ns), SECOND, 365 * DAY), STRIDE,
     .zero = "never", .fallback = "never", .help = "file: begin a new one at this age"},

    {"export.domain", PLAIN(exports.domain, 1, U32_MAX), .zero = "auto", .fallback = "auto",
     .help = "observation domain id; auto: from sensor.name"},
    {"export.enterprise", PLAIN(exports.enterprise, 1, U32_MAX), .zero = "none",
     .fallback = "none",
     .help = "private enterprise number of own elements in profile rich; none: leave them out"},
    {"export.spool", TEXT(exports.spool), .zero = "none", .fallback = "none",
     .help = "directory for messages that wait while a collector is away"},
    {"export.queue", OCTETS(exports.queue_octets, 256 * KIB, 64 * GIB), .fallback = "64MiB",
     .help = "messages in memory, per collector"},
    {"export.replay_window", OCTETS(exports.replay_octets, 64 * KIB, 16 * GIB), .zero = "none",
     .fallback = "8MiB",
     .help = "acknowledged octets kept per tcp or tls collector, sent again should it die"},
    {"export.flush", DURATION(exports.flush_ns, 10 * MS, MINUTE), .fallback = "300ms",
     .help = "a message waits no longer for more records"},
    {"export.ring", COUNT(exports.ring, 64, 1 << 24), .fallback = "65536",
     .help = "records between a worker and the exporter, per lane, a power of two"},

    {"hosts.networks", PREFIXES(hosts.networks),
     .fallback = "10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 169.254.0.0/16, fc00::/7, fe80::/10",
     .help = "what is inside: address prefixes of the own hosts"},
    {"hosts.max_inside", COUNT(hosts.max_inside, 16, 1 << 28), .fallback = "500k",
     .help = "inside hosts with counters of their own"},
    {"hosts.max_outside", COUNT(hosts.max_outside, 16, 1 << 24), .fallback = "10k",
     .help = "outside hosts kept, those with most traffic"},

    {"hunts.enabled", BOOL(hunts.enabled), .fallback = "true",
     .help = "evaluate the rules and raise alerts"},
    {"hunts.rules", TEXT(hunts.rules), .zero = "built-in", .fallback = "built-in",
     .help = "YAML file of rules (weir hunts prints those in force)"},
    {"hunts.alerts", TEXT(hunts.alerts), .zero = "none", .fallback = "none",
     .help = "file that gets alerts as lines of JSON"},
    {"hunts.syslog", TEXT(hunts.syslog), .zero = "none", .fallback = "none",
     .help = "alerts as RFC 5424: udp://host:514, tcp://host:514 or unix:/dev/log"},
    {"hunts.learn", DURATION(hunts.learn_ns, SECOND, 365 * DAY), .zero = "none",
     .fallback = "7d", .help = "rules on what was never seen before stay silent after the start"},

    {"redis.address", TEXT(redis.address), .zero = "none", .fallback = "none",
     .help = "host:port or unix:/path of Redis; none: counters stay in this process"},
    {"redis.user", TEXT(redis.user), .zero = "none", .fallback = "none",
     .help = "user of Redis; none: its default user"},
    {"redis.password_file", TEXT(redis.password_file), .zero = "none", .fallback = "none",
     .help = "file whose first line is the password"},
    {"redis.database", PLAIN(redis.database, 0, 1 << 20), .fallback = "0",
     .help = "number of the database"},
    {"redis.sentinel", TEXT(redis.sentinel), .zero = "none", .fallback = "none",
     .help = "name of the master; address is then that of a Sentinel"},
    {"redis.tls", BOOL(redis.tls), .fallback = "false", .help = "speak TLS"},
    {"redis.ca", TEXT(redis.ca), .zero = "system", .fallback = "system",
     .help = "certificates of those who may vouch for Redis"},
    {"redis.timeout", DURATION(redis.timeout_ns, 10 * MS, MINUTE), .fallback = "2s",
     .help = "for a connection or a reply"},
    {"redis.push", DURATION(redis.push_ns, 100 * MS, HOUR), .fallback = "1s",
     .help = "changed hosts are pushed so often"},
};
/* clang-format on */

static_assert(sizeof(config_keys) / sizeof(*config_keys) <= CONFIG_KEYS_MAX,
              "raise CONFIG_KEYS_MAX");
const size_t config_key_count = sizeof(config_keys) / sizeof(*config_keys);
