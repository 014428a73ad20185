/*
 * Prints a made-up status: the metrics (without argument) or JSON (with "json").
 */
#include <stdio.h>
#include <stdlib.h>

#include "core/metrics.h"
#include "core/status.h"
#include "harness/fake_status.h"

int main(int argc, char **argv)
{
    struct sensor_status *s = fake_status();

    (void)argv;
    if (!s)
        return 1;
    if (argc > 1)
        status_json(s, stdout);
    else
        metrics_render(s, stdout);
    free(s);
    return fflush(stdout) ? 1 : 0;
}
