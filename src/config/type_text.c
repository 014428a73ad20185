#include <errno.h>
#include <string.h>

#include "config/types.h"
#include "config/value.h"

static void set_text(const struct config_key *key, const char *text, void *base)
{
    size_t len = strlen(text);
    char *out = config_field(key, base);

    memcpy(out, text, len);
    memset(out + len, 0, key->size - len);
}

static void text_range(const struct config_key *key, char *out)
{
    snprintf(out, CONFIG_RANGE_MAX, "1..%zu octets%s%s", key->size - 1, key->zero ? ", " : "",
             key->zero ? key->zero : "");
}

static bool is_empty(const struct config_key *key, const char *text)
{
    return key->zero && (!*text || strcmp(text, key->zero) == 0);
}

/* A label is safe in every text it gets into: YAML, JSON, names of files and Redis keys, metrics.
 */
static int label_read(const struct config_key *key, const char *text, void *base)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    size_t len = strlen(text);

    if (is_empty(key, text))
        text = "";
    else if (!len || len >= key->size || strspn(text, letters) != len || strchr("._-", text[0]))
        return -EINVAL;
    set_text(key, text, base);
    return 0;
}

static void label_range(const struct config_key *key, char *out)
{
    snprintf(out, CONFIG_RANGE_MAX, "1..%zu of a-z A-Z 0-9 . _ -%s%s", key->size - 1,
             key->zero ? ", " : "", key->zero ? key->zero : "");
}

/* Decodes the UTF-8 character at c; returns its length, 0 where there is none. The terminator can
 * end a character early, never be passed. */
static size_t decode(const unsigned char *c, uint32_t *code)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t len = c[0] < 0x80 ? 1 : c[0] < 0xc2 ? 0 : c[0] < 0xe0 ? 2 : c[0] < 0xf0 ? 3 : 4;

    if (!len || c[0] > 0xf4)
        return 0;
    *code = len == 1 ? c[0] : c[0] & (0x7fu >> len);
    for (size_t i = 1; i < len; i++) {
        if ((c[i] & 0xc0) != 0x80)
            return 0;
        *code = *code << 6 | (c[i] & 0x3fu);
    }
    return *code < least[len] ? 0 : len;
}

/* Neither a control character, nor one that ends a line, nor one that YAML does not take. */
static bool is_printable(uint32_t code)
{
    return code >= 0x20 && (code < 0x7f || code >= 0xa0) && code != 0x2028 && code != 0x2029 &&
           (code < 0xd800 || code >= 0xe000) && code != 0xfeff && code != 0xfffe &&
           code != 0xffff && code <= 0x10ffff;
}

bool config_text_is_printable(const char *text)
{
    const unsigned char *c = (const unsigned char *)text;
    uint32_t code;

    while (*c) {
        size_t len = decode(c, &code);
        if (!len || !is_printable(code))
            return false;
        c += len;
    }
    return true;
}

static int text_read(const struct config_key *key, const char *text, void *base)
{
    if (is_empty(key, text))
        text = "";
    else if (!*text || strlen(text) >= key->size || !config_text_is_printable(text))
        return -EINVAL;
    set_text(key, text, base);
    return 0;
}

void config_write_quoted(const char *text, FILE *out)
{
    fputc('"', out);
    for (; *text; text++)
        fprintf(out, "%s%c", *text == '"' || *text == '\\' ? "\\" : "", *text);
    fputc('"', out);
}

/* In quotes, since "null" and "1" are names too. */
static void text_write(const struct config_key *key, const void *base, FILE *out)
{
    const char *text = config_const_field(key, base);

    if (*text)
        config_write_quoted(text, out);
    else
        fputs(key->zero, out);
}

const struct config_type_ops config_label = {
    "name", "a name", false, label_read, text_write, label_range,
};
const struct config_type_ops config_text = {
    "text", "a printable text", false, text_read, text_write, text_range,
};
