#include "export/backlog.h"

#include <stdlib.h>
#include <string.h>

struct message *message_create(const struct message_info *info, const uint8_t *octets)
{
    struct message *m = malloc(sizeof(*m) + info->len);

    if (!m)
        return NULL;
    *m = (struct message){.info = *info};
    memcpy(m->octets, octets, info->len);
    return m;
}

struct export_count message_count(const struct message *m)
{
    return (struct export_count){m->info.records, m->info.packets, m->info.octets};
}

void export_count_add(struct export_count *sum, const struct export_count *more)
{
    sum->records += more->records;
    sum->packets += more->packets;
    sum->octets += more->octets;
}

void export_count_subtract(struct export_count *sum, const struct export_count *less)
{
    sum->records -= less->records;
    sum->packets -= less->packets;
    sum->octets -= less->octets;
}

void message_list_push(struct message_list *list, struct message *m)
{
    struct export_count count = message_count(m);

    m->next = NULL;
    if (list->tail)
        list->tail->next = m;
    else
        list->head = m;
    list->tail = m;
    list->octets += m->info.len;
    export_count_add(&list->count, &count);
}

struct message *message_list_pop(struct message_list *list)
{
    struct message *m = list->head;

    if (!m)
        return NULL;
    struct export_count count = message_count(m);
    list->head = m->next;
    if (!list->head)
        list->tail = NULL;
    m->next = NULL;
    list->octets -= m->info.len;
    export_count_subtract(&list->count, &count);
    return m;
}

void message_list_join(struct message_list *list, struct message_list *rest)
{
    if (!rest->head)
        return;
    if (list->tail)
        list->tail->next = rest->head;
    else
        list->head = rest->head;
    list->tail = rest->tail;
    list->octets += rest->octets;
    export_count_add(&list->count, &rest->count);
    *rest = (struct message_list){0};
}

bool backlog_begin(struct backlog *b)
{
    struct message *m = message_list_pop(b->again.head ? &b->again : &b->fresh);

    if (m)
        backlog_begin_with(b, m);
    return m;
}

void backlog_begin_with(struct backlog *b, struct message *m)
{
    b->current = m;
    b->offset = 0;
}

void backlog_sent(struct backlog *b, uint64_t end)
{
    struct message *m = b->current;

    b->current = NULL;
    m->end = end;
    if (m->again)
        b->replayed_records += m->info.records;
    message_list_push(&b->sent, m);
}

static void deliver(struct backlog *b, struct message *m)
{
    struct export_count count = message_count(m);

    export_count_add(&b->delivered, &count);
    if (m->ticket && b->done)
        b->done(b->context, m->ticket);
    free(m);
}

void backlog_acknowledge(struct backlog *b, uint64_t acknowledged)
{
    while (b->sent.head && b->sent.head->end <= acknowledged)
        message_list_push(&b->kept, message_list_pop(&b->sent));
    while (b->kept.head && acknowledged - b->kept.head->end >= b->window)
        deliver(b, message_list_pop(&b->kept));
}

void backlog_settle(struct backlog *b)
{
    for (struct message *m; (m = message_list_pop(&b->kept));)
        deliver(b, m);
}

/* Control messages belong to the connection. */
static void collect(struct message_list *again, struct message_list *list)
{
    for (struct message *m; (m = message_list_pop(list));) {
        if (m->control) {
            free(m);
            continue;
        }
        m->again = true;
        message_list_push(again, m);
    }
}

void backlog_lost(struct backlog *b)
{
    struct message_list again = {0};

    collect(&again, &b->kept);
    collect(&again, &b->sent);
    if (b->current && !b->current->control) /* never sent whole: as it was */
        message_list_push(&again, b->current);
    else
        free(b->current);
    b->current = NULL;
    message_list_join(&again, &b->again);
    b->again = again;
}

static bool any_copied(const struct message_list *list)
{
    for (const struct message *m = list->head; m; m = m->next)
        if (m->copied)
            return true;
    return false;
}

bool backlog_has_copied(const struct backlog *b)
{
    return any_copied(&b->again) || any_copied(&b->sent) || any_copied(&b->kept) ||
           any_copied(&b->fresh) || (b->current && b->current->copied);
}

uint64_t backlog_waiting(const struct backlog *b)
{
    return b->again.octets + b->fresh.octets;
}

struct message *backlog_take(struct backlog *b, bool any)
{
    if (any && b->again.head)
        return message_list_pop(&b->again);
    return message_list_pop(&b->fresh);
}

static void clear(struct message_list *list)
{
    for (struct message *m; (m = message_list_pop(list));)
        free(m);
}

void backlog_fini(struct backlog *b)
{
    clear(&b->again);
    clear(&b->fresh);
    clear(&b->sent);
    clear(&b->kept);
    free(b->current);
    b->current = NULL;
}
