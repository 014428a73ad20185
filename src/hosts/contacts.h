/*
 * Bounded tables of contacts, fed with the events of the workers. The analyst's alone.
 *
 * Design note. One table for each kind, in sets of eight; when a set is full, the contact with the
 * fewest connections in the present hour goes, the oldest of these: floods of addresses push out
 * each other. Edges with several connections get a rhythm from a pool of fixed size. Pairs of
 * inside hosts and administration port that were ever seen are remembered in a set of hashes;
 * when it is full, nothing is new any more.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "weir/contact.h"

struct book;
struct contacts;
struct host_event;

struct contacts_options {
    uint32_t max;        /* of each kind */
    uint32_t max_rhythm; /* edges whose rhythm is kept */
    uint32_t max_known;  /* inside edges remembered */
};

struct contacts_stats {
    uint64_t replaced;   /* contacts that made room */
    uint64_t unrhythmed; /* edges that found no room for a rhythm */
    uint64_t unlearned;  /* inside edges that found no room */
};

/* Hashes are the book's. Returns 0 or -ENOMEM. */
int contacts_create(const struct contacts_options *, const struct book *, struct contacts **);
void contacts_destroy(struct contacts *);

/* Counts an event. Fills one view for each kind it touched and returns how many; they hold until
 * the next call. Traffic to groups and broadcast has none. */
unsigned contacts_event(struct contacts *, const struct host_event *, uint64_t clock_ns,
                        struct contact_view view[CONTACT_KIND_COUNT]);

void contacts_stats(const struct contacts *, struct contacts_stats *);
