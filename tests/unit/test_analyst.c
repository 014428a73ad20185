#include "host_fixture.h"

#include "config/config.h"
#include "config/rules.h"
#include "core/analyst.h"

#define IN(n) (0x0a000000u + (n))
#define OUT(n) (0xc6000000u + (n))
#define TOLD_MAX 64

/* A store that keeps what it is told, and answers as it was told to. */
struct fixture {
    struct store store;
    struct config config;
    struct hunt_generation generation;
    struct hunter *hunter;
    struct analyst *analyst;
    struct alert told[TOLD_MAX];
    unsigned told_count;
    struct host_row pushed[256];
    unsigned pushed_count;
    unsigned connections;
    enum store_verdict verdict;
    struct store_answer answer;
    struct host_row sum;
    unsigned sums;
};

static void take_alert(void *context, const struct alert *a)
{
    struct fixture *f = context;

    assert_true(f->told_count < TOLD_MAX);
    f->told[f->told_count++] = *a;
}

static void take_rows(struct store *s, const struct host_row *row, size_t count)
{
    struct fixture *f = (struct fixture *)s;

    assert_true(f->pushed_count + count <= 256);
    memcpy(f->pushed + f->pushed_count, row, count * sizeof(*row));
    f->pushed_count += (unsigned)count;
}

static void take_connections(struct store *s, const struct store_connection *c, size_t count)
{
    (void)c;
    ((struct fixture *)s)->connections = (unsigned)count;
}

static enum store_verdict answer_alert(struct store *s, const struct alert *a)
{
    (void)a;
    return ((struct fixture *)s)->verdict;
}

static size_t answers(struct store *s, struct store_answer *out, size_t max)
{
    struct fixture *f = (struct fixture *)s;

    if (!f->answer.id || !max)
        return 0;
    *out = f->answer;
    f->answer.id = 0;
    return 1;
}

static size_t sums(struct store *s, struct host_row *out, size_t max)
{
    struct fixture *f = (struct fixture *)s;

    if (!f->sums || !max)
        return 0;
    f->sums--;
    *out = f->sum;
    return 1;
}

static const struct store_ops ops = {.name = "test",
                                     .hosts = take_rows,
                                     .connections = take_connections,
                                     .alert = answer_alert,
                                     .verdicts = answers,
                                     .sums = sums};

static struct fixture *open_analyst(bool with_store)
{
    struct fixture *f = calloc(1, sizeof(*f));
    static struct hunt_rules rules;

    assert_non_null(f);
    hunt_builtin(&rules);
    f->store.ops = &ops;
    f->config.hosts.networks = networks_10();
    f->config.hosts.max_inside = 100;
    f->config.hosts.max_outside = 64;
    f->config.hunts.enabled = true;
    f->config.hunts.learn_ns = 3600 * SECOND;
    f->config.redis.push_ns = SECOND;
    hunt_generation_init(&f->generation, &f->config, &rules);
    assert_int_equal(hunter_create(&f->config, &f->generation, true, &f->hunter), 0);
    struct analyst_options options = {.config = &f->config,
                                      .generation = &f->generation,
                                      .store = with_store ? &f->store : NULL,
                                      .fixed_secret = true,
                                      .alert = take_alert,
                                      .context = f};
    assert_int_equal(analyst_create(&options, &f->analyst), 0);
    return f;
}

static void close_analyst(struct fixture *f)
{
    struct analyst_stats s;

    analyst_stats(f->analyst, &s);
    assert_int_equal(s.difference, 0);
    analyst_destroy(f->analyst);
    hunter_destroy(f->hunter);
    free(f);
}

static void feed(struct fixture *f, const struct flow_delta *d, uint32_t count)
{
    hunter_deltas(f->hunter, d, count);
}

static void turn(struct fixture *f, uint64_t clock_ns)
{
    hunter_turn(f->hunter);
    analyst_step(f->analyst, &f->hunter, 1, clock_ns);
}

static void an_upload_alerts_while_it_is_open(void **state)
{
    (void)state;
    struct fixture *f = open_analyst(false);
    struct flow_delta d = delta_tcp(IN(1), OUT(1), 443, START_NS);

    feed(f, &d, 1);
    turn(f, START_NS);
    for (uint64_t i = 1; i <= 25; i++) {
        delta_go_on(&d, 1000000, 1000, START_NS + i * SECOND);
        feed(f, &d, 1);
        turn(f, d.last_ns);
        assert_int_equal(f->told_count, i < 11 ? 0 : i < 20 ? 1 : 2);
    }
    assert_string_equal(f->told[0].rule, "upload-ratio"); /* whole MiB: the 11th brings the 10th */
    assert_string_equal(f->told[1].rule, "exfil-volume");
    assert_int_equal(f->told[1].state, ALERT_RAISED);
    assert_int_equal(f->told[1].ts_ns, START_NS + 20 * SECOND);
    assert_int_equal(strncmp(f->told[1].community_id, "1:", 2), 0);
    delta_go_on(&d, 0, 0, START_NS + 26 * SECOND);
    d.closed = 1;
    feed(f, &d, 1);
    turn(f, d.last_ns);
    assert_int_equal(f->told_count, 3);
    assert_int_equal(f->told[2].state, ALERT_CLEARED);
    assert_string_equal(f->told[2].rule, "exfil-volume");
    close_analyst(f);
}

static void a_silent_connection_ages(void **state)
{
    (void)state;
    struct fixture *f = open_analyst(false);
    struct flow_delta d = delta_tcp(IN(1), OUT(1), 22, START_NS);

    feed(f, &d, 1);
    turn(f, START_NS);
    delta_go_on(&d, 10, 10, START_NS + 3000 * SECOND);
    d.aged = FLOW_AGES;
    feed(f, &d, 1);
    turn(f, d.last_ns);
    turn(f, START_NS + 3599 * SECOND);
    assert_int_equal(f->told_count, 0);
    turn(f, START_NS + 3601 * SECOND);
    assert_int_equal(f->told_count, 1);
    assert_string_equal(f->told[0].rule, "long-connection");
    for (uint64_t i = 3602; i < 4 * 3600 + 5; i += 60) { /* a sign of life each minute */
        delta_go_on(&d, 10, 10, START_NS + i * SECOND);
        feed(f, &d, 1);
        turn(f, d.last_ns);
    }
    turn(f, START_NS + (4 * 3600 + 6) * SECOND);
    assert_int_equal(f->told_count, 2);
    assert_int_equal(f->told[1].state, ALERT_ESCALATED);
    close_analyst(f);
}

static void a_sweep_alerts_before_its_attempts_fail(void **state)
{
    (void)state;
    struct fixture *f = open_analyst(false);

    for (uint32_t i = 0; i < 120; i++) {
        struct flow_delta d = delta_tcp(IN(1), IN(1000 + i), 445, START_NS + i * SECOND / 100);
        d.accepted = 0;
        d.total.packets[1] = d.packets[1] = 0;
        d.total.octets[1] = d.octets[1] = d.total.payload[1] = d.payload[1] = 0;
        feed(f, &d, 1);
    }
    turn(f, START_NS + 2 * SECOND);
    assert_int_equal(f->told_count, 1);
    assert_string_equal(f->told[0].rule, "host-sweep");
    assert_int_equal(f->told[0].port, 445);
    close_analyst(f);
}

static void new_edges_alert_after_learning(void **state)
{
    (void)state;
    struct fixture *f = open_analyst(false);

    for (uint64_t minute = 0; minute <= 60; minute++) { /* silence teaches nothing */
        struct flow_delta d = delta_tcp(IN(1), IN(2), 135, START_NS + minute * 60 * SECOND);
        feed(f, &d, 1);
        turn(f, d.last_ns);
    }
    assert_int_equal(f->told_count, 0);
    struct flow_delta d = delta_tcp(IN(1), IN(3), 135, START_NS + 61 * 60 * SECOND);
    feed(f, &d, 1);
    turn(f, d.last_ns);
    assert_int_equal(f->told_count, 1);
    assert_string_equal(f->told[0].rule, "lateral-movement");
    close_analyst(f);
}

/* The clock runs on between the tables of the workers: traffic all the time teaches all the time. */
static void learning_takes_as_long_as_it_was_told(void **state)
{
    (void)state;

    for (int learned = 0; learned < 2; learned++) {
        struct fixture *f = open_analyst(false);
        uint64_t seconds = 3600 - 5 + 10 * (uint64_t)learned;
        for (uint64_t i = 0; i <= seconds * 10; i++) {
            uint64_t ns = START_NS + i * SECOND / 10;
            struct flow_delta d = delta_tcp(IN(1), IN(2), 135, ns);
            if (i % 5 == 0) {
                feed(f, &d, 1);
                hunter_turn(f->hunter);
            }
            analyst_step(f->analyst, &f->hunter, 1, ns + SECOND / 20);
        }
        struct flow_delta d = delta_tcp(IN(1), IN(3), 135, START_NS + seconds * SECOND + 1);
        f->told_count = 0;
        feed(f, &d, 1);
        turn(f, d.last_ns);
        assert_int_equal(f->told_count, learned);
        close_analyst(f);
    }
}

static void busy_hosts_are_compared_with_their_subnet(void **state)
{
    (void)state;
    static struct flow_delta d[512];

    for (int alike = 0; alike < 2; alike++) {
        struct fixture *f = open_analyst(false);
        for (uint32_t host = 1; host <= 8; host++) {
            uint32_t flows = alike || host == 1 ? 2048 : 3;
            for (uint32_t i = 0; i < flows; i++)
                d[i % 512] = delta_tcp(IN(host), OUT(i), 80, START_NS);
            for (uint32_t i = 0; i < flows; i += 512)
                feed(f, d, flows < 512 ? flows : 512);
        }
        turn(f, START_NS + SECOND);
        assert_int_equal(f->told_count, alike ? 0 : 1);
        if (!alike) {
            assert_string_equal(f->told[0].rule, "connection-count");
            assert_non_null(strstr(f->told[0].text, "7 similar hosts: median 3"));
        }
        close_analyst(f);
    }
}

static void large(struct fixture *f, uint32_t host, uint64_t ns)
{
    struct flow_delta d = delta_tcp(IN(host), OUT(1), 443, ns);

    d.octets[0] = d.total.octets[0] = 30000000;
    feed(f, &d, 1);
    turn(f, ns);
}

/* Each of these hosts sends so much to the outside within an hour, in many connections. */
static void uploads(struct fixture *f, uint32_t host, uint32_t megabytes, uint64_t ns)
{
    static struct flow_delta d[FLOW_DELTA_BURST];

    for (uint32_t i = 0; i < megabytes; i++) {
        struct flow_delta *one = &d[i % FLOW_DELTA_BURST];
        *one = delta_tcp(host, OUT(i), 443, ns);
        one->octets[0] = one->total.octets[0] = 1000000;
        if (i % FLOW_DELTA_BURST == FLOW_DELTA_BURST - 1 || i + 1 == megabytes)
            feed(f, d, i % FLOW_DELTA_BURST + 1);
    }
    turn(f, ns);
}

static void volume_is_compared_with_the_subnet(void **state)
{
    (void)state;

    for (int alike = 0; alike < 2; alike++) {
        struct fixture *f = open_analyst(false);
        uint64_t ns = START_NS + 1200 * SECOND;
        for (uint32_t host = 1; host <= 14; host++)
            uploads(f, IN(host), alike ? 95 : 2, ns);
        uploads(f, IN(1000), 99, ns); /* of another subnet */
        uploads(f, IN(20), 120, ns + SECOND);
        assert_int_equal(f->told_count, alike ? 0 : 1);
        if (!alike) {
            assert_string_equal(f->told[0].rule, "upload-volume");
            assert_string_equal(f->told[0].text,
                                "10.0.0.20 sent 120 MB to outside hosts in an hour and received "
                                "7.2 kB; 14 similar hosts: median 2.0 MB");
        }
        close_analyst(f);
    }
}

static void a_large_upload_tells_what_others_do(void **state)
{
    (void)state;
    struct fixture *f = open_analyst(false);

    for (uint32_t host = 1; host <= 6; host++)
        uploads(f, IN(host), 3, START_NS);
    large(f, 20, START_NS + SECOND);
    assert_int_equal(f->told_count, 2);
    for (unsigned i = 0; i < 2; i++)
        assert_non_null(strstr(f->told[i].text, "; 6 similar hosts: median 3.0 MB"));
    close_analyst(f);
}

static void tags_make_groups(void **state)
{
    (void)state;
    static const char text[] = "tags:\n  servers: [10.0.0.1, 10.0.1.0/24, 10.0.2.0/24]\n";
    struct fixture *f = open_analyst(false);
    struct config_error error;

    assert_int_equal(
        config_load_rules_memory("r", text, strlen(text), &f->generation.rules, &error), 0);
    for (uint32_t host = 0; host < 6; host++) {
        uploads(f, IN(256 * (1 + host % 2) + host), 95, START_NS);
        uploads(f, IN(10 + host), 1, START_NS);
    }
    uploads(f, IN(1), 110, START_NS + SECOND); /* as other servers */
    assert_int_equal(f->told_count, 0);
    uploads(f, IN(2), 110, START_NS + 2 * SECOND); /* as nobody beside it */
    assert_int_equal(f->told_count, 1);
    assert_non_null(strstr(f->told[0].text, "10.0.0.2 sent 110 MB"));
    assert_non_null(strstr(f->told[0].text, "; 6 similar hosts: median 1.0 MB"));
    uploads(f, IN(1), 200, START_NS + 3 * SECOND);
    assert_int_equal(f->told_count, 2);
    assert_non_null(strstr(f->told[1].text, "; 6 similar hosts (servers): median 95 MB"));
    close_analyst(f);
}

static void a_new_window_is_compared_anew(void **state)
{
    (void)state;
    struct fixture *f = open_analyst(false);
    uint64_t end = START_NS + 3599 * SECOND;

    for (uint32_t host = 1; host <= 6; host++)
        uploads(f, IN(host), 95, end);
    uploads(f, IN(20), 120, end);
    assert_int_equal(f->told_count, 0);
    for (uint32_t host = 1; host <= 6; host++)
        uploads(f, IN(host), 1, end + SECOND);
    uploads(f, IN(20), 120, end + SECOND);
    assert_int_equal(f->told_count, 1);
    close_analyst(f);
}

static void a_subnet_is_judged_as_a_whole(void **state)
{
    (void)state;
    static const char text[] = "rules:\n  - name: busy-net\n    scope: group\n    window: 1m\n"
                               "    when: {opened: 20}\n";
    struct fixture *f = open_analyst(false);
    struct config_error error;

    assert_int_equal(
        config_load_rules_memory("r", text, strlen(text), &f->generation.rules, &error), 0);
    for (uint32_t i = 0; i < 19; i++) {
        struct flow_delta d = delta_tcp(IN(i), OUT(1), 80, START_NS);
        feed(f, &d, 1);
    }
    turn(f, START_NS + SECOND);
    assert_int_equal(f->told_count, 0);
    struct flow_delta d = delta_tcp(IN(300), OUT(1), 80, START_NS + SECOND); /* another subnet */
    feed(f, &d, 1);
    turn(f, START_NS + 2 * SECOND);
    assert_int_equal(f->told_count, 0);
    d = delta_tcp(IN(20), OUT(1), 80, START_NS + 2 * SECOND);
    feed(f, &d, 1);
    turn(f, START_NS + 3 * SECOND);
    assert_int_equal(f->told_count, 1);
    assert_string_equal(f->told[0].text, "10.0.0.0/24: opened 20");
    assert_int_equal(f->told[0].group_bits, 24);
    close_analyst(f);
}

static void changed_hosts_are_pushed_and_windows_end_whole(void **state)
{
    (void)state;
    struct fixture *f = open_analyst(true);
    struct flow_delta d = delta_tcp(IN(1), IN(2), 80, START_NS + 58 * SECOND);

    feed(f, &d, 1);
    turn(f, START_NS + 58 * SECOND);
    assert_int_equal(f->pushed_count, 0); /* changes wait for the next push */
    turn(f, START_NS + 59 * SECOND);
    unsigned first = f->pushed_count;
    assert_int_equal(first, 3); /* both, and other */
    delta_go_on(&d, 1000, 0, START_NS + 59 * SECOND + SECOND / 2);
    feed(f, &d, 1);
    turn(f, d.last_ns);
    assert_int_equal(f->pushed_count, first);
    delta_go_on(&d, 5, 0, START_NS + 61 * SECOND);
    feed(f, &d, 1);
    turn(f, d.last_ns); /* the old minute is told for the last time, and the hour */
    assert_int_equal(f->pushed_count, first + 6);
    struct host_key key = key4(IN(1));
    unsigned seen = 0;
    for (unsigned i = first; i < f->pushed_count; i++) {
        if (memcmp(&f->pushed[i].key, &key, sizeof(key)))
            continue;
        assert_int_equal(f->pushed[i].start_ns, START_NS);
        assert_int_equal(f->pushed[i].counters.value[HOST_OCTETS_OUT], 1100);
        seen |= 1u << f->pushed[i].window;
    }
    assert_int_equal(seen, 3);
    analyst_flush(f->analyst);
    assert_int_equal(f->pushed_count, first + 12);
    close_analyst(f);
}

/* Octets sent in the minute, as whoever keeps the rows that were pushed adds them up. */
static uint64_t octets_of_rows(const struct fixture *f, unsigned *hosts)
{
    uint64_t sum = 0;

    *hosts = 0;
    for (unsigned i = 0; i < f->pushed_count; i++) {
        const struct host_row *r = &f->pushed[i];
        bool last = r->window == WINDOW_MINUTE && !r->gone;
        for (unsigned k = i + 1; k < f->pushed_count; k++)
            last &= f->pushed[k].window != r->window || memcmp(&f->pushed[k].key, &r->key, 16);
        sum += last ? r->counters.value[HOST_OCTETS_OUT] : 0;
        *hosts += last;
    }
    return sum;
}

/* Outside hosts come and go; whoever keeps the rows has never more than there is room for, and the
 * sum is always that of the traffic. */
static void hosts_that_make_room_take_their_rows_along(void **state)
{
    (void)state;
    struct fixture *f = open_analyst(true);
    uint64_t sent = 0;
    unsigned hosts;

    for (uint32_t round = 0; round < 3; round++) {
        f->pushed_count = round ? f->pushed_count : 0;
        for (uint32_t i = 0; i < 30; i++) {
            struct flow_delta d =
                delta_tcp(IN(1), OUT(1000 * round + i), 80, START_NS + 2 * round * SECOND);
            d.octets[1] = d.total.octets[1] = 1000 * (round + 1); /* more than those before */
            feed(f, &d, 1);
            sent += d.octets[0] + d.octets[1];
        }
        turn(f, START_NS + 2 * round * SECOND);
        turn(f, START_NS + (2 * round + 1) * SECOND); /* pushed */
        assert_true(octets_of_rows(f, &hosts) == sent);
        assert_true(hosts <= 64 + 2);
    }
    close_analyst(f);
}

static void the_fleet_decides_who_tells(void **state)
{
    (void)state;
    struct fixture *f = open_analyst(true);

    f->verdict = VERDICT_KNOWN;
    large(f, 1, START_NS);
    assert_int_equal(f->told_count, 0);
    f->verdict = VERDICT_NEW;
    large(f, 2, START_NS + SECOND);
    assert_int_equal(f->told_count, 2); /* exfil-volume, upload-ratio */
    f->verdict = VERDICT_PENDING;
    large(f, 3, START_NS + 2 * SECOND);
    assert_int_equal(f->told_count, 2);
    turn(f, START_NS + 3 * SECOND);
    assert_int_equal(f->told_count, 2);
    turn(f, START_NS + 5 * SECOND); /* no answer: better twice than never */
    assert_int_equal(f->told_count, 4);
    close_analyst(f);
}

static void sums_of_the_fleet_are_judged(void **state)
{
    (void)state;
    struct fixture *f = open_analyst(true);

    f->verdict = VERDICT_NEW;
    f->sum = (struct host_row){.key = key4(IN(1)), .window = WINDOW_MINUTE, .inside = 1};
    f->sum.counters.value[HOST_OPENED] = 5000;
    f->sums = 1;
    turn(f, START_NS);
    assert_int_equal(f->told_count, 1);
    assert_string_equal(f->told[0].rule, "connection-count");
    close_analyst(f);
}

static void other_rules_take_over(void **state)
{
    (void)state;
    struct fixture *f = open_analyst(false);
    static struct hunt_generation next;

    next = f->generation;
    next.networks.prefix[0].address[0] = 11;
    next.enabled = false;
    hunter_offer(f->hunter, &next);
    assert_ptr_equal(hunter_uses(f->hunter), &f->generation);
    turn(f, START_NS);
    assert_ptr_equal(hunter_uses(f->hunter), &next);
    analyst_adopt(f->analyst, &next);
    large(f, 1, START_NS + SECOND);
    assert_int_equal(f->told_count, 0);
    close_analyst(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_upload_alerts_while_it_is_open),
        cmocka_unit_test(a_silent_connection_ages),
        cmocka_unit_test(a_sweep_alerts_before_its_attempts_fail),
        cmocka_unit_test(new_edges_alert_after_learning),
        cmocka_unit_test(learning_takes_as_long_as_it_was_told),
        cmocka_unit_test(busy_hosts_are_compared_with_their_subnet),
        cmocka_unit_test(volume_is_compared_with_the_subnet),
        cmocka_unit_test(a_large_upload_tells_what_others_do),
        cmocka_unit_test(tags_make_groups),
        cmocka_unit_test(a_new_window_is_compared_anew),
        cmocka_unit_test(a_subnet_is_judged_as_a_whole),
        cmocka_unit_test(changed_hosts_are_pushed_and_windows_end_whole),
        cmocka_unit_test(hosts_that_make_room_take_their_rows_along),
        cmocka_unit_test(the_fleet_decides_who_tells),
        cmocka_unit_test(sums_of_the_fleet_are_judged),
        cmocka_unit_test(other_rules_take_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
