/*
 * The subcommands, and what they share.
 */
#pragma once

enum cli_exit {
    CLI_OK = 0,
    CLI_FAILURE = 1, /* something failed while running */
    CLI_USAGE = 2,   /* the command line or the configuration is wrong; nothing was done */
};

/* Each gets argv from its own name on, and returns an enum cli_exit. */
int cli_check(int argc, char **argv);
int cli_read(int argc, char **argv);

/* Hands everything printed so far to stdout. Returns CLI_OK; or CLI_FAILURE after one line to
 * stderr, when this or an earlier write failed (disk full, pipe closed). To be called once at the
 * end of every command that prints. */
int cli_flush_stdout(void);
