/*
 * THE key table: every configuration key, said once. Loader, overrides, printed configuration and
 * printed help all walk it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONFIG_KEY_MAX 64   /* longest key name and its end */
#define CONFIG_KEYS_MAX 256 /* bound of the table, for arrays with one slot per key */

enum config_type {
    CONFIG_BOOL,     /* bool */
    CONFIG_COUNT,    /* uint64_t */
    CONFIG_DURATION, /* uint64_t, nanoseconds */
    CONFIG_LABEL,    /* char[CONFIG_NAME_MAX] */
    CONFIG_MASK,     /* uint32_t, bit n = names[n]; a list */
    CONFIG_PREFIXES, /* struct ip_prefix[max] and its uint32_t count; a list */
};

struct config_key {
    const char *name; /* sections and key, joined by '.' */
    enum config_type type;
    size_t offset;       /* of the field in struct config */
    size_t count_offset; /* of a list's length, where the list is an array */
    uint64_t min,
        max; /* CONFIG_COUNT, CONFIG_DURATION: the range; CONFIG_PREFIXES: most elements */
    const char
        *zero; /* word for the value 0, which is allowed beside the range; NULL = it is not */
    const char *const *names; /* CONFIG_MASK: by bit, NULL where a bit has no name */
    uint32_t name_count;
    const char *fallback; /* the default, written as config_set() takes it */
    const char *help;
};

extern const struct config_key config_keys[];
extern const size_t config_key_count;

/* The key called name, or NULL. */
const struct config_key *config_key_find(const char *name);

/* Index of the first key that is called path or stands in the section called path; -1 = none. */
int config_key_under(const char *path);

/* Writes the key or section that path was probably meant to be at out; returns false when none is
 * near. */
bool config_key_nearest(const char *path, char out[CONFIG_KEY_MAX]);
