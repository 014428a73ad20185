#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/options.h"
#include "config/config.h"
#include "config/rules.h"
#include "hunt/hunt.h"

enum { OPTION_TEST, OPTION_YAML, OPTION_MEASURES };

static const struct cli_option options[] = {
    {"test", 0, "FILE", "say whether this rules file is right, and what would be in force"},
    {"yaml", 0, NULL, "write the rules in force as a rules file, to begin an own one with"},
    {"measures", 0, NULL, "list what rules can measure"},
    {0},
};

static const struct cli_command command = {
    .name = "hunts",
    .about = "Lists the hunting rules in force, with their thresholds and where these come from:\n"
             "the built-in ones, changed by the file that hunts.rules names.",
    .options = options,
    .examples = "  weir hunts\n"
                "  weir hunts --yaml > rules.yaml\n"
                "  weir hunts --test rules.yaml\n",
};

static void print_value(enum hunt_measure m, double value)
{
    switch (hunt_measures[m].unit) {
    case UNIT_OCTETS:
        if (value >= 1e6)
            printf("%g MB", value / 1e6);
        else
            printf("%g", value);
        break;
    case UNIT_SECONDS:
        if (value >= 3600)
            printf("%g h", value / 3600);
        else
            printf("%g s", value);
        break;
    default:
        printf("%g", value);
    }
}

static void print_thresholds(const struct hunt_rule *r)
{
    for (unsigned i = 0; i < r->condition_count; i++) {
        const struct hunt_condition *c = &r->condition[i];
        printf("%s%s %s ", i ? ", " : "", hunt_measures[c->measure].name, c->at_most ? "<=" : ">=");
        print_value((enum hunt_measure)c->measure, c->value);
    }
    if (r->mads > 0)
        printf(", %s %g MADs over the median of its group", hunt_measures[hunt_compared(r)].name,
               r->mads);
    else if (r->compare)
        printf(", %s compared with its group", hunt_measures[hunt_compared(r)].name);
    for (unsigned i = 1; i < r->level_count; i++) {
        fputs(i == 1 ? "; again at " : ", ", stdout);
        print_value((enum hunt_measure)r->condition[0].measure, r->level[i]);
    }
    putchar('\n');
}

static void print_rule(const struct hunt_rule *r)
{
    printf("%s (%s%s", r->name, alert_scope_names[r->scope], r->by_port ? " by port" : "");
    if (r->scope != SCOPE_FLOW)
        printf(", %s", hunt_window_names[r->window]);
    if (r->direction != DIRECTION_ANY)
        printf(", %s", hunt_direction_names[r->direction]);
    printf(", %s%s%s)%s\n  ", alert_severity_names[r->severity], *r->technique ? ", " : "",
           r->technique, r->enabled ? "" : " [off]");
    print_thresholds(r);
    if (r->port_count) {
        fputs("  ports", stdout);
        for (unsigned i = 0; i < r->port_count; i++)
            printf(" %u", r->port[i]);
        putchar('\n');
    }
    if (*r->source)
        printf("  source: %s\n", r->source);
}

static void print_measures(void)
{
    for (int m = 0; m < MEASURE_COUNT; m++)
        printf("%-16s %s\n", hunt_measures[m].name, hunt_measures[m].help);
}

int cli_hunts(int argc, char **argv)
{
    static struct cli_args args;
    static struct hunt_rules rules;
    struct config_error error;

    if (!cli_parse(&command, argc, argv, &args))
        return args.exit_code;
    const char *file = args.value[OPTION_TEST];
    if (!file && args.config.hunts.rules[0])
        file = args.config.hunts.rules;
    hunt_builtin(&rules);
    if (file && config_load_rules(file, &rules, &error)) {
        fprintf(stderr, "weir: %s\n", error.text);
        return CLI_USAGE;
    }
    if (args.value[OPTION_MEASURES])
        print_measures();
    else if (args.value[OPTION_YAML])
        hunt_rules_print(&rules, stdout);
    else
        for (uint32_t i = 0; i < rules.count; i++)
            print_rule(&rules.rule[i]);
    return cli_flush_stdout();
}
