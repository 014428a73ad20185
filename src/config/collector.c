#include "config/collector.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/host_port.h"
#include "config/config.h"
#include "config/error.h"
#include "config/keys.h"
#include "config/value.h"
#include "weir/config.h"

#define FILE_ENDING ".ipfix"

int config_collector_append(struct config *config, struct config_error *error)
{
    struct config_error none;
    uint32_t index = config->exports.collector_count;

    if (index >= CONFIG_COLLECTORS_MAX)
        return config_fail(error, -EINVAL, "more than %d elements", CONFIG_COLLECTORS_MAX);
    memset(&config->exports.collector[index], 0, sizeof(config->exports.collector[index]));
    for (size_t i = 0; i < config_key_count; i++) {
        const struct config_key *key = &config_keys[i];
        if (!key->stride)
            continue;
        int r = config_value_parse(key, key->fallback, config_section(key, config, index), &none);
        assert(r == 0);
        (void)r;
    }
    config->exports.collector_count++;
    return 0;
}

/* Sets one key of the last collector; name and value have a length. */
static int set(struct config *config, const char *name, size_t name_len, const char *value,
               size_t len, struct config_error *error)
{
    char path[CONFIG_KEY_MAX + CONFIG_QUOTED_MAX], quoted[CONFIG_QUOTED_MAX], near[CONFIG_KEY_MAX];
    char text[CONFIG_PATH_MAX + 1];
    struct config_error why;

    snprintf(path, sizeof(path), "export.collectors[0].%.*s", (int)name_len, name);
    snprintf(text, sizeof(text), "%.*s", (int)len, value);
    const struct config_key *key = config_key_find(path);
    config_quote(strrchr(path, '.') + 1, quoted, sizeof(quoted));
    if (!key && config_key_nearest(path, near) && strrchr(near, ']'))
        return config_fail(error, -EINVAL, "%s: no such key of a collector (did you mean %s?)",
                           quoted, strrchr(near, '.') + 1);
    if (!key)
        return config_fail(error, -EINVAL, "%s: no such key of a collector", quoted);
    uint32_t last = config->exports.collector_count - 1;
    if (config_value_parse(key, text, config_section(key, config, last), &why) < 0)
        return config_fail(error, -EINVAL, "%s: %s", quoted, why.text);
    return 0;
}

static int set_whole(struct config *config, const char *name, const char *value, size_t len,
                     struct config_error *error)
{
    return set(config, name, strlen(name), value, len, error);
}

/* "profile=ecs&spool=none" */
static int read_parameters(struct config *config, const char *text, struct config_error *error)
{
    while (*text) {
        size_t len = strcspn(text, "&"), name = strcspn(text, "=&");
        bool value = text[name] == '=';
        int r = set(config, text, name, text + name + value, len - name - value, error);
        if (r < 0)
            return r;
        text += len + (text[len] == '&');
    }
    return 0;
}

/* "host:port" of len octets. */
static int read_address(struct config *config, const char *text, size_t len,
                        struct config_error *error)
{
    char address[CONFIG_PATH_MAX], host[CONFIG_ADDRESS_MAX], quoted[CONFIG_QUOTED_MAX];
    const char *port;

    len -= len && text[len - 1] == '/';
    snprintf(address, sizeof(address), "%.*s", (int)len, text);
    if (host_port_split(address, host, sizeof(host), &port) < 0)
        return config_fail(error, -EINVAL, "\"%s\" is not an address (host:port, [::1]:port)",
                           config_quote(address, quoted, sizeof(quoted)));
    if (port && *port && !port[strspn(port, "0")]) /* would be "auto" */
        return config_fail(error, -EINVAL, "port: \"%s\" is not a port (1..65535)", port);
    int r = set_whole(config, "host", host, strlen(host), error);
    return r < 0 || !port ? r : set_whole(config, "port", port, strlen(port), error);
}

/* "tcp://host:4739", "file:/path", or a path that ends in .ipfix, of len octets. */
static int read_place(struct config *config, const char *url, size_t len,
                      struct config_error *error)
{
    size_t ending = strlen(FILE_ENDING), scheme = strcspn(url, ":/?");
    bool file = scheme == 4 && strncmp(url, "file:", 5) == 0;

    if (file || (len >= ending && memcmp(url + len - ending, FILE_ENDING, ending) == 0 &&
                 strncmp(url + scheme, "://", 3) != 0)) {
        size_t skip = !file ? 0 : strncmp(url, "file:///", 8) == 0 ? 7 : 5;
        int r = set_whole(config, "transport", "file", 4, error);
        return r < 0 ? r : set_whole(config, "path", url + skip, len - skip, error);
    }
    if (strncmp(url + scheme, "://", 3) != 0)
        return config_fail(error, -EINVAL,
                           "expected tcp://host:port, tls://, udp:// or file:/path%s", FILE_ENDING);
    int r = set_whole(config, "transport", url, scheme, error);
    return r < 0 ? r : read_address(config, url + scheme + 3, len - scheme - 3, error);
}

int config_collector_add(struct config *config, const char *url, struct config_error *error)
{
    char quoted[CONFIG_QUOTED_MAX];
    struct config_error why;
    size_t len = strcspn(url, "?");
    int r = config_collector_append(config, error);

    if (r < 0)
        return r;
    r = read_place(config, url, len, &why);
    if (r == 0)
        r = read_parameters(config, url[len] ? url + len + 1 : "", &why);
    if (r < 0) {
        config->exports.collector_count--;
        config_fail(error, r, "\"%s\": %s", config_quote(url, quoted, sizeof(quoted)), why.text);
    }
    return r;
}
