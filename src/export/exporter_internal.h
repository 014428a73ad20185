/*
 * What the parts of the exporter share.
 *
 *     exporter.c    life, records in, a step
 *     generation.c  the collectors and groups of a configuration, and how the next takes over
 *     account.c     a collector's figures and its ledger
 */
#pragma once

#include "export/collector.h"
#include "export/group.h"

#define COLLECTORS_MAX (2 * CONFIG_COLLECTORS_MAX) /* those that drain after a reload included */

/* Of one configuration: collectors by their index in the configuration, and who of them share
 * records. */
struct collectors {
    struct config *config;
    struct collector *collector[CONFIG_COLLECTORS_MAX];
    uint32_t count;
    struct group group[CONFIG_COLLECTORS_MAX]; /* a collector alone is a group of one */
    uint32_t group_count;
};

struct exporter {
    struct collector_shared shared;
    struct collectors now;
    struct collector *leaving[COLLECTORS_MAX];
    uint32_t leaving_count;
    uint64_t now_ns; /* of the last step */
};

/* Sets now_ns, and returns it. */
uint64_t exporter_read_clock(struct exporter *);

/* The collectors of a configuration, which is copied; those that run already and stay as they are
 * are among them. Fails with a line in error, of EXPORTER_ERROR_MAX, and nothing has changed. */
int collectors_create(struct exporter *, const struct config *, struct collectors *, char *error);
