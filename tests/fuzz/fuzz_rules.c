/*
 * Any text as a rules file. What loads must print to a text that loads to the same; what fails must
 * leave the rules alone and say so in one printable line.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "config/rules.h"
#include "hunt/hunt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int holds)
{
    if (!holds)
        abort();
}

static char *printed(const struct hunt_rules *rules, size_t *len)
{
    char *text = NULL;
    FILE *out = open_memstream(&text, len);

    require(out != NULL);
    hunt_rules_print(rules, out);
    fclose(out);
    return text;
}

static void require_round_trip(const struct hunt_rules *rules)
{
    static struct hunt_rules again;
    struct config_error error;
    size_t len, again_len;
    char *text = printed(rules, &len);

    memset(&again, 0, sizeof(again));
    require(config_load_rules_memory("printed", text, len, &again, &error) == 0);
    char *again_text = printed(&again, &again_len);
    require(len == again_len && memcmp(text, again_text, len) == 0);
    free(text);
    free(again_text);
}

/* Whatever the rules are, compiling and judging them is safe. */
static void judge(const struct hunt_rules *rules)
{
    struct hunt_filter filter;
    struct flow_delta d = {.ip_version = 4,
                           .proto = 6,
                           .port = {40000, 443},
                           .last_ns = 1000000000,
                           .total = {{5, 5}, {1000000000, 5}, {1, 1}}};
    struct hunt_subject s = {.flow = &d, .port = 443, .proto = 6};
    uint8_t inside = 1, mark;
    struct alert alert;

    hunt_filter_compile(rules, &filter);
    hunt_mark_burst(rules, &filter, &d, 1, &inside, &mark);
    for (uint32_t i = 0; i < rules->count; i++) {
        hunt_alert(&rules->rule[i], &s, 0, NULL, &alert);
        require(memchr(alert.text, 0, sizeof(alert.text)) != NULL);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct hunt_rules rules, before;
    struct config_error error;

    hunt_builtin(&rules);
    before = rules;
    if (config_load_rules_memory("rules.yaml", data, size, &rules, &error) == 0) {
        require_round_trip(&rules);
        judge(&rules);
        return 0;
    }
    require(error.text[0] && strlen(error.text) < sizeof(error.text) - 1);
    for (const char *c = error.text; *c; c++)
        require((unsigned char)*c >= ' ' && *c != 0x7f);
    require(memcmp(&rules, &before, sizeof(rules)) == 0);
    return 0;
}
