#include "core/hunter.h"
#include "base/memory.h"

#include <errno.h>
#include <stdlib.h>

#define EVENTS_MAX 65536u    /* of one turn */
#define FLOWS_MAX (4u << 20) /* of a table, where nobody says how many */

void hunt_generation_init(struct hunt_generation *g, const struct config *config,
                          const struct hunt_rules *rules)
{
    g->rules = *rules;
    g->networks = config->hosts.networks;
    g->learn_ns = config->hunts.learn_ns;
    g->enabled = config->hunts.enabled;
    hunt_filter_compile(rules, &g->filter);
}

int hunter_create(const struct config *config, const struct hunt_generation *generation,
                  bool fixed_secret, struct hunter **out)
{
    struct hunter *h = memory_lines(sizeof(*h));
    uint64_t flows = config->flow.max_flows;
    struct tally_options options = {.networks = &generation->networks,
                                    .max_inside = (uint32_t)config->hosts.max_inside,
                                    .max_outside = (uint32_t)config->hosts.max_outside * 4,
                                    .max_events = EVENTS_MAX,
                                    .max_flows = (uint32_t)(flows ? flows : FLOWS_MAX),
                                    .fixed_secret = fixed_secret};

    if (!h)
        return -ENOMEM;
    int rc = tally_create(&options, &h->tally);
    if (rc) {
        free(h);
        return rc;
    }
    atomic_init(&h->offered, generation);
    atomic_init(&h->used, generation);
    *out = h;
    return 0;
}

void hunter_destroy(struct hunter *h)
{
    if (!h)
        return;
    tally_destroy(h->tally);
    free(h);
}

void hunter_deltas(void *context, const struct flow_delta *d, uint32_t count)
{
    struct hunter *h = context;
    const struct hunt_generation *g = atomic_load_explicit(&h->used, memory_order_relaxed);

    tally_look_burst(h->tally, d, count, h->inside);
    if (g->enabled)
        hunt_mark_burst(&g->rules, &g->filter, d, count, h->inside, h->mark);
    tally_burst(h->tally, d, count, h->inside, g->enabled ? h->mark : NULL);
}

void hunter_turn(void *context)
{
    struct hunter *h = context;
    const struct hunt_generation *next = atomic_load_explicit(&h->offered, memory_order_acquire);

    tally_offer(h->tally);
    if (next == atomic_load_explicit(&h->used, memory_order_relaxed))
        return;
    tally_networks(h->tally, &next->networks);
    atomic_store_explicit(&h->used, next, memory_order_release);
}

void hunter_offer(struct hunter *h, const struct hunt_generation *g)
{
    atomic_store_explicit(&h->offered, g, memory_order_release);
}

const struct hunt_generation *hunter_uses(const struct hunter *h)
{
    return atomic_load_explicit(&h->used, memory_order_acquire);
}
