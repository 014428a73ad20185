/* What the engine benchmark is asked for: see engine.c. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define PROGRAM "engine"

struct arguments {
    uint64_t flows; /* 0 = all */
    unsigned family;
    const char *mix;
    uint64_t new_percent; /* of the packets of mixed */
    uint64_t frame_len;   /* 0 = as short as they come */
    uint64_t passes;      /* 0 = by the turns */
    uint64_t fill;        /* 0 = as the mix has it */
    uint64_t active_s;    /* 0 = as configured by default */
    int cpu;
    bool deltas, hosts, hunts, export, phases, quick;
};

/* What traffic, and in which table. */
struct mix {
    const char *name;
    bool known, fresh; /* packets of known flows, of new ones; mixed has both */
    bool crafted;
    bool secret; /* the table's is not the one that keys were crafted with */
    bool asked;  /* only when asked for */
    uint8_t fill;
};

#define MIX_COUNT 5
extern const struct mix mixes[MIX_COUNT];

/* Packets of a hundred that begin a flow. */
uint8_t mix_new_percent(const struct mix *, const struct arguments *);

/* Says what is wrong and returns false. */
bool arguments_read(int argc, char **argv, struct arguments *);
