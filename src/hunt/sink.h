/*
 * Where alerts go besides stdout and the store: a file, syslog.
 */
#pragma once

#include "weir/alert.h"

/* Appends lines to a file, created with mode 0640. encode is called for each alert. Returns 0 or
 * -errno. The file is opened anew when it was moved away. */
int alert_sink_file(const char *path, const struct config *, alert_encoder *encode,
                    struct alert_sink **);

#define ALERT_SINK_ERROR_MAX 256

/* RFC 5424 messages: udp://host:port (RFC 5426), tcp://host:port (octet counting, RFC 6587 §3.4.1)
 * or unix:/path. encode writes one message. A peer that is away costs no waiting: messages are lost
 * and counted, and a connection is tried again at most once a second. Returns 0; or -errno and one
 * line. */
int alert_sink_syslog(const char *address, const struct config *, alert_encoder *encode,
                      struct alert_sink **, char error[ALERT_SINK_ERROR_MAX]);
