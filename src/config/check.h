/*
 * Parts of config_check(). Each fails with a line in *error that begins with the key.
 */
#pragma once

struct config;
struct config_error;

int config_check_collectors(struct config *config, struct config_error *error);
