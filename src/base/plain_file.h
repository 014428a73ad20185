/*
 * Files that are read as a whole when something is loaded. A FIFO is none: who opens it waits for
 * somebody to write.
 */
#pragma once

#include <errno.h>

#define PLAIN_FILE_MAY_BLOCK (-ENOTSUP)

/* For reading. Returns a descriptor, PLAIN_FILE_MAY_BLOCK, or another -errno. Never waits. */
int plain_file_open(const char *path);

/* Whether it would open: 0, or the same errors. */
int plain_file_check(const char *path);

/* What to say of either's error. */
const char *plain_file_error(int rc);
