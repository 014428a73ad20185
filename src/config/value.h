/*
 * Values of configuration keys as text and back. Text is UTF-8 without NUL.
 *
 * base is the struct config; of a key in a list of sections, config_section() of its index.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "config/keys.h"

struct config;
struct config_error;

#define CONFIG_RANGE_MAX 128 /* longest text of config_value_range() and its end */

/* Where the keys of the section with this index find their fields. */
static inline void *config_section(const struct config_key *key, struct config *config,
                                   uint32_t index)
{
    return (char *)config + index * key->stride;
}

static inline const void *config_const_section(const struct config_key *key,
                                               const struct config *config, uint32_t index)
{
    return (const char *)config + index * key->stride;
}

bool config_type_is_list(enum config_type type);
const char *config_type_name(enum config_type type);

/* Sets the key's field from a whole value; a list as "a, b", "none" or "". -EINVAL with the reason
 * in *error, without the key's name; a list may then hold some of its elements. */
int config_value_parse(const struct config_key *key, const char *text, void *base,
                       struct config_error *error);

/* Lists: the empty list, and one element more; -EINVAL as above. */
void config_value_clear(const struct config_key *key, void *base);
int config_value_add(const struct config_key *key, const char *text, void *base,
                     struct config_error *error);

/* Writes the value as it stands in YAML, a list as [a, b]; not CONFIG_COLLECTORS. Durations are
 * printed in whole milliseconds. */
void config_value_print(const struct config_key *key, const void *base, FILE *out);

/* What may be written: "100ms..30d", "true or false", ... Returns out. */
const char *config_value_range(const struct config_key *key, char out[CONFIG_RANGE_MAX]);
