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

/* Sets one key. A list is written as "a, b"; "none" or "" is the empty list. A collector's key has
 * its index, export.collectors[0].port; the index behind the last one makes a new collector.
 * -ENOENT when there is no such key. */
int config_set(struct config *config, const char *key, const char *value,
               struct config_error *error);

/* Appends one source to capture.ports. */
int config_add_port(struct config *config, const char *source, struct config_error *error);

/*
 * Appends one collector to export.collectors:
 *     tcp://host:4739  tls://host  udp://[::1]:2055  file:/path/x.ipfix  x.ipfix
 * and behind a ? keys of the collector joined by &, nothing escaped: tls://h?cert=c.pem&key=k.pem
 */
int config_add_collector(struct config *config, const char *url, struct config_error *error);

/*
 * What no single key can tell: do keys fit together? To be called when all keys are set. Fills in
 * what follows from other keys of each collector (name, port, message_size, peer). -EINVAL: *error
 * names the key; *config may then be filled in part. Checking again changes nothing.
 */
int config_check(struct config *config, struct config_error *error);

/* Every key with type, range, default and meaning, for people. */
void config_print_keys(FILE *out);

/* The whole configuration as YAML, which config_load() reads back to the same values. */
void config_print(const struct config *config, FILE *out);
