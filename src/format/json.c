#include <stddef.h>
#include <string.h>

#include "format/fields.h"
#include "format/format.h"
#include "format/json_text.h"
#include "weir/encode.h"
#include "weir/flow.h"

/* A single number stands alone, several are an array. */
static char *put_counts(char *out, const char *text, const char *end)
{
    size_t len = (size_t)(end - text);
    if (!memchr(text, ',', len))
        return mempcpy(out, text, len);
    *out++ = '[';
    out = mempcpy(out, text, len);
    *out++ = ']';
    return out;
}

static char *put_value(char *out, uint8_t kind, const char *text, const char *end)
{
    switch ((enum field_kind)kind) {
    case FIELD_STRING:
    case FIELD_ADDRESS:
    case FIELD_ENUM:
        return json_quoted(out, text, end);
    case FIELD_NAMES:
        return json_words(out, text, end);
    case FIELD_COUNTS:
        return put_counts(out, text, end);
    default:
        return mempcpy(out, text, (size_t)(end - text));
    }
}

/* Closes the object that is open and opens the next, where they differ. */
static char *put_object(char *out, const char **open, const char *object)
{
    if (*open == object)
        return out;
    if (*open)
        out = json_close(out);
    *open = object;
    return object ? json_open(out, object) : out;
}

static size_t json_record(const struct config *config, const struct flow_record *r, char *out)
{
    if (flow_record_is_notice(r))
        return 0;

    struct field_view view = field_view_record(config, r);
    char text[FIELD_TEXT_MAX], *p = out;
    const char *object = NULL;
    size_t count;
    const struct format_field *field = format_fields(&count);

    *p++ = '{';
    for (size_t i = 0; i < count; i++, field++) {
        if (!(field->faces & IN_JSON))
            continue;
        char *end = field_write(field, &view, text);
        if (end == text)
            continue;
        p = json_key(put_object(p, &object, field->object), field->name);
        p = put_value(p, field->kind, text, end);
    }
    p = put_object(p, &object, NULL);
    p = put_text(p, "}\n");
    return (size_t)(p - out);
}

static size_t nothing(const struct config *config, char *out)
{
    (void)config, (void)out;
    return 0;
}

const struct record_encoder format_json = {
    .name = "json",
    .summary = "JSON lines with Zeek's names, one per record",
    .head = nothing,
    .record = json_record,
    .tail = nothing,
};
