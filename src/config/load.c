/*
 * Pulls libyaml's events and walks them beside the key table. Events rather than documents: no tree
 * is built, aliases are never followed, and since only sections of the table are entered, the depth
 * is bounded by the table.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "config/collector.h"
#include "config/config.h"
#include "config/error.h"
#include "config/keys.h"
#include "config/value.h"
#include "weir/config.h"

#define SOURCE_MAX 256
/* A section, any name, a list index. */
#define KEY_PATH_MAX (CONFIG_KEY_MAX + CONFIG_QUOTED_MAX + 16)

struct loader {
    yaml_parser_t parser;
    yaml_event_t event; /* the last one pulled */
    const uint8_t *bytes;
    size_t len;
    char source[SOURCE_MAX]; /* file name for errors */
    char path[KEY_PATH_MAX]; /* of the key at hand: "flow.keep", "hosts.networks[2]" */
    uint32_t section;        /* index of the section at hand in its list */
    struct config *config;
    struct config_error *error;
};

static unsigned line_of(const struct loader *l)
{
    return (unsigned)l->event.start_mark.line + 1;
}

/* Fails at the line of the event and the key at hand. */
#define FAIL(l, format, ...)                                                                       \
    config_fail((l)->error, -EINVAL, "%s:%u: %s%s" format, (l)->source, line_of(l), (l)->path,     \
                *(l)->path ? ": " : "" __VA_OPT__(, ) __VA_ARGS__)

/* A reader error (bad UTF-8) carries an offset in place of a line. */
static unsigned line_of_offset(const struct loader *l, size_t offset)
{
    unsigned line = 1;
    for (size_t i = 0; i < offset && i < l->len; i++)
        line += l->bytes[i] == '\n';
    return line;
}

static int fail_parse(struct loader *l)
{
    const yaml_parser_t *p = &l->parser;
    bool reader = p->error == YAML_READER_ERROR;
    unsigned line = line_of_offset(l, reader ? p->problem_offset : l->len);

    /* At the end of the text libyaml's mark may be one line behind the last. */
    if (!reader && p->problem_mark.line < line)
        line = (unsigned)p->problem_mark.line + 1;
    if (p->error == YAML_MEMORY_ERROR)
        return config_fail(l->error, -ENOMEM, "%s: out of memory", l->source);
    return config_fail(l->error, -EINVAL, "%s:%u: not valid %s: %s", l->source, line,
                       reader ? "UTF-8 text" : "YAML", p->problem ? p->problem : "unknown error");
}

/* What YAML offers beyond plain values would only hide what a configuration says. */
static int refuse_extras(struct loader *l)
{
    const yaml_event_t *e = &l->event;
    const yaml_char_t *anchor = NULL, *tag = NULL;

    if (e->type == YAML_SCALAR_EVENT) {
        anchor = e->data.scalar.anchor;
        tag = e->data.scalar.tag;
        if (memchr(e->data.scalar.value, 0, e->data.scalar.length))
            return FAIL(l, "a value with a NUL character");
    } else if (e->type == YAML_SEQUENCE_START_EVENT) {
        anchor = e->data.sequence_start.anchor;
        tag = e->data.sequence_start.tag;
    } else if (e->type == YAML_MAPPING_START_EVENT) {
        anchor = e->data.mapping_start.anchor;
        tag = e->data.mapping_start.tag;
    }
    if (anchor || e->type == YAML_ALIAS_EVENT)
        return FAIL(l, "anchors (&) and aliases (*) are not allowed here");
    return tag ? FAIL(l, "tags (!) are not allowed here") : 0;
}

static int pull(struct loader *l)
{
    yaml_event_delete(&l->event);
    if (!yaml_parser_parse(&l->parser, &l->event))
        return fail_parse(l);
    return refuse_extras(l);
}

static const char *scalar(const struct loader *l)
{
    return (const char *)l->event.data.scalar.value;
}

/* Nothing, as in "flow:", or YAML's words for it. */
static bool is_null(const struct loader *l)
{
    return l->event.type == YAML_SCALAR_EVENT &&
           l->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
           (!*scalar(l) || strcmp(scalar(l), "~") == 0 || strcmp(scalar(l), "null") == 0);
}

static const char *found(const struct loader *l)
{
    if (l->event.type == YAML_SCALAR_EVENT && (is_null(l) || !*scalar(l)))
        return "nothing";
    return l->event.type == YAML_MAPPING_START_EVENT    ? "a mapping"
           : l->event.type == YAML_SEQUENCE_START_EVENT ? "a list"
                                                        : "a value";
}

static int read_section(struct loader *l);

/* A section of its own, or what the text of one says. */
static int read_element(struct loader *l, const struct config_key *key)
{
    struct config_error why;

    if (key->type == CONFIG_COLLECTORS && l->event.type == YAML_MAPPING_START_EVENT) {
        if (config_collector_append(l->config, &why) < 0)
            return FAIL(l, "%s", why.text);
        l->section = l->config->exports.collector_count - 1;
        return read_section(l);
    }
    if (l->event.type != YAML_SCALAR_EVENT || is_null(l))
        return FAIL(l, "expected a value, found %s", found(l));
    return config_value_add(key, scalar(l), l->config, &why) < 0 ? FAIL(l, "%s", why.text) : 0;
}

static int read_list(struct loader *l, const struct config_key *key)
{
    size_t path_len = strlen(l->path);

    config_value_clear(key, l->config);
    for (unsigned i = 0;; i++) {
        int r = pull(l);
        if (r < 0 || l->event.type == YAML_SEQUENCE_END_EVENT)
            return r;
        snprintf(l->path + path_len, sizeof(l->path) - path_len, "[%u]", i);
        if ((r = read_element(l, key)) < 0)
            return r;
        l->path[path_len] = '\0';
    }
}

static int read_value(struct loader *l, const struct config_key *key)
{
    struct config_error why;
    bool list = config_type_is_list(key->type);

    if (list && l->event.type == YAML_SEQUENCE_START_EVENT)
        return read_list(l, key);
    if (l->event.type != YAML_SCALAR_EVENT || is_null(l))
        return FAIL(l, "expected %s, found %s", list ? "a list" : "a value", found(l));
    void *base = config_section(key, l->config, l->section);
    return config_value_parse(key, scalar(l), base, &why) < 0 ? FAIL(l, "%s", why.text) : 0;
}

/* Appends the name at hand to the path. */
static int enter_name(struct loader *l)
{
    size_t n = strlen(l->path);
    char name[CONFIG_QUOTED_MAX];

    if (l->event.type != YAML_SCALAR_EVENT || !*scalar(l))
        return FAIL(l, "expected the name of a key, found %s", found(l));
    config_quote(scalar(l), name, sizeof(name));
    snprintf(l->path + n, sizeof(l->path) - n, "%s%s", n ? "." : "", name);
    if (strpbrk(scalar(l), ".["))
        return FAIL(l, "sections are written as nested mappings, not with dots or brackets");
    return 0;
}

static int fail_unknown(struct loader *l)
{
    char near[CONFIG_KEY_MAX];
    if (config_key_nearest(l->path, near))
        return FAIL(l, "no such key (did you mean %s?)", near);
    return FAIL(l, "no such key (weir check --keys lists all)");
}

/* Reads "name: value" or "name: section". given holds, for each child of the mapping at hand, the
 * line that gave it, in the slot of the first key under that child. */
static int read_child(struct loader *l, unsigned given[CONFIG_KEYS_MAX])
{
    int r = enter_name(l);
    if (r < 0)
        return r;
    int under = config_key_under(l->path);
    if (under < 0)
        return fail_unknown(l);
    if (given[under])
        return FAIL(l, "given twice, first in line %u", given[under]);
    given[under] = line_of(l);
    r = pull(l);
    if (r < 0)
        return r;
    const struct config_key *key = config_key_find(l->path);
    return key ? read_value(l, key) : read_section(l);
}

/* Recursion is as deep as the table's names have dots. */
static int read_section(struct loader *l)
{
    unsigned given[CONFIG_KEYS_MAX] = {0};
    size_t path_len = strlen(l->path);

    if (is_null(l))
        return 0;
    if (l->event.type != YAML_MAPPING_START_EVENT)
        return FAIL(l, "expected keys, found %s", found(l));
    for (;;) {
        int r = pull(l);
        if (r < 0 || l->event.type == YAML_MAPPING_END_EVENT)
            return r;
        r = read_child(l, given);
        if (r < 0)
            return r;
        l->path[path_len] = '\0';
    }
}

/* A stream of no document, or of one. */
static int read_stream(struct loader *l)
{
    int r;

    if ((r = pull(l)) < 0) /* start of stream */
        return r;
    if ((r = pull(l)) < 0 || l->event.type == YAML_STREAM_END_EVENT)
        return r;
    if ((r = pull(l)) < 0 || (r = read_section(l)) < 0)
        return r;
    if ((r = pull(l)) < 0 || (r = pull(l)) < 0) /* end of document, end of stream */
        return r;
    return l->event.type == YAML_STREAM_END_EVENT ? 0 : FAIL(l, "a second YAML document");
}

int config_load_memory(const char *name, const void *bytes, size_t len, struct config *config,
                       struct config_error *error)
{
    struct loader l = {.bytes = bytes, .len = len, .error = error};
    int r;

    config_quote(name, l.source, sizeof(l.source));
    if (len > CONFIG_FILE_MAX)
        return config_fail(error, -EFBIG, "%s: longer than %u octets", l.source, CONFIG_FILE_MAX);
    l.config = malloc(sizeof(*l.config));
    if (!l.config || !yaml_parser_initialize(&l.parser)) {
        r = config_fail(error, -ENOMEM, "%s: out of memory", l.source);
        goto free_config;
    }
    yaml_parser_set_encoding(&l.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&l.parser, bytes, len);
    config_defaults(l.config);
    r = read_stream(&l);
    if (r == 0)
        *config = *l.config;
    yaml_event_delete(&l.event);
    yaml_parser_delete(&l.parser);
free_config:
    free(l.config);
    return r;
}
