/*
 * Members of a JSON object, for the faces that write one. A comma goes before a member unless it is
 * the first, which the octet before it tells. Names and texts need no escape, except in
 * json_escaped().
 */
#pragma once

#include <stdint.h>

#include "format/text.h"

static inline char *json_key(char *out, const char *name)
{
    if (out[-1] != '{')
        *out++ = ',';
    *out++ = '"';
    out = put_text(out, name);
    *out++ = '"';
    *out++ = ':';
    return out;
}

static inline char *json_open(char *out, const char *name)
{
    out = json_key(out, name);
    *out++ = '{';
    return out;
}

static inline char *json_close(char *out)
{
    *out++ = '}';
    return out;
}

static inline char *json_u64(char *out, const char *name, uint64_t value)
{
    return put_u64(json_key(out, name), value);
}

static inline char *json_bool(char *out, const char *name, int value)
{
    return put_text(json_key(out, name), value ? "true" : "false");
}

/* "text" with its quotes; end = where text ends. */
static inline char *json_quoted(char *out, const char *text, const char *end)
{
    *out++ = '"';
    out = mempcpy(out, text, (size_t)(end - text));
    *out++ = '"';
    return out;
}

/* NULL or an empty text: no member. */
static inline char *json_string(char *out, const char *name, const char *text)
{
    if (!text || !*text)
        return out;
    return json_quoted(json_key(out, name), text, text + strlen(text));
}

static inline char *json_escaped(char *out, const char *name, const char *text)
{
    out = json_key(out, name);
    *out++ = '"';
    out = put_json_text(out, text);
    *out++ = '"';
    return out;
}

/* An array of the words between the commas of text, which holds one at least. */
static inline char *json_words(char *out, const char *text, const char *end)
{
    *out++ = '[';
    *out++ = '"';
    for (; text < end; text++) {
        if (*text == ',')
            out = put_text(out, "\",\"");
        else
            *out++ = *text;
    }
    *out++ = '"';
    *out++ = ']';
    return out;
}
