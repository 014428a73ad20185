#include "redis/batch.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "redis/key.h"
#include "redis/redis.h"

#define SENSOR_TTL 60u
#define FLEET_SECONDS 3600u /* a sensor belongs to the fleet so long after it was last here */
#define SENSORS_KEPT 86400u
#define CONNECTIONS_TTL 60u

enum expectation {
    EXPECT_ANY,
    EXPECT_ROW,
    EXPECT_ELEMENTS,
    EXPECT_SUM,
    EXPECT_SET,
    EXPECT_ALERT,
    EXPECT_BEAT,
    EXPECT_RUN,
    EXPECT_FLEET
};

void batch_fini(struct batch *b)
{
    resp_fini(&b->out);
}

void batch_clear(struct batch *b)
{
    resp_clear(&b->out);
    b->expected = b->answered = 0;
    b->rows = b->elements = b->elements_pushed = b->alerts = b->connections = 0;
    b->has_connections = b->has_beat = b->failed = false;
    b->beat_new = 0;
    b->stranger = false;
    b->next_fleet.count = 0;
    memset(b->errors, 0, sizeof(b->errors));
}

static void expect(struct batch *b, enum expectation kind, unsigned set, size_t index)
{
    b->expect[b->expected].kind = (uint8_t)kind;
    b->expect[b->expected].set = (uint8_t)set;
    b->expect[b->expected++].index = (uint16_t)index;
}

static void expect_any(struct batch *b, unsigned commands)
{
    while (commands--)
        expect(b, EXPECT_ANY, 0, 0);
}

/* --- Writing --- */

static int by_set(const void *a, const void *b)
{
    int rc = memcmp(a, b, offsetof(struct store_element, element));

    return rc ? rc
              : memcmp((const char *)a + offsetof(struct store_element, window),
                       (const char *)b + offsetof(struct store_element, window), 2);
}

static void write_elements(struct batch *b, const struct redis_author *a)
{
    size_t from = 0;

    qsort(b->element, b->elements, sizeof(*b->element), by_set);
    for (size_t i = 1; i <= b->elements; i++) {
        if (i < b->elements && by_set(&b->element[from], &b->element[i]) == 0)
            continue;
        unsigned commands = command_elements(&b->out, a, &b->element[from], i - from);
        expect(b, EXPECT_ELEMENTS, 0, i - from);
        expect_any(b, commands - 1);
        from = i;
    }
}

static void write_alerts(struct batch *b, const struct redis_author *a, alert_encoder *json,
                         const struct config *config)
{
    char text[ALERT_LINE_MAX];

    for (size_t i = 0; i < b->alerts; i++) {
        size_t len = json(config, &b->alert[i].alert, text);
        while (len && text[len - 1] == '\n')
            len--;
        command_alert(&b->out, a, &b->alert[i].alert, text, len);
        b->alert_new[i] = -1;
        expect(b, EXPECT_ALERT, 0, i);
    }
}

/* What the fleet has of a host: its hash, and its sets over all sensors. */
static void write_sum(struct batch *b, size_t i)
{
    const struct host_row *r = &b->row[i].row;
    enum host_window w = (enum host_window)r->window;
    char key[KEY_MAX];

    resp_command(&b->out, 2, "HGETALL");
    resp_bytes(&b->out, key, key_host(&r->key, w, r->start_ns, key));
    expect(b, EXPECT_SUM, 0, i);
    for (int set = 0; set < HOST_SET_COUNT; set++) {
        if (!r->distinct[set])
            continue;
        resp_command(&b->out, 1 + b->fleet.count, "PFCOUNT");
        for (unsigned s = 0; s < b->fleet.count; s++)
            resp_bytes(&b->out, key,
                       key_set(&r->key, (enum host_set)set, w, r->start_ns, b->fleet.name[s], key));
        expect(b, EXPECT_SET, (unsigned)set, i);
    }
}

static void write_row(struct batch *b, const struct redis_author *a, size_t i)
{
    const struct rows_taken *t = &b->row[i];
    unsigned wipes = t->wipe ? command_wipe(&b->out, a, &t->row) : 0;
    unsigned commands = t->row.gone ? 0 : command_row(&b->out, a, t);

    b->again[i] = wipes + commands != 0; /* until the reply of the last that counts */
    b->summed[i] = false;
    if (wipes)
        expect(b, commands ? EXPECT_ANY : EXPECT_ROW, 0, i);
    if (!commands)
        return;
    expect(b, EXPECT_ROW, 0, i);
    expect_any(b, commands - 1);
    if (b->fleet.count > 1 && b->row[i].row.inside)
        write_sum(b, i);
    expect_any(b, top_offer(&b->top, &b->row[i].row, a, &b->out));
}

void batch_write(struct batch *b, const struct redis_author *a, alert_encoder *json,
                 const struct config *config, bool end)
{
    write_alerts(b, a, json, config);
    write_elements(b, a);
    for (size_t i = 0; i < b->rows; i++)
        write_row(b, a, i);
    if (b->has_connections)
        expect_any(b,
                   command_connections(&b->out, a, b->connection, b->connections, CONNECTIONS_TTL));
    if (end)
        expect_any(b, top_write(&b->top, a, &b->out));
}

static void write_fleet(struct batch *b, const struct redis_author *a, uint64_t now)
{
    resp_command(&b->out, 4, "ZADD");
    resp_text(&b->out, KEY_SENSORS);
    resp_number(&b->out, now);
    resp_text(&b->out, a->sensor);
    resp_command(&b->out, 4, "ZREMRANGEBYSCORE");
    resp_text(&b->out, KEY_SENSORS);
    resp_text(&b->out, "-inf");
    resp_number(&b->out, now - SENSORS_KEPT);
    expect_any(b, 2);
    resp_command(&b->out, 4, "ZRANGEBYSCORE");
    resp_text(&b->out, KEY_SENSORS);
    resp_number(&b->out, now - FLEET_SECONDS);
    resp_text(&b->out, "+inf");
    expect(b, EXPECT_FLEET, 0, 0);
}

size_t batch_write_beat(struct batch *b, const struct redis_author *a,
                        const struct redis_note *note, size_t notes, uint64_t now)
{
    char key[KEY_MAX];
    size_t len = key_sensor(a->sensor, key);

    write_fleet(b, a, now);
    resp_command(&b->out, 3, "HGET");
    resp_bytes(&b->out, key, len);
    resp_text(&b->out, "run");
    expect(b, EXPECT_RUN, 0, 0);
    resp_command(&b->out, (unsigned)(2 + 2 * (2 + notes)), "HSET");
    resp_bytes(&b->out, key, len);
    resp_text(&b->out, "run");
    resp_text(&b->out, a->run);
    resp_text(&b->out, "seen");
    resp_number(&b->out, now);
    for (size_t i = 0; i < notes; i++) {
        resp_text(&b->out, note[i].name);
        resp_number(&b->out, note[i].value);
    }
    expect(b, EXPECT_BEAT, 0, 0);
    resp_command(&b->out, 3, "EXPIRE");
    resp_bytes(&b->out, key, len);
    resp_number(&b->out, SENSOR_TTL);
    expect_any(b, 1);
    b->has_beat = true;
    return 2 + notes;
}

/* --- Reading --- */

static void read_error(struct batch *b, struct link *l, unsigned i, const char *text)
{
    enum redis_error error = reply_error(text);

    /* a transaction that was refused is told by the command that was */
    if (strncmp(text, "EXECABORT", 9) == 0)
        return;
    link_note_error(l, text);
    b->errors[error]++;
    b->failed = true;
    if (b->expect[i].kind == EXPECT_ALERT && (error == REDIS_OTHER || error == REDIS_NOPERM))
        b->alert_new[b->expect[i].index] = -2;
}

static void read_sum(struct host_row *sum, const struct rows_taken *of, const redisReply *r)
{
    struct reply_sum s;

    *sum = of->row;
    reply_sum_begin(&s, sum);
    for (size_t i = 0; i + 1 < r->elements; i += 2)
        if (r->element[i]->str && r->element[i + 1]->str)
            reply_sum_field(&s, r->element[i]->str, (size_t)r->element[i]->len,
                            r->element[i + 1]->str);
    reply_sum_end(&s);
}

static void read_set(struct host_row *sum, unsigned set, long long count)
{
    if (count > (long long)sum->distinct[set] && count <= UINT32_MAX)
        sum->distinct[set] = (uint32_t)count;
}

static void read_fleet(struct fleet *f, const redisReply *r)
{
    f->count = 0;
    for (size_t i = 0; i < r->elements && f->count < FLEET_MAX; i++)
        if (r->element[i]->str && r->element[i]->len < CONFIG_NAME_MAX)
            strcpy(f->name[f->count++], r->element[i]->str);
}

static void read_reply(struct batch *b, const struct redis_author *a, unsigned i,
                       const redisReply *r)
{
    size_t index = b->expect[i].index;

    switch (b->expect[i].kind) {
    case EXPECT_ROW:
        b->again[index] = false;
        break;
    case EXPECT_ELEMENTS:
        b->elements_pushed += index;
        break;
    case EXPECT_SUM:
        if (r->type == REDIS_REPLY_ARRAY)
            read_sum(&b->sum[index], &b->row[index], r);
        b->summed[index] = r->type == REDIS_REPLY_ARRAY;
        break;
    case EXPECT_SET:
        if (r->type == REDIS_REPLY_INTEGER && b->summed[index])
            read_set(&b->sum[index], b->expect[i].set, r->integer);
        break;
    case EXPECT_ALERT:
        b->alert_new[index] = r->type == REDIS_REPLY_INTEGER && r->integer == 0 ? 0 : 1;
        break;
    case EXPECT_BEAT:
        b->beat_new = r->type == REDIS_REPLY_INTEGER ? r->integer : 0;
        break;
    case EXPECT_RUN:
        b->stranger = r->type == REDIS_REPLY_STRING && strcmp(r->str, a->run) != 0;
        break;
    case EXPECT_FLEET:
        if (r->type == REDIS_REPLY_ARRAY)
            read_fleet(&b->next_fleet, r);
        break;
    default:
        break;
    }
}

bool batch_run(struct batch *b, const struct redis_author *a, struct link *l)
{
    if (!b->expected)
        return true;
    if (b->out.failed ||
        redisAppendFormattedCommand(l->context, b->out.at, b->out.len) != REDIS_OK) {
        l->error = REDIS_OTHER;
        strcpy(l->why, "no memory for commands");
        link_close(l);
        return false;
    }
    for (unsigned i = 0; i < b->expected; i++) {
        redisReply *r = link_reply(l);
        if (!r)
            return false;
        b->answered++;
        if (r->type == REDIS_REPLY_ERROR)
            read_error(b, l, i, r->str);
        else
            read_reply(b, a, i, r);
        freeReplyObject(r);
    }
    if (b->next_fleet.count)
        b->fleet = b->next_fleet;
    return true;
}
