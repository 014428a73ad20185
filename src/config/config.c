#include "config/config.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/collector.h"
#include "config/error.h"
#include "config/keys.h"
#include "config/value.h"
#include "weir/config.h"

void config_defaults(struct config *config)
{
    struct config_error error;

    memset(config, 0, sizeof(*config));
    for (size_t i = 0; i < config_key_count; i++) {
        const struct config_key *key = &config_keys[i];
        int r = key->stride ? 0 : config_value_parse(key, key->fallback, config, &error);
        assert(r == 0);
        (void)r;
    }
}

static int fail_no_key(const char *name, struct config_error *error)
{
    char quoted[CONFIG_QUOTED_MAX], near[CONFIG_KEY_MAX];

    config_quote(name, quoted, sizeof(quoted));
    if (config_key_under(name) >= 0)
        return config_fail(error, -ENOENT, "%s: a section, not a key", quoted);
    if (config_key_nearest(name, near))
        return config_fail(error, -ENOENT, "%s: no such key (did you mean %s?)", quoted, near);
    return config_fail(error, -ENOENT, "%s: no such key (weir check --keys lists all)", quoted);
}

/* The section must be there; the one behind the last is made. */
static int reach_section(const struct config_key *key, uint32_t index, struct config *config,
                         struct config_error *error)
{
    uint32_t count = config->exports.collector_count;

    if (!key->stride || index < count)
        return 0;
    if (index > count)
        return config_fail(error, -EINVAL, "there are only %u", count);
    return config_collector_append(config, error);
}

static int set_value(const struct config_key *key, const char *name, const char *value,
                     struct config *config, struct config_error *error)
{
    uint32_t index = key->stride ? config_path_index(name) : 0;
    int r = reach_section(key, index, config, error);

    return r < 0 ? r : config_value_parse(key, value, config_section(key, config, index), error);
}

/* How a value is given to a key of *config. */
typedef int (*giving)(const struct config_key *, const char *name, const char *value,
                      struct config *, struct config_error *);

/* On a copy, since what fails halfway must not show. */
static int change(struct config *config, const char *name, const char *value, giving give,
                  struct config_error *error)
{
    const struct config_key *key = config_key_find(name);
    struct config_error why;

    if (!key)
        return fail_no_key(name, error);
    struct config *next = malloc(sizeof(*next));
    if (!next)
        return config_fail(error, -ENOMEM, "%s: out of memory", name);
    *next = *config;
    int r = give(key, name, value, next, &why);
    if (r < 0)
        config_fail(error, r, "%s: %s", name, why.text);
    else
        *config = *next;
    free(next);
    return r;
}

int config_set(struct config *config, const char *name, const char *value,
               struct config_error *error)
{
    return change(config, name, value, set_value, error);
}

static int add_value(const struct config_key *key, const char *name, const char *value,
                     struct config *config, struct config_error *error)
{
    (void)name;
    return config_value_add(key, value, config, error);
}

int config_add_port(struct config *config, const char *source, struct config_error *error)
{
    return change(config, "capture.ports", source, add_value, error);
}

int config_add_collector(struct config *config, const char *url, struct config_error *error)
{
    return config_collector_add(config, url, error);
}
