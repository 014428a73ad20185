#include <stdbool.h>
#include <string.h>

#include "config/config.h"
#include "config/keys.h"
#include "config/value.h"
#include "weir/config.h"

static int wider(int width, const char *text)
{
    int len = (int)strlen(text);
    return len > width ? len : width;
}

void config_print_keys(FILE *out)
{
    int name = 0, type = 0, allowed = 0;
    char range[CONFIG_RANGE_MAX];

    for (size_t i = 0; i < config_key_count; i++) {
        name = wider(name, config_keys[i].name);
        type = wider(type, config_type_name(config_keys[i].type));
        allowed = wider(allowed, config_value_range(&config_keys[i], range));
    }
    fprintf(out, "%-*s  %-*s  %-*s  %s\n", name, "key", type, "type", allowed, "range", "default");
    for (size_t i = 0; i < config_key_count; i++) {
        const struct config_key *key = &config_keys[i];
        fprintf(out, "%-*s  %-*s  %-*s  %s\n    %s\n", name, key->name, type,
                config_type_name(key->type), allowed, config_value_range(key, range), key->fallback,
                key->help);
    }
}

/* Length of the sections that two key names share, the last dot included. */
static size_t shared_sections(const char *a, const char *b)
{
    size_t shared = 0;
    for (size_t i = 0; a[i] && a[i] == b[i]; i++)
        if (a[i] == '.')
            shared = i + 1;
    return shared;
}

/* Prints the sections of name that previous was not in; returns the indent of the key itself. */
static int print_sections(const char *previous, const char *name, FILE *out)
{
    size_t shared = shared_sections(previous, name);
    int indent = 0;

    if (!shared && *previous)
        fputc('\n', out);
    for (const char *dot; (dot = strchr(name, '.')); name = dot + 1, indent += 2) {
        size_t len = (size_t)(dot - name) + 1;
        if (shared >= len)
            shared -= len;
        else
            fprintf(out, "%*s%.*s:\n", indent, "", (int)len - 1, name);
    }
    return indent;
}

static const char *last_part(const char *name)
{
    return strrchr(name, '.') + 1;
}

/* The keys of a section, the first behind the dash of its list; with config NULL their defaults and
 * meanings, as a comment. */
static void print_section(const struct config *config, uint32_t index, int indent, FILE *out)
{
    const char *lead = config ? "- " : "# - ";

    for (size_t i = 0; i < config_key_count; i++) {
        const struct config_key *key = &config_keys[i];
        if (!key->stride)
            continue;
        fprintf(out, "%*s%s%s: ", indent, "", lead, last_part(key->name));
        if (config)
            config_value_print(key, config_const_section(key, config, index), out);
        else
            fprintf(out, "%s  # %s", key->fallback, key->help);
        fputc('\n', out);
        lead = config ? "  " : "#   ";
    }
}

static void print_collectors(const struct config *config, int indent, FILE *out)
{
    fputs(config->exports.collector_count ? "\n" : "[]\n", out);
    for (uint32_t i = 0; i < config->exports.collector_count; i++)
        print_section(config, i, indent + 2, out);
    if (!config->exports.collector_count)
        print_section(NULL, 0, indent, out);
}

void config_print(const struct config *config, FILE *out)
{
    const char *previous = "";

    for (size_t i = 0; i < config_key_count; i++) {
        const struct config_key *key = &config_keys[i];
        if (key->stride)
            continue;
        int indent = print_sections(previous, key->name, out);
        fprintf(out, "%*s# %s\n%*s%s: ", indent, "", key->help, indent, "", last_part(key->name));
        if (key->type == CONFIG_COLLECTORS) {
            print_collectors(config, indent, out);
        } else {
            config_value_print(key, config, out);
            fputc('\n', out);
        }
        previous = key->name;
    }
}
