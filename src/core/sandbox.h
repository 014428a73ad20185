/*
 * What the process may still do once its ports are open: user and capabilities are given up, files
 * and TCP ports are confined by Landlock, system calls by seccomp. All threads, those of libraries
 * included.
 *
 * A plan says what is needed and is made from the configuration alone; sandbox_enter() applies it.
 * Both are called by the control thread, before any thread of weir's own is started.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "weir/config_limits.h"

struct config;

#define SANDBOX_LINE_MAX 512
#define SANDBOX_PATHS_MAX 128
#define SANDBOX_PORTS_MAX 32

enum sandbox_level {
    SANDBOX_ON,      /* refuse to go on when a part is not to be had */
    SANDBOX_PARTIAL, /* as much as kernel and build give, and say what is missing */
    SANDBOX_OFF,     /* nothing at all: user and capabilities are kept */
    SANDBOX_LEVEL_COUNT
};

enum sandbox_filter {
    FILTER_KILL, /* a system call off the list kills the process (SIGSYS) */
    FILTER_LOG,  /* the kernel allows it and logs it in its audit log */
    FILTER_OFF,
    FILTER_COUNT
};

/* The words of --sandbox and --seccomp, in the order of the enums. */
#define SANDBOX_LEVEL_WORDS "on|partial|off"
#define SANDBOX_FILTER_WORDS "kill|log|off"

/* kill; off in a build with sanitizers, which need calls of their own. */
enum sandbox_filter sandbox_filter_default(void);

enum sandbox_access { SANDBOX_READ, SANDBOX_WRITE };

struct sandbox_path {
    char path[CONFIG_PATH_MAX]; /* a directory with all beneath it, or a file */
    enum sandbox_access access;
    const char *key; /* configuration key that asks for it; NULL = the system's, may be missing */
};

struct sandbox_plan {
    enum sandbox_level level;
    enum sandbox_filter filter;
    char user[CONFIG_NAME_MAX]; /* to become; empty = stay */
    unsigned path_count;
    struct sandbox_path path[SANDBOX_PATHS_MAX];
    unsigned port_count;
    uint16_t port[SANDBOX_PORTS_MAX]; /* TCP ports that may be connected to */
    bool any_port;                    /* they are not known before (Redis Sentinel) */
    bool names;                       /* host names are resolved */
};

/* A plan with what every process needs: libraries' files, /proc of its own, no TCP port. */
void sandbox_plan_init(struct sandbox_plan *plan);

/* Takes words of SANDBOX_LEVEL_WORDS and SANDBOX_FILTER_WORDS; NULL or another word changes
 * nothing. */
void sandbox_plan_words(struct sandbox_plan *, const char *level, const char *filter);

/* Paths and ports beyond the maximum are left out, so that they fail later instead of opening more.
 * sandbox_plan_beside() adds the directory that holds a file, so that it may be replaced. Empty
 * paths and "-" are ignored; sandbox_plan_host() notes what a host name needs. */
void sandbox_plan_path(struct sandbox_plan *, const char *path, enum sandbox_access,
                       const char *key);
void sandbox_plan_beside(struct sandbox_plan *, const char *file, enum sandbox_access,
                         const char *key);
void sandbox_plan_port(struct sandbox_plan *, uint64_t port);
void sandbox_plan_host(struct sandbox_plan *, const char *host);

/* What `weir run` needs with this configuration, which came from config_file (NULL = none). */
void sandbox_plan_make(struct sandbox_plan *, const struct config *, const char *config_file);

/* Whether a sandbox made by one plan is wide enough for another one, that of a configuration loaded
 * anew. False: line names the key or port that needs a restart. */
bool sandbox_plan_covers(const struct sandbox_plan *in_force, const struct sandbox_plan *wanted,
                         char line[SANDBOX_LINE_MAX]);

/*
 * Applies it to every thread of the process; there is no way back. Returns 0 and in line what is in
 * force; or -errno and in line what could not be had and the remedy: the caller must then end,
 * since a part may be in force.
 */
int sandbox_enter(const struct sandbox_plan *plan, char line[SANDBOX_LINE_MAX]);
