#include <errno.h>
#include <string.h>
#include <strings.h>

#include "config/number.h"
#include "config/types.h"
#include "config/value.h"

static int bool_read(const struct config_key *key, const char *text, void *base)
{
    static const char *const words[][2] = {{"false", "true"}, {"no", "yes"}, {"off", "on"}};

    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
        for (int value = 0; value < 2; value++) {
            if (strcasecmp(text, words[i][value]) == 0) {
                *(bool *)config_field(key, base) = value;
                return 0;
            }
        }
    }
    return -EINVAL;
}

static void bool_write(const struct config_key *key, const void *base, FILE *out)
{
    fputs(*(const bool *)config_const_field(key, base) ? "true" : "false", out);
}

static void bool_range(const struct config_key *key, char *out)
{
    (void)key;
    strcpy(out, "true or false");
}

/* How numbers of a type are written. */
struct face {
    int (*parse)(const char *text, uint64_t *value);
    const char *(*format)(uint64_t value, char *out);
};

static const struct face faces[CONFIG_TYPE_COUNT] = {
    [CONFIG_COUNT] = {count_parse, count_format},
    [CONFIG_NUMBER] = {digits_parse, digits_format},
    [CONFIG_PORT] = {digits_parse, digits_format},
    [CONFIG_OCTETS] = {octets_parse, octets_format},
    [CONFIG_DURATION] = {duration_parse, duration_format},
};

static int number_read(const struct config_key *key, const char *text, void *base)
{
    uint64_t value = 0;
    bool zero = key->zero && strcmp(text, key->zero) == 0;

    if (!zero) {
        int r = faces[key->type].parse(text, &value);
        if (r < 0)
            return r;
    }
    if ((value < key->min || value > key->max) && !(key->zero && value == 0))
        return -ERANGE;
    *(uint64_t *)config_field(key, base) = value;
    return 0;
}

static void number_write(const struct config_key *key, const void *base, FILE *out)
{
    uint64_t value = *(const uint64_t *)config_const_field(key, base);
    char text[NUMBER_TEXT_MAX];
    fputs(key->zero && !value ? key->zero : faces[key->type].format(value, text), out);
}

static void number_range(const struct config_key *key, char *out)
{
    const struct face *face = &faces[key->type];
    char min[NUMBER_TEXT_MAX], max[NUMBER_TEXT_MAX];

    snprintf(out, CONFIG_RANGE_MAX, "%s..%s%s%s", face->format(key->min, min),
             face->format(key->max, max), key->zero ? ", " : "", key->zero ? key->zero : "");
}

static int choice_read(const struct config_key *key, const char *text, void *base)
{
    for (uint32_t i = 0; i < key->name_count; i++) {
        if (strcmp(key->names[i], text) == 0) {
            *(uint64_t *)config_field(key, base) = i;
            return 0;
        }
    }
    return -EINVAL;
}

static void choice_write(const struct config_key *key, const void *base, FILE *out)
{
    fputs(key->names[*(const uint64_t *)config_const_field(key, base)], out);
}

static void choice_range(const struct config_key *key, char *out)
{
    size_t n = 0;
    for (uint32_t i = 0; i < key->name_count; i++)
        n += (size_t)sprintf(out + n, "%s%s", i ? " " : "", key->names[i]);
}

const struct config_type_ops config_bool = {
    "bool", "a bool", false, bool_read, bool_write, bool_range,
};
const struct config_type_ops config_count = {
    "count", "a count", false, number_read, number_write, number_range,
};
const struct config_type_ops config_number = {
    "number", "a number", false, number_read, number_write, number_range,
};
const struct config_type_ops config_port = {
    "port", "a port", false, number_read, number_write, number_range,
};
const struct config_type_ops config_octets = {
    "octets", "a number of octets", false, number_read, number_write, number_range,
};
const struct config_type_ops config_duration = {
    "duration", "a duration", false, number_read, number_write, number_range,
};
const struct config_type_ops config_choice = {
    "choice", "one of the choices", false, choice_read, choice_write, choice_range,
};
