#include <stdio.h>

#include "cli/cli.h"
#include "cli/options.h"
#include "config/config.h"

enum { CHECK_KEYS, CHECK_FIELDS };

static const struct cli_option check_options[] = {
    [CHECK_KEYS] = {"keys", 0, NULL,
                    "print every configuration key with type, range, default, meaning"},
    [CHECK_FIELDS] = {"fields", 0, NULL, "print the fields of the IPFIX profiles"},
    {NULL},
};

static const struct cli_command check_command = {
    .name = "check",
    .about = "Checks the configuration and prints it, as it is in force, as YAML.",
    .options = check_options,
    .examples = "  weir check -c weir.yaml\n"
                "  weir check -c weir.yaml --flow.idle 15s > new.yaml\n"
                "  weir check --keys\n"
                "  weir check --fields\n",
};

int cli_check(int argc, char **argv)
{
    struct cli_args args;

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
    config_print(&args.config, stdout);
    int r = cli_flush_stdout();
    if (r == CLI_OK)
        fputs("configuration ok\n", stderr);
    return r;
}
