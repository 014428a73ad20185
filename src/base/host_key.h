/*
 * Host keys as text and back: what stores, sockets and views call a host.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/ip.h"
#include "weir/host.h"

/* Writes the address, or "other", with its end; returns its length. */
size_t host_key_text(const struct host_key *, char out[IP_TEXT_MAX]);

/* The way back; false: neither, and *key is untouched. */
bool host_key_parse(const char *text, struct host_key *key);
