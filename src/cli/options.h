/*
 * The command line of a subcommand, from one table: parsing, checks and --help.
 *
 * Options and operands may be mixed; "--" ends options; "-" is an operand. Short options may be
 * joined (-ab, -fjson), long ones take "--name value" or "--name=value". The last one wins when an
 * option is repeated.
 *
 * Every subcommand also has -h/--help, -c/--config FILE, and takes "--section.key value" for any
 * configuration key: the file is loaded first, wherever on the line it is named.
 */
#pragma once

#include <stdbool.h>
#include <stdio.h>

#include "weir/config.h"

struct config_error;

/* Sets what an option stands for in the configuration; returns 0, or -errno and *error. */
typedef int cli_setter(struct config *, const char *value, struct config_error *error);

#define CLI_OPTIONS_MAX 16
#define CLI_OVERRIDES_MAX 128

struct cli_option {
    const char *name; /* long name, without "--" */
    char letter;      /* 0 = none */
    const char *arg;  /* NULL = a flag; "FILE" = any text; "a|b|c" = one of these */
    const char *help;
    cli_setter *set; /* the option changes the configuration, each time it is given, in the order
                        of the line; NULL = it does not */
};

struct cli_command {
    const char *name;    /* "read" */
    const char *about;   /* a sentence or more, for --help */
    const char *operand; /* "CAPTURE": at least one; NULL: none */
    /* Own ones, up to an entry without name; at most CLI_OPTIONS_MAX. */
    const struct cli_option *options;
    const char *examples; /* lines for --help, each with its newline; NULL = none */
};

/* "--flow.idle 15s", or an option that sets something */
struct cli_override {
    const char *word; /* begins with the key, which ends at '=' or with the word */
    cli_setter *set;  /* NULL = the key is set */
    const char *value;
};

struct cli_args {
    struct config config;
    const char *config_file;            /* of -c; NULL = none */
    const char *value[CLI_OPTIONS_MAX]; /* by index in options: NULL = not given; a flag has "" */
    int override_count;
    struct cli_override override[CLI_OVERRIDES_MAX];
    char **operands; /* a part of argv, which is reordered */
    int operand_count;
    int exit_code; /* enum cli_exit, when cli_parse() said false */
};

/* Returns true when the command may go on. False: help was printed to stdout, or one line that
 * names what is wrong to stderr; return args->exit_code. */
bool cli_parse(const struct cli_command *cmd, int argc, char **argv, struct cli_args *args);

/* Lays the keys of the command line over a configuration that was loaded again. 0; or what
 * config_set() returned, with the line that names the key. */
int cli_overlay(const struct cli_args *args, struct config *config, struct config_error *error);

/* config_check() once more, for a command that sets keys by options of its own. False: one line
 * that names what is wrong went to stderr; return args->exit_code. */
bool cli_check_config(const struct cli_command *cmd, struct cli_args *args);

/* Those every subcommand has, up to an entry without name. */
extern const struct cli_option cli_common_options[];

/* What --help prints. */
void cli_print_help(const struct cli_command *cmd, FILE *out);
