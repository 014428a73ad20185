/*
 * Landlock (landlock(7)) by its system calls; the interface is newer than the C library's.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* The version of the kernel's Landlock; 0 = none. From 4 on it restricts TCP ports, from 6 on
 * abstract unix sockets and signals to processes outside. */
int landlock_abi(void);
#define LANDLOCK_ABI_PORTS 4
#define LANDLOCK_ABI_SCOPES 6

struct landlock_options {
    int abi;
    bool ports;            /* restrict TCP ports */
    bool abstract_sockets; /* unix sockets without a file stay reachable */
};

/* A file descriptor of a set of rules that allows nothing yet, or -errno. */
int landlock_create(const struct landlock_options *);

/* Allows to read, or to write, files beneath a directory, or one file. -errno when it cannot be
 * opened. */
int landlock_allow_path(int rules, int abi, const char *path, bool write);
int landlock_allow_connect(int rules, uint16_t port);

/* Confines the calling thread, which must have no_new_privs, and those it starts. 0 or -errno.
 * Async-signal-safe. */
int landlock_restrict(int rules);
