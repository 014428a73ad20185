#include "redis/key.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/host_key.h"

#define WINDOWS_KEPT 3

const char *const key_window_name[WINDOW_COUNT] = {"1m", "1h"};
const char *const key_set_name[HOST_SET_COUNT] = {"peers", "ports", "callers"};
const char *const key_counter_name[HOST_COUNTER_COUNT] = {
#define X(symbol, name, help) name,
    HOST_COUNTERS(X)
#undef X
};
const char *const key_gauge_name[GAUGE_COUNT] = {"on", "os", "dp", "dd", "dc"};
const char *const key_measure_name[KEY_MEASURE_COUNT] = {"out", "in", "opened", "peers"};

uint64_t key_measure(enum key_measure m, const struct host_row *r)
{
    switch (m) {
    case BY_OUT:
        return r->counters.value[HOST_OCTETS_OUT];
    case BY_IN:
        return r->counters.value[HOST_OCTETS_IN];
    case BY_OPENED:
        return r->counters.value[HOST_OPENED];
    default:
        return r->distinct[HOST_PEERS];
    }
}

size_t key_host(const struct host_key *key, enum host_window w, uint64_t start_ns, char *out)
{
    char host[IP_TEXT_MAX];

    host_key_text(key, host);
    return (size_t)snprintf(out, KEY_MAX, "weir:{%s}:h:%s:%" PRIu64, host, key_window_name[w],
                            start_ns / NS_PER_S);
}

size_t key_set(const struct host_key *key, enum host_set set, enum host_window w, uint64_t start_ns,
               const char *sensor, char *out)
{
    char host[IP_TEXT_MAX];

    host_key_text(key, host);
    return (size_t)snprintf(out, KEY_MAX, "weir:hll:{%s}:%s:%s:%" PRIu64 ":%s", host,
                            key_set_name[set], key_window_name[w], start_ns / NS_PER_S, sensor);
}

size_t key_top(const char *sensor, enum key_measure m, enum host_window w, uint64_t start_ns,
               char *out)
{
    return (size_t)snprintf(out, KEY_MAX, "weir:top:%s:%s:%s:%" PRIu64, sensor, key_measure_name[m],
                            key_window_name[w], start_ns / NS_PER_S);
}

size_t key_open(const char *sensor, char *out)
{
    return (size_t)snprintf(out, KEY_MAX, "weir:open:%s", sensor);
}

size_t key_sensor(const char *sensor, char *out)
{
    return (size_t)snprintf(out, KEY_MAX, "weir:sensor:%s", sensor);
}

size_t key_raised(const struct alert *a, char *out)
{
    char host[IP_TEXT_MAX], state[16] = "";

    host_key_text(&a->host, host);
    if (a->state == ALERT_CLEARED)
        strcpy(state, ":cleared");
    else if (a->level)
        sprintf(state, ":%u", a->level);
    return (size_t)snprintf(out, KEY_MAX, "weir:{alerts}:raised:%s:%s:%" PRIu64 ":%016" PRIx64 "%s",
                            a->rule, host, a->window_start_ns / NS_PER_S, a->id, state);
}

uint64_t key_ttl(enum host_window w)
{
    return WINDOWS_KEPT * host_window_ns[w] / NS_PER_S;
}
