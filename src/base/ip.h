/*
 * IP addresses and prefixes as text and back. Addresses are network order; IPv4 uses the first 4
 * octets.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ip_prefix;

#define IP_TEXT_MAX 46 /* longest IPv6 text and its end */

/* Writes the canonical text (RFC 5952) at out, which has room for IP_TEXT_MAX; returns its length.
 */
size_t ip_format(uint8_t version, const uint8_t *address, char *out);

/* "10.0.0.0/8", "fc00::/7", or an address alone. Returns 0, or -EINVAL and leaves *prefix
 * untouched. */
int ip_prefix_parse(const char *text, struct ip_prefix *prefix);

/* Writes "10.0.0.0/8" at out, which has room for IP_TEXT_MAX + 4; returns its length. */
size_t ip_prefix_format(const struct ip_prefix *prefix, char *out);

bool ip_prefix_contains(const struct ip_prefix *prefix, uint8_t version, const uint8_t *address);
