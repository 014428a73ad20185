#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/cli.h"
#include "cli/options.h"
#include "config/config.h"
#include "config/rules.h"
#include "core/findings.h"
#include "core/fleet.h"
#include "core/machine.h"
#include "hunt/hunt.h"

enum { CHECK_SOURCE, CHECK_TAKE_OVER, CHECK_PRINT, CHECK_KEYS, CHECK_FIELDS };

static const struct cli_option check_options[] = {
    [CHECK_SOURCE] = {"interface", 'i', "SOURCE",
                      "look at the machine as weir run -i SOURCE would use it; may be repeated",
                      config_add_port},
    [CHECK_TAKE_OVER] = {"take-over", 0, NULL,
                         "the sources may hold the default route, as with weir run"},
    [CHECK_PRINT] = {"print", 'p', NULL,
                     "print the configuration, and look at nothing else, though it names ports"},
    [CHECK_KEYS] = {"keys", 0, NULL,
                    "print every configuration key with type, range, default, meaning"},
    [CHECK_FIELDS] = {"fields", 0, NULL, "print the fields of the IPFIX profiles"},
    {NULL},
};

static const struct cli_command check_command = {
    .name = "check",
    .about = "Checks the configuration and prints it, as it is in force, as YAML. Where it names "
             "ports,\n"
             "looks at the machine instead: would weir run work, and what could be better?",
    .options = check_options,
    .examples = "  weir check -c weir.yaml\n"
                "  weir check -c weir.yaml --flow.idle 15s --print > new.yaml\n"
                "  weir check -i xdp:eth1 --capture.cores 2-5\n"
                "  weir check --keys\n"
                "  weir check --fields\n",
};

/* The rules are configuration in a file of their own. 0, or -errno with the line at error. */
static int check_rules(const struct config *config, struct config_error *error)
{
    struct hunt_rules *rules;
    int rc = -ENOMEM;

    if (!config->hunts.enabled || !config->hunts.rules[0])
        return 0;
    rules = calloc(1, sizeof(*rules));
    snprintf(error->text, sizeof(error->text), "hunts.rules: no memory");
    if (rules) {
        hunt_builtin(rules);
        rc = config_load_rules(config->hunts.rules, rules, error);
    }
    free(rules);
    return rc;
}

static int print_config(const struct config *config)
{
    const char *refusal = fleet_refusal(config);
    struct config_error error;

    if (refusal || check_rules(config, &error)) {
        fprintf(stderr, "weir check: %s\n", refusal ? refusal : error.text);
        return CLI_USAGE;
    }
    config_print(config, stdout);
    int r = cli_flush_stdout();
    if (r == CLI_OK)
        fputs("configuration ok\n", stderr);
    return r;
}

static void print_findings(const struct findings *f)
{
    for (uint32_t i = 0; i < f->count; i++) {
        const struct finding *one = &f->finding[i];
        printf("%-7s  %s%s%s\n", finding_level_name[one->level], one->text,
               *one->remedy ? "; try: " : "", one->remedy);
    }
}

/* That a file cannot be read is told with the other files. */
static void add_rules(struct findings *f)
{
    struct config_error error;
    int rc = check_rules(f->config, &error);

    if (rc && rc != -ENOENT && rc != -EACCES)
        finding_add(f, FINDING_ERROR, "hunts.rules: %s", error.text);
}

/* What no look at the machine would tell. */
static void add_refusal(struct findings *f)
{
    const char *refusal = fleet_refusal(f->config);

    if (refusal)
        finding_add(f, FINDING_ERROR, "%s", refusal);
}

static int check_machine(const struct config *config, bool take_over)
{
    struct machine *machine = malloc(sizeof(*machine));
    struct findings *findings = calloc(1, sizeof(*findings));
    int r = CLI_FAILURE;

    if (!machine || !findings) {
        fputs("weir check: out of memory\n", stderr);
        goto out;
    }
    machine_gather(machine, config);
    findings->machine = machine;
    findings->config = config;
    findings->take_over = take_over;
    findings_make(findings);
    add_rules(findings);
    add_refusal(findings);
    print_findings(findings);
    r = cli_flush_stdout();
    if (r == CLI_OK && findings->per_level[FINDING_ERROR])
        r = CLI_FAILURE;
out:
    free(findings);
    free(machine);
    return r;
}

int cli_check(int argc, char **argv)
{
    static struct cli_args args;

    if (!cli_parse(&check_command, argc, argv, &args))
        return args.exit_code;
    if (args.value[CHECK_KEYS]) {
        config_print_keys(stdout);
        return cli_flush_stdout();
    }
    if (args.value[CHECK_FIELDS]) {
        cli_print_fields(stdout);
        return cli_flush_stdout();
    }
    if (args.value[CHECK_PRINT] || !args.config.capture.port_count)
        return print_config(&args.config);
    return check_machine(&args.config, args.value[CHECK_TAKE_OVER]);
}
