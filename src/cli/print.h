/*
 * Records on their way to stdout as text, in the order in which they are given. To format a record
 * takes longer than to bring it here, so that several threads do that, once there are many.
 *
 * Design note. Records are collected on sheets, which form a ring; sheet n is formatted by thread
 * n modulo their number, and written by the caller when the ring is full, or at the end. By its
 * semaphores a sheet goes over to its thread and back; nothing else is shared.
 */
#pragma once

#include <stdint.h>

struct cli_output;
struct config;
struct flow_record;
struct print;
struct record_encoder;

/* All must outlive it. threads: 0 = the caller formats, at once. Returns 0 or -ENOMEM. */
int print_create(const struct config *, const struct record_encoder *, struct cli_output *,
                 unsigned threads, struct print **);
/* NULL is fine. What was not finished is not written. */
void print_destroy(struct print *);

void print_record(struct print *, const struct flow_record *);

/* All records given are with cli_output then; more may follow. */
void print_finish(struct print *);
