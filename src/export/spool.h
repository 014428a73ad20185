/*
 * Messages on disk while a collector is away or too slow: a bounded queue of segment files in a
 * directory of its own, written at the end, read from the beginning. Used by one thread.
 *
 * A segment is named by 16 hexadecimal digits, which count up, and ".seg". segment.h has its
 * layout: frames, each with the account, templates' hash and checksums of one message as message.h
 * builds it (IPFIX, RFC 7011 §3.1, or lines of JSON), in the byte order of the machine. An IPFIX
 * file (RFC 5655) it is not: a message gets its number, time and templates when it is sent, and
 * needs its own account and checksum, so that a damaged place costs what it covers and no more.
 *
 * What is promised:
 *     kill -9        what was appended before the last spool_sync() is there; a message cut off at
 *                    the end is skipped
 *     full, broken   an append fails and changes nothing; the next one may succeed
 *     damage         frames that do not check are skipped, searched past, and counted
 *     bound          the oldest segment goes, and is counted, before the bound is passed
 *     strangers      files that are not ours, and segments of other templates, are left alone
 *     connections    what a lost one may have swallowed is copied to again.seg, see spool_copy()
 *     two sensors    the second is refused (-EBUSY)
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "export/exporter.h"
#include "export/message.h"
#include "export/segment.h"

struct spool;

/* Whom the files are given to: a sensor begins as root and becomes a user. */
struct spool_owner {
    bool given;
    uid_t uid;
    gid_t gid;
};

/* -errno when it cannot be done. */
int spool_give(int fd, const struct spool_owner *);

struct spool_options {
    int directory;    /* that holds one directory per collector; not taken over */
    const char *name; /* of the collector: names the directory, letters other than
                         [A-Za-z0-9._-] replaced */
    struct spool_owner owner;
    uint64_t bound;            /* octets of all segments together */
    uint64_t profile;          /* enum export_profile */
    uint32_t templates;        /* hash of the templates; segments with another are left alone */
    const struct spool_io *io; /* NULL = the system's */
};

/* What spool_open() found. */
struct spool_found {
    struct export_count count; /* not yet delivered, ours now */
    uint32_t segments;         /* ours */
    uint32_t other;            /* segments of other templates or formats, left alone */
    uint64_t skipped;          /* damaged octets */
};

#define SPOOL_TEXT_MAX 256

int spool_open(const struct spool_options *, struct spool **, struct spool_found *, char *text);

/* Marks what was delivered, so that it is not sent again; deletes what is empty. */
void spool_close(struct spool *);

/* Over the bound the oldest segment goes first: its count is added to *evicted. 0 or -errno; the
 * spool is then as before, but for what went. */
int spool_append(struct spool *, const struct message_info *, const uint8_t *octets,
                 struct export_count *evicted);

/* What reading cost. */
struct spool_loss {
    struct export_count broken;  /* segments that could not be read */
    struct export_count damaged; /* frames whose checksum was wrong */
    uint64_t skipped;            /* octets of these, and of places that hold no frame */
    uint32_t errors;             /* reads that failed */
};

/* The oldest message that was not read yet: true, with a ticket. octets has room for MESSAGE_MAX.
 * What could not be read is skipped and added to the loss. */
bool spool_read(struct spool *, struct message_info *, uint8_t *octets, uint64_t *ticket,
                struct spool_loss *);

/* The message of this ticket was delivered, or is no longer the spool's business. In the order of
 * reading, since a restart goes on behind the last. */
void spool_done(struct spool *, uint64_t ticket);

/* The message of this ticket is still on disk and will be read again after the next start. */
bool spool_holds(const struct spool *, uint64_t ticket);

/* Everything appended is on disk afterwards. 0 or -errno. */
int spool_sync(struct spool *);

/* A copy of what a lost connection may have swallowed and memory still holds: it is read only after
 * the next start, should the sensor be killed. Beside the bound. Each message once; dropped when
 * none of them is needed any more. */
int spool_copy(struct spool *, const struct message_info *, const uint8_t *octets);
void spool_copy_drop(struct spool *);

/* From the next append on. */
void spool_set_bound(struct spool *, uint64_t bound);

/* Not yet read. */
struct export_count spool_count(const struct spool *);
bool spool_is_empty(const struct spool *);   /* nothing to read */
uint64_t spool_octets(const struct spool *); /* of all files */
uint64_t spool_bound(const struct spool *);
uint32_t spool_segments(const struct spool *);
