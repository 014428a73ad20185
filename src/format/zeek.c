#include <stddef.h>

#include "format/fields.h"
#include "format/format.h"
#include "format/text.h"
#include "weir/encode.h"
#include "weir/flow.h"

/* Identical input gives identical output: the head cannot tell the time of day. */
#define FIXED_TIME "1970-01-01-00-00-00"

static const char *const zeek_types[FIELD_KIND_COUNT] = {
    [FIELD_TIME] = "time",         [FIELD_INTERVAL] = "interval",
    [FIELD_STRING] = "string",     [FIELD_ADDRESS] = "addr",
    [FIELD_PORT] = "port",         [FIELD_ENUM] = "enum",
    [FIELD_COUNT] = "count",       [FIELD_BOOL] = "bool",
    [FIELD_NAMES] = "set[string]", [FIELD_COUNTS] = "vector[count]",
};

static char *put_names(char *p)
{
    size_t count;
    const struct format_field *field = format_fields(&count);

    for (size_t i = 0; i < count; i++, field++) {
        if (!(field->faces & IN_ZEEK))
            continue;
        *p++ = '\t';
        if (field->object) {
            p = put_text(p, field->object);
            *p++ = '.';
        }
        p = put_text(p, field->name);
    }
    return p;
}

static char *put_types(char *p)
{
    size_t count;
    const struct format_field *field = format_fields(&count);

    for (size_t i = 0; i < count; i++, field++) {
        if (!(field->faces & IN_ZEEK))
            continue;
        *p++ = '\t';
        p = put_text(p, zeek_types[field->kind]);
    }
    return p;
}

static size_t zeek_head(const struct config *config, char *out)
{
    (void)config;
    char *p = put_text(out, "#separator \\x09\n"
                            "#set_separator\t,\n"
                            "#empty_field\t(empty)\n"
                            "#unset_field\t-\n"
                            "#path\tconn\n"
                            "#open\t" FIXED_TIME "\n"
                            "#fields");
    p = put_names(p);
    p = put_text(p, "\n#types");
    p = put_types(p);
    *p++ = '\n';
    return (size_t)(p - out);
}

static char *put_field(char *out, const struct format_field *field, const struct field_view *view)
{
    char *end = field_write(field, view, out);
    if (end == out)
        *end++ = '-';
    else if (field->kind == FIELD_BOOL)
        end = put_text(out, *out == 't' ? "T" : "F");
    return end;
}

static size_t zeek_record(const struct config *config, const struct flow_record *r, char *out)
{
    if (r->open)
        return 0;

    struct field_view view = field_view_connection(config, r);
    char *p = out;
    size_t count;
    const struct format_field *field = format_fields(&count);

    for (size_t i = 0; i < count; i++, field++) {
        if (!(field->faces & IN_ZEEK))
            continue;
        p = put_field(p, field, &view);
        *p++ = '\t';
    }
    p[-1] = '\n';
    return (size_t)(p - out);
}

static size_t zeek_tail(const struct config *config, char *out)
{
    (void)config;
    return (size_t)(put_text(out, "#close\t" FIXED_TIME "\n") - out);
}

const struct record_encoder format_zeek = {
    .name = "zeek",
    .summary = "Zeek's conn.log (TSV), one row per connection at its end",
    .per_connection = true,
    .head = zeek_head,
    .record = zeek_record,
    .tail = zeek_tail,
};
