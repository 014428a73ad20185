#include "config/error.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "config/config.h"

int config_fail(struct config_error *error, int code, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(error->text, sizeof(error->text), format, args);
    va_end(args);
    return code;
}

/* Length of the printable character at c, 0 where it is none: a control character (C1 included), or
 * not UTF-8. The terminator can end a character early, never be passed. */
static size_t printable_length(const unsigned char *c)
{
    size_t len = c[0] < 0x80 ? 1 : c[0] < 0xc2 ? 0 : c[0] < 0xe0 ? 2 : c[0] < 0xf0 ? 3 : 4;

    if (c[0] < 0x20 || c[0] == 0x7f || c[0] > 0xf4 || (c[0] == 0xc2 && c[1] < 0xa0))
        return 0;
    for (size_t i = 1; i < len; i++)
        if ((c[i] & 0xc0) != 0x80)
            return 0;
    return len;
}

const char *config_quote(const char *text, char *out, size_t size)
{
    const unsigned char *c = (const unsigned char *)text;
    size_t n = 0;

    while (*c) {
        if (n + sizeof("\\xff...") > size) {
            strcpy(out + n, "...");
            return out;
        }
        size_t len = printable_length(c);
        if (len)
            memcpy(out + n, c, len);
        else
            sprintf(out + n, "\\x%02x", *c);
        n += len ? len : 4;
        c += len ? len : 1;
    }
    out[n] = '\0';
    return out;
}
