#include "host_fixture.h"

#include "hunt/hunt.h"

#define IN(n) (0x0a000000u + (n))
#define OUT(n) (0xc6000000u + (n))
#define HOUR (3600 * SECOND)

static struct hunt_rules builtin;

/* Everything a subject may point to. */
struct subject {
    struct flow_delta flow;
    struct contact_view contact;
    struct contact_rhythm rhythm;
    struct host_row row;
    struct hunt_subject s;
};

static const struct hunt_rule *rule(const char *name)
{
    hunt_builtin(&builtin);
    for (uint32_t i = 0; i < builtin.count; i++)
        if (strcmp(builtin.rule[i].name, name) == 0)
            return &builtin.rule[i];
    fail_msg("no rule %s", name);
    return NULL;
}

static struct hunt_subject *flow(struct subject *t, uint16_t port, uint64_t age_s, uint64_t packets,
                                 uint64_t out, uint64_t in)
{
    t->flow = delta_tcp(IN(1), OUT(1), port, START_NS);
    t->flow.last_ns = START_NS + age_s * SECOND;
    t->flow.total = (struct flow_counts){{packets, packets}, {out, in}, {out, in}};
    t->s = (struct hunt_subject){.host = key4(IN(1)),
                                 .peer = key4(OUT(1)),
                                 .flow = &t->flow,
                                 .port = port,
                                 .proto = PROTO_TCP,
                                 .inside = INSIDE_INITIATOR};
    return &t->s;
}

static struct hunt_subject *contact(struct subject *t, uint16_t port, uint8_t inside,
                                    struct contact_window w)
{
    memset(t, 0, sizeof(*t));
    t->contact.window[0] = t->contact.window[1] = w;
    t->s = (struct hunt_subject){.host = key4(IN(1)),
                                 .peer = key4(inside & INSIDE_RESPONDER ? IN(2) : OUT(1)),
                                 .contact = &t->contact,
                                 .port = port,
                                 .proto = PROTO_TCP,
                                 .inside = inside};
    return &t->s;
}

static struct hunt_subject *host(struct subject *t, uint64_t opened_in, uint64_t accepted_in,
                                 uint32_t callers)
{
    memset(t, 0, sizeof(*t));
    t->row.counters.value[HOST_OPENED_IN] = opened_in;
    t->row.counters.value[HOST_ACCEPTED_IN] = accepted_in;
    t->row.distinct[HOST_CALLERS] = callers;
    t->s =
        (struct hunt_subject){.host = key4(IN(1)), .host_row = &t->row, .inside = INSIDE_INITIATOR};
    return &t->s;
}

#define ASSERT_LEVEL(name, level, subject)                                                         \
    assert_int_equal(hunt_evaluate(rule(name), subject), level)

static void exfil_volume(void **state)
{
    (void)state;
    struct subject t;

    ASSERT_LEVEL("exfil-volume", 0, flow(&t, 443, 60, 100, 20000000, 1000));
    ASSERT_LEVEL("exfil-volume", -1, flow(&t, 443, 60, 100, 19999999, 1000));
    ASSERT_LEVEL("exfil-volume", -1, flow(&t, 443, 60, 100, 20000000, 9000000));
    ASSERT_LEVEL("exfil-volume", 1, flow(&t, 443, 60, 100, 200000000, 1000));
    ASSERT_LEVEL("exfil-volume", 2, flow(&t, 443, 60, 100, 2000000000, 1000));
    flow(&t, 443, 60, 100, 20000000, 1000)->inside = INSIDE_INITIATOR | INSIDE_RESPONDER;
    ASSERT_LEVEL("exfil-volume", -1, &t.s);
}

static void upload_ratio(void **state)
{
    (void)state;
    struct subject t;

    ASSERT_LEVEL("upload-ratio", 0,
                 contact(&t, 0, 1, (struct contact_window){.octets = {10000000, 1000000}}));
    ASSERT_LEVEL("upload-ratio", -1,
                 contact(&t, 0, 1, (struct contact_window){.octets = {9999999, 1000000}}));
    ASSERT_LEVEL("upload-ratio", -1,
                 contact(&t, 0, 1, (struct contact_window){.octets = {10000000, 1200000}}));
}

static void long_connection(void **state)
{
    (void)state;
    struct subject t;

    ASSERT_LEVEL("long-connection", -1, flow(&t, 22, 3599, 1, 1, 1));
    ASSERT_LEVEL("long-connection", 0, flow(&t, 22, 3600, 1, 1, 1));
    ASSERT_LEVEL("long-connection", 1, flow(&t, 22, 4 * 3600, 1, 1, 1));
    ASSERT_LEVEL("long-connection", 2, flow(&t, 22, 8 * 3600, 1, 1, 1));
    ASSERT_LEVEL("long-connection", 3, flow(&t, 22, 12 * 3600, 1, 1, 1));
    flow(&t, 22, 60, 1, 1, 1)->now_ns = START_NS + HOUR; /* silent since, but open */
    ASSERT_LEVEL("long-connection", 0, &t.s);
}

static void dns_tunnel(void **state)
{
    (void)state;
    struct subject t;

    ASSERT_LEVEL("dns-tunnel", 0, flow(&t, 53, 10, 100, 10000, 10));
    ASSERT_LEVEL("dns-tunnel", -1, flow(&t, 53, 9, 100, 10000, 10));
    ASSERT_LEVEL("dns-tunnel", -1, flow(&t, 53, 10, 99, 10000, 10));
    ASSERT_LEVEL("dns-tunnel", -1, flow(&t, 53, 10, 100, 9999, 10));
    ASSERT_LEVEL("dns-tunnel", -1, flow(&t, 53, 10, 200, 17800, 10));
    ASSERT_LEVEL("dns-tunnel", -1, flow(&t, 54, 10, 100, 10000, 10));
}

static void icmp_tunnel(void **state)
{
    (void)state;
    struct subject t;

    ASSERT_LEVEL("icmp-tunnel", -1, flow(&t, 0, 30, 100, 20000, 10)); /* TCP */
    flow(&t, 0, 30, 100, 20000, 10)->proto = PROTO_ICMP;
    ASSERT_LEVEL("icmp-tunnel", 0, &t.s);
    flow(&t, 0, 30, 100, 20000, 10)->proto = PROTO_ICMP6;
    ASSERT_LEVEL("icmp-tunnel", 0, &t.s);
    flow(&t, 0, 30, 100, 19999, 10)->proto = PROTO_ICMP;
    ASSERT_LEVEL("icmp-tunnel", -1, &t.s);
    flow(&t, 0, 30, 134, 20000, 10)->proto = PROTO_ICMP; /* 149 octets a packet */
    ASSERT_LEVEL("icmp-tunnel", -1, &t.s);
    flow(&t, 0, 30, 49, 20000, 10)->proto = PROTO_ICMP;
    ASSERT_LEVEL("icmp-tunnel", -1, &t.s);
    flow(&t, 0, 29, 100, 20000, 10)->proto = PROTO_ICMP;
    ASSERT_LEVEL("icmp-tunnel", -1, &t.s);
}

static void tls_vpn(void **state)
{
    (void)state;
    struct subject t;

    ASSERT_LEVEL("tls-vpn", 0, flow(&t, 443, 600, 1, 10000000, 40000000));
    ASSERT_LEVEL("tls-vpn", -1, flow(&t, 443, 600, 1, 10000000, 40000001));
    ASSERT_LEVEL("tls-vpn", -1, flow(&t, 443, 600, 1, 9999999, 10000000));
    ASSERT_LEVEL("tls-vpn", -1, flow(&t, 443, 600, 1, 10000000, 9999999));
    ASSERT_LEVEL("tls-vpn", -1, flow(&t, 443, 599, 1, 10000000, 10000000));
    ASSERT_LEVEL("tls-vpn", -1, flow(&t, 80, 600, 1, 10000000, 10000000));
}

static void lateral_movement(void **state)
{
    (void)state;
    struct subject t;

    contact(&t, 3389, 3, (struct contact_window){.opened = 1, .accepted = 1});
    ASSERT_LEVEL("lateral-movement", -1, &t.s);
    t.contact.is_new = 1;
    ASSERT_LEVEL("lateral-movement", 0, &t.s);
}

static void host_sweep(void **state)
{
    (void)state;
    struct subject t;

    ASSERT_LEVEL(
        "host-sweep", 0,
        contact(&t, 445, 3, (struct contact_window){.opened = 50, .accepted = 25, .tried = 25}));
    ASSERT_LEVEL(
        "host-sweep", -1,
        contact(&t, 445, 3, (struct contact_window){.opened = 50, .accepted = 26, .tried = 25}));
    ASSERT_LEVEL("host-sweep", -1,
                 contact(&t, 445, 3, (struct contact_window){.opened = 50, .tried = 24}));
    ASSERT_LEVEL("host-sweep", 1,
                 contact(&t, 445, 3, (struct contact_window){.opened = 250, .tried = 250}));
}

static void port_scan(void **state)
{
    (void)state;
    struct subject t;

    ASSERT_LEVEL("port-scan", 0,
                 contact(&t, 0, 3, (struct contact_window){.opened = 50, .tried = 50}));
    ASSERT_LEVEL("port-scan", -1,
                 contact(&t, 0, 3, (struct contact_window){.opened = 50, .tried = 49}));
    ASSERT_LEVEL(
        "port-scan", -1,
        contact(&t, 0, 3, (struct contact_window){.opened = 300, .accepted = 200, .tried = 100}));
}

static void brute_force(void **state)
{
    (void)state;
    struct subject t;
    struct contact_window w = {.opened = 30, .accepted = 30, .octets = {300000, 300000}};

    ASSERT_LEVEL("brute-force", 0, contact(&t, 22, 3, w));
    ASSERT_LEVEL("brute-force", -1, contact(&t, 8022, 3, w));
    w.octets[1]++; /* 20000 a connection */
    ASSERT_LEVEL("brute-force", -1, contact(&t, 22, 3, w));
    w = (struct contact_window){.opened = 30, .accepted = 29};
    ASSERT_LEVEL("brute-force", -1, contact(&t, 22, 3, w));
}

static void connection_count(void **state)
{
    (void)state;
    struct subject t;

    host(&t, 0, 0, 0);
    t.row.counters.value[HOST_OPENED] = 1999;
    ASSERT_LEVEL("connection-count", -1, &t.s);
    t.row.counters.value[HOST_OPENED] = 2000;
    ASSERT_LEVEL("connection-count", 0, &t.s);
}

static bool stands_out(const char *name, double own, double median, double mad, uint32_t hosts)
{
    struct hunt_group g = {.own = own, .median = median, .mad = mad, .hosts = hosts};

    return hunt_stands_out(rule(name), &g);
}

static void those_who_stand_out(void **state)
{
    (void)state;

    assert_false(stands_out("connection-count", 259, 100, 20, HUNT_GROUP_LEAST));
    assert_true(stands_out("connection-count", 260, 100, 20, HUNT_GROUP_LEAST));
    /* too few to compare with */
    assert_true(stands_out("connection-count", 1, 100, 20, HUNT_GROUP_LEAST - 1));
    /* all alike: a tenth of the median stands for the deviation */
    assert_false(stands_out("connection-count", 179, 100, 0, 20));
    assert_true(stands_out("connection-count", 180, 100, 0, 20));
    assert_false(stands_out("connection-count", 0, 0, 0, 20));
    assert_true(stands_out("upload-volume", 200e6, 2e6, 1e6, 14));
    assert_false(stands_out("upload-volume", 200e6, 150e6, 1e6, 14));
    assert_true(stands_out("exfil-volume", 1, 150e6, 1e6, 14)); /* compared, not judged by it */
}

static void what_is_compared(void **state)
{
    (void)state;
    struct hunt_rule mine = *rule("connection-count");

    assert_int_equal(hunt_compared(&mine), MEASURE_OPENED);
    assert_int_equal(hunt_compared_window(&mine), WINDOW_MINUTE);
    mine.compare = MEASURE_PEERS + 1;
    assert_int_equal(hunt_compared(&mine), MEASURE_PEERS);
    assert_int_equal(hunt_compared(rule("exfil-volume")), MEASURE_OUTSIDE_OUT);
    assert_int_equal(hunt_compared_window(rule("exfil-volume")), WINDOW_HOUR);
    assert_int_equal(hunt_compared(rule("beacon")), MEASURE_COUNT);
}

static void upload_volume(void **state)
{
    (void)state;
    struct subject t;

    host(&t, 0, 0, 0);
    t.row.counters.value[HOST_OUTSIDE_OUT] = 99999999;
    ASSERT_LEVEL("upload-volume", -1, &t.s);
    t.row.counters.value[HOST_OUTSIDE_OUT] = 100000000;
    ASSERT_LEVEL("upload-volume", 0, &t.s);
    t.row.counters.value[HOST_OUTSIDE_IN] = 50000000; /* ratio 0.33 */
    ASSERT_LEVEL("upload-volume", -1, &t.s);
}

static void only_the_hosts_that_are_meant(void **state)
{
    (void)state;
    struct subject t;
    struct hunt_rule mine = *rule("exfil-volume");

    mine.only[mine.only_count++] =
        (struct ip_prefix){.address = {10, 0, 1}, .version = 4, .length = 24};
    flow(&t, 443, 60, 100, 20000000, 0); /* 10.0.0.1 */
    assert_int_equal(hunt_evaluate(&mine, &t.s), -1);
    mine.only[mine.only_count++] =
        (struct ip_prefix){.address = {10, 0, 0}, .version = 4, .length = 24};
    assert_int_equal(hunt_evaluate(&mine, &t.s), 0);
}

static void the_longest_prefix_names_a_host(void **state)
{
    (void)state;
    struct hunt_tags tags = {
        .count = 2,
        .prefix_count = 3,
        .prefix = {{.address = {10}, .version = 4, .length = 8},
                   {.address = {10, 0, 0, 1}, .version = 4, .length = 32},
                   {.address = {0xfd}, .version = 6, .length = 8}},
        .tag = {0, 1, 1},
    };
    struct host_key six = {.address = {0xfd, 1}}, one = key4(0x0a000001), two = key4(0x0a000002);
    struct host_key none = key4(0x0b000001);

    assert_int_equal(hunt_tag_of(&tags, &one), 1);
    assert_int_equal(hunt_tag_of(&tags, &two), 0);
    assert_int_equal(hunt_tag_of(&tags, &six), 1);
    assert_int_equal(hunt_tag_of(&tags, &none), -1);
}

static void flood_victim(void **state)
{
    (void)state;
    struct subject t;

    ASSERT_LEVEL("flood-victim", 0, host(&t, 1000, 200, 1000));
    ASSERT_LEVEL("flood-victim", -1, host(&t, 1000, 201, 1000));
    ASSERT_LEVEL("flood-victim", -1, host(&t, 1000, 200, 999));
}

static struct hunt_subject *clockwork(struct subject *t, uint32_t starts, uint64_t jitter_ms)
{
    contact(t, 443, 1, (struct contact_window){.opened = 10});
    t->contact.rhythm = &t->rhythm;
    t->rhythm = (struct contact_rhythm){
        .first_ns = START_NS, .last_ns = START_NS + 13 * HOUR, .starts = starts, .sizes = starts};
    for (uint32_t i = 0; i < CONTACT_SAMPLES; i++) {
        t->rhythm.interval_ms[i] = (uint32_t)(60000 + i * jitter_ms);
        t->rhythm.size[i] = 500;
    }
    for (int i = 0; i < CONTACT_HOURS; i++)
        t->rhythm.hour[i] = 60;
    return &t->s;
}

static void beacon(void **state)
{
    (void)state;
    struct subject t;

    ASSERT_LEVEL("beacon", 1, clockwork(&t, 800, 0));
    ASSERT_LEVEL("beacon", 1, clockwork(&t, 24, 0));
    ASSERT_LEVEL("beacon", -1, clockwork(&t, 23, 0));
    clockwork(&t, 800, 0);
    t.rhythm.last_ns = START_NS + 5 * HOUR; /* seen for too short: 3 of 4 scores */
    ASSERT_LEVEL("beacon", -1, &t.s);
}

static void policy_port(void **state)
{
    (void)state;
    struct subject t;
    struct contact_window w = {.opened = 1, .accepted = 1};

    ASSERT_LEVEL("policy-port", 0, contact(&t, 445, 1, w));
    ASSERT_LEVEL("policy-port", -1, contact(&t, 443, 1, w));
    ASSERT_LEVEL("policy-port", -1, contact(&t, 445, 3, w));
    w.accepted = 0;
    ASSERT_LEVEL("policy-port", -1, contact(&t, 445, 1, w));
}

static void allow_lists_silence(void **state)
{
    (void)state;
    struct subject t;
    struct hunt_rule r = *rule("exfil-volume");

    flow(&t, 443, 60, 100, 20000000, 1000);
    r.allow_count = 1;
    r.allow[0] = (struct ip_prefix){.address = {0xc6}, .version = 4, .length = 8};
    assert_int_equal(hunt_evaluate(&r, &t.s), -1);
    r.allow[0].address[0] = 0x0a;
    assert_int_equal(hunt_evaluate(&r, &t.s), -1);
    r.allow[0].address[0] = 0x0b;
    assert_int_equal(hunt_evaluate(&r, &t.s), 0);
    r.allow_port[0] = 443;
    r.allow_port_count = 1;
    assert_int_equal(hunt_evaluate(&r, &t.s), -1);
}

/* What the filter lets through must be all that any rule finds. */
static void the_filter_hides_nothing(void **state)
{
    (void)state;
    struct hunt_filter f;
    struct subject t;
    static const struct {
        uint16_t port;
        uint8_t proto, want;
        uint64_t age_s, packets, out, in;
    } c[] = {
        {443, PROTO_TCP, 1, 60, 100, 20000000, 1000},
        {443, PROTO_TCP, 0, 60, 100, 19999000, 900},
        {53, PROTO_UDP, 1, 10, 100, 10000, 0},
        {53, PROTO_UDP, 0, 10, 100, 9999, 0},
        {0, PROTO_ICMP, 1, 30, 50, 20000, 0},
        {0, PROTO_ICMP, 0, 30, 50, 19000, 0},
        {22, PROTO_TCP, 1, 3600, 2, 80, 40},
        {22, PROTO_TCP, 0, 3599, 2, 80, 40},
        {8443, PROTO_TCP, 1, 600, 1, 10000000, 10000000},
        {80, PROTO_TCP, 0, 1, 1, 40, 0},
    };

    hunt_builtin(&builtin);
    hunt_filter_compile(&builtin, &f);
    for (size_t i = 0; i < sizeof(c) / sizeof(*c); i++) {
        uint8_t inside = INSIDE_INITIATOR, mark;
        flow(&t, c[i].port, c[i].age_s, c[i].packets, c[i].out, c[i].in);
        t.flow.proto = c[i].proto;
        hunt_mark_burst(&builtin, &f, &t.flow, 1, &inside, &mark);
        if (mark != c[i].want)
            fail_msg("case %zu: %d", i, mark);
    }
    for (uint32_t i = 0; i < builtin.count; i++)
        builtin.rule[i].enabled = false;
    hunt_filter_compile(&builtin, &f);
    assert_true(f.octets[CLASS_DNS] == UINT64_MAX && f.age_ns[CLASS_OTHER] == UINT64_MAX);
}

static void an_alert_explains_itself(void **state)
{
    (void)state;
    struct subject t;
    struct alert a;
    struct hunt_group g = {.own = 9e8, .median = 2000000, .mad = 10, .hosts = 14};

    hunt_alert(rule("exfil-volume"), flow(&t, 443, 47 * 60, 100, 812000000, 26190000), 1, &g, &a);
    assert_string_equal(a.text, "10.0.0.1 sent 812 MB to 198.0.0.1:443 in 47 min, 31 times what it "
                                "received; 14 similar hosts: median 2.0 MB");
    assert_string_equal(a.measure, "octets_out");
    assert_true(a.value == 812000000 && a.threshold == 200000000);
    assert_int_equal(a.severity, SEVERITY_HIGH);
    assert_true(a.has_peer && a.has_port && a.port == 443);
    assert_int_equal(a.evidence_count, 6);
    assert_string_equal(a.evidence[2].name, "group_value");
    assert_true(a.evidence[2].value == 9e8 && a.evidence[4].value == 2e6);
    g.tag = "printers";
    hunt_alert(rule("exfil-volume"), &t.s, 1, &g, &a);
    assert_non_null(strstr(a.text, "; 14 similar hosts (printers): median 2.0 MB"));
    assert_true(a.id == hunt_alert_id(rule("exfil-volume"), &t.s));
    assert_true(a.id != hunt_alert_id(rule("tls-vpn"), &t.s));
    hunt_alert(rule("host-sweep"),
               contact(&t, 445, 3, (struct contact_window){.opened = 30, .tried = 30}), 0, NULL,
               &a);
    assert_false(a.has_peer);
    assert_string_equal(a.text, "10.0.0.1 tried 30 hosts on TCP port 445, 0 of 30 connections "
                                "were accepted");
    struct hunt_rule plain = *rule("exfil-volume");
    plain.template[0] = '\0';
    hunt_alert(&plain, flow(&t, 443, 60, 100, 20000000, 0), 0, NULL, &a);
    assert_string_equal(a.text, "10.0.0.1 and 198.0.0.1:443: octets_out 20 MB, ratio 1.00");
    memset(plain.template, 'x', sizeof(plain.template) - 1); /* cut, not overrun */
    memcpy(plain.template, "{service}{service}{service}", 27);
    hunt_alert(&plain, flow(&t, 443, 60, 100, 20000000, 0), 0, &g, &a);
    assert_true(strlen(a.text) < sizeof(a.text));
}

static void median_and_mad(void **state)
{
    (void)state;
    double odd[] = {1, 3, 5, 9, 100}, even[] = {2, 4, 6, 8}, same[] = {7, 7, 7, 7};

    struct hunt_group g = hunt_group_of(odd, 5);
    assert_true(g.median == 5 && g.mad == 4 && g.hosts == 5);
    g = hunt_group_of(even, 4);
    assert_true(g.median == 5 && g.mad == 2);
    g = hunt_group_of(same, 4);
    assert_true(g.median == 7 && g.mad == 0);
    g = hunt_group_of(odd, 1);
    assert_true(g.median == 1 && g.mad == 0);
    g = hunt_group_of(odd + 2, 2);
    assert_true(g.median == 7 && g.mad == 2);
    g = hunt_group_of(NULL, 0);
    assert_int_equal(g.hosts, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exfil_volume),
        cmocka_unit_test(upload_ratio),
        cmocka_unit_test(long_connection),
        cmocka_unit_test(dns_tunnel),
        cmocka_unit_test(icmp_tunnel),
        cmocka_unit_test(tls_vpn),
        cmocka_unit_test(lateral_movement),
        cmocka_unit_test(host_sweep),
        cmocka_unit_test(port_scan),
        cmocka_unit_test(brute_force),
        cmocka_unit_test(connection_count),
        cmocka_unit_test(those_who_stand_out),
        cmocka_unit_test(what_is_compared),
        cmocka_unit_test(upload_volume),
        cmocka_unit_test(only_the_hosts_that_are_meant),
        cmocka_unit_test(the_longest_prefix_names_a_host),
        cmocka_unit_test(flood_victim),
        cmocka_unit_test(beacon),
        cmocka_unit_test(policy_port),
        cmocka_unit_test(allow_lists_silence),
        cmocka_unit_test(the_filter_hides_nothing),
        cmocka_unit_test(an_alert_explains_itself),
        cmocka_unit_test(median_and_mad),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
