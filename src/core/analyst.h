/*
 * The analyst: merges what the workers counted, judges flows, pairs and hosts by the rules, and
 * gives alerts and host windows on. One thread; or the reader itself, in packet time.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/hunter.h"
#include "hosts/memory.h"
#include "weir/alert.h"

struct analyst;

struct analyst_options {
    const struct config *config;              /* must outlive the analyst */
    const struct hunt_generation *generation; /* of rules; as above until another is adopted */
    struct store *store;                      /* NULL = none: nothing is pushed */
    bool fixed_secret;
    /* Each alert that is news: raised, escalated, cleared. */
    void (*alert)(void *context, const struct alert *);
    void *context;
};

/* Returns 0 or -errno. */
int analyst_create(const struct analyst_options *, struct analyst **);
void analyst_destroy(struct analyst *);

/* Takes every table that was offered, judges, pushes what is due. clock_ns: UTC, or packet time;
 * must not run backwards. True when there was a table. */
bool analyst_step(struct analyst *, struct hunter *const hunters[], unsigned count,
                  uint64_t clock_ns);

/* Pushes everything that has not been pushed: at the end. */
void analyst_flush(struct analyst *);

/* Other rules from here on; what stands is kept. */
void analyst_adopt(struct analyst *, const struct hunt_generation *);

struct analyst_stats {
    uint64_t packets, octets; /* counted for hosts: each once */
    uint64_t alerts[ALERT_STATE_COUNT];
    uint64_t hosts_inside, hosts_outside;
    uint64_t hosts_refused;     /* times an inside host found no entry */
    uint64_t events_missed;     /* openings and ends that did not fit into a turn's list */
    uint64_t sets_refused;      /* times a distinct set could not grow */
    uint64_t contacts_replaced; /* pairs, services and edges that made room */
    uint64_t open_refused;      /* long connections that found no room */
    uint64_t alerts_forgotten;  /* told, but not remembered: may be told twice */
    uint64_t alerts_standing;
    int64_t difference; /* packets dealt minus packets counted: 0 */
};

void analyst_stats(const struct analyst *, struct analyst_stats *);
