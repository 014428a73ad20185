/*
 * What the parts of the spool share.
 *
 *     spool.c       appending, reading, marking what was delivered
 *     spool_open.c  the directory: lock, names, what an earlier run left
 */
#pragma once

#include "export/spool.h"

#define TICKET_OFFSET_BITS 28
#define COPY_NAME "again.seg"

struct segment {
    struct segment *next;
    uint64_t number;
    struct segment_file file; /* fd -1 = not open */
    uint64_t read_at, mark;   /* octets; delivered up to */
    uint64_t marked;          /* as it stands in the file */
    struct export_count unread;
    uint32_t outstanding; /* read, not done */
};

struct spool {
    int directory, lock;
    uint64_t bound, segment_octets, profile;
    uint32_t templates;
    struct spool_owner owner;
    struct spool_io io;
    struct crc32c crc;
    struct segment *head, *tail; /* oldest first */
    struct segment *reader;      /* first that is not read to its end; NULL = none */
    bool writes;                 /* the tail takes more */
    bool dirty;                  /* since the last sync */
    uint64_t next_number, octets;
    struct export_count count;
    struct segment_file copy; /* fd -1 = none */
    uint8_t *buffer;          /* of one frame */
};

void spool_segment_name(uint64_t number, char name[32]);
struct segment *spool_segment_create(struct spool *, uint64_t number);
void spool_segment_destroy(struct segment *);
int spool_segment_open(struct spool *, struct segment *, int flags);

/* As the youngest. */
void spool_segment_link(struct spool *, struct segment *);

/* At which size a segment is full. */
uint64_t spool_segment_size(uint64_t bound);
