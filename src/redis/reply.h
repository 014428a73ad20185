/*
 * What Redis answers, made sense of. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "weir/host.h"

/* X(SYMBOL, label, advice) */
#define REDIS_ERRORS(X)                                                                            \
    X(CONNECT, "connect", "it cannot be reached")                                                  \
    X(TIMEOUT, "timeout", "it did not answer within redis.timeout")                                \
    X(CLOSED, "closed", "it closed the connection")                                                \
    X(OOM, "oom",                                                                                  \
      "it is out of memory: raise its maxmemory, or set maxmemory-policy volatile-ttl")            \
    X(LOADING, "loading", "it is loading its data from disk")                                      \
    X(READONLY, "readonly", "it is a replica: give the master, or let redis.sentinel find it")     \
    X(NOAUTH, "noauth", "it wants other credentials: see redis.user and redis.password_file")      \
    X(NOPERM, "noperm", "the ACL of redis.user does not allow this")                               \
    X(MOVED, "moved", "it is part of a Cluster, and another node has these keys")                  \
    X(OTHER, "other", "it refused a command")

enum redis_error {
#define X(symbol, label, advice) REDIS_##symbol,
    REDIS_ERRORS(X)
#undef X
        REDIS_ERROR_COUNT
};
extern const char *const redis_error_advice[REDIS_ERROR_COUNT];

/* By the first word of an error reply: "OOM command not allowed ...". */
enum redis_error reply_error(const char *text);
/* After these the connection is of no use. */
bool reply_error_is_final(enum redis_error);

/* "MOVED 3999 127.0.0.1:6381": host and port of the node. False: another error, or no node. */
bool reply_moved(const char *text, char *host, size_t size, int *port);

/* A field of the INFO text: "run_id:..."; false: not there, or longer than size allows. */
bool reply_info(const char *info, const char *field, char *out, size_t size);

/* Sums of a host over the fleet: begin, then each field of its hash, then end. Counters are summed,
 * open connections of each sensor's latest run too, distinct numbers are the greatest (a lower
 * bound), the oldest start is the least. */
#define REPLY_SENSORS_MAX 64
struct reply_sum {
    struct host_row *row;
    unsigned sensors;
    struct {
        uint64_t boot, open, oldest_ms;
        uint32_t len;
        char name[64];
    } sensor[REPLY_SENSORS_MAX];
};
/* Counters and gauges of row become 0; the rest stays. */
void reply_sum_begin(struct reply_sum *, struct host_row *);
void reply_sum_field(struct reply_sum *, const char *field, size_t len, const char *value);
void reply_sum_end(struct reply_sum *);
