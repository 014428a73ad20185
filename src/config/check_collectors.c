#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "config/check.h"
#include "config/config.h"
#include "config/error.h"
#include "weir/config.h"
#include "weir/ipfix.h"

#define MESSAGE_SIZE 8192
#define UDP_MESSAGE_SIZE 1400 /* fits an Ethernet path with a tunnel or two */
#define UDP_TEMPLATES_NS (60 * UINT64_C(1000000000)) /* RFC 7011 8.4: they must be sent again */

struct at {
    struct collector_config *collector;
    unsigned index;
    struct config_error *error;
};

static int fail(const struct at *at, const char *key, const char *why)
{
    return config_fail(at->error, -EINVAL, "export.collectors[%u].%s: %s", at->index, key, why);
}

static bool is_json(const struct collector_config *c)
{
    return c->profile == PROFILE_ECS || c->profile == PROFILE_JSON;
}

static int check_file(const struct at *at)
{
    const struct collector_config *c = at->collector;

    if (!*c->path)
        return fail(at, "path", "transport file needs one");
    if (*c->host || c->port)
        return fail(at, *c->host ? "host" : "port", "has no use with transport file");
    if (strcmp(c->path, "-") != 0)
        return 0;
    if (!is_json(c))
        return fail(at, "path", "stdout takes only the profiles ecs and json");
    if (c->rotate_octets || c->rotate_ns)
        return fail(at, c->rotate_octets ? "rotate_size" : "rotate_interval", "not with stdout");
    return 0;
}

static int check_place(const struct at *at)
{
    const struct collector_config *c = at->collector;

    if (c->transport == TRANSPORT_FILE)
        return check_file(at);
    if (!*c->host)
        return fail(at, "host", "is missing");
    if (*c->path)
        return fail(at, "path", "has a use only with transport file");
    if (c->rotate_octets || c->rotate_ns)
        return fail(at, c->rotate_octets ? "rotate_size" : "rotate_interval",
                    "has a use only with transport file");
    return 0;
}

/* RFC 7011 11.3: both ends of an IPFIX session prove who they are. */
static int check_tls(const struct at *at)
{
    const struct collector_config *c = at->collector;
    const char *without = *c->ca     ? "ca"
                          : *c->cert ? "cert"
                          : *c->key  ? "key"
                          : *c->peer ? "peer"
                                     : NULL;

    if (c->transport != TRANSPORT_TLS)
        return without ? fail(at, without, "has a use only with transport tls") : 0;
    if (!*c->cert != !*c->key)
        return fail(at, *c->cert ? "key" : "cert", "cert and key go together");
    if (!*c->cert && !is_json(c))
        return fail(at, "cert", "IPFIX over TLS needs cert and key (RFC 7011 11.3)");
    return 0;
}

static int check_message_size(const struct at *at)
{
    const struct collector_config *c = at->collector;

    if (c->transport == TRANSPORT_UDP && c->message_size > DATAGRAM_MAX)
        return fail(at, "message_size", "a datagram holds at most 65507 octets");
    return 0;
}

static void append(char *name, const char *text)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    size_t n = strlen(name);

    for (; *text && n < CONFIG_NAME_MAX - 1; text++)
        name[n++] = strchr(letters, *text) ? *text : '_';
}

/* "tcp-192.0.2.1-4739": safe as the name of a directory. */
static void name_by_address(struct collector_config *c)
{
    static const char *const transports[TRANSPORT_COUNT] = {"tcp-", "tls-", "udp-", "file-"};
    char port[24];

    snprintf(port, sizeof(port), "-%u", (unsigned)c->port);
    append(c->name, transports[c->transport]);
    append(c->name, c->host);
    append(c->name, port);
}

static bool is_taken(const struct at *at)
{
    for (unsigned i = 1; i <= at->index; i++)
        if (strcmp((at->collector - i)->name, at->collector->name) == 0)
            return true;
    return false;
}

/* "file-weir.ipfix", then "file-2-weir.ipfix": files of one name in several folders. */
static void name_by_file(const struct at *at)
{
    struct collector_config *c = at->collector;
    const char *slash = strrchr(c->path, '/');
    char number[16] = "";

    for (unsigned again = 2; !*c->name || is_taken(at); again++) {
        snprintf(c->name, sizeof(c->name), "file-%s", number);
        append(c->name, slash ? slash + 1 : c->path);
        snprintf(number, sizeof(number), "%u-", again);
    }
}

static void fill_in(const struct at *at)
{
    struct collector_config *c = at->collector;
    bool udp = c->transport == TRANSPORT_UDP;

    if (c->transport != TRANSPORT_FILE && !c->port)
        c->port = c->transport == TRANSPORT_TLS ? PORT_IPFIX_TLS : PORT_IPFIX;
    if (!c->message_size)
        c->message_size = udp ? UDP_MESSAGE_SIZE : MESSAGE_SIZE;
    if (udp && (!c->template_ns || c->template_ns > UDP_TEMPLATES_NS))
        c->template_ns = UDP_TEMPLATES_NS;
    if (c->transport == TRANSPORT_TLS && !*c->peer)
        strcpy(c->peer, c->host);
    if (!*c->name && c->transport == TRANSPORT_FILE)
        name_by_file(at);
    else if (!*c->name)
        name_by_address(c);
}

static int check_one(const struct at *at)
{
    int r = check_place(at);

    if (r == 0)
        r = check_tls(at);
    if (r == 0)
        r = check_message_size(at);
    if (r == 0 && !*at->collector->group && at->collector->group_mode != GROUP_ALL)
        r = fail(at, "group_mode", "has a use only with a group");
    if (r == 0)
        fill_in(at);
    return r;
}

static int check_pair(const struct at *at, const struct collector_config *other, unsigned index)
{
    const struct collector_config *c = at->collector;
    char why[CONFIG_NAME_MAX + 64];

    if (strcmp(c->name, other->name) == 0) {
        snprintf(why, sizeof(why), "\"%s\" is that of collectors[%u] too", c->name, index);
        return fail(at, "name", why);
    }
    if (*c->path && strcmp(c->path, other->path) == 0) {
        snprintf(why, sizeof(why), "that of collectors[%u] too", index);
        return fail(at, "path", why);
    }
    if (*c->group && strcmp(c->group, other->group) == 0 && c->group_mode != other->group_mode) {
        snprintf(why, sizeof(why), "another one in the same group has collectors[%u]", index);
        return fail(at, "group_mode", why);
    }
    return 0;
}

static int check_enterprise(uint64_t pen, struct config_error *error)
{
    if (pen != PEN_REVERSE && pen != PEN_CERT && pen != PEN_OWN)
        return 0;
    return config_fail(error, -EINVAL, "export.enterprise: %u belongs to %s", (unsigned)pen,
                       pen == PEN_REVERSE ? "reverse elements (RFC 5103)"
                       : pen == PEN_CERT  ? "CERT's elements (YAF, SiLK)"
                                          : "nobody: it is reserved");
}

int config_check_collectors(struct config *config, struct config_error *error)
{
    struct collector_config *all = config->exports.collector;
    int r = check_enterprise(config->exports.enterprise, error);

    for (unsigned i = 0; i < config->exports.collector_count && r == 0; i++) {
        struct at at = {.collector = &all[i], .index = i, .error = error};
        r = check_one(&at);
        for (unsigned j = 0; j < i && r == 0; j++)
            r = check_pair(&at, &all[j], j);
    }
    return r;
}
