/*
 * Collectors as sections and as URLs.
 */
#pragma once

#include <stdint.h>

struct config;
struct config_error;

/* Appends one with the defaults of its keys. -EINVAL when there are CONFIG_COLLECTORS_MAX. */
int config_collector_append(struct config *config, struct config_error *error);

/* Appends what the URL says (see config_add_collector()); on failure nothing. */
int config_collector_add(struct config *config, const char *url, struct config_error *error);
