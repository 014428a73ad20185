#include "config/events.h"

#include <errno.h>
#include <string.h>

#include "config/config.h"

unsigned config_events_line(const struct config_events *l)
{
    return (unsigned)l->event.start_mark.line + 1;
}

/* A reader error (bad UTF-8) carries an offset in place of a line. */
static unsigned line_of_offset(const struct config_events *l, size_t offset)
{
    unsigned line = 1;
    for (size_t i = 0; i < offset && i < l->len; i++)
        line += l->bytes[i] == '\n';
    return line;
}

static int fail_parse(struct config_events *l)
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
static int refuse_extras(struct config_events *l)
{
    const yaml_event_t *e = &l->event;
    const yaml_char_t *anchor = NULL, *tag = NULL;

    if (e->type == YAML_SCALAR_EVENT) {
        anchor = e->data.scalar.anchor;
        tag = e->data.scalar.tag;
        if (memchr(e->data.scalar.value, 0, e->data.scalar.length))
            return CONFIG_EVENTS_FAIL(l, "a value with a NUL character");
    } else if (e->type == YAML_SEQUENCE_START_EVENT) {
        anchor = e->data.sequence_start.anchor;
        tag = e->data.sequence_start.tag;
    } else if (e->type == YAML_MAPPING_START_EVENT) {
        anchor = e->data.mapping_start.anchor;
        tag = e->data.mapping_start.tag;
    }
    if (anchor || e->type == YAML_ALIAS_EVENT)
        return CONFIG_EVENTS_FAIL(l, "anchors (&) and aliases (*) are not allowed here");
    return tag ? CONFIG_EVENTS_FAIL(l, "tags (!) are not allowed here") : 0;
}

int config_events_pull(struct config_events *l)
{
    yaml_event_delete(&l->event);
    if (!yaml_parser_parse(&l->parser, &l->event))
        return fail_parse(l);
    return refuse_extras(l);
}

const char *config_events_scalar(const struct config_events *l)
{
    return (const char *)l->event.data.scalar.value;
}

/* Nothing, as in "flow:", or YAML's words for it. */
bool config_events_is_null(const struct config_events *l)
{
    return l->event.type == YAML_SCALAR_EVENT &&
           l->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
           (!*config_events_scalar(l) || strcmp(config_events_scalar(l), "~") == 0 ||
            strcmp(config_events_scalar(l), "null") == 0);
}

const char *config_events_found(const struct config_events *l)
{
    if (l->event.type == YAML_SCALAR_EVENT &&
        (config_events_is_null(l) || !*config_events_scalar(l)))
        return "nothing";
    return l->event.type == YAML_MAPPING_START_EVENT    ? "a mapping"
           : l->event.type == YAML_SEQUENCE_START_EVENT ? "a list"
                                                        : "a value";
}

int config_events_enter(struct config_events *l)
{
    size_t n = strlen(l->path);
    char name[CONFIG_QUOTED_MAX];

    if (l->event.type != YAML_SCALAR_EVENT || !*config_events_scalar(l))
        return CONFIG_EVENTS_FAIL(l, "expected the name of a key, found %s",
                                  config_events_found(l));
    config_quote(config_events_scalar(l), name, sizeof(name));
    snprintf(l->path + n, sizeof(l->path) - n, "%s%s", n ? "." : "", name);
    if (strpbrk(config_events_scalar(l), ".["))
        return CONFIG_EVENTS_FAIL(
            l, "sections are written as nested mappings, not with dots or brackets");
    return 0;
}

/* A stream of no document, or of one. */
static int read_stream(struct config_events *l, int (*document)(void *context), void *context)
{
    int r;

    if ((r = config_events_pull(l)) < 0) /* start of stream */
        return r;
    if ((r = config_events_pull(l)) < 0 || l->event.type == YAML_STREAM_END_EVENT)
        return r;
    if ((r = config_events_pull(l)) < 0 || (r = document(context)) < 0)
        return r;
    if ((r = config_events_pull(l)) < 0 ||
        (r = config_events_pull(l)) < 0) /* end of document, of stream */
        return r;
    return l->event.type == YAML_STREAM_END_EVENT ? 0
                                                  : CONFIG_EVENTS_FAIL(l, "a second YAML document");
}

int config_events_read(struct config_events *l, const char *name, const void *bytes, size_t len,
                       struct config_error *error, int (*document)(void *context), void *context)
{
    memset(l, 0, sizeof(*l));
    l->bytes = bytes;
    l->len = len;
    l->error = error;
    config_quote(name, l->source, sizeof(l->source));
    if (len > CONFIG_FILE_MAX)
        return config_fail(error, -EFBIG, "%s: longer than %u octets", l->source, CONFIG_FILE_MAX);
    if (!yaml_parser_initialize(&l->parser))
        return config_fail(error, -ENOMEM, "%s: out of memory", l->source);
    yaml_parser_set_encoding(&l->parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&l->parser, bytes, len);
    int r = read_stream(l, document, context);
    yaml_event_delete(&l->event);
    yaml_parser_delete(&l->parser);
    return r;
}
