/*
 * Alerts that stand: each is told once, told again when it reaches the next level, and cleared when
 * its cause is over. Then its subject is left alone for the rule's time of silence.
 *
 * Design note. Open addressing over one array of fixed size, by alert.id of rule and subject. When
 * it is full, the one that was cleared first goes; when none was, new alerts are told but cannot be
 * remembered, so that they may be told twice; `forgotten` counts that.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "weir/alert.h"

struct raised;

enum raised_news { RAISED_NOTHING, RAISED_NEW, RAISED_HIGHER };

/* Returns 0 or -ENOMEM. */
int raised_create(uint32_t max, struct raised **);
void raised_destroy(struct raised *);

/* The rule holds for the alert's subject at now_ns. Tells whether that is news. */
enum raised_news raised_note(struct raised *, const struct alert *, uint64_t now_ns,
                             uint64_t suppress_ns);

/* Whether anything is remembered of the id that makes this level no news: saves making a text. */
bool raised_is_known(struct raised *, uint64_t id, int level, uint64_t now_ns);

/* The flow that raised id has ended: cleared at once. False when it did not stand. */
bool raised_flow_ended(struct raised *, uint64_t id, uint64_t flow_id, uint64_t now_ns,
                       struct alert *cleared);

/* The next alert whose cause is over at now_ns; false when there is no more. cursor starts at 0. */
bool raised_next_over(struct raised *, uint64_t now_ns, uint32_t *cursor, struct alert *cleared);

uint32_t raised_count(const struct raised *); /* that stand */
uint64_t raised_forgotten(const struct raised *);
