#include <string.h>

#include "base/prefetch.h"
#include "core/analyst_internal.h"

#define VERDICT_NS UINT64_C(2000000000) /* how long an alert waits for the fleet */
#define PREFETCH 8u
#define ROWS 128u
#define CONNECTIONS 128u
#define ANSWERS 64u
#define UNSAID_MINUTE 1u
#define UNSAID_HOUR 2u

static void deliver(struct analyst *a, const struct alert *alert)
{
    a->stats.alerts[alert->state]++;
    a->options.alert(a->options.context, alert);
}

/* Without room to wait it is told at once. */
static void wait_for_verdict(struct analyst *a, const struct alert *alert)
{
    for (unsigned i = 0; i < ANALYST_PENDING; i++) {
        struct analyst_pending *p = &a->pending[i];
        if (p->alert.id)
            continue;
        p->alert = *alert;
        p->until_ns = a->clock_ns + VERDICT_NS;
        return;
    }
    deliver(a, alert);
}

void analyst_tell(struct analyst *a, struct alert *alert)
{
    struct store *store = a->options.store;
    enum store_verdict verdict = store ? store->ops->alert(store, alert) : VERDICT_NEW;

    if (verdict == VERDICT_NEW)
        deliver(a, alert);
    else if (verdict == VERDICT_PENDING)
        wait_for_verdict(a, alert);
}

static void apply(struct analyst *a, const struct store_answer *answer)
{
    for (unsigned i = 0; i < ANALYST_PENDING; i++) {
        struct analyst_pending *p = &a->pending[i];
        if (p->alert.id != answer->id)
            continue;
        if (answer->verdict == VERDICT_NEW)
            deliver(a, &p->alert);
        p->alert.id = 0;
        return;
    }
}

static void judge_sums(struct analyst *a)
{
    struct store *store = a->options.store;
    struct host_row row[ROWS];
    size_t count;

    while ((count = store->ops->sums(store, row, ROWS)) > 0)
        for (size_t i = 0; i < count; i++)
            if (row[i].inside && a->generation->enabled)
                analyst_judge_row(a, &row[i]);
}

void analyst_verdicts(struct analyst *a)
{
    struct store *store = a->options.store;
    struct store_answer answer[ANSWERS];
    size_t count;

    if (!store)
        return;
    while ((count = store->ops->verdicts(store, answer, ANSWERS)) > 0)
        for (size_t i = 0; i < count; i++)
            apply(a, &answer[i]);
    for (unsigned i = 0; i < ANALYST_PENDING; i++) {
        struct analyst_pending *p = &a->pending[i];
        if (!p->alert.id || a->clock_ns < p->until_ns)
            continue;
        deliver(a, &p->alert);
        p->alert.id = 0;
    }
    judge_sums(a);
}

static void note_unsaid(struct analyst *a, uint32_t at)
{
    struct book_host *h = &a->book->host[at];

    if (!(h->unsaid & UNSAID_MINUTE))
        a->unsaid[a->unsaid_count++] = at;
    if (!(h->unsaid & UNSAID_HOUR))
        a->unsaid_hour[a->unsaid_hour_count++] = at;
    h->unsaid = UNSAID_MINUTE | UNSAID_HOUR;
}

/* The lines that most rules look at. */
static void prefetch_judged(const struct book_host *h)
{
    prefetch_read(&h->inside);
    for (int w = 0; w < WINDOW_COUNT; w++)
        prefetch_read(&h->window[w].counters.value[HOST_OPENED]);
}

void analyst_note_changed(struct analyst *a)
{
    uint32_t count;
    const uint32_t *changed = book_take_changed(a->book, &count);

    for (uint32_t i = 0; i < count; i++) {
        if (i + PREFETCH < count)
            prefetch_judged(&a->book->host[changed[i + PREFETCH]]);
        if (a->options.store)
            note_unsaid(a, changed[i]);
        if (a->generation->enabled)
            analyst_judge_host(a, &a->book->host[changed[i]]);
    }
}

static void give_row(struct store *store, struct host_row row[ROWS], size_t *rows)
{
    if (++*rows < ROWS)
        return;
    store->ops->hosts(store, row, *rows);
    *rows = 0;
}

/* Of hosts that made room: before the rows of those that are there, which may be the same again. */
static void push_gone(struct analyst *a, uint64_t clock_ns)
{
    struct store *store = a->options.store;
    struct host_row row[ROWS];
    uint32_t count;
    size_t rows = 0;
    const struct book_gone *gone = book_take_gone(a->book, &count);

    for (uint32_t i = 0; i < count; i++) {
        for (int w = 0; w < WINDOW_COUNT; w++) {
            if (!(gone[i].told & 1u << w))
                continue;
            row[rows] =
                (struct host_row){.key = gone[i].key,
                                  .start_ns = host_window_start((enum host_window)w, clock_ns),
                                  .window = (uint8_t)w,
                                  .gone = 1};
            give_row(store, row, &rows);
        }
    }
    store->ops->hosts(store, row, rows);
}

static void push_rows(struct analyst *a, enum host_window w, uint32_t *list, uint32_t *count,
                      uint64_t clock_ns)
{
    struct store *store = a->options.store;
    struct host_row row[ROWS];
    size_t rows = 0;

    for (uint32_t i = 0; i < *count; i++) {
        struct book_host *h = &a->book->host[list[i]];
        h->unsaid &= (uint8_t) ~(w == WINDOW_MINUTE ? UNSAID_MINUTE : UNSAID_HOUR);
        if (!h->used || !book_row(a->book, h, w, clock_ns, &row[rows]))
            continue;
        h->told |= (uint8_t)(1u << w);
        give_row(store, row, &rows);
    }
    store->ops->hosts(store, row, rows);
    *count = 0;
}

static void push_connections(struct analyst *a)
{
    struct store_connection c[CONNECTIONS];
    size_t count = open_flows_longest(a->open, c, CONNECTIONS);

    open_flows_oldest(a->open, a->book);
    a->options.store->ops->connections(a->options.store, c, count);
}

/* Minute rows every redis.push, hour rows with the last of each minute: a window that ends is told
 * for the last time before it begins anew. */
void analyst_push(struct analyst *a, uint64_t clock_ns)
{
    uint64_t end = host_window_start(WINDOW_MINUTE, a->pushed_ns) + host_window_ns[WINDOW_MINUTE];
    bool ends = a->pushed_ns && clock_ns >= end;

    if (!a->options.store || (!ends && clock_ns - a->pushed_ns < a->options.config->redis.push_ns))
        return;
    push_connections(a);
    uint64_t at = ends ? end - 1 : clock_ns;
    push_gone(a, at);
    push_rows(a, WINDOW_MINUTE, a->unsaid, &a->unsaid_count, at);
    if (ends)
        push_rows(a, WINDOW_HOUR, a->unsaid_hour, &a->unsaid_hour_count, at);
    a->pushed_ns = clock_ns;
}

void analyst_flush(struct analyst *a)
{
    if (!a->options.store)
        return;
    push_connections(a);
    push_gone(a, a->clock_ns);
    push_rows(a, WINDOW_MINUTE, a->unsaid, &a->unsaid_count, a->clock_ns);
    push_rows(a, WINDOW_HOUR, a->unsaid_hour, &a->unsaid_hour_count, a->clock_ns);
    a->pushed_ns = a->clock_ns;
}
