/*
 * The inside of the analyst, for the files that make it up.
 */
#pragma once

#include "core/analyst.h"
#include "hosts/book.h"
#include "hosts/contacts.h"
#include "hosts/open.h"
#include "hunt/raised.h"

#define ANALYST_PENDING 256 /* alerts that wait for the fleet's verdict */
#define ANALYST_GROUP 4096  /* hosts of a group that a median is made of */
#define ANALYST_GROUPS 1024 /* subnets that group rules look at */

/* A host's value of a measure, for comparing it with those of its group. */
struct analyst_peer {
    uint64_t group;
    double value;
    uint32_t host; /* of the book */
};

/* All inside hosts by group and value, as they were at made_ns. */
struct analyst_peers {
    struct analyst_peer *peer; /* NULL = never needed */
    uint32_t count;
    uint64_t made_ns;         /* 0 = to be made anew */
    uint64_t window_start_ns; /* of the values */
};

struct analyst_pending {
    struct alert alert; /* id 0 = free */
    uint64_t until_ns;  /* told then, whatever the verdict */
};

struct analyst {
    struct analyst_options options;
    const struct hunt_generation *generation;
    struct book *book;
    struct contacts *contacts;
    struct open_flows *open;
    struct raised *raised;
    uint64_t learned_ns; /* time with traffic, for rules about what is new */
    uint64_t taught_ns;  /* when there was traffic last */
    uint64_t clock_ns;
    uint64_t judged_ns; /* when ages and ends of alerts were looked at last */
    uint64_t pushed_ns;
    uint32_t *unsaid; /* hosts that changed since the last push */
    uint32_t *unsaid_hour;
    uint32_t unsaid_count, unsaid_hour_count;
    struct analyst_stats stats;
    struct analyst_pending pending[ANALYST_PENDING];
    double group[ANALYST_GROUP];
    struct analyst_peers peers[WINDOW_COUNT][MEASURE_COUNT];
    struct host_row groups[ANALYST_GROUPS]; /* open addressing; start_ns 0 = free */
};

/* Judging: analyst_judge.c. */
void analyst_judge_event(struct analyst *, const struct host_event *);
void analyst_judge_host(struct analyst *, const struct book_host *);
void analyst_judge_row(struct analyst *, const struct host_row *); /* of the whole fleet */
void analyst_judge_time(struct analyst *); /* ages of what is open, ends of what stands */

/* The sum of a subnet's rows; all of these sums: analyst_group.c. */
void analyst_judge_group(struct analyst *, const struct host_row *);
void analyst_judge_groups(struct analyst *);

/* The subject's host against its group, as the rule compares it; no hosts where there is nothing to
 * compare. False: it does not stand out as the rule wants it. analyst_compare.c. */
bool analyst_compare(struct analyst *, const struct hunt_rule *, const struct hunt_subject *,
                     struct hunt_group *);
void analyst_compare_anew(struct analyst *); /* tags may have changed */
void analyst_compare_fini(struct analyst *);

/* Of /24 and /64: the address of a host's subnet. */
struct host_key analyst_subnet(const struct host_key *host);

/* Telling: analyst_tell.c. */
void analyst_tell(struct analyst *, struct alert *);
void analyst_verdicts(struct analyst *);
void analyst_note_changed(struct analyst *);
void analyst_push(struct analyst *, uint64_t clock_ns); /* what is due before clock_ns */
