/*
 * Records on stdout, for `weir run` without a collector. Whoever reads them may be slow or go away:
 * no write waits, what finds no room is dropped and counted, and after the first failed write
 * nothing more is taken.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct config;
struct face;
struct flow_record;
struct record_encoder;

struct face_stats {
    uint64_t handed; /* records, closing notices apart */
    uint64_t written, dropped;
    uint64_t queued; /* in the buffer: handed = written + dropped + queued */
    int error;       /* errno of the failed write, 0 = none */
};

/* Writes the head first. config must outlive the face. 0 or -ENOMEM. */
int face_create(const struct record_encoder *, const struct config *, int fd, struct face **);
void face_destroy(struct face *);

void face_add(struct face *, const struct flow_record *);
/* False: the next record may be dropped. */
bool face_room(const struct face *);
/* Writes what is taken at once; waits timeout_ms at most for the other end to take something. */
void face_step(struct face *, int timeout_ms);
/* Tail and all that is left, until the monotonic clock says deadline_ns; the rest is dropped. */
void face_drain(struct face *, uint64_t deadline_ns);
void face_stats(const struct face *, struct face_stats *);
