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
    CONFIG_BOOL,       /* bool */
    CONFIG_COUNT,      /* uint64_t, written with k, M, G */
    CONFIG_NUMBER,     /* uint64_t, written in digits */
    CONFIG_PORT,       /* uint64_t, written in digits */
    CONFIG_OCTETS,     /* uint64_t */
    CONFIG_DURATION,   /* uint64_t, nanoseconds */
    CONFIG_CHOICE,     /* uint64_t, index in names */
    CONFIG_LABEL,      /* char[size], of letters that are safe everywhere, file names too */
    CONFIG_TEXT,       /* char[size] */
    CONFIG_MASK,       /* uint32_t, bit n = names[n]; a list */
    CONFIG_PREFIXES,   /* struct ip_prefix[most] and its uint32_t count; a list */
    CONFIG_COUNTS,     /* uint64_t[most] and its uint32_t count; a list, also written 2-5 */
    CONFIG_TEXTS,      /* char[most][size] and its uint32_t count; a list */
    CONFIG_COLLECTORS, /* struct collector_config[most] and its uint32_t count; a list of sections
                        */
    CONFIG_TYPE_COUNT
};

/*
 * A list of sections is a key of its own, and the keys of a section follow it: export.collectors,
 * then export.collectors[].name and so on, where users write export.collectors[0].name. Their
 * offset is that of the field in the first section, stride leads to the next.
 */
struct config_key {
    const char *name; /* sections and key, joined by '.' */
    enum config_type type;
    size_t offset;            /* of the field in struct config */
    size_t count_offset;      /* of a list's length, where the list is an array */
    size_t size;              /* of a label or text with its end */
    size_t stride;            /* of a section in a list; 0 = the key stands in no list */
    uint64_t min, max;        /* of a number, or each number of a list */
    uint32_t most;            /* elements of a list */
    const char *zero;         /* word for 0 or "", allowed beside the range; NULL = it is not */
    const char *const *names; /* CONFIG_MASK: by bit, NULL where a bit has no name; CONFIG_CHOICE */
    uint32_t name_count;
    const char *fallback; /* the default, written as config_set() takes it */
    const char *help;
};

extern const struct config_key config_keys[];
extern const size_t config_key_count;

/* The key at path, where the table's [] stands for any index; or NULL. */
const struct config_key *config_key_find(const char *path);

/* Index of the first key that is called path or stands in the section called path; -1 = none. */
int config_key_under(const char *path);

/* The first index in path: "export.collectors[3].port" -> 3; 0 when there is none, UINT32_MAX when
 * it is larger than that. */
uint32_t config_path_index(const char *path);

/* Writes the key or section that path was probably meant to be at out; returns false when none is
 * near. */
bool config_key_nearest(const char *path, char out[CONFIG_KEY_MAX]);
