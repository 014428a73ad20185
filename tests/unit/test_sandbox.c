#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/sandbox.h"
#include "weir/config.h"

struct fixture {
    struct config config;
    struct sandbox_plan plan, other;
};

static int make_fixture(void **state)
{
    *state = calloc(1, sizeof(struct fixture));
    return *state ? 0 : -1;
}

static int free_fixture(void **state)
{
    free(*state);
    return 0;
}

static bool has_path(const struct sandbox_plan *plan, const char *path, enum sandbox_access access)
{
    for (unsigned i = 0; i < plan->path_count; i++)
        if (strcmp(plan->path[i].path, path) == 0 && plan->path[i].access == access)
            return true;
    return false;
}

static unsigned written_paths(const struct sandbox_plan *plan)
{
    unsigned count = 0;
    for (unsigned i = 0; i < plan->path_count; i++)
        count += plan->path[i].access == SANDBOX_WRITE;
    return count;
}

static bool has_port(const struct sandbox_plan *plan, uint16_t port)
{
    for (unsigned i = 0; i < plan->port_count; i++)
        if (plan->port[i] == port)
            return true;
    return false;
}

static void nothing_configured_needs_next_to_nothing(void **state)
{
    struct fixture *f = *state;

    sandbox_plan_make(&f->plan, &f->config, NULL);
    assert_int_equal(f->plan.level, SANDBOX_ON);
    assert_int_equal(f->plan.filter, sandbox_filter_default());
    assert_int_equal(written_paths(&f->plan), 1);
    assert_true(has_path(&f->plan, "/dev/null", SANDBOX_WRITE));
    assert_int_equal(f->plan.port_count, 0);
    assert_false(f->plan.any_port || f->plan.names);
    assert_false(has_path(&f->plan, "/etc", SANDBOX_READ));
    assert_string_equal(f->plan.user, "");
}

static void configuration_names_every_path(void **state)
{
    struct fixture *f = *state;
    struct config *c = &f->config;

    strcpy(c->sensor.user, "weir");
    strcpy(c->sensor.control, "/run/weir/control.sock");
    strcpy(c->exports.spool, "/var/spool/weir");
    c->exports.collector_count = 3;
    c->exports.collector[0].transport = TRANSPORT_FILE;
    strcpy(c->exports.collector[0].path, "/data/flows/out.ipfix");
    c->exports.collector[1].transport = TRANSPORT_FILE;
    strcpy(c->exports.collector[1].path, "-");
    c->exports.collector[2].transport = TRANSPORT_TLS;
    strcpy(c->exports.collector[2].ca, "/keys/ca/ca.pem");
    strcpy(c->exports.collector[2].cert, "/keys/mine/cert.pem");
    strcpy(c->exports.collector[2].key, "key.pem");
    c->hunts.enabled = true;
    strcpy(c->hunts.rules, "/rules.yaml");
    strcpy(c->hunts.alerts, "/var/log/weir/alerts.json");
    strcpy(c->redis.address, "unix:/run/redis.sock");
    strcpy(c->redis.password_file, "/secret/redis");
    sandbox_plan_make(&f->plan, c, "/conf/weir.yaml");

    static const char *const read[] = {"/conf", "/keys/ca", "/keys/mine", ".", "/", "/secret"};
    static const char *const written[] = {"/run/weir", "/var/spool/weir", "/data/flows",
                                          "/var/log/weir", "/dev/null"};
    for (size_t i = 0; i < sizeof(read) / sizeof(*read); i++)
        assert_true(has_path(&f->plan, read[i], SANDBOX_READ));
    for (size_t i = 0; i < sizeof(written) / sizeof(*written); i++)
        assert_true(has_path(&f->plan, written[i], SANDBOX_WRITE));
    assert_int_equal(written_paths(&f->plan), sizeof(written) / sizeof(*written));
    assert_string_equal(f->plan.user, "weir");
}

static void hunts_that_are_off_need_nothing(void **state)
{
    struct fixture *f = *state;

    strcpy(f->config.hunts.alerts, "/var/log/weir/alerts.json");
    strcpy(f->config.hunts.syslog, "tcp://loghost:601");
    sandbox_plan_make(&f->plan, &f->config, NULL);
    assert_int_equal(written_paths(&f->plan), 1);
    assert_int_equal(f->plan.port_count, 0);
}

static void only_what_connects_over_tcp_gets_a_port(void **state)
{
    struct fixture *f = *state;
    struct config *c = &f->config;

    c->exports.collector_count = 4;
    for (int i = 0; i < 4; i++)
        strcpy(c->exports.collector[i].host, "192.0.2.1");
    c->exports.collector[0].transport = TRANSPORT_TCP;
    c->exports.collector[0].port = 4739;
    c->exports.collector[1].transport = TRANSPORT_TLS;
    c->exports.collector[1].port = 4740;
    c->exports.collector[2].transport = TRANSPORT_UDP;
    c->exports.collector[2].port = 2055;
    c->exports.collector[3].transport = TRANSPORT_TCP;
    c->exports.collector[3].port = 9995;
    strcpy(c->redis.address, "[2001:db8::1]:6379");
    c->hunts.enabled = true;
    strcpy(c->hunts.syslog, "tcp://192.0.2.9:601");
    sandbox_plan_make(&f->plan, c, NULL);
    assert_int_equal(f->plan.port_count, 5);
    static const uint16_t ports[] = {4739, 4740, 9995, 6379, 601};
    for (size_t i = 0; i < 5; i++)
        assert_true(has_port(&f->plan, ports[i]));
    assert_false(f->plan.names);
}

static void a_name_anywhere_needs_the_resolver(void **state)
{
    struct fixture *f = *state;
    struct config *c = &f->config;

    c->hunts.enabled = true;
    strcpy(c->hunts.syslog, "udp://loghost:514");
    sandbox_plan_make(&f->plan, c, NULL);
    assert_true(f->plan.names);
    assert_true(has_path(&f->plan, "/etc", SANDBOX_READ));
    assert_int_equal(f->plan.port_count, 1);
    assert_true(has_port(&f->plan, 53));
}

static void sentinel_may_name_any_port(void **state)
{
    struct fixture *f = *state;

    strcpy(f->config.redis.address, "192.0.2.1:26379");
    strcpy(f->config.redis.sentinel, "mymaster");
    sandbox_plan_make(&f->plan, &f->config, NULL);
    assert_true(f->plan.any_port);
}

static void too_much_is_left_out(void **state)
{
    struct fixture *f = *state;
    char path[32];

    sandbox_plan_init(&f->plan);
    for (unsigned i = 0; i < 2 * SANDBOX_PATHS_MAX; i++) {
        snprintf(path, sizeof(path), "/p/%u", i);
        sandbox_plan_path(&f->plan, path, SANDBOX_READ, "k");
        sandbox_plan_port(&f->plan, 1000 + i);
        sandbox_plan_port(&f->plan, 1000 + i);
    }
    assert_int_equal(f->plan.path_count, SANDBOX_PATHS_MAX);
    assert_int_equal(f->plan.port_count, SANDBOX_PORTS_MAX);
    assert_true(has_port(&f->plan, 1000 + SANDBOX_PORTS_MAX - 1));
}

static bool covers(struct fixture *f, const char *expected)
{
    char line[SANDBOX_LINE_MAX] = "";
    bool r = sandbox_plan_covers(&f->plan, &f->other, line);

    assert_string_equal(line, expected);
    return r;
}

static void a_new_configuration_must_fit_the_sandbox(void **state)
{
    struct fixture *f = *state;

    sandbox_plan_init(&f->plan);
    sandbox_plan_path(&f->plan, "/spool", SANDBOX_WRITE, "k");
    sandbox_plan_path(&f->plan, "/keys", SANDBOX_READ, "k");
    sandbox_plan_port(&f->plan, 4739);
    f->other = f->plan;
    assert_true(covers(f, ""));
    sandbox_plan_path(&f->other, "/spool/deeper", SANDBOX_READ, "k");
    assert_true(covers(f, ""));

    f->other = f->plan;
    sandbox_plan_path(&f->other, "/keys", SANDBOX_WRITE, "a.key");
    assert_false(covers(f, "a.key: /keys is outside the sandbox; restart to change it"));
    f->other = f->plan;
    sandbox_plan_path(&f->other, "/spool2", SANDBOX_READ, "a.key");
    assert_false(covers(f, "a.key: /spool2 is outside the sandbox; restart to change it"));
    f->other = f->plan;
    sandbox_plan_port(&f->other, 80);
    assert_false(covers(f, "TCP port 80 is outside the sandbox; restart to connect to it"));
    f->plan.any_port = true;
    assert_true(covers(f, ""));
    sandbox_plan_host(&f->other, "collector.example");
    assert_false(covers(f, "host names cannot be looked up in this sandbox; give an address, or "
                           "restart"));
    f->plan.level = SANDBOX_OFF;
    assert_true(covers(f, ""));
}

static void words_of_the_command_line(void **state)
{
    struct fixture *f = *state;

    sandbox_plan_init(&f->plan);
    sandbox_plan_words(&f->plan, "partial", "log");
    assert_int_equal(f->plan.level, SANDBOX_PARTIAL);
    assert_int_equal(f->plan.filter, FILTER_LOG);
    sandbox_plan_words(&f->plan, NULL, "");
    sandbox_plan_words(&f->plan, "of", "kil");
    assert_int_equal(f->plan.level, SANDBOX_PARTIAL);
    assert_int_equal(f->plan.filter, FILTER_LOG);
    sandbox_plan_words(&f->plan, "off", "kill");
    assert_int_equal(f->plan.level, SANDBOX_OFF);
    assert_int_equal(f->plan.filter, FILTER_KILL);
    sandbox_plan_words(&f->plan, "on", "off");
    assert_int_equal(f->plan.level, SANDBOX_ON);
    assert_int_equal(f->plan.filter, FILTER_OFF);
}

static void off_changes_nothing_and_says_so(void **state)
{
    struct fixture *f = *state;
    char line[SANDBOX_LINE_MAX] = "";

    sandbox_plan_init(&f->plan);
    f->plan.level = SANDBOX_OFF;
    assert_int_equal(sandbox_enter(&f->plan, line), 0);
    assert_non_null(strstr(line, "off"));
    FILE *probe = fopen("/etc/passwd", "re");
    assert_non_null(probe);
    fclose(probe);
}

static void an_unknown_user_is_refused_before_anything_is_given_up(void **state)
{
    struct fixture *f = *state;
    char line[SANDBOX_LINE_MAX] = "";

    sandbox_plan_init(&f->plan);
    strcpy(f->plan.user, "no-such-user");
    assert_true(sandbox_enter(&f->plan, line) < 0);
    assert_string_equal(line, "sensor.user: there is no user \"no-such-user\"");
    off_changes_nothing_and_says_so(state);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, make_fixture, free_fixture)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nothing_configured_needs_next_to_nothing),
        TEST(configuration_names_every_path),
        TEST(hunts_that_are_off_need_nothing),
        TEST(only_what_connects_over_tcp_gets_a_port),
        TEST(a_name_anywhere_needs_the_resolver),
        TEST(sentinel_may_name_any_port),
        TEST(too_much_is_left_out),
        TEST(a_new_configuration_must_fit_the_sandbox),
        TEST(words_of_the_command_line),
        TEST(off_changes_nothing_and_says_so),
        TEST(an_unknown_user_is_refused_before_anything_is_given_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
