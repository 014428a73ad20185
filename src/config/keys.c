#include "config/keys.h"

#include <assert.h>
#include <string.h>

#include "weir/config.h"
#include "weir/packet.h"

#define MS UINT64_C(1000000)
#define SECOND (1000 * MS)
#define HOUR (3600 * SECOND)
#define DAY (24 * HOUR)

/* Offset of a field that has the C type its config_type stands for; any other type does not
 * compile. */
#define FIELD(type, field)                                                                         \
    _Generic(((struct config *)0)->field, type : offsetof(struct config, field))
#define BOOL(field) CONFIG_BOOL, .offset = FIELD(bool, field)
#define COUNT(field, ...) CONFIG_COUNT, .offset = FIELD(uint64_t, field), RANGE(__VA_ARGS__)
#define DURATION(field, ...) CONFIG_DURATION, .offset = FIELD(uint64_t, field), RANGE(__VA_ARGS__)
#define RANGE(lo, hi) .min = (lo), .max = (hi)
#define LABEL(field) CONFIG_LABEL, .offset = FIELD(char *, field)
#define MASK(field, list)                                                                          \
    CONFIG_MASK, .offset = FIELD(uint32_t, field), .names = (list),                                \
                 .name_count = sizeof(list) / sizeof(*(list))
#define PREFIXES(field, count, most)                                                               \
    CONFIG_PREFIXES, .offset = FIELD(struct ip_prefix *, field),                                   \
                     .count_offset = FIELD(uint32_t, count), .max = (most)

static const char *const tunnel_names[TUNNEL_KIND_COUNT] = {
#define X(symbol, name, help) [TUNNEL_##symbol] = name,
    TUNNEL_KINDS(X)
#undef X
};

/* clang-format off */
const struct config_key config_keys[] = {
    {"sensor.name", LABEL(sensor.name), .fallback = "weir",
     .help = "name of this sensor wherever several report to one place"},
    {"capture.dedup", BOOL(capture.dedup), .fallback = "false",
     .help = "leave frames seen twice within 10 ms (SPAN duplicates) out of flows; counted always"},
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
    {"hosts.networks", PREFIXES(hosts.networks.prefix, hosts.networks.count, CONFIG_NETWORKS_MAX),
     .fallback = "10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 169.254.0.0/16, fc00::/7, fe80::/10",
     .help = "what is inside: address prefixes of the own hosts"},
};
/* clang-format on */

static_assert(sizeof(config_keys) / sizeof(*config_keys) <= CONFIG_KEYS_MAX,
              "raise CONFIG_KEYS_MAX");
const size_t config_key_count = sizeof(config_keys) / sizeof(*config_keys);

const struct config_key *config_key_find(const char *name)
{
    for (size_t i = 0; i < config_key_count; i++)
        if (strcmp(config_keys[i].name, name) == 0)
            return &config_keys[i];
    return NULL;
}

int config_key_under(const char *path)
{
    size_t len = strlen(path);
    for (size_t i = 0; i < config_key_count; i++) {
        const char *name = config_keys[i].name;
        if (strncmp(name, path, len) == 0 && (name[len] == '.' || name[len] == '\0'))
            return (int)i;
    }
    return -1;
}

static unsigned least(unsigned a, unsigned b, unsigned c)
{
    unsigned ab = a < b ? a : b;
    return ab < c ? ab : c;
}

/* Levenshtein's distance of two words shorter than CONFIG_KEY_MAX. */
static unsigned word_distance(const char *a, const char *b)
{
    unsigned row[CONFIG_KEY_MAX];
    size_t b_len = strlen(b);

    for (size_t j = 0; j <= b_len; j++)
        row[j] = (unsigned)j;
    for (size_t i = 0; a[i]; i++) {
        unsigned diagonal = row[0];
        row[0] = (unsigned)i + 1;
        for (size_t j = 0; j < b_len; j++) {
            unsigned above = row[j + 1];
            row[j + 1] = least(above + 1, row[j] + 1, diagonal + (a[i] != b[j]));
            diagonal = above;
        }
    }
    return row[b_len];
}

static const char *last_part(const char *path)
{
    const char *dot = strrchr(path, '.');
    return dot ? dot + 1 : path;
}

/* Copies as many parts of name as path has, so that a wrong section is compared with sections. */
static void cut_like(const char *name, const char *path, char out[CONFIG_KEY_MAX])
{
    size_t n = 0;
    unsigned dots = 0;

    for (const char *p = path; *p; p++)
        dots += *p == '.';
    while (name[n] && (name[n] != '.' || dots--))
        n++;
    memcpy(out, name, n);
    out[n] = '\0';
}

bool config_key_nearest(const char *path, char out[CONFIG_KEY_MAX])
{
    size_t len = strlen(path);
    unsigned best = 2 + (unsigned)len / 4; /* as many typing errors are not believed */

    if (len >= CONFIG_KEY_MAX)
        return false;
    for (size_t i = 0; i < config_key_count; i++) {
        const char *name = config_keys[i].name;
        char cut[CONFIG_KEY_MAX];
        cut_like(name, path, cut);
        unsigned distance = word_distance(path, cut);
        if (distance < best) {
            best = distance;
            strcpy(out, cut);
        }
        /* The right word in the wrong section, or without one. */
        if (best > 1 && strcmp(last_part(path), last_part(name)) == 0) {
            best = 1;
            strcpy(out, name);
        }
    }
    return best < 2 + len / 4;
}
