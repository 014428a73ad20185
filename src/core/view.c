#include "core/view.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/host_key.h"
#include "core/hunts.h"
#include "format/alert.h"

#define ROWS_MAX 65536u
#define ROWS_TOLD 100u /* unless asked for more */
#define CONNECTIONS_MAX 64u
#define ALERTS_MAX 64u
#define YOUNG_NS UINT64_C(10000000000)

const char *const view_order_word[VIEW_ORDER_COUNT] = {
#define X(symbol, word, help) word,
    VIEW_ORDERS(X)
#undef X
};

double view_ratio(const struct host_row *r)
{
    double out = (double)r->counters.value[HOST_OCTETS_OUT];
    double in = (double)r->counters.value[HOST_OCTETS_IN];

    return out + in > 0 ? (out - in) / (out + in) : 0;
}

static double value_of(const struct host_row *r, enum view_order order)
{
    switch (order) {
    case VIEW_IN:
        return (double)r->counters.value[HOST_OCTETS_IN];
    case VIEW_RATIO:
        return view_ratio(r);
    case VIEW_OPENED:
        return (double)r->counters.value[HOST_OPENED];
    case VIEW_OPEN:
        return r->open;
    case VIEW_PEERS:
        return r->distinct[HOST_PEERS];
    case VIEW_OLDEST:
        return r->oldest_start_ns ? -(double)r->oldest_start_ns : -1e30;
    default:
        return (double)r->counters.value[HOST_OCTETS_OUT];
    }
}

/* Among equals the one with most octets, then by address: the same order each time. */
static int compare(const void *x, const void *y, void *order)
{
    const struct host_row *a = x, *b = y;
    double first = value_of(a, *(enum view_order *)order);
    double second = value_of(b, *(enum view_order *)order);
    uint64_t octets[2] = {a->counters.value[HOST_OCTETS_OUT] + a->counters.value[HOST_OCTETS_IN],
                          b->counters.value[HOST_OCTETS_OUT] + b->counters.value[HOST_OCTETS_IN]};

    if (first < second || first > second)
        return first < second ? 1 : -1;
    if (octets[0] != octets[1])
        return octets[0] < octets[1] ? 1 : -1;
    return memcmp(&a->key, &b->key, sizeof(a->key));
}

void view_sort(struct host_row *row, size_t count, enum view_order order)
{
    qsort_r(row, count, sizeof(*row), compare, &order);
}

uint64_t view_time(uint64_t now_ns)
{
    return now_ns - YOUNG_NS;
}

/* --- Lines --- */

static void print_key(const char *name, const struct host_key *key, FILE *out)
{
    char text[IP_TEXT_MAX];

    host_key_text(key, text);
    fprintf(out, "\"%s\":\"%s\",", name, text);
}

static void print_time(const char *name, uint64_t ns, FILE *out)
{
    fprintf(out, "\"%s\":%" PRIu64 ".%06" PRIu64 ",", name, ns / 1000000000,
            ns % 1000000000 / 1000);
}

static void print_host(const struct host_row *r, FILE *out)
{
    static const char *const names[] = {
#define X(symbol, name, help) #symbol,
        HOST_COUNTERS(X)
#undef X
    };

    fputc('{', out);
    print_key("host", &r->key, out);
    print_time("start", r->start_ns, out);
    fprintf(out, "\"inside\":%s,", r->inside ? "true" : "false");
    for (int i = 0; i < HOST_COUNTER_COUNT; i++) {
        fputc('"', out);
        for (const char *c = names[i]; *c; c++)
            fputc(*c >= 'A' && *c <= 'Z' ? *c + 'a' - 'A' : *c, out);
        fprintf(out, "\":%" PRIu64 ",", r->counters.value[i]);
    }
    if (r->oldest_start_ns)
        print_time("oldest", r->oldest_start_ns, out);
    fprintf(out, "\"open\":%u,\"peers\":%u,\"ports\":%u,\"callers\":%u}\n", r->open,
            r->distinct[HOST_PEERS], r->distinct[HOST_PORTS], r->distinct[HOST_CALLERS]);
}

/* --- Commands --- */

static uint64_t utc_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

struct question {
    enum host_window window;
    enum view_order order;
    size_t count;
};

static bool take_word(const char *word, struct question *q)
{
    char *end;

    for (int i = 0; i < VIEW_ORDER_COUNT; i++)
        if (strcmp(word, view_order_word[i]) == 0) {
            q->order = (enum view_order)i;
            return true;
        }
    if (strcmp(word, "1m") == 0 || strcmp(word, "1h") == 0) {
        q->window = word[1] == 'm' ? WINDOW_MINUTE : WINDOW_HOUR;
        return true;
    }
    q->count = strtoul(word, &end, 10);
    return *word >= '1' && *word <= '9' && !*end && q->count <= ROWS_MAX;
}

static bool take_words(const char *argument, struct question *q)
{
    char words[128], *rest = words;
    const char *word;

    snprintf(words, sizeof(words), "%s", argument);
    while ((word = strsep(&rest, " \t")) != NULL)
        if (*word && !take_word(word, q))
            return false;
    return true;
}

void view_hosts(struct hunts *h, const char *argument, FILE *out)
{
    struct question q = {WINDOW_MINUTE, VIEW_OUT, ROWS_TOLD};

    if (!take_words(argument, &q)) {
        fprintf(out, "error: expected hosts [1m|1h] [out|in|ratio|conns|open|peers|age] [COUNT]\n");
        return;
    }
    struct host_row *row = malloc(sizeof(*row) * ROWS_MAX);
    if (!row) {
        fprintf(out, "error: no memory\n");
        return;
    }
    size_t count = hunts_read_hosts(h, q.window, view_time(utc_ns()), row, ROWS_MAX);
    view_sort(row, count, q.order);
    for (size_t i = 0; i < count && i < q.count; i++)
        print_host(&row[i], out);
    free(row);
}

void view_connections(struct hunts *h, FILE *out)
{
    struct store_connection c[CONNECTIONS_MAX];
    size_t count = hunts_read_connections(h, c, CONNECTIONS_MAX);

    for (size_t i = 0; i < count; i++) {
        fputc('{', out);
        print_key("host", &c[i].host, out);
        print_key("peer", &c[i].peer, out);
        print_time("start", c[i].start_ns, out);
        print_time("last", c[i].last_ns, out);
        fprintf(out,
                "\"port\":%u,\"proto\":%u,\"octets_out\":%" PRIu64 ",\"octets_in\":%" PRIu64
                ",\"flow_id\":\"%016" PRIx64 "\"}\n",
                c[i].port, c[i].proto, c[i].octets[0], c[i].octets[1], c[i].flow_id);
    }
}

void view_alerts(struct hunts *h, const struct config *config, FILE *out)
{
    struct alert *alert = malloc(sizeof(*alert) * ALERTS_MAX);
    char line[ALERT_LINE_MAX];

    if (!alert) {
        fprintf(out, "error: no memory\n");
        return;
    }
    size_t count = hunts_read_alerts(h, alert, ALERTS_MAX);
    for (size_t i = 0; i < count; i++)
        fwrite(line, 1, alert_json(config, &alert[i], line), out);
    free(alert);
}
