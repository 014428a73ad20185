/*
 * Walks a rules file.
 */
#include "config/rules.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "config/rules_reader.h"

static_assert(HUNT_RULES_MAX <= 64, "a bit of rules_reader.named for each");

static int note_named(struct rules_reader *r)
{
    uint64_t bit = UINT64_C(1) << (r->rule - r->rules->rule);

    r->line = config_events_line(&r->in);
    if (r->named & bit)
        return RULES_FAIL(r, "\"%s\" has been given before in this file", r->rule->name);
    r->named |= bit;
    return 0;
}

/* The rule called so, or a new one. */
static int enter_rule(struct rules_reader *r)
{
    char name[ALERT_NAME_MAX];
    int rc = rules_read_name(r, name);

    if (rc)
        return rc;
    for (uint32_t i = 0; i < r->rules->count && !r->rule; i++)
        if (strcmp(r->rules->rule[i].name, name) == 0)
            r->rule = &r->rules->rule[i];
    r->is_new = !r->rule;
    if (r->rule)
        return note_named(r);
    if (r->rules->count == HUNT_RULES_MAX)
        return RULES_FAIL(r, "more than %d rules", HUNT_RULES_MAX);
    r->rule = &r->rules->rule[r->rules->count++];
    memset(r->rule, 0, sizeof(*r->rule));
    memcpy(r->rule->name, name, sizeof(name));
    r->rule->enabled = true;
    r->rule->severity = SEVERITY_MEDIUM;
    r->rule->window = WINDOW_HOUR;
    r->rule->suppress_ns = UINT64_C(3600000000000);
    return note_named(r);
}

/* Of the rule as a whole: at the line where it begins. */
#define FAIL_RULE(r, format, ...)                                                                  \
    config_fail((r)->in.error, -EINVAL, "%s:%u: %s: " format, (r)->in.source, (r)->line,           \
                (r)->in.path __VA_OPT__(, ) __VA_ARGS__)

static unsigned subject_of(const struct hunt_rule *rule)
{
    switch (rule->scope) {
    case SCOPE_FLOW:
        return SUBJECT_FLOW;
    case SCOPE_PAIR:
        return rule->by_port ? SUBJECT_EDGE : SUBJECT_PAIR;
    case SCOPE_HOST:
        return rule->by_port ? SUBJECT_SERVICE : SUBJECT_HOST;
    default:
        return SUBJECT_GROUP;
    }
}

static bool was_given(unsigned given, const char *key)
{
    return given & 1u << rules_key_find(key);
}

/* Conditions that fit what the rule looks at. */
static int check_measures(struct rules_reader *r, unsigned subject)
{
    const struct hunt_rule *rule = r->rule;

    for (unsigned i = 0; i < rule->condition_count; i++)
        if (!(hunt_measures[rule->condition[i].measure].subjects & subject))
            return FAIL_RULE(r, "%s cannot be measured of this scope (%s%s)",
                             hunt_measures[rule->condition[i].measure].name,
                             alert_scope_names[rule->scope], rule->by_port ? " by port" : "");
    if (rule->compare && subject == SUBJECT_GROUP)
        return FAIL_RULE(r, "compare needs scope flow, pair or host");
    if (rule->mads > 0 && !rule->compare && subject != SUBJECT_HOST)
        return FAIL_RULE(r, "mads needs scope host, or compare");
    return 0;
}

/* What belongs to connections: hosts and groups as a whole have neither service nor other end. */
static int check_ends(struct rules_reader *r, unsigned subject)
{
    const struct hunt_rule *rule = r->rule;

    if (!(subject & SUBJECTS_SERVICE) &&
        (rule->port_count || rule->allow_port_count || rule->proto))
        return FAIL_RULE(r, "ports and proto need scope flow, or group_by: [port]");
    if (subject & SUBJECT_HOSTS && rule->direction != DIRECTION_ANY)
        return FAIL_RULE(r, "direction needs scope flow or pair, or group_by: [port]");
    return 0;
}

static bool word_has_value(int word, unsigned subject)
{
    switch (word) {
    case WORD_PEER:
        return subject & SUBJECTS_PEER;
    case WORD_SERVICE:
        return subject & SUBJECTS_PEER & SUBJECTS_SERVICE;
    case WORD_PORT:
        return subject & SUBJECTS_SERVICE;
    default:
        return word >= MEASURE_COUNT || hunt_measures[word].subjects & subject;
    }
}

static int check_text(struct rules_reader *r, unsigned subject)
{
    const char *at = r->rule->template;

    while ((at = strchr(at, '{')) != NULL) {
        size_t len = strcspn(++at, "}");
        if (!word_has_value(hunt_word_find(at, len), subject))
            return FAIL_RULE(r, "{%.*s} says nothing of this scope (%s%s)", (int)len, at,
                             alert_scope_names[r->rule->scope], r->rule->by_port ? " by port" : "");
    }
    return 0;
}

/* Levels of a rule whose conditions were changed are gone; the first one is the condition itself.
 */
static int settle_levels(struct rules_reader *r, unsigned given)
{
    struct hunt_rule *rule = r->rule;

    if (was_given(given, "when") && !was_given(given, "levels"))
        rule->level_count = 0;
    if (rule->level_count && rule->condition[0].at_most)
        return FAIL_RULE(r, "levels need a first condition with >=");
    if (rule->level_count && rule->level[0] < rule->condition[0].value)
        rule->level[0] = rule->condition[0].value;
    return 0;
}

static int check_rule(struct rules_reader *r, unsigned given)
{
    struct hunt_rule *rule = r->rule;
    unsigned subject = subject_of(rule);

    if (r->is_new && (!was_given(given, "scope") || !rule->condition_count))
        return FAIL_RULE(r, "\"%s\" is not built in, and a new rule needs scope and when",
                         rule->name);
    int rc = check_measures(r, subject);
    rc = rc ? rc : check_ends(r, subject);
    rc = rc ? rc : check_text(r, subject);
    if (rule->scope == SCOPE_FLOW)
        rule->window = rule->by_port = 0; /* a flow has neither */
    return rc ? rc : settle_levels(r, given);
}

static int read_pair(struct rules_reader *r, unsigned *given)
{
    int rc = config_events_enter(&r->in), key;

    if (rc)
        return rc;
    const char *name = config_events_scalar(&r->in);
    if (!r->rule) {
        if (strcmp(name, "name") != 0)
            return RULES_FAIL(r, "a rule begins with its name");
        return (rc = config_events_pull(&r->in)) ? rc : enter_rule(r);
    }
    key = rules_key_find(name);
    if (key < 0)
        return RULES_FAIL(r, "%s",
                          strcmp(name, "name") == 0 ? "given twice" : "no such key of a rule");
    if (*given & 1u << key)
        return RULES_FAIL(r, "given twice");
    *given |= 1u << key;
    return (rc = config_events_pull(&r->in)) ? rc : rules_key_read(r, key);
}

static int read_rule(struct rules_reader *r)
{
    size_t path_len = strlen(r->in.path);
    unsigned given = 0;

    r->rule = NULL;
    if (r->in.event.type != YAML_MAPPING_START_EVENT)
        return RULES_FAIL(r, "expected a rule, found %s", config_events_found(&r->in));
    for (;;) {
        int rc = config_events_pull(&r->in);
        if (rc)
            return rc;
        if (r->in.event.type == YAML_MAPPING_END_EVENT)
            return r->rule ? check_rule(r, given) : RULES_FAIL(r, "a rule begins with its name");
        if ((rc = read_pair(r, &given)))
            return rc;
        r->in.path[path_len] = '\0';
    }
}

static int read_rules(struct rules_reader *r)
{
    size_t path_len = strlen(r->in.path);

    if (r->in.event.type != YAML_SEQUENCE_START_EVENT)
        return config_events_is_null(&r->in) ? 0
                                             : RULES_FAIL(r, "expected a list of rules, found %s",
                                                          config_events_found(&r->in));
    for (unsigned i = 0;; i++) {
        int rc = config_events_pull(&r->in);
        if (rc || r->in.event.type == YAML_SEQUENCE_END_EVENT)
            return rc;
        snprintf(r->in.path + path_len, sizeof(r->in.path) - path_len, "[%u]", i);
        if ((rc = read_rule(r)))
            return rc;
        r->in.path[path_len] = '\0';
    }
}

static const struct section {
    const char *name;
    int (*read)(struct rules_reader *);
} sections[] = {{"tags", rules_read_tags}, {"rules", read_rules}};

#define SECTION_COUNT (sizeof(sections) / sizeof(*sections))

/* Rules name tags, so these come first. */
static int read_section(struct rules_reader *r, void *context)
{
    unsigned *given = context;
    size_t i = 0;

    while (i < SECTION_COUNT && strcmp(sections[i].name, config_events_scalar(&r->in)) != 0)
        i++;
    if (i == SECTION_COUNT)
        return RULES_FAIL(r, "no such key (a rules file has tags: and rules: alone)");
    if (*given & 1u << i)
        return RULES_FAIL(r, "given twice");
    if (*given >> i)
        return RULES_FAIL(r, "must stand before rules:");
    *given |= 1u << i;
    int rc = config_events_pull(&r->in);
    return rc ? rc : sections[i].read(r);
}

static int read_document(void *context)
{
    struct rules_reader *r = context;
    unsigned given = 0;

    return config_events_is_null(&r->in) ? 0
                                         : rules_read_mapping(r, "rules:", read_section, &given);
}

int config_load_rules_memory(const char *name, const void *bytes, size_t len,
                             struct hunt_rules *rules, struct config_error *error)
{
    struct hunt_rules *next = malloc(sizeof(*next));
    struct rules_reader r = {.rules = next};

    if (!next)
        return config_fail(error, -ENOMEM, "out of memory");
    *next = *rules;
    int rc = config_events_read(&r.in, name, bytes, len, error, read_document, &r);
    if (!rc)
        *rules = *next;
    free(next);
    return rc;
}
