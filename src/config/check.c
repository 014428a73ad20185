#include "config/check.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/un.h>

#include "base/host_port.h"
#include "config/config.h"
#include "config/error.h"
#include "weir/config.h"

#define FAIL(error, ...) config_fail(error, -EINVAL, __VA_ARGS__)

static int check_power(const char *key, uint64_t value, struct config_error *error)
{
    if (value & (value - 1))
        return FAIL(error, "%s: %llu is not a power of two", key, (unsigned long long)value);
    return 0;
}

/* "host:port", or with unix set "unix:/path" too. */
static int check_address(const char *key, const char *address, bool unix_too,
                         struct config_error *error)
{
    char quoted[CONFIG_QUOTED_MAX];

    if (unix_too && strncmp(address, "unix:/", 6) == 0)
        return strlen(address + 5) < sizeof(((struct sockaddr_un *)0)->sun_path)
                   ? 0
                   : FAIL(error, "%s: the path of a socket is too long", key);
    if (host_port_check(address) < 0)
        return FAIL(error, "%s: \"%s\" is not an address (host:port, [::1]:port%s)", key,
                    config_quote(address, quoted, sizeof(quoted)), unix_too ? ", unix:/path" : "");
    return 0;
}

static int check_sensor(const struct sensor_config *sensor, struct config_error *error)
{
    if (*sensor->control && *sensor->control != '/')
        return FAIL(error, "sensor.control: a path that begins with /");
    if (strlen(sensor->control) >= sizeof(((struct sockaddr_un *)0)->sun_path))
        return FAIL(error, "sensor.control: the path of a socket has at most %zu octets",
                    sizeof(((struct sockaddr_un *)0)->sun_path) - 1);
    return *sensor->metrics ? check_address("sensor.metrics", sensor->metrics, false, error) : 0;
}

static int check_ports(const struct capture_config *capture, struct config_error *error)
{
    char quoted[CONFIG_QUOTED_MAX];

    for (uint32_t i = 0; i < capture->port_count; i++)
        for (uint32_t j = 0; j < i; j++)
            if (strcmp(capture->port[i], capture->port[j]) == 0)
                return FAIL(error, "capture.ports[%u]: \"%s\" is there twice", i,
                            config_quote(capture->port[i], quoted, sizeof(quoted)));
    if (capture->mode == MODE_INLINE && capture->port_count % 2)
        return FAIL(error, "capture.ports: mode inline needs pairs of ports, here are %u",
                    capture->port_count);
    return 0;
}

static int check_cores(const struct capture_config *capture, struct config_error *error)
{
    for (uint32_t i = 0; i < capture->core_count; i++)
        for (uint32_t j = 0; j < i; j++)
            if (capture->core[i] == capture->core[j])
                return FAIL(error, "capture.cores: core %u is there twice",
                            (unsigned)capture->core[i]);
    if (capture->core_count && capture->workers > capture->core_count)
        return FAIL(error, "capture.cores: %u for %u workers", capture->core_count,
                    (unsigned)capture->workers);
    return 0;
}

static int check_capture(const struct capture_config *capture, struct config_error *error)
{
    int r = check_ports(capture, error);

    if (r == 0)
        r = check_cores(capture, error);
    return r ? r : check_power("capture.ring", capture->ring, error);
}

/* An aggregate has no VLAN and no tunnel: flows that only these tell apart would become one. */
static int check_flow(const struct flow_config *flow, struct config_error *error)
{
    if (flow->fold != FOLD_ON || !(flow->vlan_in_key || flow->tunnel_in_key))
        return 0;
    return FAIL(error, "flow.fold: not with flow.%s; leave one of them out",
                flow->vlan_in_key ? "vlan_in_key" : "tunnel_in_key");
}

static int check_hunts(const struct hunts_config *hunts, struct config_error *error)
{
    const char *syslog = hunts->syslog;

    if (!*syslog)
        return 0;
    if (strncmp(syslog, "udp://", 6) == 0 || strncmp(syslog, "tcp://", 6) == 0)
        return check_address("hunts.syslog", syslog + 6, false, error);
    if (strncmp(syslog, "unix:/", 6) == 0)
        return check_address("hunts.syslog", syslog, true, error);
    return FAIL(error, "hunts.syslog: expected udp://host:514, tcp://host:514 or unix:/path");
}

static int check_redis(const struct redis_config *redis, struct config_error *error)
{
    if (*redis->ca && !redis->tls)
        return FAIL(error, "redis.ca: has a use only with redis.tls");
    if (!*redis->address)
        return *redis->sentinel ? FAIL(error, "redis.sentinel: needs redis.address") : 0;
    if (redis->tls && strncmp(redis->address, "unix:", 5) == 0)
        return FAIL(error, "redis.tls: not over a socket in the file system");
    return check_address("redis.address", redis->address, true, error);
}

int config_check(struct config *config, struct config_error *error)
{
    int r = check_sensor(&config->sensor, error);

    if (r == 0)
        r = check_capture(&config->capture, error);
    if (r == 0)
        r = check_flow(&config->flow, error);
    if (r == 0)
        r = config_check_collectors(config, error);
    if (r == 0)
        r = check_power("export.ring", config->exports.ring, error);
    if (r == 0)
        r = check_hunts(&config->hunts, error);
    return r ? r : check_redis(&config->redis, error);
}
