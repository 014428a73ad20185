#include "cli/options.h"

#include <stdarg.h>
#include <string.h>

#include "cli/cli.h"
#include "config/config.h"

#define CLI_KEY_MAX 64

enum common_option { COMMON_CONFIG, COMMON_HELP, COMMON_COUNT };

const struct cli_option cli_common_options[] = {
    [COMMON_CONFIG] = {"config", 'c', "FILE",
                       "configuration file (YAML); without one, the defaults"},
    [COMMON_HELP] = {"help", 'h', NULL, "print this help"},
    [COMMON_COUNT] = {NULL},
};

enum item_kind { ITEM_END, ITEM_ERROR, ITEM_OPTION, ITEM_OVERRIDE, ITEM_OPERAND };

/* One thing on the command line. */
struct item {
    enum item_kind kind;
    const struct cli_option *option;
    const char *word;  /* ITEM_OVERRIDE */
    const char *value; /* of an option, an override; the operand */
};

/* Where on the command line the reading is. */
struct cursor {
    const struct cli_command *cmd;
    int argc;
    char **argv;
    int next;           /* word */
    const char *joined; /* letters left in a word like -ab */
    bool only_operands; /* behind "--" */
};

static enum item_kind complain(const struct cursor *c, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static enum item_kind complain(const struct cursor *c, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    fprintf(stderr, "weir %s: ", c->cmd->name);
    vfprintf(stderr, format, args);
    fprintf(stderr, " (see weir %s --help)\n", c->cmd->name);
    va_end(args);
    return ITEM_ERROR;
}

static bool is_named(const struct cli_option *o, const char *name, size_t len)
{
    return len ? strncmp(o->name, name, len) == 0 && !o->name[len]
               : o->letter && o->letter == *name;
}

/* By the long name of len octets, or with len 0 by the letter at name. */
static const struct cli_option *find_option(const struct cli_command *cmd, const char *name,
                                            size_t len)
{
    for (const struct cli_option *o = cmd->options; o->name; o++)
        if (is_named(o, name, len))
            return o;
    for (const struct cli_option *o = cli_common_options; o->name; o++)
        if (is_named(o, name, len))
            return o;
    return NULL;
}

/* word is one of "a|b|c". */
static bool is_choice(const char *choices, const char *word)
{
    size_t len = strlen(word);
    for (const char *at = choices; at; at = strchr(at, '|') ? strchr(at, '|') + 1 : NULL)
        if (len && strcspn(at, "|") == len && memcmp(at, word, len) == 0)
            return true;
    return false;
}

/* The argument of what was just read: what stood joined to it, or the next word. */
static const char *take_argument(struct cursor *c, const char *joined)
{
    if (joined)
        return joined;
    return c->next < c->argc ? c->argv[c->next++] : NULL;
}

static enum item_kind read_option(struct cursor *c, const struct cli_option *o, const char *joined,
                                  struct item *item)
{
    item->option = o;
    item->value = "";
    if (!o->arg)
        return joined ? complain(c, "--%s: takes no value", o->name) : ITEM_OPTION;
    item->value = take_argument(c, joined);
    if (!item->value)
        return complain(c, "--%s: needs a value: %s", o->name, o->arg);
    if (strchr(o->arg, '|') && !is_choice(o->arg, item->value))
        return complain(c, "--%s: \"%s\" is not one of %s", o->name, item->value, o->arg);
    return ITEM_OPTION;
}

/* word is what follows "--". */
static enum item_kind read_long(struct cursor *c, const char *word, struct item *item)
{
    size_t len = strcspn(word, "=");
    const char *joined = word[len] ? word + len + 1 : NULL;

    if (memchr(word, '.', len)) {
        if (len >= CLI_KEY_MAX)
            return complain(c, "--%.*s: no such key", (int)len, word);
        item->word = word;
        item->value = take_argument(c, joined);
        return item->value ? ITEM_OVERRIDE : complain(c, "--%.*s: needs a value", (int)len, word);
    }
    const struct cli_option *o = len ? find_option(c->cmd, word, len) : NULL;
    return o ? read_option(c, o, joined, item)
             : complain(c, "--%.*s: no such option", (int)len, word);
}

/* c->joined is at a letter. */
static enum item_kind read_short(struct cursor *c, struct item *item)
{
    const char *letter = c->joined, *rest = letter[1] ? letter + 1 : NULL;
    const struct cli_option *o = find_option(c->cmd, letter, 0);

    if (!o)
        return complain(c, "-%c: no such option", *letter);
    c->joined = o->arg ? NULL : rest;
    return read_option(c, o, o->arg ? rest : NULL, item);
}

static enum item_kind read_word(struct cursor *c, struct item *item)
{
    if (c->joined)
        return read_short(c, item);
    if (c->next >= c->argc)
        return ITEM_END;
    const char *word = c->argv[c->next++];
    if (!c->only_operands && strcmp(word, "--") == 0) {
        c->only_operands = true;
        return read_word(c, item);
    }
    if (c->only_operands || word[0] != '-' || !word[1]) {
        item->value = word;
        return ITEM_OPERAND;
    }
    if (word[1] == '-')
        return read_long(c, word + 2, item);
    c->joined = word + 1;
    return read_short(c, item);
}

static bool next_item(struct cursor *c, struct item *item)
{
    *item = (struct item){0};
    item->kind = read_word(c, item);
    return item->kind != ITEM_END && item->kind != ITEM_ERROR;
}

static bool stop(struct cli_args *args, int exit_code)
{
    args->exit_code = exit_code;
    return false;
}

/* First pass: finds every mistake that needs no configuration, help, and the file; touches neither
 * argv nor config. */
static bool scan(struct cursor c, struct cli_args *args)
{
    struct item item;
    const char *operand = NULL;
    bool help = false;

    while (next_item(&c, &item)) {
        if (item.option == &cli_common_options[COMMON_CONFIG])
            args->config_file = item.value;
        help |= item.option == &cli_common_options[COMMON_HELP];
        if (item.kind == ITEM_OPERAND)
            operand = item.value;
    }
    if (item.kind == ITEM_ERROR)
        return stop(args, CLI_USAGE);
    if (help) {
        cli_print_help(c.cmd, stdout);
        return stop(args, cli_flush_stdout());
    }
    if (!c.cmd->operand == !operand)
        return true;
    if (operand)
        complain(&c, "\"%s\": takes no operands", operand);
    else
        complain(&c, "no %s given", c.cmd->operand);
    return stop(args, CLI_USAGE);
}

static bool is_common(const struct cli_option *o)
{
    return o == &cli_common_options[COMMON_CONFIG] || o == &cli_common_options[COMMON_HELP];
}

static bool add_override(const struct cursor *c, struct cli_args *args, const struct item *item)
{
    struct cli_override o = {.word = item->word, .value = item->value};

    if (args->override_count == CLI_OVERRIDES_MAX) {
        complain(c, "more than %d keys", CLI_OVERRIDES_MAX);
        return stop(args, CLI_USAGE);
    }
    if (item->option) {
        o.word = item->option->name;
        o.set = item->option->set;
    }
    args->override[args->override_count++] = o;
    return true;
}

/* Second pass: the line holds no mistake but wrong keys or values of overrides. */
static bool collect(struct cursor c, struct cli_args *args)
{
    struct item item;

    args->operands = c.argv + c.next;
    while (next_item(&c, &item)) {
        if (item.kind == ITEM_OPERAND) {
            args->operands[args->operand_count++] = (char *)item.value;
        } else if (item.kind == ITEM_OPTION && !is_common(item.option)) {
            args->value[item.option - c.cmd->options] = item.value;
            if (item.option->set && !add_override(&c, args, &item))
                return false;
        } else if (item.kind == ITEM_OVERRIDE && !add_override(&c, args, &item)) {
            return false;
        }
    }
    return true;
}

/* An option's own value: the error names the option. */
static int overlay_option(const struct cli_override *o, struct config *config,
                          struct config_error *error)
{
    struct config_error why;
    int r = o->set(config, o->value, &why);

    if (r < 0)
        snprintf(error->text, sizeof(error->text), "%s: %.*s", o->word,
                 (int)(sizeof(error->text) - CLI_KEY_MAX), why.text);
    return r;
}

int cli_overlay(const struct cli_args *args, struct config *config, struct config_error *error)
{
    for (int i = 0; i < args->override_count; i++) {
        const struct cli_override *o = &args->override[i];
        char key[CLI_KEY_MAX];
        snprintf(key, sizeof(key), "%.*s", (int)strcspn(o->word, "="), o->word);
        int r =
            o->set ? overlay_option(o, config, error) : config_set(config, key, o->value, error);
        if (r < 0)
            return r;
    }
    return 0;
}

bool cli_check_config(const struct cli_command *cmd, struct cli_args *args)
{
    struct config_error error;

    if (config_check(&args->config, &error) == 0)
        return true;
    if (args->config_file)
        fprintf(stderr, "%s: %s\n", args->config_file, error.text);
    else
        fprintf(stderr, "weir %s: %s\n", cmd->name, error.text);
    return stop(args, CLI_USAGE);
}

bool cli_parse(const struct cli_command *cmd, int argc, char **argv, struct cli_args *args)
{
    struct cursor begin = {.cmd = cmd, .argc = argc, .argv = argv, .next = 1};
    struct config_error error;

    memset(args, 0, sizeof(*args));
    config_defaults(&args->config);
    if (!scan(begin, args))
        return false;
    if (args->config_file && config_load(args->config_file, &args->config, &error) < 0) {
        fprintf(stderr, "%s\n", error.text);
        return stop(args, CLI_USAGE);
    }
    if (!collect(begin, args))
        return false;
    if (cli_overlay(args, &args->config, &error) < 0) {
        fprintf(stderr, "weir %s: --%s\n", cmd->name, error.text);
        return stop(args, CLI_USAGE);
    }
    return cli_check_config(cmd, args);
}
