#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"

struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *summary;
};

static const struct command commands[] = {
    {"read", cli_read, "write the flow records of capture files"},
    {"run", cli_run, "turn the packets of interfaces into flow records, live"},
    {"hunts", cli_hunts, "list the hunting rules in force, or test a rules file"},
    {"check", cli_check, "check and print the configuration, list its keys"},
    {"top", cli_top, "watch hosts, open connections and alerts in a terminal"},
    {"relay", cli_relay, "pass IPFIX over TCP or TLS on to a collector that reads UDP"},
    {"dump", cli_dump, "print IPFIX as JSON lines"},
};

#define COMMAND_COUNT (sizeof(commands) / sizeof(*commands))

static void print_help(FILE *out)
{
    fputs("Usage: weir COMMAND [OPTION]...\n"
          "Turns packets into flow records, unsampled and in both directions.\n\n",
          out);
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        fprintf(out, "  %-8s  %s\n", commands[i].name, commands[i].summary);
    fputs("\n  -h, --help     print this help; weir COMMAND --help prints that of a command\n"
          "      --version  print the version\n",
          out);
}

static const struct command *find_command(const char *name)
{
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

/* A file must never be opened as stdin, stdout or stderr: what is closed gets a descriptor that
 * fails when used. */
static void keep_standard_files(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0)
            open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
}

int main(int argc, char **argv)
{
    keep_standard_files();
    signal(SIGPIPE, SIG_IGN); /* a closed pipe and a file that is too large are errors of */
    signal(SIGXFSZ, SIG_IGN); /* the write, told like any other */
    if (argc < 2) {
        print_help(stderr);
        return CLI_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        print_help(stdout);
        return cli_flush_stdout();
    }
    if (strcmp(argv[1], "--version") == 0) {
        puts("weir " WEIR_VERSION);
        return cli_flush_stdout();
    }
    const struct command *command = find_command(argv[1]);
    if (command)
        return command->run(argc - 1, argv + 1);
    fprintf(stderr, "weir: %s: no such %s (see weir --help)\n", argv[1],
            argv[1][0] == '-' ? "option" : "command");
    return CLI_USAGE;
}
