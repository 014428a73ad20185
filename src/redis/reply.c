#include "redis/reply.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "redis/key.h"

const char *const redis_error_advice[REDIS_ERROR_COUNT] = {
#define X(symbol, label, advice) advice,
    REDIS_ERRORS(X)
#undef X
};

static bool begins(const char *text, const char *word)
{
    size_t len = strlen(word);

    return strncmp(text, word, len) == 0 && (!text[len] || text[len] == ' ');
}

/* An error within a script is told with its own word first, or after "ERR". */
enum redis_error reply_error(const char *text)
{
    static const struct {
        const char *word;
        enum redis_error error;
    } words[] = {{"OOM", REDIS_OOM},           {"LOADING", REDIS_LOADING},
                 {"READONLY", REDIS_READONLY}, {"MASTERDOWN", REDIS_READONLY},
                 {"NOAUTH", REDIS_NOAUTH},     {"WRONGPASS", REDIS_NOAUTH},
                 {"NOPERM", REDIS_NOPERM},     {"MOVED", REDIS_MOVED},
                 {"ASK", REDIS_MOVED},         {"CLUSTERDOWN", REDIS_LOADING}};

    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
        if (begins(text, words[i].word))
            return words[i].error;
    return strstr(text, "-OOM ") || strstr(text, "OOM command") ? REDIS_OOM : REDIS_OTHER;
}

bool reply_error_is_final(enum redis_error e)
{
    return e != REDIS_OOM && e != REDIS_OTHER && e != REDIS_NOPERM;
}

bool reply_moved(const char *text, char *host, size_t size, int *port)
{
    const char *slot = begins(text, "MOVED") ? strchr(text, ' ') : NULL;
    const char *at = slot ? strchr(slot + 1, ' ') : NULL;
    const char *colon = at ? strrchr(at, ':') : NULL;

    if (!colon || colon == at + 1 || (size_t)(colon - at) > size)
        return false;
    char *end;
    long value = strtol(colon + 1, &end, 10);
    if (end == colon + 1 || *end || value < 1 || value > 65535)
        return false;
    snprintf(host, size, "%.*s", (int)(colon - at - 1), at + 1);
    *port = (int)value;
    return true;
}

bool reply_info(const char *info, const char *field, char *out, size_t size)
{
    size_t name = strlen(field);

    for (const char *line = info; line && *line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, field, name) || line[name] != ':')
            continue;
        size_t len = strcspn(line + name + 1, "\r\n");
        if (len >= size)
            return false;
        memcpy(out, line + name + 1, len);
        out[len] = '\0';
        return true;
    }
    return false;
}

/* --- Sums --- */

void reply_sum_begin(struct reply_sum *s, struct host_row *row)
{
    s->row = row;
    s->sensors = 0;
    memset(&row->counters, 0, sizeof(row->counters));
    memset(row->distinct, 0, sizeof(row->distinct));
    row->open = 0;
    row->oldest_start_ns = 0;
}

/* The state of a sensor's latest run; NULL: an earlier run's, or no room. */
static void note_gauge(struct reply_sum *s, const char *field, size_t len, enum key_gauge g,
                       uint64_t value)
{
    const char *at = memchr(field, '@', len);
    size_t name = at ? (size_t)(at - field) : 0;
    unsigned i = 0;

    if (!at || name >= sizeof(s->sensor[0].name))
        return;
    uint64_t boot = strtoull(at + 1, NULL, 16);
    while (i < s->sensors && (s->sensor[i].len != name || memcmp(s->sensor[i].name, field, name)))
        i++;
    if (i == REPLY_SENSORS_MAX)
        return;
    if (i == s->sensors) {
        s->sensors++;
        memset(&s->sensor[i], 0, sizeof(s->sensor[i]));
        memcpy(s->sensor[i].name, field, name);
        s->sensor[i].len = (uint32_t)name;
    }
    if (boot < s->sensor[i].boot)
        return;
    if (boot > s->sensor[i].boot)
        s->sensor[i].open = s->sensor[i].oldest_ms = 0;
    s->sensor[i].boot = boot;
    *(g == GAUGE_OPEN ? &s->sensor[i].open : &s->sensor[i].oldest_ms) = value;
}

static void add_gauge(struct reply_sum *s, const char *field, size_t len, enum key_gauge g,
                      uint64_t value)
{
    if (g < GAUGE_SETS) {
        note_gauge(s, field, len, g, value);
        return;
    }
    uint32_t *distinct = &s->row->distinct[g - GAUGE_SETS];
    uint32_t number = value < UINT32_MAX ? (uint32_t)value : UINT32_MAX;
    *distinct = *distinct > number ? *distinct : number;
}

void reply_sum_field(struct reply_sum *s, const char *field, size_t len, const char *text)
{
    const char *dot = memrchr(field, '.', len);
    uint64_t value = strtoull(text, NULL, 10);

    if (!dot || len - (size_t)(dot - field) != 3)
        return;
    for (int i = 0; i < HOST_COUNTER_COUNT; i++)
        if (memcmp(dot + 1, key_counter_name[i], 2) == 0) {
            s->row->counters.value[i] += value;
            return;
        }
    for (int i = 0; i < GAUGE_COUNT; i++)
        if (memcmp(dot + 1, key_gauge_name[i], 2) == 0)
            add_gauge(s, field, (size_t)(dot - field), (enum key_gauge)i, value);
}

void reply_sum_end(struct reply_sum *s)
{
    uint64_t open = 0, oldest = 0;

    for (unsigned i = 0; i < s->sensors; i++) {
        open += s->sensor[i].open;
        if (s->sensor[i].oldest_ms && (!oldest || s->sensor[i].oldest_ms < oldest))
            oldest = s->sensor[i].oldest_ms;
    }
    s->row->open = open < UINT32_MAX ? (uint32_t)open : UINT32_MAX;
    s->row->oldest_start_ns = oldest * NS_PER_MS;
}
