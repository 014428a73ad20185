/*
 * Building the one line of a struct config_error.
 */
#pragma once

#include <stddef.h>

struct config_error;

#define CONFIG_QUOTED_MAX 84 /* room for a quoted key or value */

/* Writes the line and returns code. */
int config_fail(struct config_error *error, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Makes any text fit for an error line: control characters are escaped, a text that does not fit
 * into size (at least 8) is cut and ends in "...". Returns out. */
const char *config_quote(const char *text, char *out, size_t size);
