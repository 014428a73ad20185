/*
 * "host:port" as people write it, taken apart. Names are not resolved here.
 */
#pragma once

#include <stddef.h>

/* "host", "host:port", "[::1]", "[::1]:port", "::1". Writes the host without brackets at host, and
 * to *port where the port begins in text, NULL when there is none; what stands there is not judged.
 * -EINVAL: no host, or not letters, digits and "._-:%"; -ENAMETOOLONG. */
int host_port_split(const char *text, char *host, size_t size, const char **port);

/* "host:port" with both parts and the port in 1..65535. Returns the port, or -EINVAL. */
int host_port_check(const char *text);
