/*
 * From facts about a machine and a configuration to what an operator should know before `weir run`.
 * Pure: tested on recorded facts of machines that are not at hand.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "weir/config_limits.h"

struct config;
struct machine;
struct machine_port;

enum finding_level {
    FINDING_OK,
    FINDING_WARNING,
    FINDING_ERROR, /* `weir run` would fail */
    FINDING_LEVEL_COUNT
};

extern const char *const finding_level_name[FINDING_LEVEL_COUNT];

#define FINDING_TEXT_MAX 384
#define FINDINGS_MAX 256

struct finding {
    enum finding_level level;
    char text[FINDING_TEXT_MAX];   /* "xdp:eth1: no such interface" */
    char remedy[FINDING_TEXT_MAX]; /* a command, or a setting; "" = none needed */
};

/* Large: keep it on the heap. */
struct findings {
    const struct machine *machine;
    const struct config *config;
    bool take_over;               /* of `weir run` */
    uint32_t workers;             /* that it would have */
    int core[CONFIG_WORKERS_MAX]; /* of each; -1 = not pinned */
    uint32_t count;               /* those beyond FINDINGS_MAX replace the last one */
    uint32_t per_level[FINDING_LEVEL_COUNT];
    struct finding finding[FINDINGS_MAX];
};

/* Judges everything; machine, config and take_over are set. */
void findings_make(struct findings *);

/* Parts of it. */
void findings_cores(struct findings *);
void findings_port(struct findings *, const struct machine_port *);

/* Adds one; finding_mend() gives the remedy to the last one. */
void finding_add(struct findings *, enum finding_level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void finding_mend(struct findings *, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Sockets that weir run would open on an XDP port. */
uint32_t findings_sockets(const struct findings *, const struct machine_port *);
