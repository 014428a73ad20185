/*
 * A rules file: YAML that changes the built-in hunts and adds others.
 *
 *     tags:                           hosts that are alike; before rules
 *       servers: [10.1.0.0/24, 10.9.0.7]
 *     rules:
 *       - name: exfil-volume          a built-in one: only what is said changes
 *         when: {octets_out: ">= 50M", ratio: ">= 0.4"}
 *         allow: [192.0.2.0/24]
 *       - name: beacon
 *         enabled: false
 *       - name: mail-flood            a new one: needs scope and when
 *         scope: host                 flow, pair, host, group
 *         group_by: [port]            pair, host: each responder port for itself
 *         window: 1m                  1m or 1h
 *         ports: [25]
 *         hosts: [servers]            only these: addresses, prefixes, tags; so in allow
 *         when: {opened: ">= 500"}    the first is the one that levels refer to
 *         levels: [500, 5000]
 *         compare: opened             the alert says what the host's group has of it
 *         mads: 6                     and comes only so many MADs over the group's median; scope
 *                                     host: of the first condition, where compare is not given
 *         direction: outbound         any, outbound, inbound, internal
 *         proto: tcp                  tcp, udp, icmp, or a number
 *         allow_ports: [587]
 *         severity: low               info, low, medium, high, critical
 *         technique: T1048
 *         suppress: 8h
 *         text: "{host} opened {opened} connections to {port}"
 *         source: our own mail policy
 *
 * Errors are lines as config_load() writes them: file:line: key: what was expected.
 */
#pragma once

#include <stddef.h>

struct config_error;
struct hunt_rules;

/* The rules file over *rules, which holds the built-in ones; unchanged when it fails, with -errno.
 */
int config_load_rules(const char *path, struct hunt_rules *rules, struct config_error *error);
int config_load_rules_memory(const char *name, const void *bytes, size_t len,
                             struct hunt_rules *rules, struct config_error *error);
