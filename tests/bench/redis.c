/*
 * How fast host rows get to Redis: redis ADDRESS HOSTS pushes a minute row of so many hosts, then
 * all of them again as they grow, and prints rows per second and the memory that Redis needs for
 * one.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "config/config.h"
#include "redis/redis.h"

#define CHUNK 128u
#define ROUNDS 3

static uint64_t clock_ns(clockid_t id)
{
    struct timespec t;

    clock_gettime(id, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static size_t no_json(const struct config *config, const struct alert *alert, char *out)
{
    (void)config, (void)alert;
    return (size_t)sprintf(out, "{}\n");
}

static void on_event(void *context, enum log_level level, const char *text)
{
    (void)context, (void)level;
    fprintf(stderr, "%s\n", text);
}

static void *run(void *store)
{
    redis_store_run(store);
    return NULL;
}

/* Counters of a host that does a bit of everything: 13 of them are not 0. */
static struct host_row row_of(uint32_t host, uint64_t start_ns, unsigned round)
{
    uint8_t address[4] = {10, (uint8_t)(host >> 16), (uint8_t)(host >> 8), (uint8_t)host};
    struct host_row r = {.key = host_key_of(4, address), .start_ns = start_ns, .inside = 1};

    for (int i = 0; i < 10; i++)
        r.counters.value[i] = (uint64_t)(host + 1) * 1000 * round;
    r.distinct[HOST_PEERS] = host % 50 + 1;
    r.distinct[HOST_PORTS] = host % 7 + 1;
    r.open = host % 5 + 1;
    return r;
}

static void give(struct store *s, uint32_t hosts, uint64_t start_ns, unsigned round)
{
    struct host_row row[CHUNK];
    uint32_t n = 0;

    for (uint32_t i = 0; i < hosts; i++) {
        row[n++] = row_of(i, start_ns, round);
        if (n == CHUNK || i + 1 == hosts) {
            s->ops->hosts(s, row, n);
            n = 0;
        }
    }
}

static void wait_for_all(struct redis_store *s)
{
    const struct timespec pause = {.tv_nsec = 2000000};
    struct redis_stats stats;

    do {
        nanosleep(&pause, NULL);
        redis_store_stats(s, &stats);
    } while (stats.rows_waiting);
}

static void measure(struct redis_store *s, uint32_t hosts)
{
    uint64_t now = clock_ns(CLOCK_REALTIME), start = now - now % host_window_ns[WINDOW_MINUTE];

    for (unsigned round = 1; round <= ROUNDS; round++) {
        uint64_t begin = clock_ns(CLOCK_MONOTONIC);
        give(redis_store_face(s), hosts, start, round);
        double given = (double)(clock_ns(CLOCK_MONOTONIC) - begin);
        wait_for_all(s);
        double taken = (double)(clock_ns(CLOCK_MONOTONIC) - begin);
        printf("%u rows in %.2f s: %.0f rows/s; the giver took %.0f ns for each\n", hosts,
               taken / 1e9, hosts / taken * 1e9, given / hosts);
    }
}

int main(int argc, char **argv)
{
    static struct config config;
    struct redis_options options = {.config = &config, .json = no_json, .event = on_event};
    struct redis_store *s;
    char error[REDIS_ERROR_MAX];
    struct rusage use;
    pthread_t thread;

    if (argc != 3)
        return fprintf(stderr, "usage: redis ADDRESS HOSTS\n"), 2;
    uint32_t hosts = (uint32_t)strtoul(argv[2], NULL, 10);
    config_defaults(&config);
    snprintf(config.redis.address, sizeof(config.redis.address), "%s", argv[1]);
    config.hosts.max_inside = hosts;
    options.started_ns = clock_ns(CLOCK_REALTIME);
    if (redis_store_create(&options, &s, error))
        return fprintf(stderr, "%s\n", error), 1;
    pthread_create(&thread, NULL, run, s);
    measure(s, hosts);
    redis_store_stop(s);
    pthread_join(thread, NULL);
    redis_store_destroy(s);
    getrusage(RUSAGE_SELF, &use);
    printf("resident at most %ld MB\n", use.ru_maxrss / 1024);
    return 0;
}
