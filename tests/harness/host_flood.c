/*
 * host_flood SOURCES REDIS: a spoofed flood, as hosts, hunts and a Redis meet it.
 *
 * So many different sources, every second one with an inside address, send one packet of 60 octets
 * each to an inside host, which answers none: 20000 in a turn of half a second. hosts.max_inside is
 * 4000, hosts.max_outside 1000. Windows begin with the next hour, so that they are whole. Prints
 * {"sources": .., "octets": .., "difference": .., "inside": .., "outside": .., "rows_dropped": ..,
 * "half_mb": .., "mb": ..}: the last two are resident memory halfway and at the end.
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "config/config.h"
#include "core/analyst.h"
#include "redis/redis.h"
#include "weir/wire.h"

#define PER_TURN 20000u
#define TURN_NS UINT64_C(500000000)
#define PACKET 60u
#define ROWS_MOST 100000 /* waiting for Redis */

static struct {
    struct config config;
    struct hunt_rules rules;
    struct hunt_generation generation;
    struct hunter *hunter;
    struct analyst *analyst;
    struct redis_store *redis;
    pthread_t thread;
    uint64_t clock_ns;
} flood;

static void on_event(void *context, enum log_level level, const char *text)
{
    (void)context;
    if (level <= LOG_WARNING)
        fprintf(stderr, "redis: %s\n", text);
}

static size_t no_json(const struct config *config, const struct alert *alert, char *out)
{
    (void)config, (void)alert;
    return (size_t)sprintf(out, "{}\n");
}

static void on_alert(void *context, const struct alert *alert)
{
    (void)context, (void)alert;
}

static void *run_redis(void *redis)
{
    redis_store_run(redis);
    return NULL;
}

static int start_redis(const char *address)
{
    struct redis_options options = {
        .config = &flood.config, .started_ns = 1, .json = no_json, .event = on_event};
    char error[REDIS_ERROR_MAX];

    snprintf(flood.config.redis.address, sizeof(flood.config.redis.address), "%s", address);
    int rc = redis_store_create(&options, &flood.redis, error);
    return rc ? rc : -pthread_create(&flood.thread, NULL, run_redis, flood.redis);
}

static int start(const char *address)
{
    config_defaults(&flood.config);
    flood.config.hosts.max_inside = 4000;
    flood.config.hosts.max_outside = 1000;
    hunt_builtin(&flood.rules);
    hunt_generation_init(&flood.generation, &flood.config, &flood.rules);
    int rc = start_redis(address);
    if (rc)
        return rc;
    struct analyst_options options = {.config = &flood.config,
                                      .generation = &flood.generation,
                                      .store = redis_store_face(flood.redis),
                                      .alert = on_alert};
    rc = hunter_create(&flood.config, &flood.generation, false, &flood.hunter);
    return rc ? rc : analyst_create(&options, &flood.analyst);
}

static void put_address(uint8_t *out, uint32_t address)
{
    for (int i = 0; i < 4; i++)
        out[i] = (uint8_t)(address >> (24 - 8 * i));
}

static struct flow_delta packet(uint32_t number)
{
    struct flow_delta d = {.octets = {PACKET},
                           .packets = {1},
                           .total = {{1}, {PACKET}},
                           .conn_start_ns = flood.clock_ns,
                           .last_ns = flood.clock_ns,
                           .flow_id = number + 1,
                           .port = {40000, 80},
                           .ip_version = 4,
                           .proto = PROTO_TCP,
                           .opened = 1,
                           .failed = 1,
                           .closed = 1};

    put_address(d.address[0], (number % 2 ? 0x14000000u : 0x0a000000u) + number / 2);
    put_address(d.address[1], 0x0afffffeu);
    return d;
}

static void wait_for_redis(void)
{
    const struct timespec pause = {.tv_nsec = 100000};
    struct redis_stats stats;

    redis_store_stats(flood.redis, &stats);
    while (stats.rows_waiting > ROWS_MOST) {
        nanosleep(&pause, NULL);
        redis_store_stats(flood.redis, &stats);
    }
}

static void turn(uint32_t from, uint32_t to)
{
    struct flow_delta d[FLOW_DELTA_BURST];
    uint32_t n = 0;

    for (uint32_t i = from; i < to; i++) {
        d[n++] = packet(i);
        if (n == FLOW_DELTA_BURST || i + 1 == to) {
            hunter_deltas(flood.hunter, d, n);
            n = 0;
        }
    }
    hunter_turn(flood.hunter);
    analyst_step(flood.analyst, &flood.hunter, 1, flood.clock_ns);
    wait_for_redis();
    flood.clock_ns += TURN_NS;
}

static unsigned resident_mb(void)
{
    unsigned long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");

    if (f && fscanf(f, "%*u %lu", &pages) != 1)
        pages = 0;
    if (f)
        fclose(f);
    return (unsigned)(pages * (unsigned long)sysconf(_SC_PAGESIZE) >> 20);
}

static void next_hour(void)
{
    struct timespec now;
    uint64_t hour = host_window_ns[WINDOW_HOUR];

    clock_gettime(CLOCK_REALTIME, &now);
    flood.clock_ns = ((uint64_t)now.tv_sec * 1000000000u / hour + 1) * hour;
}

static unsigned send_all(uint32_t sources)
{
    unsigned half_mb = 0;

    next_hour();
    for (uint32_t i = 0; i < sources; i += PER_TURN) {
        turn(i, sources - i < PER_TURN ? sources : i + PER_TURN);
        if (!half_mb && i >= sources / 2)
            half_mb = resident_mb();
    }
    turn(0, 0); /* the table that was offered last */
    analyst_flush(flood.analyst);
    return half_mb;
}

int main(int argc, char **argv)
{
    struct analyst_stats stats;
    struct redis_stats redis;

    if (argc != 3)
        return fputs("usage: host_flood SOURCES REDIS\n", stderr), 2;
    uint32_t sources = (uint32_t)strtoul(argv[1], NULL, 10);
    int rc = start(argv[2]);
    if (rc)
        return fprintf(stderr, "host_flood: %s\n", strerror(-rc)), 1;
    unsigned half_mb = send_all(sources), mb = resident_mb();
    redis_store_stop(flood.redis);
    pthread_join(flood.thread, NULL);
    redis_store_stats(flood.redis, &redis);
    analyst_stats(flood.analyst, &stats);
    printf("{\"sources\": %u, \"octets\": %" PRIu64 ", \"difference\": %" PRId64
           ", \"inside\": %" PRIu64 ", \"outside\": %" PRIu64 ", \"rows_dropped\": %" PRIu64
           ", \"half_mb\": %u, \"mb\": %u}\n",
           sources, stats.octets, stats.difference, stats.hosts_inside, stats.hosts_outside,
           redis.rows_dropped, half_mb, mb);
    analyst_destroy(flood.analyst);
    hunter_destroy(flood.hunter);
    redis_store_destroy(flood.redis);
    return 0;
}
