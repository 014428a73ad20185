/*
 * Faces of a flow record: an encoder turns records into octets for stdout, a file or a session.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct flow_record;
struct config;

/* Room that head, record and tail may ever need. */
#define ENCODE_MAX 8192

struct record_encoder {
    const char *name;    /* as -f names it */
    const char *summary; /* one line for --help */
    bool per_connection; /* wants one record per connection (open == 0), with totals */
    /* Each writes at most ENCODE_MAX octets at out and returns how many; 0 = nothing to say. */
    size_t (*head)(const struct config *, char *out);
    size_t (*record)(const struct config *, const struct flow_record *, char *out);
    size_t (*tail)(const struct config *, char *out);
};
