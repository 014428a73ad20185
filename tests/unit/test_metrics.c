#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/metrics.h"
#include "core/sensor.h"
#include "core/status.h"
#include "harness/fake_status.h"

struct fixture {
    struct sensor_status *status;
    char *text;
    size_t len;
    struct metrics_server *server;
    char error[METRICS_ERROR_MAX];
    atomic_int asked;
};

static int make_fixture(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    *state = f;
    return f && (f->status = fake_status()) ? 0 : -1;
}

static int free_fixture(void **state)
{
    struct fixture *f = *state;

    metrics_server_close(f->server);
    free(f->text);
    free(f->status);
    free(f);
    return 0;
}

static const char *render(struct fixture *f, void (*print)(const struct sensor_status *, FILE *))
{
    free(f->text);
    FILE *out = open_memstream(&f->text, &f->len);
    assert_non_null(out);
    print(f->status, out);
    assert_int_equal(fclose(out), 0);
    return f->text;
}

/* --- Text --- */

static void every_field_and_element_has_its_own_sample(void **state)
{
    struct fixture *f = *state;
    const char *text = render(f, metrics_render);
    unsigned missing = 0;

    /* values 1001, 1002, ... were given to fields in order; a few were set otherwise after it */
    for (unsigned value = 1001; value < 1100; value++) {
        char end[16];
        snprintf(end, sizeof(end), " %u\n", value);
        missing += strstr(text, end) == NULL;
    }
    assert_true(missing < 12);
    for (int i = 0; i < FATE_COUNT; i++) {
        char line[128];
        snprintf(line, sizeof(line),
                 "weir_worker_packets_total{worker=\"1\",group=\"%s\",fate=\"%s\"} ",
                 weir_fate_info[i].group, weir_fate_info[i].label);
        assert_non_null(strstr(text, line));
    }
    for (int i = 0; i < NOTE_COUNT; i++) {
        char line[128];
        snprintf(line, sizeof(line),
                 "weir_worker_notes_total{worker=\"0\",group=\"%s\",note=\"%s\"} ",
                 weir_note_info[i].group, weir_note_info[i].label);
        assert_non_null(strstr(text, line));
    }
}

static void assert_line(const char *text, const char *line)
{
    char whole[256];

    snprintf(whole, sizeof(whole), "\n%s\n", line);
    if (!strstr(text, whole))
        fail_msg("no line: %s", line);
}

static void values_keep_their_units_and_signs(void **state)
{
    struct fixture *f = *state;
    const char *text = render(f, metrics_render);

    assert_line(text, "weir_start_time_seconds 1700000000.000000005");
    assert_line(text, "weir_clock_offset_seconds -0.250000000");
    assert_line(text, "weir_worker_core{worker=\"0\"} -1");
    assert_line(text, "weir_port_up{port=\"0\",source=\"xdp:eth0\"} 1");
    assert_line(text, "weir_port_up{port=\"1\",source=\"dpdk:net_null0,size=64\"} 0");
    assert_line(text, "weir_worker_snapshot_age_seconds{worker=\"0\"} 0.500000000");
    assert_line(text, "weir_worker_snapshot_age_seconds{worker=\"1\"} 0.000000000");
    assert_line(text, "weir_state{state=\"running\"} 1");
    assert_line(text, "weir_build_info{version=\"" WEIR_VERSION "\"} 1");
}

static void labels_are_escaped_and_unique(void **state)
{
    struct fixture *f = *state;
    const char *text = render(f, metrics_render);

    assert_line(text, "weir_collector_state{collector=\"primary\",state=\"up\"} 1");
    assert_line(text, "weir_collector_state{collector=\"primary#2\",state=\"closing\"} 1");
    assert_line(text, "weir_collector_state{collector=\"quote\\\" back\\\\slash ??\","
                      "state=\"waiting\"} 1");
}

static void the_longest_names_fit(void **state)
{
    struct fixture *f = *state;

    memset(f->status->port[0].source, '"', sizeof(f->status->port[0].source) - 1);
    memset(f->status->collector[0].name, '\\', sizeof(f->status->collector[0].name) - 1);
    memset(f->status->name, '\n', sizeof(f->status->name) - 1);
    assert_non_null(strstr(render(f, metrics_render), "weir_ledger_closed"));
    assert_non_null(strstr(render(f, status_json), "\\\"\\\"\\\""));
}

static void each_line_of_the_ledger_is_told(void **state)
{
    struct fixture *f = *state;

    f->status->worker[1].ledger.handed += 3;
    const char *text = render(f, metrics_render);
    assert_line(text, "weir_ledger_difference{worker=\"1\",line=\"records\"} -3");
    assert_line(text, "weir_ledger_difference{worker=\"1\",line=\"flows\"} 0");
    assert_line(text, "weir_ledger_difference{worker=\"0\",line=\"records\"} 0");
}

static void upstream_loss_is_a_share_of_tcp(void **state)
{
    struct fixture *f = *state;

    f->status->worker[0].snapshot.tcp_packets = 0;
    f->status->worker[1].snapshot.tcp_packets = 1000;
    f->status->worker[1].snapshot.counters.note[NOTE_ACKED_UNSEEN] = 5;
    const char *text = render(f, metrics_render);
    assert_line(text, "weir_worker_upstream_loss_ratio{worker=\"0\"} 0.000000000");
    assert_line(text, "weir_worker_upstream_loss_ratio{worker=\"1\"} 0.005000000");
}

/* --- Health --- */

static void healthy(struct sensor_status *s)
{
    memset(&s->face, 0, sizeof(s->face));
    for (unsigned i = 0; i < s->collector_count; i++)
        s->collector[i].stats = (struct collector_stats){.state = COLLECTOR_UP};
    for (unsigned i = 0; i < s->port_count; i++)
        s->port[i].interface.gone = false;
}

static void health_names_what_is_wrong(void **state)
{
    struct fixture *f = *state;
    struct sensor_status *s = f->status;
    char line[256];

    healthy(s);
    assert_true(metrics_healthy(s, line, sizeof(line)));
    assert_string_equal(line, "ok");
    s->face.handed = 1;
    assert_false(metrics_healthy(s, line, sizeof(line)));
    assert_string_equal(line, "ledger open");
    s->collector[1].stats.handed.records = 1;
    assert_false(metrics_healthy(s, line, sizeof(line)));
    assert_string_equal(line, "ledger open at collector quote\" back\\slash \xc3\xbc");
    s->port[1].interface.gone = true;
    assert_false(metrics_healthy(s, line, sizeof(line)));
    assert_string_equal(line, "port dpdk:net_null0,size=64: gone");
    s->worker[1].ledger.lost = 1;
    assert_false(metrics_healthy(s, line, sizeof(line)));
    assert_string_equal(line, "ledger open at worker 1: records made = handed on + lost");
    s->worker[0].stuck = true;
    assert_false(metrics_healthy(s, line, sizeof(line)));
    assert_string_equal(line, "worker 0: stuck");
    s->state = SENSOR_DRAINING;
    assert_false(metrics_healthy(s, line, sizeof(line)));
    assert_string_equal(line, "draining");
}

/* --- Serving --- */

static void source(void *context, struct sensor_status *status)
{
    struct fixture *f = context;

    atomic_fetch_add(&f->asked, 1);
    memcpy(status, f->status, sizeof(*status));
}

static void serve(struct fixture *f)
{
    int r = metrics_server_open("127.0.0.1:0", &f->server, f->error);

    if (r == -ENOTSUP)
        skip();
    assert_int_equal(r, 0);
    assert_int_equal(metrics_server_start(f->server, source, f), 0);
}

static int dial(const struct fixture *f)
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)metrics_server_port(f->server)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    return fd;
}

/* Sends a request and reads until the server closes. */
static const char *ask(struct fixture *f, const char *request)
{
    char buffer[4096];
    ssize_t n;
    int fd = dial(f);

    free(f->text);
    f->len = 0;
    FILE *out = open_memstream(&f->text, &f->len);
    assert_int_equal(send(fd, request, strlen(request), MSG_NOSIGNAL), strlen(request));
    while ((n = recv(fd, buffer, sizeof(buffer), 0)) > 0)
        fwrite(buffer, 1, (size_t)n, out);
    close(fd);
    fclose(out);
    return f->text;
}

#define REQUEST(method, path) method " " path " HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"

static void serves_metrics_and_health_and_nothing_else(void **state)
{
    struct fixture *f = *state;

    serve(f);
    const char *answer = ask(f, REQUEST("GET", "/metrics"));
    assert_memory_equal(answer, "HTTP/1.1 200 ", 13);
    assert_non_null(strstr(answer, "text/plain; version=0.0.4; charset=utf-8"));
    assert_non_null(strstr(answer, "\nweir_config_generation "));
    answer = ask(f, REQUEST("HEAD", "/metrics"));
    assert_memory_equal(answer, "HTTP/1.1 200 ", 13);
    assert_null(strstr(answer, "weir_config"));
    assert_int_equal(atomic_load(&f->asked), 2);
    assert_memory_equal(ask(f, REQUEST("GET", "/")), "HTTP/1.1 404 ", 13);
    assert_memory_equal(ask(f, REQUEST("POST", "/metrics")), "HTTP/1.1 405 ", 13);
    assert_non_null(strstr(f->text, "Allow: GET, HEAD"));
    assert_int_equal(atomic_load(&f->asked), 2);

    f->status->worker[0].stuck = true;
    answer = ask(f, REQUEST("GET", "/healthz"));
    assert_memory_equal(answer, "HTTP/1.1 503 ", 13);
    assert_non_null(strstr(answer, "\r\n\r\nworker 0: stuck\n"));
    healthy(f->status);
    f->status->worker[0].stuck = false;
    answer = ask(f, REQUEST("GET", "/healthz"));
    assert_memory_equal(answer, "HTTP/1.1 200 ", 13);
    assert_non_null(strstr(answer, "\r\n\r\nok\n"));
}

static void slow_clients_do_not_hold_up_others(void **state)
{
    struct fixture *f = *state;
    int lazy[8];

    serve(f);
    for (int i = 0; i < 8; i++) {
        lazy[i] = dial(f);
        assert_int_equal(send(lazy[i], "GET /metrics HT", i, MSG_NOSIGNAL), i);
    }
    assert_memory_equal(ask(f, REQUEST("GET", "/metrics")), "HTTP/1.1 200 ", 13);
    for (int i = 0; i < 8; i++)
        close(lazy[i]);
    ask(f, "nonsense\r\n\r\n");
    assert_memory_equal(ask(f, REQUEST("GET", "/metrics")), "HTTP/1.1 200 ", 13);
}

static void an_address_that_cannot_be_had_is_one_line(void **state)
{
    struct fixture *f = *state;
    struct metrics_server *second = NULL;
    char taken[64];

    serve(f);
    assert_true(metrics_server_open("127.0.0.1", &second, f->error) < 0);
    assert_string_equal(f->error, "sensor.metrics: 127.0.0.1: port: is missing");
    snprintf(taken, sizeof(taken), "127.0.0.1:%u", metrics_server_port(f->server));
    assert_int_equal(metrics_server_open(taken, &second, f->error), -EADDRINUSE);
    assert_non_null(strstr(f->error, "Address already in use"));
    assert_true(metrics_server_open("192.0.2.77:9", &second, f->error) < 0);
    assert_null(second);
}

static void listens_on_ipv6(void **state)
{
    struct fixture *f = *state;
    int r = metrics_server_open("[::1]:0", &f->server, f->error);

    if (r == -EADDRNOTAVAIL || r == -EAFNOSUPPORT || r == -ENOTSUP)
        skip();
    assert_int_equal(r, 0);
    assert_true(metrics_server_port(f->server) > 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, make_fixture, free_fixture)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_field_and_element_has_its_own_sample),
        TEST(values_keep_their_units_and_signs),
        TEST(labels_are_escaped_and_unique),
        TEST(the_longest_names_fit),
        TEST(each_line_of_the_ledger_is_told),
        TEST(upstream_loss_is_a_share_of_tcp),
        TEST(health_names_what_is_wrong),
        TEST(serves_metrics_and_health_and_nothing_else),
        TEST(slow_clients_do_not_hold_up_others),
        TEST(an_address_that_cannot_be_had_is_one_line),
        TEST(listens_on_ipv6),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
