#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "capture/filter.h"
#include "capture/port.h"
#include "cli/cli.h"
#include "cli/options.h"
#include "config/config.h"
#include "core/sandbox.h"
#include "core/sensor.h"
#include "format/format.h"

#define TELL_MS 1000 /* that the last words wait for a reader */

enum {
    OPTION_SOURCE,
    OPTION_FILTER,
    OPTION_FORMAT,
    OPTION_WRITE,
    OPTION_TAKE_OVER,
    OPTION_SANDBOX,
    OPTION_SECCOMP
};

static const struct cli_option options[] = {
    [OPTION_SOURCE] = {"interface", 'i', "SOURCE",
                       "receive from it (more than one -i: all of them): eth0 observes a copy; "
                       "xdp:eth1 and dpdk:... take the port",
                       config_add_port},
    [OPTION_FILTER] = {"filter", 'F', "BPF", "only packets that match, as pcap-filter(7) says"},
    [OPTION_FORMAT] = {"format", 'f', "table|zeek|json|ecs|csv",
                       "write records to stdout so (default without a collector: table)"},
    [OPTION_WRITE] = {"write", 'w', "URL",
                      "send records to it (more than one -w: to all): tcp://host, tls://host, "
                      "udp://host, a file",
                      config_add_collector},
    [OPTION_TAKE_OVER] = {"take-over", 0, NULL,
                          "take an interface even if it holds the default route"},
    [OPTION_SANDBOX] = {"sandbox", 0, SANDBOX_LEVEL_WORDS,
                        "confine the process once all is open (default: on; partial: as far as "
                        "kernel and build can)"},
    [OPTION_SECCOMP] = {"seccomp", 0, SANDBOX_FILTER_WORDS,
                        "what a system call off the list does (default: kill)"},
    {0},
};

static const struct cli_command command = {
    .name = "run",
    .about = "Turns the packets of interfaces into flow records, until SIGTERM or an interrupt.\n"
             "Records go to the collectors; without one to stdout. SIGHUP loads the configuration\n"
             "again, SIGUSR1 logs the loss ledger.",
    .options = options,
    .examples = "  weir run -i eth0\n"
                "  weir run -i xdp:eth1 -w tcp://collector.example:4739\n"
                "  weir run -c weir.yaml\n"
                "  weir run -i eth0 -f json -F 'not port 22' | jq .\n",
};

struct run {
    struct cli_args args;
    struct sandbox_plan plan;
    struct log log;
    struct capture_filter *filter;
    const struct record_encoder *face;
};

/* The command line once more, over a file that was read again. */
static int overlay(void *context, struct config *config, char error[SENSOR_ERROR_MAX])
{
    const struct run *r = context;
    struct config_error why;
    int rc = cli_overlay(&r->args, config, &why);

    if (!rc)
        rc = config_check(config, &why);
    if (rc)
        snprintf(error, SENSOR_ERROR_MAX, "%s: %s", r->args.config_file, why.text);
    return rc;
}

static void plan_sandbox(struct run *r)
{
    sandbox_plan_make(&r->plan, &r->args.config, r->args.config_file);
    sandbox_plan_words(&r->plan, r->args.value[OPTION_SANDBOX], r->args.value[OPTION_SECCOMP]);
}

static void choose_face(struct run *r)
{
    const char *format = r->args.value[OPTION_FORMAT];

    if (format)
        r->face = format_find(format);
    else if (!r->args.config.exports.collector_count)
        r->face = &format_table;
}

static int prepare(struct run *r)
{
    char error[CAPTURE_ERROR_MAX];
    const char *filter = r->args.value[OPTION_FILTER];

    if (!r->args.config.capture.port_count) {
        fputs("weir run: nothing to receive from: name a source by -i SOURCE or capture.ports (see "
              "weir run --help)\n",
              stderr);
        return CLI_USAGE;
    }
    if (filter && capture_filter_create(filter, &r->filter, error)) {
        fprintf(stderr, "weir run: %s\n", error);
        return CLI_USAGE;
    }
    choose_face(r);
    plan_sandbox(r);
    log_init(&r->log, STDERR_FILENO, (enum log_level)r->args.config.sensor.log_level);
    return CLI_OK;
}

/* At the end, where nobody needs to read it: what stands still must not keep the process. */
static void tell_ledger(struct run *r, struct sensor *sensor)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    if (!out)
        return;
    sensor_print_ledger(sensor, out);
    if (fclose(out) == 0)
        (void)log_text(&r->log, text, size, TELL_MS);
    free(text);
}

static int run_sensor(struct run *r)
{
    struct sensor_options sensor_options = {.config = &r->args.config,
                                            .config_file = r->args.config_file,
                                            .overlay = overlay,
                                            .overlay_context = r,
                                            .filter = r->filter,
                                            .face = r->face,
                                            .sandbox = &r->plan,
                                            .take_over = r->args.value[OPTION_TAKE_OVER] != NULL,
                                            .log = &r->log};
    char error[SENSOR_ERROR_MAX];
    struct sensor *sensor;

    if (sensor_create(&sensor_options, &sensor, error)) {
        fprintf(stderr, "weir run: %s\n", error);
        return CLI_FAILURE;
    }
    int rc = sensor_run(sensor);
    tell_ledger(r, sensor);
    sensor_destroy(sensor);
    return rc ? CLI_FAILURE : CLI_OK;
}

int cli_run(int argc, char **argv)
{
    static struct run r;

    if (!cli_parse(&command, argc, argv, &r.args))
        return r.args.exit_code;
    int code = prepare(&r);
    if (code == CLI_OK)
        code = run_sensor(&r);
    capture_filter_destroy(r.filter);
    return code;
}
