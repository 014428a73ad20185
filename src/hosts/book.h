/*
 * All hosts of the sensor, by window: the tables of the workers merged. The analyst's alone.
 *
 * Design note. A host is an index into one array, found through an index of 8 octets a slot with
 * linear probing. Inside hosts keep their entry until both windows are over and no connection is
 * open. Outside hosts are a space-saving top-K (Metwally 2005): a newcomer takes the entry of the
 * least and inherits its weight for the ranking, the counts of the one that goes are added to
 * `other`; every hour weights are halved. So counts are exact since a host came in, and the sums
 * over all hosts are always those of the traffic. About 600 octets a host, and its sets.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"
#include "hosts/distinct.h"
#include "weir/host.h"

struct host_event;
struct store_element;
struct tally_table;

struct book_window {
    uint64_t start_ns;
    struct host_counters counters;
    struct distinct set[HOST_SET_COUNT];
};

struct book_host {
    struct host_key key;
    struct book_window window[WINDOW_COUNT];
    uint64_t oldest_start_ns; /* of the open connections over 5 s old; kept by the caller */
    uint64_t weight;          /* outside: octets, for the ranking */
    uint64_t changed_turn;    /* of book.turn when it last changed */
    int64_t open;
    uint32_t heap_at; /* outside */
    uint8_t inside;
    uint8_t used;
    uint8_t unsaid; /* bits for the caller: what has not been told of this entry */
    uint8_t told;   /* windows of which the caller has told a row that stands still, as bits */
};

/* A host that made room after it had been told of. */
struct book_gone {
    struct host_key key;
    uint8_t told;
};

struct book_slot {
    uint32_t tag;
    uint32_t host; /* + 1; 0 = free */
};

struct book {
    struct book_host *host; /* 0 is `other` */
    struct book_slot *index;
    struct book_gone *gone;
    uint32_t *free_host, *heap, *changed;
    uint32_t max_inside, max_outside, index_mask;
    uint32_t inside_count, outside_count, high_water, free_count, changed_count, gone_count;
    uint32_t aging; /* next host to be looked at */
    uint64_t turn;
    uint64_t decayed_ns;
    struct distinct_pools pools;
    struct hash_secret secret;
    hash_burst_fn *hash_burst;
    struct host_counters merged; /* all that was ever merged, by side */
    struct host_counters dealt;  /* the same as the tables counted it apart */
    uint64_t inside_refused, events_missed;
};

struct book_options {
    uint32_t max_inside, max_outside;
    bool fixed_secret;
};

/* Returns 0, -ENOMEM, or what the kernel said when asked for a secret. */
int book_create(const struct book_options *, struct book **);
void book_destroy(struct book *);

/* Adds a table to the windows that are current at clock_ns. */
void book_merge(struct book *, const struct tally_table *, uint64_t clock_ns);

/* Adds an EVENT_OPENED to the distinct sets. Elements that are new to a set, or may be new to one
 * that only estimates, are written down, at most BOOK_ELEMENTS; returns how many. NULL = not
 * wanted. */
#define BOOK_ELEMENTS (2 * 2 * HOST_SET_COUNT)
unsigned book_event(struct book *, const struct host_event *, uint64_t clock_ns,
                    struct store_element *out);

/* The host, or NULL. */
struct book_host *book_find(struct book *, const struct host_key *);

/* What changed since the last call: indices into host. The list lives until the next merge. */
const uint32_t *book_take_changed(struct book *, uint32_t *count);

/* Hosts that made room since the last call, of those whose `told` was set since then; in the
 * windows that were current at the last merge. The list lives until the next merge. */
const struct book_gone *book_take_gone(struct book *, uint32_t *count);

/* False when the host has nothing in the window that is current at clock_ns. */
bool book_row(const struct book *, const struct book_host *, enum host_window, uint64_t clock_ns,
              struct host_row *);

/* Gives up to max_hosts entries back whose windows are over; halves weights by the hour. */
void book_age(struct book *, uint64_t clock_ns, uint32_t max_hosts);

/* 64 bits that stand for an address, or a protocol and port. */
uint64_t book_hash(const struct book *, const uint8_t element[16]);

static inline uint64_t host_window_start(enum host_window w, uint64_t clock_ns)
{
    return clock_ns - clock_ns % host_window_ns[w];
}
