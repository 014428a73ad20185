#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

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

static void output_write(struct cli_output *o)
{
    size_t done = 0;

    while (!o->error && done < o->used) {
        ssize_t n = write(STDOUT_FILENO, o->buffer + done, o->used - done);
        if (n >= 0)
            done += (size_t)n;
        else if (errno != EINTR)
            o->error = errno;
    }
    if (o->error)
        o->lost += o->pending;
    else
        o->written += o->pending;
    o->pending = 0;
    o->used = 0;
}

void cli_output_add(struct cli_output *o, const char *text, size_t len, uint32_t records)
{
    if (len > sizeof(o->buffer) - o->used)
        output_write(o);
    if (!o->error) {
        memcpy(o->buffer + o->used, text, len);
        o->used += len;
    }
    o->pending += records;
}

void cli_output_flush(struct cli_output *o)
{
    output_write(o);
}

int cli_output_finish(struct cli_output *o)
{
    output_write(o);
    if (!o->error)
        return CLI_OK;
    fprintf(stderr, "weir: stdout: %s\n", strerror(o->error));
    return CLI_FAILURE;
}
