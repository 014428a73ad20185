/*
 * Small files of /proc and /sys.
 */
#pragma once

#include <sched.h>
#include <stddef.h>
#include <stdint.h>

/* The first line, without its end; it is cut to size. 0 or -errno; word is then "". */
int machine_read_word(const char *path, char *word, size_t size);

/* 0, -errno, or -EINVAL: no number; it is then left alone. */
int machine_read_number(const char *path, uint64_t *number);

/* "0-3,8": as the kernel writes sets of cores. What is no such list gives an empty set. */
void machine_parse_cores(const char *list, cpu_set_t *set);
int machine_read_cores(const char *path, cpu_set_t *set);
