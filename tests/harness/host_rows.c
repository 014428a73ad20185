/*
 * host_rows CAPTURE [REDIS]: what the hosts of a capture did, as the analyst pushes it to a store.
 *
 * Reads without timeouts, every address inside, and sums the last row of each window. A line per
 * host: address, hour windows, octets out and in, packets out and in, payload out and in, flows
 * opened and opened to it, distinct peers and ports of the one hour window (- when there are more).
 * The sums of minute windows must be those of hour windows: else it fails.
 *
 * REDIS, an address as redis.address has it, gets all rows and elements of sets too, as a running
 * sensor brings them there.
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/ip.h"
#include "capture/file.h"
#include "config/config.h"
#include "core/analyst.h"
#include "core/pipeline.h"
#include "redis/redis.h"

#define ELEMENTS_MOST 30000 /* waiting for Redis */

struct rows {
    struct store store;
    struct host_row *row;
    size_t count, room;
    struct redis_store *redis; /* NULL = none */
    pthread_t thread;
    uint64_t moved_ns; /* added to windows that go to Redis */
};

static struct {
    struct config config;
    struct hunt_rules rules;
    struct hunt_generation generation;
    struct hunter *hunter;
    struct analyst *analyst;
    struct rows rows;
} reader;

/* A store for living sensors forgets windows that are long over: hours are moved so that the first
 * one is the next. */
static uint64_t moved(struct rows *r, uint64_t start_ns)
{
    uint64_t hour = host_window_ns[WINDOW_HOUR];
    struct timespec now;

    if (!r->moved_ns) {
        clock_gettime(CLOCK_REALTIME, &now);
        r->moved_ns =
            (uint64_t)now.tv_sec * 1000000000u / hour * hour + hour - start_ns / hour * hour;
    }
    return start_ns + r->moved_ns;
}

/* A capture is read faster than Redis takes what it gives; nothing may be dropped. */
static void wait_for_redis(struct redis_store *s)
{
    const struct timespec pause = {.tv_nsec = 20000};
    struct redis_stats stats;

    redis_store_stats(s, &stats);
    while (stats.rows_waiting || stats.elements_waiting > ELEMENTS_MOST) {
        nanosleep(&pause, NULL);
        redis_store_stats(s, &stats);
    }
}

static void put_rows(struct rows *r, const struct host_row *row, size_t count)
{
    struct store *redis = redis_store_face(r->redis);

    for (size_t i = 0; i < count; i++) {
        struct host_row one = row[i];
        one.start_ns = moved(r, row[i].start_ns);
        redis->ops->hosts(redis, &one, 1);
    }
    wait_for_redis(r->redis);
}

static void take_rows(struct store *s, const struct host_row *row, size_t count)
{
    struct rows *r = (struct rows *)s;

    if (!count)
        return;
    if (r->redis)
        put_rows(r, row, count);
    while (r->count + count > r->room) {
        r->room = r->room ? 2 * r->room : 1024;
        r->row = realloc(r->row, r->room * sizeof(*r->row));
        if (!r->row)
            abort();
    }
    memcpy(r->row + r->count, row, count * sizeof(*row));
    r->count += count;
}

static void take_elements(struct store *s, const struct store_element *element, size_t count)
{
    struct rows *r = (struct rows *)s;
    struct store *redis = redis_store_face(r->redis);

    for (size_t i = 0; i < count; i++) {
        struct store_element one = element[i];
        one.start_ns = moved(r, element[i].start_ns);
        redis->ops->elements(redis, &one, 1);
    }
    wait_for_redis(r->redis);
}

static void take_connections(struct store *s, const struct store_connection *c, size_t count)
{
    (void)s, (void)c, (void)count;
}

static enum store_verdict take_alert(struct store *s, const struct alert *a)
{
    (void)s, (void)a;
    return VERDICT_NEW;
}

static size_t no_answers(struct store *s, struct store_answer *out, size_t max)
{
    (void)s, (void)out, (void)max;
    return 0;
}

static size_t no_sums(struct store *s, struct host_row *out, size_t max)
{
    (void)s, (void)out, (void)max;
    return 0;
}

static struct store_ops ops = {.name = "rows",
                               .hosts = take_rows,
                               .connections = take_connections,
                               .alert = take_alert,
                               .verdicts = no_answers,
                               .sums = no_sums};

static void on_alert(void *context, const struct alert *a)
{
    (void)context, (void)a;
}

static void on_record(void *context, const struct flow_record *r)
{
    (void)context, (void)r;
}

static void on_deltas(void *context, const struct flow_delta *d, uint32_t count)
{
    (void)context;
    hunter_deltas(reader.hunter, d, count);
}

static void on_turn(void *context, uint64_t clock_ns)
{
    (void)context;
    hunter_turn(reader.hunter);
    analyst_step(reader.analyst, &reader.hunter, 1, clock_ns);
}

static void on_event(void *context, enum log_level level, const char *text)
{
    (void)context;
    if (level <= LOG_WARNING)
        fprintf(stderr, "redis: %s\n", text);
}

static size_t no_json(const struct config *config, const struct alert *alert, char *out)
{
    (void)config, (void)alert, (void)out;
    return 0;
}

static void *run_redis(void *redis)
{
    redis_store_run(redis);
    return NULL;
}

static int start_redis(const char *address)
{
    struct redis_options options = {
        .config = &reader.config, .started_ns = 1, .json = no_json, .event = on_event};
    char error[REDIS_ERROR_MAX];

    snprintf(reader.config.redis.address, sizeof(reader.config.redis.address), "%s", address);
    int rc = redis_store_create(&options, &reader.rows.redis, error);
    if (rc)
        fprintf(stderr, "%s\n", error);
    else
        rc = -pthread_create(&reader.rows.thread, NULL, run_redis, reader.rows.redis);
    ops.elements = take_elements;
    return rc;
}

/* All must have got there. */
static int stop_redis(void)
{
    struct redis_stats stats;

    if (!reader.rows.redis)
        return 0;
    redis_store_stop(reader.rows.redis);
    pthread_join(reader.rows.thread, NULL);
    redis_store_stats(reader.rows.redis, &stats);
    redis_store_destroy(reader.rows.redis);
    return stats.rows_dropped || stats.elements_dropped || stats.rows_waiting ? -EIO : 0;
}

static int start(const char *redis)
{
    config_defaults(&reader.config);
    reader.config.flow.timeouts = false;
    reader.config.hosts.networks =
        (struct ip_prefixes){.count = 2, .prefix = {{.version = 4}, {.version = 6}}};
    hunt_builtin(&reader.rules);
    hunt_generation_init(&reader.generation, &reader.config, &reader.rules);
    reader.rows.store.ops = &ops;
    struct analyst_options options = {.config = &reader.config,
                                      .generation = &reader.generation,
                                      .store = &reader.rows.store,
                                      .fixed_secret = true,
                                      .alert = on_alert};
    int rc = redis ? start_redis(redis) : 0;
    rc = rc ? rc : hunter_create(&reader.config, &reader.generation, true, &reader.hunter);
    return rc ? rc : analyst_create(&options, &reader.analyst);
}

static int read_capture(const char *path)
{
    struct pipeline_options options = {
        .config = &reader.config, .record = on_record, .deltas = on_deltas, .turn = on_turn};
    char error[CAPTURE_ERROR_MAX];
    struct capture *source;
    struct pipeline *pipeline;

    if (capture_file_open(path, &(struct capture_file_options){0}, &source, error)) {
        fprintf(stderr, "%s\n", error);
        return -EIO;
    }
    int rc = pipeline_create(&options, &pipeline);
    if (!rc) {
        while (pipeline_step(pipeline, source) == CAPTURE_OK)
            ;
        pipeline_source_done(pipeline, source);
        pipeline_drain(pipeline);
        pipeline_destroy(pipeline);
    }
    capture_close(source);
    analyst_flush(reader.analyst);
    return rc;
}

static uint64_t all_counted(const struct host_row *r)
{
    uint64_t sum = 0;

    for (int i = 0; i < HOST_COUNTER_COUNT; i++)
        sum += r->counters.value[i];
    return sum;
}

static int order_of(uint64_t x, uint64_t y)
{
    return (x > y) - (x < y);
}

/* Of one window the later row has more. */
static int by_place(const void *a, const void *b)
{
    const struct host_row *x = a, *y = b;
    int order = memcmp(&x->key, &y->key, sizeof(x->key));

    order = order ? order : order_of(x->window, y->window);
    order = order ? order : order_of(x->start_ns, y->start_ns);
    return order ? order : order_of(all_counted(x), all_counted(y));
}

struct sum {
    struct host_counters counters[WINDOW_COUNT];
    unsigned windows;
    const struct host_row *last;
};

static void print_sum(const struct sum *s)
{
    const uint64_t *v = s->counters[WINDOW_HOUR].value;
    char text[IP_TEXT_MAX] = "other";

    if (!host_key_is_other(&s->last->key))
        ip_format(host_key_version(&s->last->key), host_key_address(&s->last->key), text);
    printf("%s\t%u", text, s->windows);
    for (int i = HOST_OCTETS_OUT; i <= HOST_PAYLOAD_IN; i++)
        printf("\t%" PRIu64, v[i]);
    printf("\t%" PRIu64 "\t%" PRIu64, v[HOST_OPENED], v[HOST_OPENED_IN]);
    if (s->windows == 1)
        printf("\t%u\t%u\n", s->last->distinct[HOST_PEERS], s->last->distinct[HOST_PORTS]);
    else
        puts("\t-\t-");
}

/* Rows of one host, from begin to end. */
static int sum_host(const struct host_row *begin, const struct host_row *end)
{
    struct sum s = {.last = begin};

    for (const struct host_row *r = begin; r < end; r++) {
        if (r + 1 < end && r[1].window == r->window && r[1].start_ns == r->start_ns)
            continue; /* not the last of its window */
        for (int i = 0; i < HOST_COUNTER_COUNT; i++)
            s.counters[r->window].value[i] += r->counters.value[i];
        s.windows += r->window == WINDOW_HOUR;
        s.last = r;
    }
    print_sum(&s);
    return memcmp(&s.counters[0], &s.counters[1], sizeof(s.counters[0])) ? -EPROTO : 0;
}

static int sum_all(struct rows *rows)
{
    int rc = 0;

    qsort(rows->row, rows->count, sizeof(*rows->row), by_place);
    for (size_t from = 0, to; from < rows->count; from = to) {
        for (to = from + 1; to < rows->count && memcmp(&rows->row[to].key, &rows->row[from].key,
                                                       sizeof(struct host_key)) == 0;)
            to++;
        int failed = sum_host(&rows->row[from], &rows->row[to]);
        rc = failed ? failed : rc;
    }
    return rc;
}

int main(int argc, char **argv)
{
    if (argc != 2 && argc != 3) {
        fputs("usage: host_rows CAPTURE [REDIS]\n", stderr);
        return 2;
    }
    int rc = start(argv[2]);
    rc = rc ? rc : read_capture(argv[1]);
    rc = rc ? rc : stop_redis();
    rc = rc ? rc : sum_all(&reader.rows);
    if (rc)
        fprintf(stderr, "host_rows: %s\n", strerror(-rc));
    analyst_destroy(reader.analyst);
    hunter_destroy(reader.hunter);
    free(reader.rows.row);
    return rc ? 1 : 0;
}
