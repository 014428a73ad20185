#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "capture/file.h"
#include "capture/filter.h"
#include "cli/apart.h"
#include "cli/backtest.h"
#include "cli/cli.h"
#include "cli/hunting.h"
#include "cli/interrupt.h"
#include "cli/options.h"
#include "cli/ordered.h"
#include "cli/print.h"
#include "cli/send.h"
#include "config/config.h"
#include "core/pipeline.h"
#include "format/alert.h"
#include "format/format.h"
#include "weir/encode.h"
#include "weir/flow.h"

#define PROGRESS_NS 200000000

enum { OPTION_FORMAT, OPTION_WRITE, OPTION_FILTER, OPTION_NO_TIMEOUTS, OPTION_HUNTS, OPTION_JOBS };

static const struct cli_option options[] = {
    {"format", 'f', "table|zeek|json|ecs|csv", "how records are written (default: table)"},
    {"write", 'w', "URL",
     "send records to a collector or into a file, tcp://host, tls://host, udp://host, x.ipfix "
     "(more than one -w: to all); stdout then only with -f",
     config_add_collector},
    {"filter", 'F', "BPF", "only packets that match, as pcap-filter(7) says"},
    {"no-timeouts", 0, NULL, "only TCP's end, a new SYN and the end of the capture end a flow"},
    {"hunts", 0, NULL,
     "alerts in place of flows: what hunts.rules, or the built-in hunts, find; then CAPTURE "
     "may be IPFIX or JSON lines of weir as well"},
    {"jobs", 'j', "N",
     "captures apart, each as if it were read alone, N at a time; without it they are one time "
     "line, and flows go on from one to the next"},
    {0},
};

static const struct cli_command command = {
    .name = "read",
    .about = "Reads captures and writes their flow records to stdout, ordered by end time;\n"
             "the loss ledger goes to stderr. Captures are pcap or pcapng, also gzipped;\n"
             "- is standard input. With -w alone records are sent as they come, like a sensor's.",
    .operand = "CAPTURE",
    .options = options,
    .examples = "  weir read capture.pcap\n"
                "  weir read -f zeek capture.pcap | zeek-cut id.orig_h id.resp_h conn_state\n"
                "  weir read -f json -F 'not port 22' monday.pcapng.gz tuesday.pcapng.gz\n"
                "  weir read -w flows.ipfix -w tcp://collector.example capture.pcap\n"
                "  weir read --hunts monday.pcapng.gz\n"
                "  tcpdump -w - | weir read --flow.active 5m -f ecs -\n",
};

struct reader {
    const struct config *config;
    const struct record_encoder *encoder; /* of stdout; NULL = nothing goes there */
    struct cli_send *send;                /* NULL = no collectors */
    struct capture_filter *filter;
    struct pipeline *pipeline;
    struct ordered ordered;  /* not used where only collectors get records, as they come */
    struct hunting *hunting; /* NULL = flows are written, not alerts */
    uint64_t hunted;         /* records that are not written for that */
    struct cli_output output;
    struct print *print; /* of encoder into output */
    bool progress;
    uint64_t shown_ns;
    int exit_code;
};

static void fail(struct reader *r, const char *text)
{
    fprintf(stderr, "weir: %s\n", text);
    r->exit_code = CLI_FAILURE;
}

/* A failed write is told at the end. */
static void write_record(void *context, const struct flow_record *record)
{
    struct reader *r = context;

    if (r->send)
        cli_send_record(r->send, record);
    if (r->print)
        print_record(r->print, record);
}

static void order_record(void *context, const struct flow_record *record)
{
    ordered_add(&((struct reader *)context)->ordered, record);
}

static void count_record(void *context, const struct flow_record *record)
{
    struct reader *r = context;

    r->hunted += !flow_record_is_notice(record);
}

static void hunt_deltas(void *context, const struct flow_delta *d, uint32_t count)
{
    hunting_deltas(((struct reader *)context)->hunting, d, count);
}

static void hunt_turn(void *context, uint64_t clock_ns)
{
    hunting_turn(((struct reader *)context)->hunting, clock_ns);
}

static void write_edge(struct reader *r, size_t (*edge)(const struct config *, char *))
{
    char text[ENCODE_MAX];
    size_t len = edge ? edge(r->config, text) : 0;

    if (len)
        cli_output_add(&r->output, text, len, 0);
}

static void show_progress(struct reader *r, const char *path, const struct capture *source)
{
    struct capture_stats stats = {0};
    uint64_t now_ns = clock_monotonic_ns();

    if (now_ns - r->shown_ns < PROGRESS_NS)
        return;
    r->shown_ns = now_ns;
    capture_stats(source, &stats);
    fprintf(stderr, "\r%s: %" PRIu64 " packets", path, pipeline_packets(r->pipeline));
    if (stats.octets_total)
        fprintf(stderr, ", %" PRIu64 " %%", stats.octets_done * 100 / stats.octets_total);
    fputs("\033[K", stderr);
}

static void clear_progress(const struct reader *r)
{
    if (r->progress)
        fputs("\r\033[K", stderr);
}

static void read_source(struct reader *r, const char *path, struct capture *source)
{
    enum capture_status status;

    do {
        status = pipeline_step(r->pipeline, source);
        if (r->progress)
            show_progress(r, path, source);
    } while (status == CAPTURE_OK && !interrupt_seen());
    clear_progress(r);
    if (status == CAPTURE_ERROR && !interrupt_seen())
        fail(r, capture_error(source));
    const char *warning = capture_file_warning(source);
    if (warning)
        fprintf(stderr, "weir: %s\n", warning);
}

static void read_file(struct reader *r, const char *path, uint16_t port)
{
    const struct capture_file_options how = {
        .filter = r->filter, .port = port, .ahead = cli_cpus() > 1};
    enum backtest_kind kind = r->hunting ? backtest_kind(path) : BACKTEST_NONE;
    char error[CAPTURE_ERROR_MAX];
    struct capture *source;

    if (kind != BACKTEST_NONE) {
        if (backtest_read(path, kind, r->config, hunting_record, r->hunting))
            r->exit_code = CLI_FAILURE;
        return;
    }
    if (capture_file_open(path, &how, &source, error)) {
        if (!interrupt_seen())
            fail(r, error);
        return;
    }
    read_source(r, path, source);
    pipeline_source_done(r->pipeline, source);
    capture_close(source);
}

/* A record counts as handed on when stdout took it; without stdout, when the collectors did, whose
 * own accounts stand above the ledger, or when hunts took their place. */
static void write_end(struct reader *r, struct ledger *ledger)
{
    if (r->print)
        print_finish(r->print);
    write_edge(r, r->encoder ? r->encoder->tail : NULL);
    int rc = cli_output_finish(&r->output);
    if (r->send && cli_send_finish(r->send))
        rc = CLI_FAILURE;
    if (rc)
        r->exit_code = rc;
    ledger->handed = r->encoder ? r->output.written : r->send ? cli_send_count(r->send) : r->hunted;
    ledger->lost = r->output.lost;
}

static void tell_ledger(struct reader *r, const struct ledger *ledger)
{
    ledger_print(ledger, stderr);
    if (!ledger_closed(ledger))
        r->exit_code = CLI_FAILURE;
}

static void finish(struct reader *r)
{
    struct ledger ledger = {0};

    if (r->hunting)
        hunting_ends(r->hunting);
    pipeline_drain(r->pipeline);
    write_edge(r, r->encoder ? r->encoder->head : NULL);
    if (!ordered_flush(&r->ordered))
        r->exit_code = CLI_FAILURE;
    write_end(r, &ledger);
    pipeline_ledger(r->pipeline, &ledger);
    tell_ledger(r, &ledger);
    if (r->hunting && !hunting_summary(r->hunting, ledger.counters.fate_packets[FATE_FLOW], stderr))
        r->exit_code = CLI_FAILURE;
}

static int start(struct reader *r)
{
    struct pipeline_options pipeline = {.config = r->config,
                                        .notices = r->encoder && r->encoder->per_connection,
                                        .record = r->encoder ? order_record
                                                  : r->send  ? write_record
                                                             : count_record,
                                        .deltas = r->hunting ? hunt_deltas : NULL,
                                        .turn = r->hunting ? hunt_turn : NULL,
                                        .context = r};
    int rc = r->encoder ? ordered_init(&r->ordered, write_record, r) : 0;

    if (!rc)
        rc = pipeline_create(&pipeline, &r->pipeline);
    if (rc)
        fprintf(stderr, "weir: flow.max_flows: memory for the flow table: %s\n", strerror(-rc));
    return rc ? CLI_FAILURE : CLI_OK;
}

/* A configuration that `weir run` uses names its collectors; here only -w counts. */
static int open_collectors(struct reader *r, struct cli_args *args)
{
    struct export_config *exports = &args->config.exports;
    uint32_t given = 0;

    for (int i = 0; i < args->override_count; i++)
        given += args->override[i].set == config_add_collector;
    memmove(exports->collector, exports->collector + exports->collector_count - given,
            given * sizeof(*exports->collector));
    exports->collector_count = given;
    if (!given)
        return CLI_OK;
    r->send = cli_send_open(&args->config);
    return r->send ? CLI_OK : CLI_USAGE;
}

/* Alerts have the faces table, json and ecs. */
static int start_hunting(struct reader *r, const char *format)
{
    alert_encoder *encode = !format || strcmp(format, "table") == 0 ? alert_table
                            : strcmp(format, "json") == 0           ? alert_json
                            : strcmp(format, "ecs") == 0            ? alert_ecs
                                                                    : NULL;

    if (!encode) {
        fprintf(stderr, "weir read: --hunts writes alerts as table, json or ecs, not %s\n", format);
        return CLI_USAGE;
    }
    if (!r->config->hunts.enabled) {
        fputs("weir read: hunts.enabled: --hunts finds nothing while it is false\n", stderr);
        return CLI_USAGE;
    }
    r->encoder = NULL;
    int rc = hunting_create(r->config, encode, &r->output, &r->hunting);
    if (rc == CLI_OK && encode == alert_table)
        cli_output_add(&r->output, alert_table_head, strlen(alert_table_head), 0);
    return rc;
}

/* As many threads as there are processors: the one that brings the records leaves most of its own.
 */
static int start_printing(struct reader *r)
{
    const unsigned cpus = cli_cpus();

    if (!r->encoder ||
        !print_create(r->config, r->encoder, &r->output, cpus > 1 ? cpus : 0, &r->print))
        return CLI_OK;
    fputs("weir: out of memory\n", stderr);
    return CLI_FAILURE;
}

static void read_interrupted(struct reader *r)
{
    if (interrupt_seen())
        fail(r, "interrupted: what comes behind was not read");
}

static int read_as_one(struct reader *r, const struct cli_args *args)
{
    r->exit_code = start(r);
    if (r->exit_code != CLI_OK)
        return r->exit_code;
    interrupt_watch();
    for (int i = 0; i < args->operand_count && !interrupt_seen(); i++)
        read_file(r, args->operands[i], (uint16_t)i);
    read_interrupted(r);
    finish(r);
    return r->exit_code;
}

static int read_apart(struct reader *r, const struct cli_args *args, unsigned jobs)
{
    struct apart_options apart = {.config = r->config,
                                  .filter = r->filter,
                                  .notices = r->encoder && r->encoder->per_connection,
                                  .path = args->operands,
                                  .path_count = args->operand_count,
                                  .jobs = jobs,
                                  .sink = write_record,
                                  .context = r};
    struct ledger ledger = {0};

    interrupt_watch();
    write_edge(r, r->encoder ? r->encoder->head : NULL);
    r->exit_code = apart_read(&apart, &ledger);
    read_interrupted(r);
    write_end(r, &ledger);
    tell_ledger(r, &ledger);
    return r->exit_code;
}

/* 0: captures are one time line. */
static int parse_jobs(const struct cli_args *args, unsigned *jobs)
{
    const char *text = args->value[OPTION_JOBS];
    char *end;

    *jobs = 0;
    if (!text)
        return CLI_OK;
    unsigned long n = strtoul(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end || !n || n > APART_JOBS_MAX) {
        fprintf(stderr, "weir read: -j: \"%s\" is not a number of captures (1..%d)\n", text,
                APART_JOBS_MAX);
        return CLI_USAGE;
    }
    if (args->value[OPTION_HUNTS]) {
        fputs("weir read: --hunts takes all captures as one time line: leave out -j\n", stderr);
        return CLI_USAGE;
    }
    *jobs = (unsigned)n;
    return CLI_OK;
}

int cli_read(int argc, char **argv)
{
    static struct cli_args args;
    char error[CAPTURE_ERROR_MAX];
    static struct reader r;

    if (!cli_parse(&command, argc, argv, &args))
        return args.exit_code;
    r.config = &args.config;
    r.progress = isatty(STDERR_FILENO);
    if (args.value[OPTION_NO_TIMEOUTS])
        args.config.flow.timeouts = false;
    const char *format = args.value[OPTION_FORMAT];
    r.encoder = format ? format_find(format) : args.value[OPTION_WRITE] ? NULL : &format_table;
    const char *filter = args.value[OPTION_FILTER];
    if (filter && capture_filter_create(filter, &r.filter, error)) {
        fprintf(stderr, "weir read: %s\n", error);
        return CLI_USAGE;
    }
    unsigned jobs;
    r.exit_code = parse_jobs(&args, &jobs);
    if (r.exit_code == CLI_OK)
        r.exit_code = open_collectors(&r, &args);
    if (r.exit_code == CLI_OK && args.value[OPTION_HUNTS])
        r.exit_code = start_hunting(&r, format);
    if (r.exit_code == CLI_OK)
        r.exit_code = start_printing(&r);
    if (r.exit_code == CLI_OK)
        r.exit_code = jobs ? read_apart(&r, &args, jobs) : read_as_one(&r, &args);
    print_destroy(r.print);
    cli_send_close(r.send);
    hunting_destroy(r.hunting);
    pipeline_destroy(r.pipeline);
    ordered_fini(&r.ordered);
    capture_filter_destroy(r.filter);
    interrupt_pass_on();
    return r.exit_code;
}
