#include "config/value.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/ip.h"
#include "config/config.h"
#include "config/error.h"
#include "config/number.h"
#include "weir/config.h"

/* How one type is read, written and described. */
struct type_ops {
    const char *name; /* as `weir check --keys` says it */
    const char *noun; /* completes: "x" is not ... */
    bool list;
    int (*read)(const struct config_key *, const char *text, struct config *); /* list: adds one */
    void (*write)(const struct config_key *, const struct config *, FILE *);
    void (*range)(const struct config_key *, char *out);
};

static void *field(const struct config_key *key, struct config *config)
{
    return (char *)config + key->offset;
}

static const void *const_field(const struct config_key *key, const struct config *config)
{
    return (const char *)config + key->offset;
}

static int bool_read(const struct config_key *key, const char *text, struct config *config)
{
    static const char *const words[][2] = {{"false", "true"}, {"no", "yes"}, {"off", "on"}};

    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
        for (int value = 0; value < 2; value++) {
            if (strcasecmp(text, words[i][value]) == 0) {
                *(bool *)field(key, config) = value;
                return 0;
            }
        }
    }
    return -EINVAL;
}

static void bool_write(const struct config_key *key, const struct config *config, FILE *out)
{
    fputs(*(const bool *)const_field(key, config) ? "true" : "false", out);
}

static void bool_range(const struct config_key *key, char *out)
{
    (void)key;
    strcpy(out, "true or false");
}

static int number_read(const struct config_key *key, const char *text, struct config *config)
{
    uint64_t value = 0;
    bool zero = key->zero && strcmp(text, key->zero) == 0;

    if (!zero) {
        int r = (key->type == CONFIG_DURATION ? duration_parse : count_parse)(text, &value);
        if (r < 0)
            return r;
    }
    if ((value < key->min || value > key->max) && !(key->zero && value == 0))
        return -ERANGE;
    *(uint64_t *)field(key, config) = value;
    return 0;
}

static const char *number_format(const struct config_key *key, uint64_t value, char *out)
{
    return (key->type == CONFIG_DURATION ? duration_format : count_format)(value, out);
}

static void number_write(const struct config_key *key, const struct config *config, FILE *out)
{
    uint64_t value = *(const uint64_t *)const_field(key, config);
    char text[NUMBER_TEXT_MAX];
    fputs(key->zero && !value ? key->zero : number_format(key, value, text), out);
}

static void number_range(const struct config_key *key, char *out)
{
    char min[NUMBER_TEXT_MAX], max[NUMBER_TEXT_MAX];
    snprintf(out, CONFIG_RANGE_MAX, "%s..%s%s%s", number_format(key, key->min, min),
             number_format(key, key->max, max), key->zero ? ", " : "", key->zero ? key->zero : "");
}

/* A label is safe in every text it gets into: YAML, JSON, names of Redis keys, metrics. */
static int label_read(const struct config_key *key, const char *text, struct config *config)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    char *out = field(key, config);
    size_t len = strlen(text);

    if (!len || len >= CONFIG_NAME_MAX || strspn(text, letters) != len || strchr("._-", text[0]))
        return -EINVAL;
    memcpy(out, text, len);
    memset(out + len, 0, CONFIG_NAME_MAX - len);
    return 0;
}

/* In quotes, since "null" and "1" are names too. */
static void label_write(const struct config_key *key, const struct config *config, FILE *out)
{
    fprintf(out, "\"%s\"", (const char *)const_field(key, config));
}

static void label_range(const struct config_key *key, char *out)
{
    (void)key;
    snprintf(out, CONFIG_RANGE_MAX, "1..%d of a-z A-Z 0-9 . _ -", CONFIG_NAME_MAX - 1);
}

static int mask_read(const struct config_key *key, const char *text, struct config *config)
{
    for (uint32_t bit = 0; bit < key->name_count; bit++) {
        if (key->names[bit] && strcmp(key->names[bit], text) == 0) {
            *(uint32_t *)field(key, config) |= UINT32_C(1) << bit;
            return 0;
        }
    }
    return -EINVAL;
}

static void mask_write(const struct config_key *key, const struct config *config, FILE *out)
{
    uint32_t mask = *(const uint32_t *)const_field(key, config);
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

static int prefixes_read(const struct config_key *key, const char *text, struct config *config)
{
    uint32_t *count = (uint32_t *)((char *)config + key->count_offset);
    struct ip_prefix prefix, *list = field(key, config);

    if (ip_prefix_parse(text, &prefix) < 0)
        return -EINVAL;
    if (*count >= key->max)
        return -ENOSPC;
    list[(*count)++] = prefix;
    return 0;
}

/* IPv6 goes in quotes: a leading colon means something else in a YAML list. */
static void prefixes_write(const struct config_key *key, const struct config *config, FILE *out)
{
    uint32_t count = *(const uint32_t *)((const char *)config + key->count_offset);
    const struct ip_prefix *list = const_field(key, config);
    char text[IP_TEXT_MAX + 4];

    for (uint32_t i = 0; i < count; i++) {
        const char *quote = list[i].version == 6 ? "\"" : "";
        ip_prefix_format(&list[i], text);
        fprintf(out, "%s%s%s%s", i ? ", " : "", quote, text, quote);
    }
}

static void prefixes_range(const struct config_key *key, char *out)
{
    snprintf(out, CONFIG_RANGE_MAX, "such as 10.0.0.0/8; at most %u", (unsigned)key->max);
}

static const struct type_ops types[] = {
    [CONFIG_BOOL] = {"bool", "a bool", false, bool_read, bool_write, bool_range},
    [CONFIG_COUNT] = {"count", "a count", false, number_read, number_write, number_range},
    [CONFIG_DURATION] = {"duration", "a duration", false, number_read, number_write, number_range},
    [CONFIG_LABEL] = {"name", "a name", false, label_read, label_write, label_range},
    [CONFIG_MASK] = {"names", "a known name", true, mask_read, mask_write, mask_range},
    [CONFIG_PREFIXES] = {"prefixes", "an address prefix", true, prefixes_read, prefixes_write,
                         prefixes_range},
};

bool config_type_is_list(enum config_type type)
{
    return types[type].list;
}

const char *config_type_name(enum config_type type)
{
    return types[type].name;
}

const char *config_value_range(const struct config_key *key, char out[CONFIG_RANGE_MAX])
{
    types[key->type].range(key, out);
    return out;
}

/* One value, or one element of a list. */
static int value_read(const struct config_key *key, const char *text, struct config *config,
                      struct config_error *error)
{
    char quoted[CONFIG_QUOTED_MAX], range[CONFIG_RANGE_MAX];
    int r = types[key->type].read(key, text, config);

    if (r == 0)
        return 0;
    if (r == -ENOSPC)
        return config_fail(error, -EINVAL, "more than %u elements", (unsigned)key->max);
    config_quote(text, quoted, sizeof(quoted));
    config_value_range(key, range);
    if (r == -ERANGE)
        return config_fail(error, -EINVAL, "\"%s\" is out of range (%s)", quoted, range);
    return config_fail(error, -EINVAL, "\"%s\" is not %s (%s)", quoted, types[key->type].noun,
                       range);
}

int config_value_add(const struct config_key *key, const char *text, struct config *config,
                     struct config_error *error)
{
    return value_read(key, text, config, error);
}

void config_value_clear(const struct config_key *key, struct config *config)
{
    if (key->type == CONFIG_MASK)
        *(uint32_t *)field(key, config) = 0;
    else if (key->type == CONFIG_PREFIXES)
        *(uint32_t *)((char *)config + key->count_offset) = 0;
}

/* "a, b , c": adds what stands between the commas, without the spaces around it. */
static int list_read(const struct config_key *key, const char *text, struct config *config,
                     struct config_error *error)
{
    for (;;) {
        char element[2 * CONFIG_QUOTED_MAX]; /* longer than any valid element */
        text += strspn(text, " ");
        size_t len = strcspn(text, ","), used = len;
        while (used && text[used - 1] == ' ')
            used--;
        if (used >= sizeof(element))
            used = sizeof(element) - 1;
        memcpy(element, text, used);
        element[used] = '\0';
        int r = value_read(key, element, config, error);
        if (r < 0 || !text[len])
            return r;
        text += len + 1;
    }
}

int config_value_parse(const struct config_key *key, const char *text, struct config *config,
                       struct config_error *error)
{
    if (!types[key->type].list)
        return value_read(key, text, config, error);
    config_value_clear(key, config);
    if (!*text || strcmp(text, "none") == 0)
        return 0;
    return list_read(key, text, config, error);
}

void config_value_print(const struct config_key *key, const struct config *config, FILE *out)
{
    bool list = types[key->type].list;
    fputs(list ? "[" : "", out);
    types[key->type].write(key, config, out);
    fputs(list ? "]" : "", out);
}
