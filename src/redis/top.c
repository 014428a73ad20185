#include "redis/top.h"

#include <stdio.h>

#include "base/host_key.h"

static unsigned write_list(struct top_list *l, enum host_window w, enum key_measure m,
                           const struct redis_author *a, struct resp *r)
{
    char key[KEY_MAX], host[IP_TEXT_MAX];
    size_t len = key_top(a->sensor, m, w, l->start_ns, key);

    if (!l->count)
        return 0;
    resp_command(r, 2 + 2 * l->count, "ZADD");
    resp_bytes(r, key, len);
    for (unsigned i = 0; i < l->count; i++) {
        resp_number(r, l->host[i].value);
        resp_bytes(r, host, host_key_text(&l->host[i].key, host));
    }
    resp_command(r, 4, "ZREMRANGEBYRANK");
    resp_bytes(r, key, len);
    resp_text(r, "0");
    char last[16];
    resp_bytes(r, last, (size_t)snprintf(last, sizeof(last), "-%u", TOP_HOSTS + 1));
    resp_command(r, 3, "EXPIRE");
    resp_bytes(r, key, len);
    resp_number(r, key_ttl(w));
    *l = (struct top_list){0};
    return 3;
}

static unsigned least_of(const struct top_list *l)
{
    unsigned least = 0;

    for (unsigned i = 1; i < l->count; i++)
        if (l->host[i].value < l->host[least].value)
            least = i;
    return least;
}

static void take(struct top_list *l, const struct host_key *key, uint64_t value)
{
    unsigned at = l->count < TOP_HOSTS ? l->count++ : least_of(l);

    if (l->host[at].value > value)
        return;
    l->host[at].key = *key;
    l->host[at].value = value;
}

unsigned top_offer(struct top_lists *t, const struct host_row *row, const struct redis_author *a,
                   struct resp *r)
{
    enum host_window w = (enum host_window)row->window;
    unsigned commands = 0;

    if (host_key_is_other(&row->key))
        return 0;
    for (int m = 0; m < KEY_MEASURE_COUNT; m++) {
        struct top_list *l = &t->list[w][m];
        uint64_t value = key_measure((enum key_measure)m, row);
        if (!value)
            continue;
        if (l->start_ns != row->start_ns)
            commands += write_list(l, w, (enum key_measure)m, a, r);
        l->start_ns = row->start_ns;
        take(l, &row->key, value);
    }
    return commands;
}

unsigned top_write(struct top_lists *t, const struct redis_author *a, struct resp *r)
{
    unsigned commands = 0;

    for (int w = 0; w < WINDOW_COUNT; w++)
        for (int m = 0; m < KEY_MEASURE_COUNT; m++)
            commands += write_list(&t->list[w][m], (enum host_window)w, (enum key_measure)m, a, r);
    return commands;
}
