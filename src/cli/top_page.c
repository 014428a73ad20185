#include "cli/top_page.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/host_key.h"

#define LINE_MAX 512
#define TIME_LAST 1e10 /* in the year 2286 */
#define LISTED_MIN 3u  /* lines of each list, however low the terminal */

/* --- JSON of sensors: flat objects without spaces --- */

static const char *find_member(const char *json, const char *name)
{
    char key[48];

    snprintf(key, sizeof(key), "\"%s\":", name);
    const char *at = strstr(json, key);
    return at ? at + strlen(key) : NULL;
}

static uint64_t number_of(const char *json, const char *name)
{
    const char *at = find_member(json, name);

    return at ? strtoull(at, NULL, 10) : 0;
}

/* Seconds since 1970, in the bounds of a clock. */
static double time_of(const char *json, const char *name)
{
    const char *at = find_member(json, name);
    double seconds = at ? strtod(at, NULL) : 0;

    return seconds > 0 && seconds < TIME_LAST ? seconds : 0;
}

/* An escape stands for one character; those that need more than \" and \\ become '?'. */
bool top_json_text(const char *json, const char *name, char *out, size_t size)
{
    const char *at = find_member(json, name);
    size_t len = 0;

    out[0] = '\0';
    if (!at || *at++ != '"')
        return false;
    for (; *at && *at != '"'; at++) {
        char c = *at;
        if (c == '\\' && at[1]) {
            at++;
            c = *at == '"' || *at == '\\' || *at == '/' ? *at : '?';
            for (int left = *at == 'u' ? 4 : 0; left && at[1] && at[1] != '"'; left--)
                at++;
        }
        if (len + 1 < size)
            out[len++] = c >= ' ' && c <= '~' ? c : '?';
    }
    out[len] = '\0';
    return *at == '"';
}

void top_add_host(struct top_page *p, const char *json)
{
    struct host_row *r = &p->row[p->rows];
    char host[48];

    if (p->rows == TOP_ROWS || !top_json_text(json, "host", host, sizeof(host)))
        return;
    *r = (struct host_row){.window = (uint8_t)p->window};
    if (!host_key_parse(host, &r->key))
        return;
    r->start_ns = (uint64_t)time_of(json, "start") * 1000000000u;
    r->counters.value[HOST_OCTETS_OUT] = number_of(json, "octets_out");
    r->counters.value[HOST_OCTETS_IN] = number_of(json, "octets_in");
    r->counters.value[HOST_OPENED] = number_of(json, "opened");
    r->open = (uint32_t)number_of(json, "open");
    r->distinct[HOST_PEERS] = (uint32_t)number_of(json, "peers");
    r->oldest_start_ns = (uint64_t)time_of(json, "oldest") * 1000000000u;
    p->rows++;
}

void top_add_connection(struct top_page *p, const char *json)
{
    struct top_connection *c = &p->connection[p->connections];

    if (p->connections == TOP_LISTED || !top_json_text(json, "host", c->host, sizeof(c->host)) ||
        !top_json_text(json, "peer", c->peer, sizeof(c->peer)))
        return;
    c->start = time_of(json, "start");
    c->octets[0] = number_of(json, "octets_out");
    c->octets[1] = number_of(json, "octets_in");
    c->port = (unsigned)number_of(json, "port");
    c->proto = (unsigned)number_of(json, "proto");
    p->connections++;
}

void top_add_alert(struct top_page *p, const char *json)
{
    struct top_alert *a = &p->alert[p->alerts];

    if (p->alerts == TOP_LISTED || !top_json_text(json, "rule", a->rule, sizeof(a->rule)))
        return;
    a->ts = time_of(json, "ts");
    top_json_text(json, "severity", a->severity, sizeof(a->severity));
    top_json_text(json, "state", a->state, sizeof(a->state));
    top_json_text(json, "text", a->text, sizeof(a->text));
    p->alerts++;
}

static int by_start(const void *a, const void *b)
{
    double first = ((const struct top_connection *)a)->start;
    double second = ((const struct top_connection *)b)->start;

    return first < second ? -1 : first > second;
}

void top_arrange(struct top_page *p)
{
    view_sort(p->row, p->rows, p->order);
    qsort(p->connection, p->connections, sizeof(*p->connection), by_start);
}

/* --- Text --- */

struct output {
    unsigned width, left; /* lines; UINT_MAX = any number */
    void (*line)(void *, enum top_style, const char *);
    void *context;
};

__attribute__((format(printf, 3, 4))) static void put(struct output *o, enum top_style style,
                                                      const char *format, ...)
{
    char text[LINE_MAX];
    va_list arguments;

    if (!o->left)
        return;
    o->left--;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    if (o->width < sizeof(text))
        text[o->width] = '\0';
    o->line(o->context, style, text);
}

#define NUMBER_MAX 16

/* 999, 1.2k, 12k, 345M */
static const char *amount(uint64_t value, char out[NUMBER_MAX])
{
    static const char unit[] = " kMGTPE";
    double v = (double)value;
    unsigned u = 0;

    for (; v >= 999.5; u++)
        v /= 1000;
    if (u)
        snprintf(out, NUMBER_MAX, v < 9.95 ? "%.1f%c" : "%.0f%c", v, unit[u]);
    else
        snprintf(out, NUMBER_MAX, "%" PRIu64, value);
    return out;
}

static const char *age(double seconds, char out[NUMBER_MAX])
{
    double s = seconds > 0 && seconds < 1e9 ? seconds : 0;

    if (s < 120)
        snprintf(out, NUMBER_MAX, "%.0fs", s);
    else if (s < 7200)
        snprintf(out, NUMBER_MAX, "%.0fm", s / 60);
    else if (s < 172800)
        snprintf(out, NUMBER_MAX, "%.0fh", s / 3600);
    else
        snprintf(out, NUMBER_MAX, "%.0fd", s / 86400);
    return out;
}

static const char *clock_text(double seconds, char out[NUMBER_MAX])
{
    time_t t = (time_t)seconds;
    struct tm local;

    if (!localtime_r(&t, &local) || !strftime(out, NUMBER_MAX, "%H:%M:%S", &local))
        strcpy(out, "?");
    return out;
}

static const char *host_text(const struct host_key *key, char out[IP_TEXT_MAX])
{
    if (host_key_is_other(key))
        strcpy(out, "(other)");
    else
        host_key_text(key, out);
    return out;
}

/* --- Parts of the page --- */

static void put_title(const struct top_page *p, struct output *o)
{
    char now[NUMBER_MAX], from[NUMBER_MAX];
    double start = p->rows ? (double)(p->row[0].start_ns / 1000000000u) : 0;

    put(o, TOP_TITLE, "weir top - %s - %s - window %s from %s - by %s", p->title,
        clock_text((double)(p->now_ns / 1000000000u), now), p->window == WINDOW_HOUR ? "1h" : "1m",
        p->rows ? clock_text(start, from) : "-", view_order_word[p->order]);
}

static int host_width(const struct top_page *p, unsigned count)
{
    char host[IP_TEXT_MAX];
    int width = 15;

    for (unsigned i = 0; i < count && i < p->rows; i++) {
        int len = (int)strlen(host_text(&p->row[i].key, host));
        width = len > width ? len : width;
    }
    return width;
}

static void put_host(const struct top_page *p, const struct host_row *r, int width,
                     struct output *o)
{
    char host[IP_TEXT_MAX], out[NUMBER_MAX], in[NUMBER_MAX], oldest[NUMBER_MAX] = "-";

    if (r->oldest_start_ns)
        age(((double)p->now_ns - (double)r->oldest_start_ns) / 1e9, oldest);
    put(o, TOP_PLAIN, "%-*s %6s %6s %6.2f %7" PRIu64 " %6u %6u %5s", width,
        host_text(&r->key, host), amount(r->counters.value[HOST_OCTETS_OUT], out),
        amount(r->counters.value[HOST_OCTETS_IN], in), view_ratio(r),
        r->counters.value[HOST_OPENED], r->open, r->distinct[HOST_PEERS], oldest);
}

static void put_hosts(const struct top_page *p, unsigned lines, struct output *o)
{
    int width = host_width(p, lines);

    put(o, TOP_HEAD, "%-*s %6s %6s %6s %7s %6s %6s %5s", width, "HOST", "OUT", "IN", "RATIO",
        "CONNS", "OPEN", "PEERS", "AGE");
    for (unsigned i = 0; i < lines && i < p->rows; i++)
        put_host(p, &p->row[i], width, o);
}

static const char *proto_text(unsigned proto, char out[NUMBER_MAX])
{
    if (proto == 6 || proto == 17)
        return proto == 6 ? "tcp" : "udp";
    snprintf(out, NUMBER_MAX, "%u", proto);
    return out;
}

static void put_connections(const struct top_page *p, unsigned lines, struct output *o)
{
    char old[NUMBER_MAX], out[NUMBER_MAX], in[NUMBER_MAX], proto[NUMBER_MAX];

    put(o, TOP_HEAD, "%5s %6s %6s OPEN CONNECTIONS, THE LONGEST FIRST", "AGE", "OUT", "IN");
    for (unsigned i = 0; i < lines && i < p->connections; i++) {
        const struct top_connection *c = &p->connection[i];
        put(o, TOP_PLAIN, "%5s %6s %6s %s > %s %u/%s", age((double)p->now_ns / 1e9 - c->start, old),
            amount(c->octets[0], out), amount(c->octets[1], in), c->host, c->peer, c->port,
            proto_text(c->proto, proto));
    }
}

static void put_alerts(const struct top_page *p, unsigned lines, struct output *o)
{
    char when[NUMBER_MAX];

    put(o, TOP_HEAD, "%-8s %-8s %-9s ALERTS, THE NEWEST FIRST", "TIME", "SEVERITY", "STATE");
    for (unsigned i = 0; i < lines && i < p->alerts; i++) {
        const struct top_alert *a = &p->alert[i];
        put(o, TOP_ALERT, "%-8s %-8s %-9s %s: %s", clock_text(a->ts, when), a->severity, a->state,
            a->rule, a->text);
    }
}

static unsigned share(size_t wanted, unsigned height)
{
    unsigned most = height / 5 > LISTED_MIN ? height / 5 : LISTED_MIN;

    return wanted < most ? (unsigned)wanted : most;
}

void top_render(const struct top_page *p, unsigned width, unsigned height,
                void (*line)(void *context, enum top_style, const char *text), void *context)
{
    struct output o = {width, height ? height : UINT32_MAX, line, context};
    unsigned connections = height ? share(p->connections, height) : TOP_LISTED;
    unsigned alerts = height ? share(p->alerts, height) : TOP_LISTED;
    unsigned fixed = 4 + connections + alerts; /* title, three heads, lists */
    unsigned hosts = height > fixed ? height - fixed : height ? 0 : TOP_ROWS;

    put_title(p, &o);
    put_hosts(p, hosts, &o);
    put_connections(p, connections, &o);
    put_alerts(p, alerts, &o);
}
