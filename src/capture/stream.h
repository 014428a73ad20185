/*
 * The octets of a capture file, from disk or a pipe, gzip undone: in blocks, of which a caller may
 * take what it understands where it lies, and as the FILE that libpcap reads the rest from.
 */
#pragma once

#include <stdint.h>
#include <stdio.h>

#include "capture/ahead.h"
#include "weir/capture.h"

struct capture_stream {
    FILE *file; /* the owner closes it with fclose(), or leaves that to libpcap */
    /* Octets at hand, which file would give next. Who takes some of them moves at; they lie there
     * until capture_stream_more(). */
    const uint8_t *at, *end;
    struct unpack *unpack;
    struct ahead *ahead;   /* reads it; NULL = the caller of what is below */
    int failed;            /* errno of the read that failed: none is tried after it; 0 = none */
    uint64_t octets_total; /* of the file as stored; 0 = not known */
    uint8_t memory[AHEAD_KEPT + AHEAD_BLOCK];
    char buffer[AHEAD_BLOCK]; /* of file */
};

/*
 * Opens a file, or standard input for "-". Returns 0, or -errno with one line at error that names
 * the file. *stream must stay in place until stream->file is closed.
 */
int capture_stream_open(const char *path, struct capture_stream *stream,
                        char error[CAPTURE_ERROR_MAX]);

/* The next block behind what is at hand: of a pipe, what has come. Returns 1; 0 at the end; -1 and
 * errno. */
int capture_stream_more(struct capture_stream *);

/* From here on a thread of its own reads a gzip file ahead; any other file, and where no thread can
 * be had, is read as before: to copy a file's octets is not worth the change of core. */
void capture_stream_ahead(struct capture_stream *);

/* From here on the octets are taken by way of file alone, which reads large pieces then. */
void capture_stream_by_file(struct capture_stream *);

/* Why reading failed, where errno cannot say it; else NULL. While stream->file is open. */
const char *capture_stream_error(const struct capture_stream *);

/* Octets of the stored file read so far, while stream->file is open. */
uint64_t capture_stream_offset(const struct capture_stream *stream);

/* How messages call the file. */
const char *capture_stream_name(const char *path);
