/*
 * Captures read apart from each other, several at a time: each by a thread, with a flow table and a
 * clock of its own, as if it were read alone. Their records come out in the order of the captures.
 */
#pragma once

#include <stdbool.h>

#include "core/order.h"

#define APART_JOBS_MAX 256

struct capture_filter;
struct config;
struct ledger;

struct apart_options {
    const struct config *config; /* flow.max_flows by default is shared among the tables */
    const struct capture_filter *filter;
    bool notices; /* closing notices are wanted */
    char *const *path;
    int path_count;
    unsigned jobs;     /* captures at a time, 1 .. APART_JOBS_MAX */
    record_sink *sink; /* called by one thread at a time, as if by the caller */
    void *context;
};

/* Reads all captures, or until interrupt_seen(), and sums up their ledgers; handed and lost are the
 * caller's. Returns CLI_OK; or CLI_FAILURE when something could not be read, which was said on
 * stderr: the other captures are read all the same. */
int apart_read(const struct apart_options *, struct ledger *sum);
