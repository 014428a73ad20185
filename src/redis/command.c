#include "redis/command.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/host_key.h"
#include "redis/key.h"

#define FIELDS_MAX (HOST_COUNTER_COUNT + GAUGE_COUNT)
#define BOOT_SHIFT 26 /* 67 ms: no two runs of a sensor begin so close */
#define RAISED_TTL_MIN 3600u
#define CONN_TTL 86400u /* an alert about a connection, not a window */
#define LEVELS 5u       /* of escalation, the first included */
#define STREAM_LENGTH 10000u

void redis_author_init(struct redis_author *a, const char *sensor, uint64_t started_ns)
{
    snprintf(a->sensor, sizeof(a->sensor), "%s", sensor);
    snprintf(a->run, sizeof(a->run), "%s@%" PRIx64, a->sensor, started_ns >> BOOT_SHIFT);
}

static void put_key(struct resp *r, const char *key, size_t len)
{
    resp_bytes(r, key, len);
}

static void expire(struct resp *r, const char *key, size_t len, uint64_t seconds)
{
    resp_command(r, 3, "EXPIRE");
    put_key(r, key, len);
    resp_number(r, seconds);
}

/* --- Host rows --- */

struct field {
    const char *name;
    uint64_t value;
};

static unsigned fields_of(const struct rows_taken *t, struct field *out)
{
    const struct host_row *r = &t->row;
    uint64_t gauge[GAUGE_COUNT] = {r->open, r->oldest_start_ns / NS_PER_MS};
    unsigned n = 0;

    for (int i = 0; i < HOST_SET_COUNT; i++)
        gauge[GAUGE_SETS + i] = r->distinct[i];
    for (int i = 0; i < HOST_COUNTER_COUNT; i++)
        if (r->counters.value[i])
            out[n++] = (struct field){key_counter_name[i], r->counters.value[i]};
    for (int i = 0; i < GAUGE_COUNT; i++)
        if (gauge[i] || (t->had_gauge & (1u << i)))
            out[n++] = (struct field){key_gauge_name[i], gauge[i]};
    return n;
}

unsigned command_wipe(struct resp *r, const struct redis_author *a, const struct host_row *row)
{
    char key[KEY_MAX], name[sizeof(a->run) + 8];
    size_t len = key_host(&row->key, (enum host_window)row->window, row->start_ns, key);

    resp_command(r, 2 + FIELDS_MAX, "HDEL");
    put_key(r, key, len);
    for (int i = 0; i < HOST_COUNTER_COUNT; i++)
        resp_bytes(r, name, (size_t)sprintf(name, "%s.%s", a->run, key_counter_name[i]));
    for (int i = 0; i < GAUGE_COUNT; i++)
        resp_bytes(r, name, (size_t)sprintf(name, "%s.%s", a->run, key_gauge_name[i]));
    return 1;
}

unsigned command_row(struct resp *r, const struct redis_author *a, const struct rows_taken *t)
{
    enum host_window w = (enum host_window)t->row.window;
    struct field field[FIELDS_MAX];
    unsigned n = fields_of(t, field);
    char key[KEY_MAX], name[sizeof(a->run) + 8];

    if (!n)
        return 0;
    size_t len = key_host(&t->row.key, w, t->row.start_ns, key);
    resp_command(r, 2 + 2 * n, "HSET");
    put_key(r, key, len);
    for (unsigned i = 0; i < n; i++) {
        resp_bytes(r, name, (size_t)sprintf(name, "%s.%s", a->run, field[i].name));
        resp_number(r, field[i].value);
    }
    expire(r, key, len, key_ttl(w));
    return 2;
}

/* --- Distinct sets --- */

unsigned command_elements(struct resp *r, const struct redis_author *a,
                          const struct store_element *e, size_t count)
{
    enum host_window w = (enum host_window)e->window;
    char key[KEY_MAX];
    size_t len = key_set(&e->host, (enum host_set)e->set, w, e->start_ns, a->sensor, key);

    resp_command(r, 2 + (unsigned)count, "PFADD");
    put_key(r, key, len);
    for (size_t i = 0; i < count; i++)
        resp_bytes(r, e[i].element, sizeof(e[i].element));
    expire(r, key, len, key_ttl(w));
    return 2;
}

/* --- Open connections --- */

size_t command_connection_text(const struct store_connection *c, const char *sensor, char *out)
{
    char host[IP_TEXT_MAX], peer[IP_TEXT_MAX];

    host_key_text(&c->host, host);
    host_key_text(&c->peer, peer);
    return (size_t)snprintf(out, CONNECTION_TEXT_MAX,
                            "{\"host\":\"%s\",\"peer\":\"%s\",\"port\":%u,\"proto\":%u,"
                            "\"start\":%" PRIu64 ".%06" PRIu64 ",\"last\":%" PRIu64 ".%06" PRIu64
                            ",\"octets_out\":%" PRIu64 ",\"octets_in\":%" PRIu64
                            ",\"flow_id\":\"%016" PRIx64 "\",\"sensor\":\"%s\"}",
                            host, peer, c->port, c->proto, c->start_ns / 1000000000,
                            c->start_ns / 1000 % 1000000, c->last_ns / 1000000000,
                            c->last_ns / 1000 % 1000000, c->octets[0], c->octets[1], c->flow_id,
                            sensor);
}

unsigned command_connections(struct resp *r, const struct redis_author *a,
                             const struct store_connection *c, size_t count, uint64_t ttl)
{
    char key[KEY_MAX], text[CONNECTION_TEXT_MAX];
    size_t len = key_open(a->sensor, key);

    resp_command(r, 1, "MULTI");
    resp_command(r, 2, "DEL");
    put_key(r, key, len);
    if (count) {
        resp_command(r, 2 + (unsigned)count, "RPUSH");
        put_key(r, key, len);
        for (size_t i = 0; i < count; i++)
            resp_bytes(r, text, command_connection_text(&c[i], a->sensor, text));
        expire(r, key, len, ttl);
    }
    resp_command(r, 1, "EXEC");
    return count ? 5 : 3;
}

/* --- Alerts --- */

/* KEYS: who raised it, stream, keys that this ends. ARGV: mine, seconds, length of the stream,
 * channel, JSON, then fields of the stream. */
static const char raise[] =
    "local have = redis.call('GET', KEYS[1])\n"
    "if have then return have == ARGV[1] and 1 or 0 end\n"
    "redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])\n"
    "for i = 3, #KEYS do redis.call('DEL', KEYS[i]) end\n"
    "redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[3], '*', unpack(ARGV, 5))\n"
    "redis.call('PUBLISH', ARGV[4], ARGV[6])\n"
    "return 1\n";

static uint64_t raised_ttl(const struct alert *a)
{
    uint64_t seconds = 3 * (a->window_ns / 1000000000u);

    if (!a->window_ns)
        return CONN_TTL;
    return seconds > RAISED_TTL_MIN ? seconds : RAISED_TTL_MIN;
}

/* An alert about a connection has no window that would end it: its end lets it be raised anew, and
 * the next raising lets it end anew. Returns how many keys were written; out NULL: only counts. */
static unsigned ended_keys(const struct alert *alert, struct resp *out)
{
    struct alert other = *alert;
    unsigned count = 0;
    char key[KEY_MAX];

    if (alert->window_ns || (alert->state != ALERT_CLEARED && alert->level))
        return 0;
    other.state = alert->state == ALERT_CLEARED ? ALERT_RAISED : ALERT_CLEARED;
    unsigned levels = alert->state == ALERT_CLEARED ? LEVELS : 1;
    for (; count < levels; count++) {
        other.level = (uint8_t)count;
        if (out)
            put_key(out, key, key_raised(&other, key));
    }
    return count;
}

unsigned command_alert(struct resp *r, const struct redis_author *a, const struct alert *alert,
                       const char *json, size_t len)
{
    char key[KEY_MAX], mine[sizeof(a->run) + 64], host[IP_TEXT_MAX];

    unsigned ended = ended_keys(alert, NULL);

    resp_command(r, 17 + ended, "EVAL");
    resp_text(r, raise);
    resp_number(r, 2 + ended);
    put_key(r, key, key_raised(alert, key));
    resp_text(r, KEY_ALERTS);
    ended_keys(alert, r);
    snprintf(mine, sizeof(mine), "%016" PRIx64 " %s %" PRIu64, alert->id, a->run, alert->ts_ns);
    resp_text(r, mine);
    resp_number(r, raised_ttl(alert));
    resp_number(r, STREAM_LENGTH);
    resp_text(r, KEY_CHANNEL);
    resp_text(r, "alert");
    resp_bytes(r, json, len);
    host_key_text(&alert->host, host);
    resp_text(r, "rule");
    resp_text(r, alert->rule);
    resp_text(r, "host");
    resp_text(r, host);
    resp_text(r, "sensor");
    resp_text(r, a->sensor);
    return 1;
}
