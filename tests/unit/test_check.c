#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "config/config.h"
#include "weir/config.h"

#define COUNT(array) (sizeof(array) / sizeof(*(array)))
#define SETTINGS_MAX 6

/* Keys over the defaults, "key value", and the line that refuses them; NULL: they fit. */
struct check {
    const char *line;
    const char *settings[SETTINGS_MAX];
};

static const struct check checks[] = {
    {NULL, {NULL}},
    {"sensor.control: a path that begins with /", {"sensor.control x.sock"}},
    {NULL, {"sensor.control /run/weir/control.sock", "sensor.metrics [::1]:9100"}},
    {"sensor.metrics: \"9100\" is not an address (host:port, [::1]:port)", {"sensor.metrics 9100"}},
    {"sensor.control: the path of a socket has at most 107 octets",
     {"sensor.control "
      "/1234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901"
      "2345678901234567"}},

    {"capture.ports[1]: \"eth0\" is there twice", {"capture.ports eth0, eth0"}},
    {"capture.ports: mode inline needs pairs of ports, here are 3",
     {"capture.ports a, b, c", "capture.mode inline"}},
    {NULL, {"capture.ports a, b", "capture.mode inline"}},
    {"capture.cores: core 3 is there twice", {"capture.cores 2-4, 3"}},
    {"capture.cores: 2 for 3 workers", {"capture.cores 2, 4", "capture.workers 3"}},
    {NULL, {"capture.cores 2, 4, 6", "capture.workers 3"}},
    {"capture.ring: 4000 is not a power of two", {"capture.ring 4000"}},
    {"export.ring: 65535 is not a power of two", {"export.ring 65535"}},

    {"flow.fold: not with flow.vlan_in_key; leave one of them out",
     {"flow.fold on", "flow.vlan_in_key true"}},
    {"flow.fold: not with flow.tunnel_in_key; leave one of them out",
     {"flow.fold on", "flow.tunnel_in_key true"}},
    {NULL, {"flow.fold auto", "flow.vlan_in_key true"}},

    {"export.enterprise: 29305 belongs to reverse elements (RFC 5103)",
     {"export.enterprise 29305"}},
    {"export.enterprise: 6871 belongs to CERT's elements (YAF, SiLK)", {"export.enterprise 6871"}},
    {"export.enterprise: 4294967295 belongs to nobody: it is reserved",
     {"export.enterprise 4294967295"}},
    {NULL, {"export.enterprise 32473"}},

    {"export.collectors[0].host: is missing", {"export.collectors[0].port 1"}},
    {"export.collectors[0].path: has a use only with transport file",
     {"export.collectors tcp://a?path=b"}},
    {"export.collectors[0].path: transport file needs one",
     {"export.collectors[0].transport file"}},
    {"export.collectors[0].host: has no use with transport file",
     {"export.collectors file:/x?host=a"}},
    {"export.collectors[0].port: has no use with transport file",
     {"export.collectors file:/x?port=1"}},
    {"export.collectors[0].path: stdout takes only the profiles ecs and json",
     {"export.collectors file:-"}},
    {NULL, {"export.collectors file:-?profile=ecs"}},
    {"export.collectors[0].rotate_size: not with stdout",
     {"export.collectors file:-?profile=ecs&rotate_size=1GiB"}},
    {"export.collectors[0].rotate_interval: has a use only with transport file",
     {"export.collectors tcp://a?rotate_interval=1h"}},
    {NULL, {"export.collectors file:/x?rotate_interval=1h"}},

    {"export.collectors[0].cert: IPFIX over TLS needs cert and key (RFC 7011 11.3)",
     {"export.collectors tls://a"}},
    {"export.collectors[0].key: cert and key go together", {"export.collectors tls://a?cert=c"}},
    {"export.collectors[0].cert: cert and key go together",
     {"export.collectors tls://a?profile=ecs&key=k"}},
    {NULL, {"export.collectors tls://a?cert=c&key=k, tls://b?profile=json"}},
    {"export.collectors[0].ca: has a use only with transport tls",
     {"export.collectors tcp://a?ca=c"}},
    {"export.collectors[0].message_size: a datagram holds at most 65507 octets",
     {"export.collectors udp://a?message_size=65508"}},
    {NULL, {"export.collectors udp://a?message_size=65507, tcp://a?message_size=65535"}},

    {"export.collectors[1].name: \"x\" is that of collectors[0] too",
     {"export.collectors tcp://a?name=x, tcp://b?name=x"}},
    {"export.collectors[1].name: \"tcp-a-4739\" is that of collectors[0] too",
     {"export.collectors tcp://a, tcp://a:4739"}},
    {"export.collectors[1].path: that of collectors[0] too",
     {"export.collectors file:/x, file:/x?name=y"}},
    {"export.collectors[0].group_mode: has a use only with a group",
     {"export.collectors tcp://a?group_mode=failover"}},
    {"export.collectors[1].group_mode: another one in the same group has collectors[0]",
     {"export.collectors tcp://a?group=g&group_mode=failover, tcp://b?group=g"}},
    {NULL, {"export.collectors tcp://a?group=g, tcp://b?group=g, tcp://c?group=h"}},

    {NULL, {"hunts.syslog udp://h:514"}},
    {NULL, {"hunts.syslog tcp://[::1]:514"}},
    {NULL, {"hunts.syslog unix:/dev/log"}},
    {"hunts.syslog: expected udp://host:514, tcp://host:514 or unix:/path", {"hunts.syslog h:514"}},
    {"hunts.syslog: \"h\" is not an address (host:port, [::1]:port)", {"hunts.syslog udp://h"}},

    {NULL, {"redis.address unix:/run/redis.sock"}},
    {NULL, {"redis.address h:6379", "redis.tls on", "redis.ca c.pem"}},
    {"redis.ca: has a use only with redis.tls", {"redis.ca c.pem"}},
    {"redis.sentinel: needs redis.address", {"redis.sentinel m"}},
    {"redis.tls: not over a socket in the file system",
     {"redis.address unix:/run/redis.sock", "redis.tls on"}},
    {"redis.address: \"unix:x\" is not an address (host:port, [::1]:port, unix:/path)",
     {"redis.address unix:x"}},
};

static void set(struct config *config, const char *setting)
{
    char key[64];
    struct config_error error;
    size_t len = strcspn(setting, " ");

    snprintf(key, sizeof(key), "%.*s", (int)len, setting);
    if (config_set(config, key, setting + len + 1, &error) < 0)
        fail_msg("%s", error.text);
}

static void keys_that_do_not_fit_are_named(void **state)
{
    (void)state;
    static struct config config;
    struct config_error error;

    for (size_t i = 0; i < COUNT(checks); i++) {
        config_defaults(&config);
        for (size_t j = 0; j < SETTINGS_MAX && checks[i].settings[j]; j++)
            set(&config, checks[i].settings[j]);
        int r = config_check(&config, &error);
        if (!checks[i].line && r < 0)
            fail_msg("%s", error.text);
        assert_int_equal(r, checks[i].line ? -EINVAL : 0);
        if (checks[i].line)
            assert_string_equal(error.text, checks[i].line);
    }
}

static void what_follows_from_other_keys_is_filled_in(void **state)
{
    (void)state;
    static const struct {
        const char *url, *name, *peer;
        uint64_t port, message_size;
    } cases[] = {
        {"tcp://192.0.2.1", "tcp-192.0.2.1-4739", "", 4739, 8192},
        {"udp://[::1]:2055", "udp-__1-2055", "", 2055, 1400},
        {"tls://h?cert=c&key=k", "tls-h-4740", "h", 4740, 8192},
        {"tls://h?cert=c&key=k&peer=p&name=n&message_size=512", "n", "p", 4740, 512},
        {"file:/var/log/my flows.ipfix", "file-my_flows.ipfix", "", 0, 8192},
    };
    static struct config config, again;
    struct config_error error;
    const struct collector_config *c = config.exports.collector;

    for (size_t i = 0; i < COUNT(cases); i++) {
        config_defaults(&config);
        assert_int_equal(config_add_collector(&config, cases[i].url, &error), 0);
        assert_int_equal(config_check(&config, &error), 0);
        assert_string_equal(c->name, cases[i].name);
        assert_string_equal(c->peer, cases[i].peer);
        assert_int_equal(c->port, cases[i].port);
        assert_int_equal(c->message_size, cases[i].message_size);
        again = config;
        assert_int_equal(config_check(&config, &error), 0);
        assert_memory_equal(&config, &again, sizeof(config));
    }
}

static void a_long_host_makes_a_name_that_fits(void **state)
{
    (void)state;
    static struct config config;
    struct config_error error;
    char url[128] = "tcp://";

    memset(url + 6, 'h', 100);
    config_defaults(&config);
    assert_int_equal(config_add_collector(&config, url, &error), 0);
    assert_int_equal(config_check(&config, &error), 0);
    assert_int_equal(strlen(config.exports.collector[0].name), CONFIG_NAME_MAX - 1);
}

/* RFC 7011 8.4: over UDP templates must be sent again. */
static void templates_over_udp_come_at_least_once_a_minute(void **state)
{
    (void)state;
    static const struct {
        const char *url;
        uint64_t seconds;
    } cases[] = {
        {"udp://h", 60},  {"udp://h?template_resend=never", 60}, {"udp://h?template_resend=5s", 5},
        {"tcp://h", 600}, {"tcp://h?template_resend=never", 0},
    };
    static struct config config;
    struct config_error error;

    for (size_t i = 0; i < COUNT(cases); i++) {
        config_defaults(&config);
        assert_int_equal(config_add_collector(&config, cases[i].url, &error), 0);
        assert_int_equal(config_check(&config, &error), 0);
        assert_int_equal(config.exports.collector[0].template_ns,
                         cases[i].seconds * UINT64_C(1000000000));
    }
}

static void files_of_one_name_get_names_of_their_own(void **state)
{
    (void)state;
    static const char *const urls[] = {"file:/a/x.ipfix", "file:/b/x.ipfix", "file:/c/x.ipfix"};
    static const char *const names[] = {"file-x.ipfix", "file-2-x.ipfix", "file-3-x.ipfix"};
    static struct config config;
    struct config_error error;

    config_defaults(&config);
    for (size_t i = 0; i < COUNT(urls); i++)
        assert_int_equal(config_add_collector(&config, urls[i], &error), 0);
    for (int again = 0; again < 2; again++) {
        assert_int_equal(config_check(&config, &error), 0);
        for (size_t i = 0; i < COUNT(urls); i++)
            assert_string_equal(config.exports.collector[i].name, names[i]);
    }
    assert_int_equal(config_add_collector(&config, urls[0], &error), 0);
    assert_int_equal(config_check(&config, &error), -EINVAL);
    assert_string_equal(error.text, "export.collectors[3].path: that of collectors[0] too");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_that_do_not_fit_are_named),
        cmocka_unit_test(what_follows_from_other_keys_is_filled_in),
        cmocka_unit_test(a_long_host_makes_a_name_that_fits),
        cmocka_unit_test(templates_over_udp_come_at_least_once_a_minute),
        cmocka_unit_test(files_of_one_name_get_names_of_their_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
