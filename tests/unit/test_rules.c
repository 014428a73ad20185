#include "host_fixture.h"

#include <errno.h>
#include <stdio.h>

#include "config/config.h"
#include "config/rules.h"
#include "hunt/hunt.h"

static struct hunt_rules rules, before;
static struct config_error error;

static int load(const char *text)
{
    hunt_builtin(&rules);
    before = rules;
    error.text[0] = '\0';
    return config_load_rules_memory("rules.yaml", text, strlen(text), &rules, &error);
}

static const struct hunt_rule *find(const char *name)
{
    for (uint32_t i = 0; i < rules.count; i++)
        if (strcmp(rules.rule[i].name, name) == 0)
            return &rules.rule[i];
    fail_msg("no rule %s", name);
    return NULL;
}

static void what_is_printed_reads_back(void **state)
{
    (void)state;
    char *text = NULL, *again = NULL;
    size_t len, again_len;

    hunt_builtin(&rules);
    FILE *out = open_memstream(&text, &len);
    hunt_rules_print(&rules, out);
    fclose(out);
    memset(&rules, 0, sizeof(rules));
    if (config_load_rules_memory("printed", text, len, &rules, &error))
        fail_msg("%s", error.text);
    out = open_memstream(&again, &again_len);
    hunt_rules_print(&rules, out);
    fclose(out);
    assert_string_equal(text, again);
    hunt_builtin(&before);
    assert_int_equal(rules.count, before.count);
    for (uint32_t i = 0; i < rules.count; i++)
        if (memcmp(&rules.rule[i], &before.rule[i], sizeof(before.rule[i])))
            fail_msg("%s differs", rules.rule[i].name);
    free(text);
    free(again);
}

static void a_builtin_rule_changes_where_it_is_told(void **state)
{
    (void)state;

    assert_int_equal(load("rules:\n"
                          "  - name: exfil-volume\n"
                          "    when: {octets_out: 50M, ratio: '>= 0.5'}\n"
                          "    allow: [192.0.2.0/24, 2001:db8::1]\n"
                          "  - name: beacon\n"
                          "    enabled: false\n"
                          "  - name: long-connection\n"
                          "    when: {age: 30m}\n"
                          "    levels: [30m, 2h]\n"),
                     0);
    const struct hunt_rule *r = find("exfil-volume");
    assert_true(r->condition[0].value == 50e6 && r->condition[1].value == 0.5);
    assert_int_equal(r->level_count, 0); /* they were those of the old condition */
    assert_int_equal(r->allow_count, 2);
    assert_string_equal(r->technique, "T1048");
    assert_false(find("beacon")->enabled);
    r = find("long-connection");
    assert_true(r->condition[0].value == 1800 && r->level[0] == 1800 && r->level[1] == 7200);
    assert_int_equal(rules.count, before.count);
}

static void new_rules_come_behind(void **state)
{
    (void)state;

    assert_int_equal(load("rules:\n"
                          "  - name: mail-flood\n"
                          "    scope: host\n"
                          "    group_by: [port]\n"
                          "    window: 1m\n"
                          "    ports: [25, 587]\n"
                          "    proto: tcp\n"
                          "    when: {opened: '>= 500', unanswered: '<= 0.5'}\n"
                          "    levels: [500, 5k]\n"
                          "    severity: low\n"
                          "    suppress: 30m\n"
                          "    text: '{host} opened {opened} to {port}'\n"),
                     0);
    const struct hunt_rule *r = find("mail-flood");
    assert_int_equal(rules.count, before.count + 1);
    assert_true(r->enabled && r->by_port && r->scope == SCOPE_HOST);
    assert_int_equal(r->window, WINDOW_MINUTE);
    assert_int_equal(r->port_count, 2);
    assert_int_equal(r->condition[1].at_most, 1);
    assert_true(r->suppress_ns == 1800 * SECOND && r->level[1] == 5000);
}

static void tags_name_networks(void **state)
{
    (void)state;

    assert_int_equal(load("tags:\n"
                          "  servers: [10.1.0.0/24, 2001:db8::/64]\n"
                          "  printer: 10.2.0.7\n"
                          "rules:\n"
                          "  - name: exfil-volume\n"
                          "    hosts: [servers, 10.3.0.0/16]\n"
                          "    allow: printer\n"
                          "    compare: opened\n"
                          "    mads: 3\n"
                          "  - name: upload-ratio\n"
                          "    compare: none\n"),
                     0);
    assert_int_equal(rules.tags.count, 2);
    assert_int_equal(rules.tags.prefix_count, 3);
    assert_int_equal(rules.tags.tag[2], 1);
    const struct hunt_rule *r = find("exfil-volume");
    assert_int_equal(r->only_count, 3);
    assert_int_equal(r->only[1].version, 6);
    assert_int_equal(r->allow_count, 1);
    assert_int_equal(r->allow[0].address[3], 7);
    assert_int_equal(r->compare, MEASURE_OPENED + 1);
    assert_int_equal(find("upload-ratio")->compare, 0);
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    before = rules;
    hunt_rules_print(&rules, out);
    fclose(out);
    memset(&rules, 0, sizeof(rules));
    if (config_load_rules_memory("printed", text, len, &rules, &error))
        fail_msg("%s", error.text);
    assert_memory_equal(&rules, &before, sizeof(rules));
    free(text);
}

static void errors_name_line_key_and_what_was_expected(void **state)
{
    (void)state;
    static const struct {
        const char *text, *error;
    } c[] = {
        {"rulez: []\n",
         "rules.yaml:1: rulez: no such key (a rules file has tags: and rules: alone)"},
        {"rules: 5\n", "rules.yaml:1: rules: expected a list of rules, found a value"},
        {"rules:\n  - scope: flow\n", "rules.yaml:2: rules[0].scope: a rule begins with its name"},
        {"rules:\n  - name: Bad Name\n",
         "rules.yaml:2: rules[0].name: \"Bad Name\" is not a name (a-z, 0-9, - and _)"},
        {"rules:\n  - name: x\n    scope: planet\n",
         "rules.yaml:3: rules[0].scope: \"planet\" is not flow, pair, host or group"},
        {"rules:\n  - name: x\n    scop: flow\n",
         "rules.yaml:3: rules[0].scop: no such key of a rule"},
        {"rules:\n  - name: x\n    scope: flow\n    when: {octets: 5}\n",
         "rules.yaml:4: rules[0].when.octets: no such measure (weir hunts --measures lists all)"},
        {"rules:\n  - name: x\n    scope: flow\n    when: {octets_out: many}\n",
         "rules.yaml:4: rules[0].when.octets_out: \"many\" is not a number of octets (1500, 20M, "
         "2G), with >= or <= before it"},
        {"rules:\n  - name: x\n    scope: flow\n    when: {age: 5 lightyears}\n",
         "rules.yaml:4: rules[0].when.age: \"5 lightyears\" is not a duration (30s, 10m, 4h), with "
         ">= or <= before it"},
        {"rules:\n  - name: x\n    scope: flow\n    when: {ratio: 2}\n",
         "rules.yaml:4: rules[0].when.ratio: \"2\" is not a number between -1 and 1, with >= or <= "
         "before it"},
        {"rules:\n  - name: x\n    scope: host\n",
         "rules.yaml:2: rules[0]: \"x\" is not built in, and a new rule needs scope and when"},
        {"rules:\n  - name: x\n    scope: host\n    when: {age: 5m}\n",
         "rules.yaml:2: rules[0]: age cannot be measured of this scope (host)"},
        {"rules:\n  - name: x\n    scope: host\n    when: {opened: 5}\n    ports: [25]\n",
         "rules.yaml:2: rules[0]: ports and proto need scope flow, or group_by: [port]"},
        {"rules:\n  - name: beacon\n    ports: [25, 99999]\n",
         "rules.yaml:3: rules[0].ports[1]: \"99999\" is not a port (0..65535)"},
        {"rules:\n  - name: beacon\n    ports: {a: b}\n",
         "rules.yaml:3: rules[0].ports: expected a list of ports, found a mapping"},
        {"rules:\n  - name: beacon\n    allow: [300.1.2.3]\n",
         "rules.yaml:3: rules[0].allow[0]: \"300.1.2.3\" is not an address, a prefix "
         "(192.0.2.0/24, 2001:db8::/32), or one of tags:"},
        {"tags: {servers: 10.1.0.0/24}\nrules:\n  - name: beacon\n    hosts: servrs\n",
         "rules.yaml:4: rules[0].hosts: \"servrs\" is not an address, a prefix (192.0.2.0/24, "
         "2001:db8::/32), or one of tags:"},
        {"tags:\n  servers: [10.1.0.0/33]\n",
         "rules.yaml:2: tags.servers[0]: \"10.1.0.0/33\" is not an address or prefix "
         "(192.0.2.0/24, 2001:db8::/32)"},
        {"tags:\n  My Servers: 10.1.0.0/24\n",
         "rules.yaml:2: tags.My Servers: \"My Servers\" is not a name (a-z, 0-9, - and _)"},
        {"tags:\n  a: 10.1.0.0/24\n  a: 10.2.0.0/24\n", "rules.yaml:3: tags.a: given twice"},
        {"tags: [a, b]\n", "rules.yaml:1: tags: expected names and their networks, found a list"},
        {"rules:\n  - name: beacon\ntags: {a: 10.1.0.0/24}\n",
         "rules.yaml:3: tags: must stand before rules:"},
        {"rules: []\nrules: []\n", "rules.yaml:2: rules: given twice"},
        {"rules:\n  - name: beacon\n  - name: x\n    scope: flow\n    when: {age: 5m}\n"
         "  - name: beacon\n",
         "rules.yaml:6: rules[2].name: \"beacon\" has been given before in this file"},
        {"rules:\n  - name: exfil-volume\n    compare: age\n",
         "rules.yaml:3: rules[0].compare: \"age\" is not a measure of hosts, or none (weir hunts "
         "--measures)"},
        {"rules:\n  - name: long-connection\n    mads: 5\n",
         "rules.yaml:2: rules[0]: mads needs scope host, or compare"},
        {"rules:\n  - name: x\n    scope: group\n    when: {opened: 5}\n    compare: opened\n",
         "rules.yaml:2: rules[0]: compare needs scope flow, pair or host"},
        {"rules:\n  - name: x\n    scope: host\n    when: {opened: 5}\n    direction: inbound\n",
         "rules.yaml:2: rules[0]: direction needs scope flow or pair, or group_by: [port]"},
        {"rules:\n  - name: x\n    scope: host\n    when: {opened: 5}\n    text: '{host} {peer}'\n",
         "rules.yaml:2: rules[0]: {peer} says nothing of this scope (host)"},
        {"rules:\n  - name: x\n    scope: pair\n    when: {opened: 5}\n    text: '{service}'\n",
         "rules.yaml:2: rules[0]: {service} says nothing of this scope (pair)"},
        {"rules:\n  - name: x\n    scope: pair\n    when: {opened: 5}\n    text: '{age}'\n",
         "rules.yaml:2: rules[0]: {age} says nothing of this scope (pair)"},
        {"- name: beacon\n", "rules.yaml:1: expected rules:, found a list"},
        {"rules:\n\t- name: beacon\n",
         "rules.yaml:2: not valid YAML: found character that cannot start any token"},
        {"rules:\n  - name: !secret beacon\n", "rules.yaml:2: rules[0].name: tags (!) are not "
                                               "allowed here"},
        {"rules:\n  - name: beacon\n    severity: worse\n",
         "rules.yaml:3: rules[0].severity: \"worse\" is not info, low, medium, high or critical"},
        {"rules:\n  - name: beacon\n    levels: [0.9, 0.8]\n",
         "rules.yaml:3: rules[0].levels[1]: levels must rise"},
        {"rules:\n  - name: beacon\n    text: '{hots}'\n",
         "rules.yaml:3: rules[0].text: \"{hots}\" is not a sentence with {host}, {peer}, "
         "{service}, {port}, {times} or {MEASURE} (weir hunts --measures)"},
        {"rules:\n  - name: beacon\n    enabled: yes\n",
         "rules.yaml:3: rules[0].enabled: \"yes\" is not true or false"},
        {"rules:\n  - name: beacon\n    window: 5m\n",
         "rules.yaml:3: rules[0].window: \"5m\" is not 1m or 1h"},
        {"rules:\n  - name: beacon\n    window: 1m\n    window: 1h\n",
         "rules.yaml:4: rules[0].window: given twice"},
        {"rules:\n  - name: beacon\n    suppress: 5x\n",
         "rules.yaml:3: rules[0].suppress: \"5x\" is not a duration (0s..365d)"},
        {"rules:\n  - name: beacon\n    proto: tpc\n",
         "rules.yaml:3: rules[0].proto: \"tpc\" is not tcp, udp, icmp, any, or a number (1..255)"},
        {"rules:\n  - name: beacon\n    group_by: [host]\n",
         "rules.yaml:3: rules[0].group_by[0]: \"host\" is not port, which is all that can be "
         "grouped by"},
        {"rules: [\n", "rules.yaml:2: not valid YAML: did not find expected node content"},
    };

    for (size_t i = 0; i < sizeof(c) / sizeof(*c); i++) {
        assert_int_equal(load(c[i].text), -EINVAL);
        assert_string_equal(error.text, c[i].error);
        assert_memory_equal(&rules, &before, sizeof(rules));
    }
}

static void nothing_changes_nothing(void **state)
{
    (void)state;
    static const char *const text[] = {"",     "rules:\n",       "rules: []\n", "# only words\n",
                                       "{}\n", "tags:\nrules:\n"};

    for (size_t i = 0; i < sizeof(text) / sizeof(*text); i++) {
        assert_int_equal(load(text[i]), 0);
        assert_memory_equal(&rules, &before, sizeof(rules));
    }
}

static void no_more_than_fits(void **state)
{
    (void)state;
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);

    fputs("rules:\n", out);
    for (int i = 0; i < HUNT_RULES_MAX; i++)
        fprintf(out, "  - {name: r%d, scope: flow, when: {age: 5m}}\n", i);
    fclose(out);
    assert_int_equal(load(text), -EINVAL);
    assert_non_null(strstr(error.text, "more than 64 rules"));
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_printed_reads_back),
        cmocka_unit_test(a_builtin_rule_changes_where_it_is_told),
        cmocka_unit_test(new_rules_come_behind),
        cmocka_unit_test(tags_name_networks),
        cmocka_unit_test(errors_name_line_key_and_what_was_expected),
        cmocka_unit_test(nothing_changes_nothing),
        cmocka_unit_test(no_more_than_fits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
