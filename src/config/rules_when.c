/*
 * Conditions of a rule: measures, thresholds, levels, and how the host's group does.
 */
#include <string.h>

#include "config/number.h"
#include "config/rules_reader.h"

/* What a value may be goes by the measure's unit. */
static const char *const expected_value[] = {
    [UNIT_COUNT] = "a number (100, 10k, 5M)",
    [UNIT_OCTETS] = "a number of octets (1500, 20M, 2G)",
    [UNIT_SECONDS] = "a duration (30s, 10m, 4h)",
    [UNIT_SHARE] = "a number between -1 and 1",
};

static bool parse_value(enum hunt_measure m, const char *text, double *out)
{
    uint64_t whole;

    switch (hunt_measures[m].unit) {
    case UNIT_SECONDS:
        if (duration_parse(text, &whole) || whole == UINT64_MAX)
            return false;
        *out = (double)whole / 1e9;
        return true;
    case UNIT_SHARE:
        return rules_parse_decimal(text, out) && *out >= -1 && *out <= 1;
    default:
        if (count_parse(text, &whole) || whole > UINT64_C(1) << 53)
            return false;
        *out = (double)whole;
        return true;
    }
}

/* ">= 20M", "<= 0.5", or the value alone, which is the least. */
static int read_condition(struct rules_reader *r, void *context)
{
    struct hunt_rule *rule = r->rule;
    struct hunt_condition *c = &rule->condition[rule->condition_count];
    int m = hunt_measure_find(config_events_scalar(&r->in)), rc;
    char quoted[CONFIG_QUOTED_MAX];

    (void)context;
    if (m < 0)
        return RULES_FAIL(r, "no such measure (weir hunts --measures lists all)");
    if (rule->condition_count == HUNT_CONDITIONS_MAX)
        return RULES_FAIL(r, "more than %d conditions", HUNT_CONDITIONS_MAX);
    for (unsigned i = 0; i < rule->condition_count; i++)
        if (rule->condition[i].measure == m)
            return RULES_FAIL(r, "given twice");
    if ((rc = config_events_pull(&r->in)) ||
        (rc = rules_want_scalar(r, expected_value[hunt_measures[m].unit])))
        return rc;
    const char *given = config_events_scalar(&r->in), *text = given;
    bool at_most = strncmp(text, "<=", 2) == 0;
    if (at_most || strncmp(text, ">=", 2) == 0)
        text += 2;
    text += strspn(text, " ");
    if (!parse_value((enum hunt_measure)m, text, &c->value))
        return RULES_FAIL(r, "\"%s\" is not %s, with >= or <= before it",
                          config_quote(given, quoted, sizeof(quoted)),
                          expected_value[hunt_measures[m].unit]);
    c->measure = (uint8_t)m;
    c->at_most = at_most;
    rule->condition_count++;
    return 0;
}

int rules_read_when(struct rules_reader *r)
{
    r->rule->condition_count = 0;
    return rules_read_mapping(r, "measures", read_condition, NULL);
}

static int add_level(struct rules_reader *r)
{
    struct hunt_rule *rule = r->rule;
    enum hunt_measure m = (enum hunt_measure)rule->condition[0].measure;

    if (!rule->condition_count)
        return RULES_FAIL(r, "levels are those of the first measure: give when before them");
    if (rule->level_count == HUNT_LEVELS_MAX)
        return RULES_FAIL(r, "more than %d levels", HUNT_LEVELS_MAX);
    if (!parse_value(m, config_events_scalar(&r->in), &rule->level[rule->level_count]))
        return rules_fail_value(r, expected_value[hunt_measures[m].unit]);
    if (rule->level_count && rule->level[rule->level_count] <= rule->level[rule->level_count - 1])
        return RULES_FAIL(r, "levels must rise");
    rule->level_count++;
    return 0;
}

int rules_read_levels(struct rules_reader *r)
{
    r->rule->level_count = 0;
    return rules_read_list(r, "a list of values", add_level);
}

int rules_read_mads(struct rules_reader *r)
{
    static const char expected[] = "a number (0..1000)";
    int rc = rules_want_scalar(r, expected);

    if (!rc && (!rules_parse_decimal(config_events_scalar(&r->in), &r->rule->mads) ||
                r->rule->mads < 0 || r->rule->mads > 1000))
        return rules_fail_value(r, expected);
    return rc;
}

int rules_read_compare(struct rules_reader *r)
{
    static const char expected[] = "a measure of hosts, or none (weir hunts --measures)";
    int rc = rules_want_scalar(r, expected);
    int m = rc ? -1 : hunt_measure_find(config_events_scalar(&r->in));

    if (rc)
        return rc;
    if (strcmp(config_events_scalar(&r->in), "none") == 0)
        m = -1;
    else if (m < 0 || !(hunt_measures[m].subjects & SUBJECT_HOST))
        return rules_fail_value(r, expected);
    r->rule->compare = (uint8_t)(m + 1);
    return 0;
}
