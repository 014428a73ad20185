#include "core/analyst.h"

#include <errno.h>
#include <stdlib.h>

#include "base/memory.h"
#include "core/analyst_internal.h"

#define CONTACTS_MAX (128u << 10) /* of each kind */
#define RHYTHMS_MAX 8192u
#define KNOWN_EDGES_MAX (1u << 20)
#define OPEN_MAX (64u << 10)
#define RAISED_MAX (16u << 10)
#define AGE_STEP 4096u /* hosts looked at in a step, to give old entries back */
#define LEARN_STEP_NS UINT64_C(60000000000)
#define JUDGE_NS UINT64_C(500000000)

static uint32_t hosts_max(const struct config *c)
{
    return (uint32_t)(c->hosts.max_inside + c->hosts.max_outside + 1);
}

static int make_parts(struct analyst *a)
{
    const struct config *c = a->options.config;
    struct book_options book = {.max_inside = (uint32_t)c->hosts.max_inside,
                                .max_outside = (uint32_t)c->hosts.max_outside,
                                .fixed_secret = a->options.fixed_secret};
    struct contacts_options contacts = {
        .max = CONTACTS_MAX, .max_rhythm = RHYTHMS_MAX, .max_known = KNOWN_EDGES_MAX};
    int rc = book_create(&book, &a->book);

    rc = rc ? rc : contacts_create(&contacts, a->book, &a->contacts);
    rc = rc ? rc : open_flows_create(OPEN_MAX, &a->open);
    rc = rc ? rc : raised_create(RAISED_MAX, &a->raised);
    a->unsaid = memory_reserve(sizeof(uint32_t) * hosts_max(c));
    a->unsaid_hour = memory_reserve(sizeof(uint32_t) * hosts_max(c));
    return rc ? rc : a->unsaid && a->unsaid_hour ? 0 : -ENOMEM;
}

int analyst_create(const struct analyst_options *options, struct analyst **out)
{
    struct analyst *a = calloc(1, sizeof(*a));

    if (!a)
        return -ENOMEM;
    a->options = *options;
    a->generation = options->generation;
    int rc = make_parts(a);
    if (rc) {
        analyst_destroy(a);
        return rc;
    }
    *out = a;
    return 0;
}

void analyst_destroy(struct analyst *a)
{
    if (!a)
        return;
    analyst_compare_fini(a);
    memory_release(a->unsaid, sizeof(uint32_t) * hosts_max(a->options.config));
    memory_release(a->unsaid_hour, sizeof(uint32_t) * hosts_max(a->options.config));
    raised_destroy(a->raised);
    open_flows_destroy(a->open);
    contacts_destroy(a->contacts);
    book_destroy(a->book);
    free(a);
}

static void take_event(struct analyst *a, const struct host_event *e)
{
    struct store_element element[BOOK_ELEMENTS];
    const struct store *store = a->options.store;
    bool wanted = store && store->ops->elements;
    unsigned n = book_event(a->book, e, a->clock_ns, wanted ? element : NULL);

    if (n && wanted)
        store->ops->elements(a->options.store, element, n);
    open_flows_event(a->open, e);
    if (a->generation->enabled)
        analyst_judge_event(a, e);
}

/* Silence teaches nothing: only a minute of it counts. */
static void learn(struct analyst *a, uint64_t at_ns)
{
    uint64_t since = a->taught_ns && at_ns > a->taught_ns ? at_ns - a->taught_ns : 0;

    a->learned_ns += since < LEARN_STEP_NS ? since : LEARN_STEP_NS;
    a->taught_ns = at_ns > a->taught_ns ? at_ns : a->taught_ns;
}

/* A table belongs to the time of its packets, which may lie a turn behind the clock. */
static void take_table(struct analyst *a, const struct tally_table *t, uint64_t clock_ns)
{
    uint64_t at = t->last_ns && t->last_ns < clock_ns ? t->last_ns : clock_ns;

    learn(a, at);
    a->clock_ns = at > a->clock_ns ? at : a->clock_ns;
    analyst_push(a, a->clock_ns);
    book_merge(a->book, t, a->clock_ns);
    for (uint32_t i = 0; i < t->events; i++)
        take_event(a, &t->event[i]);
}

static bool take_tables(struct analyst *a, struct hunter *const hunters[], unsigned count,
                        uint64_t clock_ns)
{
    bool any = false;

    for (unsigned i = 0; i < count; i++) {
        struct tally_table *t = tally_take(hunters[i]->tally);
        if (!t)
            continue;
        take_table(a, t, clock_ns);
        tally_give(hunters[i]->tally, t);
        any = true;
    }
    return any;
}

bool analyst_step(struct analyst *a, struct hunter *const hunters[], unsigned count,
                  uint64_t clock_ns)
{
    bool any = take_tables(a, hunters, count, clock_ns);

    if (any)
        analyst_note_changed(a);
    a->clock_ns = clock_ns > a->clock_ns ? clock_ns : a->clock_ns;
    if (a->clock_ns - a->judged_ns >= JUDGE_NS) {
        a->judged_ns = a->clock_ns;
        if (a->generation->enabled)
            analyst_judge_time(a);
    }
    analyst_push(a, a->clock_ns);
    book_age(a->book, a->clock_ns, AGE_STEP); /* what it forgets has been pushed */
    analyst_verdicts(a);
    return any;
}

void analyst_adopt(struct analyst *a, const struct hunt_generation *g)
{
    a->generation = g;
    analyst_compare_anew(a);
}

void analyst_stats(const struct analyst *a, struct analyst_stats *s)
{
    const struct book *b = a->book;
    struct contacts_stats contacts;

    contacts_stats(a->contacts, &contacts);
    *s = a->stats;
    s->packets = b->merged.value[HOST_PACKETS_OUT];
    s->octets = b->merged.value[HOST_OCTETS_OUT];
    s->difference = (int64_t)(b->dealt.value[HOST_PACKETS_OUT] - s->packets);
    s->hosts_inside = b->inside_count;
    s->hosts_outside = b->outside_count;
    s->hosts_refused = b->inside_refused;
    s->events_missed = b->events_missed;
    s->sets_refused = b->pools.refused;
    s->contacts_replaced = contacts.replaced;
    s->open_refused = open_flows_refused(a->open);
    s->alerts_forgotten = raised_forgotten(a->raised);
    s->alerts_standing = raised_count(a->raised);
}
