#include "core/sandbox.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "base/host_port.h"
#include "weir/config.h"

#define DNS_PORT 53

/* What C library, OpenSSL and the sensor itself read while they run. */
static const char *const system_read[] = {
    "/proc/self",
    "/proc/meminfo",
    "/sys/class/net", /* an interface's counters; it links into: */
    "/sys/devices",
    "/etc/localtime",
    "/usr/share/zoneinfo",
    "/etc/ssl", /* certificates of the system's authorities */
    "/etc/pki",
    "/usr/lib/ssl",
    "/usr/share/ca-certificates",
    "/dev/urandom",
    "/dev/null",
};

/* Whole /etc: resolv.conf is replaced by rename when a lease is renewed, and a rule for the old
 * file does not hold for the new one. */
static const char *const names_read[] = {"/etc", "/run/systemd/resolve"};

enum sandbox_filter sandbox_filter_default(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return FILTER_OFF;
#else
    return FILTER_KILL;
#endif
}

/* Where a word stands in "a|b|c"; otherwise when it does not. */
static unsigned index_of(const char *words, const char *word, unsigned otherwise)
{
    size_t len = word ? strlen(word) : 0;

    for (unsigned index = 0; len; index++) {
        size_t here = strcspn(words, "|");
        if (here == len && strncmp(words, word, len) == 0)
            return index;
        if (!words[here])
            break;
        words += here + 1;
    }
    return otherwise;
}

void sandbox_plan_words(struct sandbox_plan *plan, const char *level, const char *filter)
{
    plan->level = (enum sandbox_level)index_of(SANDBOX_LEVEL_WORDS, level, plan->level);
    plan->filter = (enum sandbox_filter)index_of(SANDBOX_FILTER_WORDS, filter, plan->filter);
}

static bool same_path(const struct sandbox_path *p, const char *path, enum sandbox_access access)
{
    return p->access == access && strcmp(p->path, path) == 0;
}

void sandbox_plan_path(struct sandbox_plan *plan, const char *path, enum sandbox_access access,
                       const char *key)
{
    if (!path[0] || strcmp(path, "-") == 0 || strlen(path) >= CONFIG_PATH_MAX)
        return;
    for (unsigned i = 0; i < plan->path_count; i++)
        if (same_path(&plan->path[i], path, access))
            return;
    if (plan->path_count == SANDBOX_PATHS_MAX)
        return;
    struct sandbox_path *p = &plan->path[plan->path_count++];
    snprintf(p->path, sizeof(p->path), "%s", path);
    p->access = access;
    p->key = key;
}

void sandbox_plan_beside(struct sandbox_plan *plan, const char *file, enum sandbox_access access,
                         const char *key)
{
    const char *slash = strrchr(file, '/');
    char directory[CONFIG_PATH_MAX] = ".";

    if (!file[0] || strcmp(file, "-") == 0)
        return;
    if (slash)
        snprintf(directory, sizeof(directory), "%.*s", slash == file ? 1 : (int)(slash - file),
                 file);
    sandbox_plan_path(plan, directory, access, key);
}

void sandbox_plan_port(struct sandbox_plan *plan, uint64_t port)
{
    for (unsigned i = 0; i < plan->port_count; i++)
        if (plan->port[i] == port)
            return;
    if (plan->port_count < SANDBOX_PORTS_MAX)
        plan->port[plan->port_count++] = (uint16_t)port;
}

/* Not an address; one of IPv6 may have a zone, "fe80::1%eth0". */
static bool must_be_looked_up(const char *host)
{
    struct in_addr address;

    return host[0] && !strchr(host, ':') && inet_pton(AF_INET, host, &address) != 1;
}

void sandbox_plan_host(struct sandbox_plan *plan, const char *host)
{
    if (plan->names || !must_be_looked_up(host))
        return;
    plan->names = true;
    sandbox_plan_port(plan, DNS_PORT); /* long answers come over TCP */
    for (size_t i = 0; i < sizeof(names_read) / sizeof(*names_read); i++)
        sandbox_plan_path(plan, names_read[i], SANDBOX_READ, NULL);
}

/* The host of "host:port"; anything else asks for nothing. */
static void plan_host_of(struct sandbox_plan *plan, const char *address)
{
    char host[CONFIG_ADDRESS_MAX];
    const char *port;

    if (host_port_split(address, host, sizeof(host), &port) == 0)
        sandbox_plan_host(plan, host);
}

/* "host:port" that is connected to over TCP. */
static void plan_tcp(struct sandbox_plan *plan, const char *address)
{
    int port = host_port_check(address);

    if (port < 0)
        return;
    plan_host_of(plan, address);
    sandbox_plan_port(plan, (uint64_t)port);
}

void sandbox_plan_init(struct sandbox_plan *plan)
{
    *plan = (struct sandbox_plan){.filter = sandbox_filter_default()};
    for (size_t i = 0; i < sizeof(system_read) / sizeof(*system_read); i++)
        sandbox_plan_path(plan, system_read[i], SANDBOX_READ, NULL);
    sandbox_plan_path(plan, "/dev/null", SANDBOX_WRITE, NULL);
}

static void plan_collector(struct sandbox_plan *plan, const struct collector_config *c)
{
    switch (c->transport) {
    case TRANSPORT_FILE:
        sandbox_plan_beside(plan, c->path, SANDBOX_WRITE, "export.collectors.path");
        return;
    case TRANSPORT_TLS:
        sandbox_plan_beside(plan, c->ca, SANDBOX_READ, "export.collectors.ca");
        sandbox_plan_beside(plan, c->cert, SANDBOX_READ, "export.collectors.cert");
        sandbox_plan_beside(plan, c->key, SANDBOX_READ, "export.collectors.key");
        sandbox_plan_port(plan, c->port);
        break;
    case TRANSPORT_TCP:
        sandbox_plan_port(plan, c->port);
        break;
    default:
        break;
    }
    sandbox_plan_host(plan, c->host);
}

static void plan_redis(struct sandbox_plan *plan, const struct redis_config *r)
{
    if (!r->address[0])
        return;
    plan_tcp(plan, r->address);
    plan->any_port = r->sentinel[0] != '\0';
    sandbox_plan_beside(plan, r->password_file, SANDBOX_READ, "redis.password_file");
    sandbox_plan_beside(plan, r->ca, SANDBOX_READ, "redis.ca");
}

static void plan_hunts(struct sandbox_plan *plan, const struct hunts_config *h)
{
    if (!h->enabled)
        return;
    sandbox_plan_beside(plan, h->rules, SANDBOX_READ, "hunts.rules");
    sandbox_plan_beside(plan, h->alerts, SANDBOX_WRITE, "hunts.alerts");
    if (strncmp(h->syslog, "tcp://", 6) == 0)
        plan_tcp(plan, h->syslog + 6);
    if (strncmp(h->syslog, "udp://", 6) == 0)
        plan_host_of(plan, h->syslog + 6);
}

void sandbox_plan_make(struct sandbox_plan *plan, const struct config *c, const char *config_file)
{
    sandbox_plan_init(plan);
    snprintf(plan->user, sizeof(plan->user), "%s", c->sensor.user);
    if (config_file)
        sandbox_plan_beside(plan, config_file, SANDBOX_READ, "--config");
    sandbox_plan_beside(plan, c->sensor.control, SANDBOX_WRITE, NULL);
    sandbox_plan_path(plan, c->exports.spool, SANDBOX_WRITE, "export.spool");
    for (uint32_t i = 0; i < c->exports.collector_count; i++)
        plan_collector(plan, &c->exports.collector[i]);
    plan_hunts(plan, &c->hunts);
    plan_redis(plan, &c->redis);
}

static bool beneath(const char *path, const char *directory)
{
    size_t len = strlen(directory);

    return strncmp(path, directory, len) == 0 &&
           (path[len] == '\0' || path[len] == '/' || (len && directory[len - 1] == '/'));
}

static bool has_path(const struct sandbox_plan *plan, const struct sandbox_path *wanted)
{
    for (unsigned i = 0; i < plan->path_count; i++)
        if ((plan->path[i].access == SANDBOX_WRITE || wanted->access == SANDBOX_READ) &&
            beneath(wanted->path, plan->path[i].path))
            return true;
    return false;
}

static bool has_port(const struct sandbox_plan *plan, uint16_t port)
{
    for (unsigned i = 0; i < plan->port_count; i++)
        if (plan->port[i] == port)
            return true;
    return plan->any_port;
}

bool sandbox_plan_covers(const struct sandbox_plan *in_force, const struct sandbox_plan *wanted,
                         char line[SANDBOX_LINE_MAX])
{
    if (in_force->level == SANDBOX_OFF)
        return true;
    for (unsigned i = 0; i < wanted->path_count; i++)
        if (wanted->path[i].key && !has_path(in_force, &wanted->path[i])) {
            snprintf(line, SANDBOX_LINE_MAX, "%s: %s is outside the sandbox; restart to change it",
                     wanted->path[i].key, wanted->path[i].path);
            return false;
        }
    for (unsigned i = 0; i < wanted->port_count; i++)
        if (!has_port(in_force, wanted->port[i])) {
            snprintf(line, SANDBOX_LINE_MAX,
                     "TCP port %u is outside the sandbox; restart to connect to it",
                     wanted->port[i]);
            return false;
        }
    if (wanted->names && !in_force->names)
        snprintf(line, SANDBOX_LINE_MAX,
                 "host names cannot be looked up in this sandbox; give an address, or restart");
    return in_force->names || !wanted->names;
}
