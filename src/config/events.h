/*
 * Pulls libyaml's events from memory. Events rather than documents: no tree is built, and aliases
 * are never followed. What YAML offers beyond plain values is refused.
 */
#pragma once

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <yaml.h>

#include "config/error.h"
#include "config/keys.h"

struct config_error;

#define EVENTS_SOURCE_MAX 256
/* A section, any name, a list index. */
#define EVENTS_PATH_MAX (CONFIG_KEY_MAX + CONFIG_QUOTED_MAX + 16)

struct config_events {
    yaml_parser_t parser;
    yaml_event_t event; /* the last one pulled */
    const uint8_t *bytes;
    size_t len;
    char source[EVENTS_SOURCE_MAX]; /* file name for errors */
    char path[EVENTS_PATH_MAX];     /* of the key at hand: "flow.keep", "hosts.networks[2]" */
    struct config_error *error;
};

/* Fails at the line of the event and the key at hand. */
#define CONFIG_EVENTS_FAIL(l, format, ...)                                                         \
    config_fail((l)->error, -EINVAL, "%s:%u: %s%s" format, (l)->source, config_events_line(l),     \
                (l)->path, *(l)->path ? ": " : "" __VA_OPT__(, ) __VA_ARGS__)

/* Opens bytes as the file called name, calls document at the first event of its document, if there
 * is one, and closes. document leaves the last event of the document as the one at hand, or fails.
 */
int config_events_read(struct config_events *, const char *name, const void *bytes, size_t len,
                       struct config_error *, int (*document)(void *context), void *context);

int config_events_pull(struct config_events *);
unsigned config_events_line(const struct config_events *);

/* Text of the scalar at hand. */
const char *config_events_scalar(const struct config_events *);

/* Nothing, as in "flow:", or YAML's words for it. */
bool config_events_is_null(const struct config_events *);

/* What is at hand, for errors: "a mapping", "a list", "nothing", "a value". */
const char *config_events_found(const struct config_events *);

/* Appends the name at hand to the path. */
int config_events_enter(struct config_events *);
