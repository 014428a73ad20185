/*
 * Walks a configuration's events beside the key table. Since only sections of the table are
 * entered, the depth is bounded by the table.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "config/collector.h"
#include "config/config.h"
#include "config/error.h"
#include "config/events.h"
#include "config/keys.h"
#include "config/value.h"
#include "weir/config.h"

struct loader {
    struct config_events in;
    uint32_t section; /* index of the section at hand in its list */
    struct config *config;
};

#define FAIL(l, ...) CONFIG_EVENTS_FAIL(&(l)->in, __VA_ARGS__)

static int read_section(struct loader *l);

/* A section of its own, or what the text of one says. */
static int read_element(struct loader *l, const struct config_key *key)
{
    struct config_error why;

    if (key->type == CONFIG_COLLECTORS && l->in.event.type == YAML_MAPPING_START_EVENT) {
        if (config_collector_append(l->config, &why) < 0)
            return FAIL(l, "%s", why.text);
        l->section = l->config->exports.collector_count - 1;
        return read_section(l);
    }
    if (l->in.event.type != YAML_SCALAR_EVENT || config_events_is_null(&l->in))
        return FAIL(l, "expected a value, found %s", config_events_found(&l->in));
    return config_value_add(key, config_events_scalar(&l->in), l->config, &why) < 0
               ? FAIL(l, "%s", why.text)
               : 0;
}

static int read_list(struct loader *l, const struct config_key *key)
{
    size_t path_len = strlen(l->in.path);

    config_value_clear(key, l->config);
    for (unsigned i = 0;; i++) {
        int r = config_events_pull(&l->in);
        if (r < 0 || l->in.event.type == YAML_SEQUENCE_END_EVENT)
            return r;
        snprintf(l->in.path + path_len, sizeof(l->in.path) - path_len, "[%u]", i);
        if ((r = read_element(l, key)) < 0)
            return r;
        l->in.path[path_len] = '\0';
    }
}

static int read_value(struct loader *l, const struct config_key *key)
{
    struct config_error why;
    bool list = config_type_is_list(key->type);

    if (list && l->in.event.type == YAML_SEQUENCE_START_EVENT)
        return read_list(l, key);
    if (l->in.event.type != YAML_SCALAR_EVENT || config_events_is_null(&l->in))
        return FAIL(l, "expected %s, found %s", list ? "a list" : "a value",
                    config_events_found(&l->in));
    void *base = config_section(key, l->config, l->section);
    return config_value_parse(key, config_events_scalar(&l->in), base, &why) < 0
               ? FAIL(l, "%s", why.text)
               : 0;
}

static int fail_unknown(struct loader *l)
{
    char near[CONFIG_KEY_MAX];
    if (config_key_nearest(l->in.path, near))
        return FAIL(l, "no such key (did you mean %s?)", near);
    return FAIL(l, "no such key (weir check --keys lists all)");
}

/* Reads "name: value" or "name: section". given holds, for each child of the mapping at hand, the
 * line that gave it, in the slot of the first key under that child. */
static int read_child(struct loader *l, unsigned given[CONFIG_KEYS_MAX])
{
    int r = config_events_enter(&l->in);
    if (r < 0)
        return r;
    int under = config_key_under(l->in.path);
    if (under < 0)
        return fail_unknown(l);
    if (given[under])
        return FAIL(l, "given twice, first in line %u", given[under]);
    given[under] = config_events_line(&l->in);
    r = config_events_pull(&l->in);
    if (r < 0)
        return r;
    const struct config_key *key = config_key_find(l->in.path);
    return key ? read_value(l, key) : read_section(l);
}

/* Recursion is as deep as the table's names have dots. */
static int read_section(struct loader *l)
{
    unsigned given[CONFIG_KEYS_MAX] = {0};
    size_t path_len = strlen(l->in.path);

    if (config_events_is_null(&l->in))
        return 0;
    if (l->in.event.type != YAML_MAPPING_START_EVENT)
        return FAIL(l, "expected keys, found %s", config_events_found(&l->in));
    for (;;) {
        int r = config_events_pull(&l->in);
        if (r < 0 || l->in.event.type == YAML_MAPPING_END_EVENT)
            return r;
        r = read_child(l, given);
        if (r < 0)
            return r;
        l->in.path[path_len] = '\0';
    }
}

static int read_document(void *context)
{
    return read_section(context);
}

int config_load_memory(const char *name, const void *bytes, size_t len, struct config *config,
                       struct config_error *error)
{
    struct loader l = {.config = malloc(sizeof(*l.config))};

    if (!l.config)
        return config_fail(error, -ENOMEM, "out of memory");
    config_defaults(l.config);
    int r = config_events_read(&l.in, name, bytes, len, error, read_document, &l);
    if (r == 0)
        *config = *l.config;
    free(l.config);
    return r;
}
