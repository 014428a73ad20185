/*
 * The octets of a capture file, from disk or a pipe, gzip undone: what libpcap is given to read.
 */
#pragma once

#include <stdint.h>
#include <stdio.h>

#include "weir/capture.h"

struct gzFile_s;

#define CAPTURE_STREAM_BUFFER (256 * 1024)

struct capture_stream {
    FILE *file;            /* the owner closes it with fclose(), or leaves that to libpcap */
    struct gzFile_s *gz;   /* NULL where the file is read as it is */
    uint64_t octets_total; /* of the file as stored; 0 = not known */
    const char *error;     /* why reading failed, where errno cannot say it; else NULL */
    char buffer[CAPTURE_STREAM_BUFFER];
};

/*
 * Opens a file, or standard input for "-". gzip (RFC 1952) is known by its magic number, not by
 * name. Returns 0, or -errno with one line at error that names the file. *stream must stay in place
 * until stream->file is closed.
 */
int capture_stream_open(const char *path, struct capture_stream *stream,
                        char error[CAPTURE_ERROR_MAX]);

/* Octets of the stored file read so far, while stream->file is open. */
uint64_t capture_stream_offset(const struct capture_stream *stream);

/* How messages call the file. */
const char *capture_stream_name(const char *path);
