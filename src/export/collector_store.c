#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "export/collector.h"

#define SPILL_AGE_NS 500000000ull /* what waits longer goes to disk */
#define SYNC_NS 500000000ull
#define SPILL_RETRY_NS COLLECTOR_SECOND

static void drop_count(struct collector *c, enum export_drop why, const struct export_count *count)
{
    if (!count->records)
        return;
    export_count_add(&c->dropped[why], count);
    c->last_drop = why;
    c->drop_last_ns = collector_utc_ns(c);
    if (!c->drop_first_ns)
        c->drop_first_ns = c->drop_last_ns;
}

void collector_drop(struct collector *c, enum export_drop why, const struct message_info *info)
{
    struct export_count count = {info->records, info->packets, info->octets};

    drop_count(c, why, &count);
}

static void drop_message(struct collector *c, enum export_drop why, struct message *m)
{
    collector_drop(c, why, &m->info);
    if (m->ticket && c->spool)
        spool_done(c->spool, m->ticket);
    free(m);
}

static void say_spilling(struct collector *c)
{
    if (c->spilling)
        return;
    c->spilling = true;
    collector_say(c, LOG_WARNING, "%s: records go to the spool",
                  c->failed ? "away" : "slower than the traffic");
}

/* 0: it is on disk, and no longer here. */
static int spill_message(struct collector *c, struct message *m, uint64_t now_ns)
{
    struct export_count evicted = {0};
    int rc = spool_append(c->spool, &m->info, m->octets, &evicted);

    drop_count(c, DROP_SPOOL, &evicted);
    if (rc) {
        if (!c->spill_ns)
            collector_say(c, LOG_ERROR, "spool: cannot write: %s; tried again every second",
                          strerror(-rc));
        c->spool_errors++;
        c->spill_ns = now_ns + SPILL_RETRY_NS;
        return rc;
    }
    c->spill_ns = 0;
    if (c->sync_ns == COLLECTOR_NEVER)
        c->sync_ns = now_ns + SYNC_NS;
    if (m->ticket)
        spool_done(c->spool, m->ticket);
    free(m);
    return 0;
}

static bool must_spill(const struct collector *c, uint64_t now_ns)
{
    const struct message *oldest = c->backlog.fresh.head;

    return oldest && (c->failed || now_ns - oldest->queued_ns >= SPILL_AGE_NS ||
                      c->backlog.fresh.octets > c->all->exports.queue_octets);
}

static void put_first(struct message_list *list, struct message *m)
{
    struct message_list rest = *list;

    *list = (struct message_list){0};
    message_list_push(list, m);
    message_list_join(list, &rest);
}

static void spill(struct collector *c, uint64_t now_ns)
{
    if (now_ns < c->spill_ns)
        return;
    while (must_spill(c, now_ns)) {
        struct message *m = backlog_take(&c->backlog, false);
        if (spill_message(c, m, now_ns)) {
            put_first(&c->backlog.fresh, m);
            return;
        }
        say_spilling(c);
    }
}

void collector_copy(struct collector *c, uint64_t now_ns)
{
    if (!c->spool)
        return;
    for (struct message *m = c->backlog.again.head; m; m = m->next) {
        if (m->copied || (m->ticket && spool_holds(c->spool, m->ticket)))
            continue;
        if (spool_copy(c->spool, &m->info, m->octets)) {
            c->spool_errors++;
            break;
        }
        m->copied = c->copied = true;
    }
    if (c->copied)
        c->sync_ns = now_ns + SYNC_NS;
}

/* Copies whose messages have all been delivered go; until then they are looked at again. */
static void check_copies(struct collector *c, uint64_t now_ns)
{
    if (!c->copied)
        return;
    c->copied = backlog_has_copied(&c->backlog);
    if (c->copied)
        c->sync_ns = now_ns + SYNC_NS;
    else
        spool_copy_drop(c->spool);
}

static void sync_spool(struct collector *c, uint64_t now_ns)
{
    if (!c->spool || now_ns < c->sync_ns)
        return;
    c->sync_ns = COLLECTOR_NEVER;
    int rc = spool_sync(c->spool);
    check_copies(c, now_ns);
    if (!rc)
        return;
    c->spool_errors++;
    collector_say(c, LOG_ERROR, "spool: cannot be brought to disk: %s", strerror(-rc));
}

void collector_store(struct collector *c, uint64_t now_ns)
{
    if (c->spool)
        spill(c, now_ns);
    while (c->backlog.fresh.octets > c->all->exports.queue_octets)
        drop_message(c, c->spool ? DROP_DISK : DROP_QUEUE, backlog_take(&c->backlog, false));
    sync_spool(c, now_ns);
    if (c->spilling && spool_is_empty(c->spool) && !c->failed) {
        c->spilling = false;
        collector_say(c, LOG_INFO, "all that was in the spool has been sent");
    }
}

void collector_flush(struct collector *c, uint64_t now_ns)
{
    uint8_t *scratch = c->shared->scratch;
    struct message_info info = message_builder_take(c->builder, scratch);

    c->due_ns = COLLECTOR_NEVER;
    c->building = (struct export_count){0};
    if (!info.len)
        return;
    struct message *m = message_create(&info, scratch);
    if (!m) {
        collector_drop(c, DROP_MEMORY, &info);
        return;
    }
    m->queued_ns = now_ns;
    message_list_push(&c->backlog.fresh, m);
    if (c->backlog.fresh.octets > c->all->exports.queue_octets)
        collector_store(c, now_ns);
}

static void account_loss(struct collector *c, const struct spool_loss *loss)
{
    drop_count(c, DROP_DISK, &loss->broken);
    drop_count(c, DROP_CORRUPT, &loss->damaged);
    c->spool_skipped += loss->skipped;
    c->spool_errors += loss->errors;
    if (loss->skipped || loss->errors)
        collector_say(c, LOG_ERROR,
                      "spool: %" PRIu64 " damaged octets skipped, %" PRIu64 " records lost",
                      loss->skipped, loss->broken.records + loss->damaged.records);
}

bool collector_replay(struct collector *c)
{
    struct spool_loss loss = {0};
    struct message_info info;
    uint64_t ticket;

    bool found = spool_read(c->spool, &info, c->shared->scratch, &ticket, &loss);
    account_loss(c, &loss);
    if (!found)
        return false;
    struct message *m = message_create(&info, c->shared->scratch);
    if (!m) {
        collector_drop(c, DROP_MEMORY, &info);
        spool_done(c->spool, ticket);
        return false;
    }
    m->ticket = ticket;
    backlog_begin_with(&c->backlog, m);
    return true;
}

/* It may still lie in the spool, from which it came. */
static bool is_put_away(struct collector *c, struct message *m, uint64_t now_ns)
{
    if (!c->spool)
        return false;
    if (!m->ticket || !spool_holds(c->spool, m->ticket))
        return spill_message(c, m, now_ns) == 0;
    struct export_count count = message_count(m);
    export_count_add(&c->kept_in_spool, &count);
    free(m);
    return true;
}

void collector_put_away(struct collector *c, uint64_t now_ns)
{
    collector_flush(c, now_ns);
    if (c->session->state != SESSION_CLOSED) /* what the peer's kernel has, it delivers */
        backlog_settle(&c->backlog);
    backlog_lost(&c->backlog);
    for (struct message *m; (m = backlog_take(&c->backlog, true));)
        if (!is_put_away(c, m, now_ns))
            drop_message(c, DROP_STOPPED, m);
    c->sync_ns = now_ns;
    sync_spool(c, now_ns);
}
