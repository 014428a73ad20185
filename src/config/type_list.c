#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/ip.h"
#include "config/number.h"
#include "config/types.h"
#include "config/value.h"
#include "weir/config.h"

static uint32_t *count_of(const struct config_key *key, void *base)
{
    return (uint32_t *)((char *)base + key->count_offset);
}

static uint32_t const_count_of(const struct config_key *key, const void *base)
{
    return *(const uint32_t *)((const char *)base + key->count_offset);
}

static int mask_read(const struct config_key *key, const char *text, void *base)
{
    for (uint32_t bit = 0; bit < key->name_count; bit++) {
        if (key->names[bit] && strcmp(key->names[bit], text) == 0) {
            *(uint32_t *)config_field(key, base) |= UINT32_C(1) << bit;
            return 0;
        }
    }
    return -EINVAL;
}

static void mask_write(const struct config_key *key, const void *base, FILE *out)
{
    uint32_t mask = *(const uint32_t *)config_const_field(key, base);
    const char *comma = "";

    for (uint32_t bit = 0; bit < key->name_count; bit++) {
        if (key->names[bit] && mask >> bit & 1) {
            fprintf(out, "%s%s", comma, key->names[bit]);
            comma = ", ";
        }
    }
}

static void mask_range(const struct config_key *key, char *out)
{
    size_t n = 0;
    for (uint32_t bit = 0; bit < key->name_count; bit++)
        if (key->names[bit])
            n += (size_t)sprintf(out + n, "%s%s", n ? " " : "", key->names[bit]);
}

static int prefixes_read(const struct config_key *key, const char *text, void *base)
{
    uint32_t *count = count_of(key, base);
    struct ip_prefix prefix, *list = config_field(key, base);

    if (ip_prefix_parse(text, &prefix) < 0)
        return -EINVAL;
    if (*count >= key->most)
        return -ENOSPC;
    list[(*count)++] = prefix;
    return 0;
}

/* IPv6 goes in quotes: a leading colon means something else in a YAML list. */
static void prefixes_write(const struct config_key *key, const void *base, FILE *out)
{
    uint32_t count = const_count_of(key, base);
    const struct ip_prefix *list = config_const_field(key, base);
    char text[IP_TEXT_MAX + 4];

    for (uint32_t i = 0; i < count; i++) {
        const char *quote = list[i].version == 6 ? "\"" : "";
        ip_prefix_format(&list[i], text);
        fprintf(out, "%s%s%s%s", i ? ", " : "", quote, text, quote);
    }
}

static void prefixes_range(const struct config_key *key, char *out)
{
    snprintf(out, CONFIG_RANGE_MAX, "such as 10.0.0.0/8; at most %u", key->most);
}

/* "8" or "2-5". */
static int range_parse(const char *text, uint64_t *first, uint64_t *last)
{
    char begin[NUMBER_TEXT_MAX];
    size_t len = strcspn(text, "-");

    if (len >= sizeof(begin))
        return -EINVAL;
    memcpy(begin, text, len);
    begin[len] = '\0';
    if (digits_parse(begin, first) < 0 || digits_parse(text[len] ? text + len + 1 : text, last) < 0)
        return -EINVAL;
    return *first <= *last ? 0 : -EINVAL;
}

static int counts_read(const struct config_key *key, const char *text, void *base)
{
    uint32_t *count = count_of(key, base);
    uint64_t first, last, *list = config_field(key, base);

    if (range_parse(text, &first, &last) < 0)
        return -EINVAL;
    if (first < key->min || last > key->max)
        return -ERANGE;
    if (last - first >= key->most - *count)
        return -ENOSPC;
    while (first <= last)
        list[(*count)++] = first++;
    return 0;
}

static void counts_write(const struct config_key *key, const void *base, FILE *out)
{
    const uint64_t *list = config_const_field(key, base);

    for (uint32_t i = 0; i < const_count_of(key, base); i++)
        fprintf(out, "%s%" PRIu64, i ? ", " : "", list[i]);
}

static void counts_range(const struct config_key *key, char *out)
{
    snprintf(out, CONFIG_RANGE_MAX, "%" PRIu64 "..%" PRIu64 ", or 2-5; at most %u", key->min,
             key->max, key->most);
}

static int texts_read(const struct config_key *key, const char *text, void *base)
{
    uint32_t *count = count_of(key, base);
    size_t len = strlen(text);

    if (!len || len >= key->size || !config_text_is_printable(text))
        return -EINVAL;
    if (*count >= key->most)
        return -ENOSPC;
    char *out = (char *)config_field(key, base) + (*count)++ * key->size;
    memcpy(out, text, len);
    memset(out + len, 0, key->size - len);
    return 0;
}

static void texts_write(const struct config_key *key, const void *base, FILE *out)
{
    const char *list = config_const_field(key, base);

    for (uint32_t i = 0; i < const_count_of(key, base); i++) {
        fputs(i ? ", " : "", out);
        config_write_quoted(list + i * key->size, out);
    }
}

static void texts_range(const struct config_key *key, char *out)
{
    snprintf(out, CONFIG_RANGE_MAX, "1..%zu octets; at most %u", key->size - 1, key->most);
}

const struct config_type_ops config_mask = {
    "names", "a known name", true, mask_read, mask_write, mask_range,
};
const struct config_type_ops config_prefixes = {
    "prefixes", "an address prefix", true, prefixes_read, prefixes_write, prefixes_range,
};
const struct config_type_ops config_counts = {
    "numbers", "a number", true, counts_read, counts_write, counts_range,
};
const struct config_type_ops config_texts = {
    "texts", "a printable text", true, texts_read, texts_write, texts_range,
};
