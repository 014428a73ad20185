#include "redis/view.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/host_key.h"
#include "redis/key.h"
#include "redis/link.h"
#include "redis/resp.h"

#define LAST_SECONDS 60u
#define LISTED 64u /* connections of a sensor, alerts */

struct redis_view {
    struct link link;
    struct resp out;
    unsigned sensors;
    char sensor[REDIS_VIEW_SENSORS][CONFIG_NAME_MAX];
};

int redis_view_create(const struct redis_config *config, struct redis_view **out)
{
    struct redis_view *v = calloc(1, sizeof(*v));

    if (!v)
        return -ENOMEM;
    link_init(&v->link, config, "weir:top");
    *out = v;
    return 0;
}

void redis_view_destroy(struct redis_view *v)
{
    if (!v)
        return;
    link_fini(&v->link);
    resp_fini(&v->out);
    free(v);
}

/* Sends what was written. */
static bool send_all(struct redis_view *v)
{
    bool good = !v->out.failed && v->link.context &&
                redisAppendFormattedCommand(v->link.context, v->out.at, v->out.len) == REDIS_OK;

    resp_clear(&v->out);
    return good;
}

/* The next reply; NULL: an error, and the link is closed. */
static redisReply *next(struct redis_view *v)
{
    redisReply *r = link_reply(&v->link);

    if (r && r->type == REDIS_REPLY_ERROR) {
        link_note_error(&v->link, r->str);
        freeReplyObject(r);
        link_close(&v->link);
        return NULL;
    }
    return r;
}

/* --- Sensors --- */

static bool read_sensors(struct redis_view *v)
{
    resp_command(&v->out, 4, "ZRANGEBYSCORE");
    resp_text(&v->out, KEY_SENSORS);
    resp_number(&v->out, (uint64_t)time(NULL) - LAST_SECONDS);
    resp_text(&v->out, "+inf");
    redisReply *r = send_all(v) ? next(v) : NULL;
    if (!r)
        return false;
    v->sensors = 0;
    for (size_t i = 0; i < r->elements && v->sensors < REDIS_VIEW_SENSORS; i++)
        if (r->element[i]->str && r->element[i]->len < CONFIG_NAME_MAX)
            strcpy(v->sensor[v->sensors++], r->element[i]->str);
    freeReplyObject(r);
    return true;
}

/* --- Hosts --- */

static void add_host(struct redis_view_page *p, enum host_window w, uint64_t start_ns,
                     const char *text)
{
    struct host_key key;

    if (p->rows == p->rows_max || !host_key_parse(text, &key))
        return;
    for (size_t i = 0; i < p->rows; i++)
        if (memcmp(&p->row[i].key, &key, sizeof(key)) == 0)
            return;
    p->row[p->rows++] =
        (struct host_row){.key = key, .start_ns = start_ns, .window = (uint8_t)w, .inside = 1};
}

static bool read_leaders(struct redis_view *v, enum host_window w, uint64_t start_ns,
                         struct redis_view_page *p)
{
    char key[KEY_MAX];

    for (unsigned s = 0; s < v->sensors; s++)
        for (int m = 0; m < KEY_MEASURE_COUNT; m++) {
            resp_command(&v->out, 4, "ZREVRANGE");
            resp_bytes(&v->out, key, key_top(v->sensor[s], (enum key_measure)m, w, start_ns, key));
            resp_text(&v->out, "0");
            resp_text(&v->out, "-1");
        }
    bool good = send_all(v);
    for (unsigned i = 0; i < v->sensors * KEY_MEASURE_COUNT && good; i++) {
        redisReply *r = next(v);
        good = r != NULL;
        for (size_t e = 0; good && e < r->elements; e++)
            add_host(p, w, start_ns, r->element[e]->str ? r->element[e]->str : "");
        if (r)
            freeReplyObject(r);
    }
    return good;
}

static void ask_host(struct redis_view *v, const struct host_row *row)
{
    enum host_window w = (enum host_window)row->window;
    char key[KEY_MAX];

    resp_command(&v->out, 2, "HGETALL");
    resp_bytes(&v->out, key, key_host(&row->key, w, row->start_ns, key));
    resp_command(&v->out, 1 + v->sensors, "PFCOUNT");
    for (unsigned s = 0; s < v->sensors; s++)
        resp_bytes(&v->out, key,
                   key_set(&row->key, HOST_PEERS, w, row->start_ns, v->sensor[s], key));
}

static bool read_host(struct redis_view *v, struct host_row *row)
{
    struct reply_sum sum;
    redisReply *hash = next(v), *set = hash ? next(v) : NULL;

    if (set) {
        reply_sum_begin(&sum, row);
        for (size_t i = 0; i + 1 < hash->elements; i += 2)
            if (hash->element[i]->str && hash->element[i + 1]->str)
                reply_sum_field(&sum, hash->element[i]->str, (size_t)hash->element[i]->len,
                                hash->element[i + 1]->str);
        reply_sum_end(&sum);
        if (set->integer > (long long)row->distinct[HOST_PEERS])
            row->distinct[HOST_PEERS] = (uint32_t)set->integer;
        freeReplyObject(set);
    }
    if (hash)
        freeReplyObject(hash);
    return set != NULL;
}

static bool is_empty(const struct host_row *row)
{
    static const struct host_counters none;

    return memcmp(&row->counters, &none, sizeof(none)) == 0;
}

/* Lists may name hosts that have made room since: their counts are gone. */
static bool read_hosts(struct redis_view *v, struct redis_view_page *p)
{
    size_t asked = p->rows;

    for (size_t i = 0; i < asked; i++)
        ask_host(v, &p->row[i]);
    bool good = send_all(v);
    p->rows = 0;
    for (size_t i = 0; i < asked && good; i++) {
        struct host_row row = p->row[i];
        good = read_host(v, &row);
        if (!is_empty(&row))
            p->row[p->rows++] = row;
    }
    return good;
}

/* --- Connections and alerts --- */

static bool read_connections(struct redis_view *v, struct redis_view_page *p)
{
    char key[KEY_MAX];

    for (unsigned s = 0; s < v->sensors; s++) {
        resp_command(&v->out, 4, "LRANGE");
        resp_bytes(&v->out, key, key_open(v->sensor[s], key));
        resp_text(&v->out, "0");
        resp_number(&v->out, LISTED - 1);
    }
    bool good = send_all(v);
    for (unsigned s = 0; s < v->sensors && good; s++) {
        redisReply *r = next(v);
        good = r != NULL;
        for (size_t e = 0; good && e < r->elements; e++)
            if (r->element[e]->str)
                p->connection(p->context, r->element[e]->str);
        if (r)
            freeReplyObject(r);
    }
    return good;
}

/* An entry is an array of its id and an array of fields and values. */
static void tell_alert(const redisReply *entry, struct redis_view_page *p)
{
    const redisReply *fields = entry->elements == 2 ? entry->element[1] : NULL;

    for (size_t i = 0; fields && i + 1 < fields->elements; i += 2)
        if (fields->element[i]->str && strcmp(fields->element[i]->str, "alert") == 0 &&
            fields->element[i + 1]->str)
            p->alert(p->context, fields->element[i + 1]->str);
}

static bool read_alerts(struct redis_view *v, struct redis_view_page *p)
{
    resp_command(&v->out, 6, "XREVRANGE");
    resp_text(&v->out, KEY_ALERTS);
    resp_text(&v->out, "+");
    resp_text(&v->out, "-");
    resp_text(&v->out, "COUNT");
    resp_number(&v->out, LISTED);
    redisReply *r = send_all(v) ? next(v) : NULL;
    for (size_t i = 0; r && i < r->elements; i++)
        tell_alert(r->element[i], p);
    if (r)
        freeReplyObject(r);
    return r != NULL;
}

int redis_view_read(struct redis_view *v, enum host_window w, uint64_t time_ns,
                    struct redis_view_page *p, char error[REDIS_VIEW_ERROR_MAX])
{
    uint64_t start_ns = time_ns - time_ns % host_window_ns[w];

    p->rows = 0;
    resp_clear(&v->out);
    if ((v->link.context || link_open(&v->link)) && read_sensors(v) &&
        read_leaders(v, w, start_ns, p) && read_hosts(v, p) && read_connections(v, p) &&
        read_alerts(v, p)) {
        p->sensors = v->sensors;
        return 0;
    }
    snprintf(error, REDIS_VIEW_ERROR_MAX, "redis: %s: %s (%s)", v->link.where,
             redis_error_advice[v->link.error], v->link.why);
    link_close(&v->link);
    return -EIO;
}
