/*
 * What exporting costs: messages made per second and core, or a session's whole way.
 *
 *   export [--profile NAME] [--records N] [--message-size N] [--tcp] [--rounds N]
 *
 * Without --tcp: message_builder alone, into memory. With --tcp: the exporter, over loopback, to a
 * thread that reads and throws away; CPU time is that of the exporting thread. Prints one line of
 * JSON: records, records per second (of the fastest round), CPU nanoseconds per record, octets per
 * record. The records are TCP and UDP over IPv4 and IPv6, four of five in both directions.
 */
#include <arpa/inet.h>
#include <getopt.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "config/config.h"
#include "export/exporter.h"
#include "export/message.h"
#include "format/format.h"
#include "weir/config.h"
#include "weir/flow.h"

#define KINDS 1024 /* different records, sent round and round */

struct arguments {
    const char *profile;
    uint64_t records, message_size, rounds;
    bool tcp;
};

struct result {
    uint64_t wall_ns, cpu_ns, octets;
};

static const char *const profiles[PROFILE_COUNT] = {
    [PROFILE_CORE] = "core", [PROFILE_ELK] = "elk",   [PROFILE_UNIFLOW] = "uniflow",
    [PROFILE_SILK] = "silk", [PROFILE_RICH] = "rich", [PROFILE_ECS] = "ecs",
    [PROFILE_JSON] = "json",
};

static void die(const char *text)
{
    fprintf(stderr, "bench/export: %s\n", text);
    exit(1);
}

static uint64_t clock_ns(clockid_t id)
{
    struct timespec t;

    clock_gettime(id, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static uint64_t profile_of(const char *name)
{
    for (uint64_t i = 0; i < PROFILE_COUNT; i++)
        if (strcmp(profiles[i], name) == 0)
            return i;
    die("--profile: no such profile");
    return 0;
}

static void make_record(struct flow_record *r, uint32_t i)
{
    uint64_t start = UINT64_C(1700000000000000000) + i * UINT64_C(1234567);

    *r = (struct flow_record){
        .delta = {{10 + i % 7, 8}, {1500 + i, 9000}, {900, 8000}},
        .total = {{10 + i % 7, 8}, {1500 + i, 9000}, {900, 8000}},
        .flow_id = 0x0123456789000000 + i,
        .conn_start_ns = start,
        .start_ns = start,
        .end_ns = start + 1000000000,
        .first_ns = {start, start + 20000000},
        .last_ns = {start + 1000000000, start + 900000000},
        .record_no = 1,
        .rtt_us = 20000,
        .port = {(uint16_t)(40000 + i), 443},
        .ip_version = i % 4 ? 4 : 6,
        .proto = i % 3 ? 6 : 17,
        .end_reason = END_DETECTED,
        .direction_basis = BASIS_SYN,
        .conn_state = CONN_SF,
        .flags = {0x1b, 0x1b},
        .ttl_min = {64, 57},
        .ttl_max = {64, 57},
        .history = "ShADadFf",
    };
    memcpy(r->address[0], &i, sizeof(i));
    if (i % 5 == 0)
        r->delta.packets[1] = r->delta.octets[1] = 0;
}

static struct flow_record *make_records(void)
{
    struct flow_record *r = calloc(KINDS, sizeof(*r));

    if (!r)
        die("out of memory");
    for (uint32_t i = 0; i < KINDS; i++)
        make_record(&r[i], i);
    return r;
}

static struct result encode(const struct arguments *a, const struct config *config,
                            const struct flow_record *records)
{
    static uint8_t out[MESSAGE_MAX + 1];
    struct message_builder *b;
    struct result result = {0};
    struct message_options o = {
        .config = config,
        .profile = profile_of(a->profile),
        .encoder = strcmp(a->profile, "ecs") == 0 ? &format_ecs : &format_json,
        .message_size = (uint32_t)a->message_size,
        .community_id = community_id,
    };

    if (message_builder_create(&o, &b))
        die("message_builder_create() failed");
    result.wall_ns = clock_ns(CLOCK_MONOTONIC);
    result.cpu_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    for (uint64_t i = 0; i < a->records; i++)
        while (!message_builder_add(b, &records[i % KINDS]))
            result.octets += message_builder_take(b, out).len;
    result.octets += message_builder_take(b, out).len;
    result.cpu_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID) - result.cpu_ns;
    result.wall_ns = clock_ns(CLOCK_MONOTONIC) - result.wall_ns;
    message_builder_destroy(b);
    return result;
}

/* --- Over TCP --- */

struct sink {
    int listening;
    uint64_t octets;
};

static void *sink_run(void *context)
{
    static char buffer[1 << 18];
    struct sink *s = context;
    int fd = accept(s->listening, NULL, NULL);

    for (ssize_t n; (n = read(fd, buffer, sizeof(buffer))) > 0;)
        s->octets += (uint64_t)n;
    close(fd);
    return NULL;
}

static uint16_t sink_open(struct sink *s)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);

    s->listening = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(s->listening, (struct sockaddr *)&address, len) || listen(s->listening, 1) ||
        getsockname(s->listening, (struct sockaddr *)&address, &len))
        die("cannot listen on loopback");
    return ntohs(address.sin_port);
}

static void send_all(const struct arguments *a, struct exporter *e,
                     const struct flow_record *records)
{
    for (uint64_t i = 0; i < a->records; i++) {
        while (!exporter_room(e))
            exporter_step(e, 100);
        exporter_add(e, &records[i % KINDS]);
        if (i % 256 == 0)
            exporter_step(e, 0);
    }
    if (!exporter_drain(e, clock_ns(CLOCK_MONOTONIC) + UINT64_C(60000000000)))
        die("not everything was acknowledged");
}

static struct result session(const struct arguments *a, const struct config *base,
                             const struct flow_record *records)
{
    static struct config config;
    char url[128], error[EXPORTER_ERROR_MAX];
    struct config_error why;
    struct sink sink = {0};
    pthread_t thread;
    struct exporter *e;
    struct result result;
    struct exporter_options o = {
        .config = &config, .ecs = &format_ecs, .json = &format_json, .community_id = community_id};

    config = *base;
    snprintf(url, sizeof(url), "tcp://127.0.0.1:%u?profile=%s&message_size=%" PRIu64,
             sink_open(&sink), a->profile, a->message_size);
    if (config_add_collector(&config, url, &why) || config_check(&config, &why))
        die(why.text);
    if (exporter_create(&o, &e, error))
        die(error);
    pthread_create(&thread, NULL, sink_run, &sink);
    result.wall_ns = clock_ns(CLOCK_MONOTONIC);
    result.cpu_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
    send_all(a, e, records);
    result.cpu_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID) - result.cpu_ns;
    result.wall_ns = clock_ns(CLOCK_MONOTONIC) - result.wall_ns;
    exporter_destroy(e);
    pthread_join(thread, NULL);
    close(sink.listening);
    result.octets = sink.octets;
    return result;
}

static uint64_t number(const char *text)
{
    char *end;
    uint64_t value = strtoull(text, &end, 10);

    if (!value || *end)
        die("numbers are at least 1");
    return value;
}

static void parse(int argc, char **argv, struct arguments *a)
{
    static const struct option options[] = {
        {"profile", required_argument, NULL, 'p'},      {"records", required_argument, NULL, 'r'},
        {"message-size", required_argument, NULL, 'm'}, {"tcp", no_argument, NULL, 't'},
        {"rounds", required_argument, NULL, 'n'},       {0}};

    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;)
        switch (c) {
        case 'p':
            a->profile = optarg;
            break;
        case 'r':
            a->records = number(optarg);
            break;
        case 'm':
            a->message_size = number(optarg);
            break;
        case 'n':
            a->rounds = number(optarg);
            break;
        case 't':
            a->tcp = true;
            break;
        default:
            exit(2);
        }
}

int main(int argc, char **argv)
{
    static struct config config;
    struct arguments a = {.profile = "core", .records = 1000000, .message_size = 8192, .rounds = 5};
    struct result best = {.wall_ns = UINT64_MAX};

    parse(argc, argv, &a);
    config_defaults(&config);
    config.exports.enterprise = 64999;
    struct flow_record *records = make_records();
    for (uint64_t i = 0; i < a.rounds; i++) {
        struct result r = a.tcp ? session(&a, &config, records) : encode(&a, &config, records);
        if (r.wall_ns < best.wall_ns)
            best = r;
    }
    printf("{\"bench\":\"export\",\"way\":\"%s\",\"profile\":\"%s\",\"records\":%" PRIu64
           ",\"records_per_s\":%.0f,\"cpu_ns_per_record\":%.1f,\"octets_per_record\":%.1f}\n",
           a.tcp ? "tcp" : "encode", a.profile, a.records,
           (double)a.records * 1e9 / (double)best.wall_ns, (double)best.cpu_ns / (double)a.records,
           (double)best.octets / (double)a.records);
    free(records);
    return 0;
}
