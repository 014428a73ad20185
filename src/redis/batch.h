/*
 * One pipeline: what was taken from the store, the commands it makes, what is expected of each
 * reply, and what the replies said. It is bounded, and so are hiredis' buffers.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "redis/command.h"
#include "redis/link.h"
#include "redis/reply.h"
#include "redis/resp.h"
#include "redis/top.h"
#include "weir/alert.h"

#define CONNECTIONS_MAX 128u
#define BATCH_ROWS 256u
#define BATCH_ELEMENTS 1024u
#define BATCH_ALERTS 16u
#define BATCH_COMMANDS 8192u
#define FLEET_MAX 64u /* sensors whose sets are united */

struct waiting_alert {
    struct alert alert;
    bool told; /* nobody waits for an answer */
};

enum row_fate { ROW_PUSHED, ROW_AGAIN };

struct fleet {
    unsigned count; /* sensors of the last hour, this one included; 0 = not known */
    char name[FLEET_MAX][CONFIG_NAME_MAX];
};

struct batch {
    struct resp out;
    struct {
        uint8_t kind;
        uint8_t set;
        uint16_t index;
    } expect[BATCH_COMMANDS];
    unsigned expected;

    struct rows_taken row[BATCH_ROWS];
    struct host_row sum[BATCH_ROWS];
    uint8_t again[BATCH_ROWS], summed[BATCH_ROWS];
    size_t rows;
    struct store_element element[BATCH_ELEMENTS];
    size_t elements, elements_pushed;
    struct waiting_alert alert[BATCH_ALERTS];
    int8_t alert_new[BATCH_ALERTS]; /* 1, 0; -1 = not answered, -2 = refused for good */
    size_t alerts;
    struct store_connection connection[CONNECTIONS_MAX];
    size_t connections;
    bool has_connections;

    struct top_lists top;
    struct fleet fleet, next_fleet;
    bool has_beat;
    int64_t beat_new; /* fields that weir:sensor did not have */
    bool stranger;    /* weir:sensor was written last by another run */

    unsigned answered;
    unsigned errors[REDIS_ERROR_COUNT];
    bool failed; /* an error reply, the last of which the link holds */
};

void batch_fini(struct batch *);
/* Forgets all but the fleet and the lists of hosts. */
void batch_clear(struct batch *);

/* Commands for what was taken. end: no more rows wait, the lists of hosts are due. */
void batch_write(struct batch *, const struct redis_author *, alert_encoder *,
                 const struct config *, bool end);

/* The sensor's own state, and who else is there. now: seconds since 1970. Returns the number of
 * fields. */
struct redis_note;
size_t batch_write_beat(struct batch *, const struct redis_author *, const struct redis_note *,
                        size_t notes, uint64_t now);

/* Sends and takes all replies. False: the link is closed; what was not answered has not arrived. */
bool batch_run(struct batch *, const struct redis_author *, struct link *);
