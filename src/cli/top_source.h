/*
 * Where `weir top` looks: the control socket of a sensor, or the Redis of a fleet.
 */
#pragma once

#include "cli/top_page.h"
#include "weir/config.h"

#define TOP_ERROR_MAX 800

struct top_source;

/* Connects to nobody yet; config must outlive it. 0; or -errno and one line. */
int top_source_open(const struct config *, bool redis, struct top_source **,
                    char error[TOP_ERROR_MAX]);
void top_source_close(struct top_source *);

/* Fills the page: its window and order say what is wanted. 0; or -errno and one line, and the next
 * call tries anew. */
int top_source_read(struct top_source *, struct top_page *, char error[TOP_ERROR_MAX]);
