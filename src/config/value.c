#include "config/value.h"

#include <errno.h>
#include <string.h>

#include "config/collector.h"
#include "config/config.h"
#include "config/error.h"
#include "config/types.h"

#define ELEMENT_MAX 2048 /* longer than any sensible element of a list */

static void collectors_range(const struct config_key *key, char *out)
{
    snprintf(out, CONFIG_RANGE_MAX, "such as tcp://host:4739; at most %u", key->most);
}

/* Read by collector.c, written as sections by print.c. */
static const struct config_type_ops config_collectors = {
    .name = "sections",
    .noun = "a collector",
    .list = true,
    .range = collectors_range,
};

static const struct config_type_ops *const types[CONFIG_TYPE_COUNT] = {
    [CONFIG_BOOL] = &config_bool,         [CONFIG_COUNT] = &config_count,
    [CONFIG_NUMBER] = &config_number,     [CONFIG_PORT] = &config_port,
    [CONFIG_OCTETS] = &config_octets,     [CONFIG_DURATION] = &config_duration,
    [CONFIG_CHOICE] = &config_choice,     [CONFIG_LABEL] = &config_label,
    [CONFIG_TEXT] = &config_text,         [CONFIG_MASK] = &config_mask,
    [CONFIG_PREFIXES] = &config_prefixes, [CONFIG_COUNTS] = &config_counts,
    [CONFIG_TEXTS] = &config_texts,       [CONFIG_COLLECTORS] = &config_collectors,
};

bool config_type_is_list(enum config_type type)
{
    return types[type]->list;
}

const char *config_type_name(enum config_type type)
{
    return types[type]->name;
}

const char *config_value_range(const struct config_key *key, char out[CONFIG_RANGE_MAX])
{
    types[key->type]->range(key, out);
    return out;
}

int config_value_add(const struct config_key *key, const char *text, void *base,
                     struct config_error *error)
{
    char quoted[CONFIG_QUOTED_MAX], range[CONFIG_RANGE_MAX];

    if (key->type == CONFIG_COLLECTORS)
        return config_collector_add(base, text, error);
    int r = types[key->type]->read(key, text, base);
    if (r == 0)
        return 0;
    if (r == -ENOSPC)
        return config_fail(error, -EINVAL, "more than %u elements", key->most);
    config_quote(text, quoted, sizeof(quoted));
    config_value_range(key, range);
    if (r == -ERANGE)
        return config_fail(error, -EINVAL, "\"%s\" is out of range (%s)", quoted, range);
    return config_fail(error, -EINVAL, "\"%s\" is not %s (%s)", quoted, types[key->type]->noun,
                       range);
}

void config_value_clear(const struct config_key *key, void *base)
{
    size_t offset = key->type == CONFIG_MASK ? key->offset : key->count_offset;
    *(uint32_t *)((char *)base + offset) = 0;
}

/* Where the element at text ends: at a comma. What looks like name=value behind one is an argument
 * of the same source: dpdk:net_pcap0,rx_pcap=x.pcap. */
static size_t element_length(const struct config_key *key, const char *text)
{
    size_t len = strcspn(text, ",");

    while (key->type == CONFIG_TEXTS && text[len]) {
        size_t word = strcspn(text + len + 1, "=:, ");
        if (text[len + 1 + word] != '=')
            break;
        len += 1 + strcspn(text + len + 1, ",");
    }
    return len;
}

/* "a, b , c": adds what stands between the commas, without the spaces around it. */
static int list_read(const struct config_key *key, const char *text, void *base,
                     struct config_error *error)
{
    for (;;) {
        char element[ELEMENT_MAX];
        text += strspn(text, " ");
        size_t len = element_length(key, text), used = len;
        while (used && text[used - 1] == ' ')
            used--;
        if (used >= sizeof(element))
            return config_fail(error, -EINVAL, "an element is longer than %d octets",
                               ELEMENT_MAX - 1);
        memcpy(element, text, used);
        element[used] = '\0';
        int r = config_value_add(key, element, base, error);
        if (r < 0 || !text[len])
            return r;
        text += len + 1;
    }
}

int config_value_parse(const struct config_key *key, const char *text, void *base,
                       struct config_error *error)
{
    if (!types[key->type]->list)
        return config_value_add(key, text, base, error);
    config_value_clear(key, base);
    if (!*text || strcmp(text, "none") == 0)
        return 0;
    return list_read(key, text, base, error);
}

void config_value_print(const struct config_key *key, const void *base, FILE *out)
{
    bool list = types[key->type]->list;
    fputs(list ? "[" : "", out);
    types[key->type]->write(key, base, out);
    fputs(list ? "]" : "", out);
}
