#include <stddef.h>

#include "format/fields.h"
#include "format/format.h"
#include "format/text.h"
#include "weir/encode.h"
#include "weir/flow.h"

/* RFC 4180: no field holds a comma, quote or line end (lists have ';' between their parts), so none
 * is quoted. */

static char *end_line(char *last_comma)
{
    return put_text(last_comma, "\r\n");
}

static size_t csv_head(const struct config *config, char *out)
{
    (void)config;
    char *p = out;
    size_t count;
    const struct format_field *field = format_fields(&count);

    for (size_t i = 0; i < count; i++, field++) {
        if (!(field->faces & IN_JSON))
            continue;
        if (field->object) {
            p = put_text(p, field->object);
            *p++ = '.';
        }
        p = put_text(p, field->name);
        *p++ = ',';
    }
    return (size_t)(end_line(p - 1) - out);
}

static size_t csv_record(const struct config *config, const struct flow_record *r, char *out)
{
    if (flow_record_is_notice(r))
        return 0;

    struct field_view view = field_view_record(config, r);
    char *p = out;
    size_t count;
    const struct format_field *field = format_fields(&count);

    for (size_t i = 0; i < count; i++, field++) {
        if (!(field->faces & IN_JSON))
            continue;
        char *value = p;
        p = field_write(field, &view, p);
        for (; value < p; value++)
            if (*value == ',')
                *value = ';';
        *p++ = ',';
    }
    return (size_t)(end_line(p - 1) - out);
}

static size_t csv_tail(const struct config *config, char *out)
{
    (void)config, (void)out;
    return 0;
}

const struct record_encoder format_csv = {
    .name = "csv",
    .summary = "comma-separated values (RFC 4180), the fields of json",
    .head = csv_head,
    .record = csv_record,
    .tail = csv_tail,
};
