/*
 * Looking at the certificate of a collector's TLS, without a connection.
 */
#pragma once

#include <stdint.h>

#define CERTIFICATE_WHY_MAX 256

struct certificate {
    int64_t seconds_left; /* till the certificate is over; negative: since */
};

/*
 * Reads PEM files: our certificate, its private key, and those who vouch for the peer (ca may be
 * empty). Returns 0; or -errno and one line at why that names the file and what is wrong with it:
 * it cannot be read, is no such thing, or the key is not that of the certificate. -ENOTSUP: this
 * build has no TLS.
 */
int certificate_read(const char *cert, const char *key, const char *ca, struct certificate *out,
                     char why[CERTIFICATE_WHY_MAX]);
