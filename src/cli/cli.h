/*
 * The subcommands, and what they share.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum cli_exit {
    CLI_OK = 0,
    CLI_FAILURE = 1, /* something failed while running */
    CLI_USAGE = 2,   /* the command line or the configuration is wrong; nothing was done */
};

/* Each gets argv from its own name on, and returns an enum cli_exit. */
int cli_check(int argc, char **argv);
int cli_dump(int argc, char **argv);
int cli_hunts(int argc, char **argv);
int cli_read(int argc, char **argv);
int cli_relay(int argc, char **argv);
int cli_run(int argc, char **argv);
int cli_top(int argc, char **argv);

/*
 * Records on their way to stdout, with the account of those that it did not take. After the first
 * failed write nothing more is written.
 */
#define CLI_OUTPUT_BUFFER (256u << 10)

struct cli_output {
    uint64_t written, lost; /* records; one of which a write took only a part is lost */
    uint64_t pending;       /* records in the buffer */
    size_t used;
    int error; /* errno of the failed write, 0 = none */
    char buffer[CLI_OUTPUT_BUFFER];
};

/* Takes len octets, at most CLI_OUTPUT_BUFFER, which bring so many records. */
void cli_output_add(struct cli_output *, const char *text, size_t len, uint32_t records);

/* Writes what is there, for a reader that waits. */
void cli_output_flush(struct cli_output *);

/* Writes what is left. Returns CLI_OK; or CLI_FAILURE after one line to stderr, when this or an
 * earlier write failed (disk full, pipe closed). */
int cli_output_finish(struct cli_output *);

/* Hands everything printed so far to stdout. Returns CLI_OK; or CLI_FAILURE after one line to
 * stderr, when this or an earlier write failed (disk full, pipe closed). To be called once at the
 * end of every command that prints. */
int cli_flush_stdout(void);

/* Processors that this process may use, as taskset(1) says. */
unsigned cli_cpus(void);

/* The fields of the IPFIX profiles as a table (Markdown). */
void cli_print_fields(FILE *);
