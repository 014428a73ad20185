#include "cli/options.h"

#define INDENT 2
#define GAP 2

/* "-c, --config FILE" */
static int option_text(const struct cli_option *o, char *out, size_t size)
{
    char letter[5] = "    ";

    if (o->letter) {
        letter[0] = '-';
        letter[1] = o->letter;
        letter[2] = ',';
    }
    return snprintf(out, size, "%s--%s%s%s", letter, o->name, o->arg ? " " : "",
                    o->arg ? o->arg : "");
}

static int widest(const struct cli_option *options, int width)
{
    char text[128];
    for (const struct cli_option *o = options; o->name; o++) {
        int len = option_text(o, text, sizeof(text));
        width = len > width ? len : width;
    }
    return width;
}

static void print_options(const struct cli_option *options, int width, FILE *out)
{
    char text[128];
    for (const struct cli_option *o = options; o->name; o++) {
        option_text(o, text, sizeof(text));
        fprintf(out, "%*s%-*s%s\n", INDENT, "", width + GAP, text, o->help);
    }
}

void cli_print_help(const struct cli_command *cmd, FILE *out)
{
    static const struct cli_option overrides[] = {
        {"SECTION.KEY", 0, "VALUE", "set a configuration key, over the file (weir check --keys)"},
        {NULL},
    };
    int width = widest(cmd->options, widest(cli_common_options, widest(overrides, 0)));

    fprintf(out, "Usage: weir %s [OPTION]...", cmd->name);
    if (cmd->operand)
        fprintf(out, " %s...", cmd->operand);
    fprintf(out, "\n%s\n\n", cmd->about);
    print_options(cmd->options, width, out);
    print_options(cli_common_options, width, out);
    print_options(overrides, width, out);
    if (cmd->examples)
        fprintf(out, "\nExamples:\n%s", cmd->examples);
}
