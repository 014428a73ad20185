#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"

int cli_flush_stdout(void)
{
    /* After a failed write the octets are still buffered, so that the flush fails again and says
     * why. */
    errno = 0;
    if (fflush(stdout) == 0 && !ferror(stdout))
        return CLI_OK;
    fprintf(stderr, "weir: stdout: %s\n", strerror(errno ? errno : EIO));
    return CLI_FAILURE;
}
