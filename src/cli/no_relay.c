#include <stdio.h>

#include "cli/cli.h"

int cli_relay(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    fputs("weir relay: this program was built without TLS, which the relay needs\n", stderr);
    return CLI_FAILURE;
}
