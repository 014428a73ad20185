/*
 * Captures in files: pcap and pcapng, plain or gzip, from disk or standard input.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "weir/capture.h"

struct capture_filter;

struct capture_file_options {
    const struct capture_filter *filter; /* NULL = all packets; must outlive the capture */
    uint16_t port;                       /* given to every packet */
    bool ahead; /* gzip is undone by a thread of its own, ahead of receive() */
};

/*
 * Opens a capture; path "-" is standard input. Returns 0 and a source for capture_close(), or
 * -errno with one line at error that names the file:
 *
 *   -EINVAL   the filter cannot be applied to the link type of this file
 *   -EBADMSG  not a capture, or its head is damaged
 *   others    as open(2)
 *
 * What the source promises beyond struct capture_ops:
 * - Timestamps are nanoseconds, held within [0, 2^63): a pcap second is unsigned, a damaged one is
 * clamped.
 * - wire_len >= cap_len, and cap_len <= 256 KiB.
 * - Link types that decode does not know are delivered as LINK_UNSUPPORTED, unfiltered.
 * - Packets before a damaged or cut record are delivered first, then CAPTURE_ERROR.
 * - What a pipe has brought is delivered without waiting for more, while the file is of the usual
 *   kind (pcap_walk.h).
 */
int capture_file_open(const char *path, const struct capture_file_options *, struct capture **out,
                      char error[CAPTURE_ERROR_MAX]);

/* One line about what is odd but not wrong (an unknown link type), or NULL. */
const char *capture_file_warning(const struct capture *capture);
