/*
 * Makes a configuration: defaults, a YAML file, single keys. What keys there are stands in the
 * table of keys.c.
 *
 * Every function that fails leaves *config as it was, writes one line to *error and
 * returns -errno. The line names file, line and key, as far as they are known:
 *     weir.yaml:12: flow.idle: "15x" is not a duration (100ms..30d)
 */
#pragma once

#include <stddef.h>
#include <stdio.h>

struct config;

#define CONFIG_ERROR_MAX 1024
#define CONFIG_FILE_MAX (1u << 20) /* octets of a configuration file */

struct config_error {
    char text[CONFIG_ERROR_MAX]; /* one line of printable UTF-8, without its newline */
};

void config_defaults(struct config *config);

/* Defaults, then what the file says. -EINVAL when the file is not a valid configuration, -EFBIG
 * when it is longer than CONFIG_FILE_MAX, or the errno of open() or read(). */
int config_load(const char *path, struct config *config, struct config_error *error);

/* The same from memory; name stands for the file in errors. An empty text gives the defaults. */
int config_load_memory(const char *name, const void *bytes, size_t len, struct config *config,
                       struct config_error *error);

/* Sets one key. A list is written as "a, b"; "none" or "" is the empty list. -ENOENT when there is
 * no such key. */
int config_set(struct config *config, const char *key, const char *value,
               struct config_error *error);

/* Every key with type, range, default and meaning, for people. */
void config_print_keys(FILE *out);

/* The whole configuration as YAML, which config_load() reads back to the same values. */
void config_print(const struct config *config, FILE *out);
