#include "cli/apart.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "capture/file.h"
#include "cli/cli.h"
#include "cli/interrupt.h"
#include "cli/ordered.h"
#include "core/pipeline.h"
#include "flow/table.h"
#include "weir/config.h"

#define LOOK_MS 100 /* whether an interrupt came */
#define WAKE SIGURG /* ends the system call that a thread waits in */

struct apart;

/* One capture. Its thread owns it until it is done; then whoever writes does. */
struct part {
    struct apart *apart;
    int index;
    struct ordered ordered;
    struct ledger ledger;
    int exit_code;
    bool done; /* under the lock */
};

struct apart {
    const struct apart_options *options;
    struct config config;
    struct part *part;
    pthread_t thread[APART_JOBS_MAX];
    unsigned threads;
    bool cpus_left;       /* for a second thread of each capture */
    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t changed;
    int next;    /* capture that nobody has begun */
    int written; /* captures whose records are out */
};

static void nothing(int number)
{
    (void)number;
}

/* With the lock. A signal may come to another thread: nobody waits for long. */
static void wait_a_little(struct apart *a)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += LOOK_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_cond_timedwait(&a->changed, &a->lock, &until);
}

/* --- A thread's part --- */

static void fail(struct part *part, const char *text)
{
    fprintf(stderr, "weir: %s\n", text);
    part->exit_code = CLI_FAILURE;
}

/* Records that find no room any more, in memory or on disk, wait for their capture's turn. */
static void write_record(void *context, const struct flow_record *record)
{
    struct part *part = context;
    struct apart *a = part->apart;

    pthread_mutex_lock(&a->lock);
    while (a->written < part->index)
        wait_a_little(a);
    pthread_mutex_unlock(&a->lock);
    a->options->sink(a->options->context, record);
}

static void order_record(void *context, const struct flow_record *record)
{
    ordered_add(&((struct part *)context)->ordered, record);
}

static void read_source(struct part *part, struct pipeline *pipeline, struct capture *source)
{
    enum capture_status status;

    do
        status = pipeline_step(pipeline, source);
    while (status == CAPTURE_OK && !interrupt_seen());
    if (status == CAPTURE_ERROR && !interrupt_seen())
        fail(part, capture_error(source));
    const char *warning = capture_file_warning(source);
    if (warning)
        fprintf(stderr, "weir: %s\n", warning);
    pipeline_source_done(pipeline, source);
}

static void read_capture(struct part *part, struct pipeline *pipeline)
{
    const struct apart_options *o = part->apart->options;
    const struct capture_file_options how = {.filter = o->filter, .ahead = part->apart->cpus_left};
    char error[CAPTURE_ERROR_MAX];
    struct capture *source;

    if (capture_file_open(o->path[part->index], &how, &source, error)) {
        if (!interrupt_seen())
            fail(part, error);
        return;
    }
    read_source(part, pipeline, source);
    capture_close(source);
}

static void read_part(struct part *part)
{
    struct apart *a = part->apart;
    struct pipeline_options options = {.config = &a->config,
                                       .notices = a->options->notices,
                                       .record = order_record,
                                       .context = part};
    struct pipeline *pipeline = NULL;
    int rc = ordered_init(&part->ordered, write_record, part);

    if (!rc)
        rc = pipeline_create(&options, &pipeline);
    if (rc) {
        fail(part, "flow.max_flows: memory for the flow table: try fewer captures at a time");
        return;
    }
    read_capture(part, pipeline);
    pipeline_drain(pipeline);
    pipeline_ledger(pipeline, &part->ledger);
    pipeline_destroy(pipeline);
}

/* Not so far ahead of what is written that records of many captures lie in memory. NULL: no more.
 */
static struct part *take(struct apart *a)
{
    struct part *part = NULL;

    pthread_mutex_lock(&a->lock);
    while (a->next < a->options->path_count && !interrupt_seen() &&
           a->next >= a->written + 2 * (int)a->options->jobs)
        wait_a_little(a);
    if (a->next < a->options->path_count && !interrupt_seen())
        part = &a->part[a->next++];
    pthread_mutex_unlock(&a->lock);
    return part;
}

static void *read_parts(void *context)
{
    struct apart *a = context;
    struct part *part;

    while ((part = take(a))) {
        read_part(part);
        pthread_mutex_lock(&a->lock);
        part->done = true;
        pthread_cond_broadcast(&a->changed);
        pthread_mutex_unlock(&a->lock);
    }
    return NULL;
}

/* --- The caller's part --- */

static void start(struct apart *a)
{
    const struct sigaction action = {.sa_handler = nothing};
    const unsigned count = (unsigned)a->options->path_count;
    const unsigned wanted = a->options->jobs < count ? a->options->jobs : count;

    a->cpus_left = cli_cpus() >= 2 * wanted;
    sigaction(WAKE, &action, NULL);
    while (a->threads < wanted && !pthread_create(&a->thread[a->threads], NULL, read_parts, a))
        a->threads++;
}

/* False: it was not begun before the interrupt. */
static bool wait_for(struct apart *a, const struct part *part)
{
    pthread_mutex_lock(&a->lock);
    while (!part->done && !(interrupt_seen() && part->index >= a->next)) {
        wait_a_little(a);
        for (unsigned i = 0; interrupt_seen() && i < a->threads; i++)
            pthread_kill(a->thread[i], WAKE);
    }
    bool done = part->done;
    pthread_mutex_unlock(&a->lock);
    return done;
}

static void write_part(struct apart *a, struct part *part)
{
    if (!ordered_flush(&part->ordered))
        part->exit_code = CLI_FAILURE;
    ordered_fini(&part->ordered);
    pthread_mutex_lock(&a->lock);
    a->written++;
    pthread_cond_broadcast(&a->changed);
    pthread_mutex_unlock(&a->lock);
}

static int read_all(struct apart *a, struct ledger *sum)
{
    int code = CLI_OK;

    start(a);
    if (!a->threads) {
        fputs("weir: a thread could not be started\n", stderr);
        return CLI_FAILURE;
    }
    for (int i = 0; i < a->options->path_count && wait_for(a, &a->part[i]); i++) {
        write_part(a, &a->part[i]);
        ledger_add(sum, &a->part[i].ledger);
        code = a->part[i].exit_code ? a->part[i].exit_code : code;
    }
    for (unsigned i = 0; i < a->threads; i++)
        pthread_join(a->thread[i], NULL);
    return code;
}

int apart_read(const struct apart_options *options, struct ledger *sum)
{
    struct apart *a = calloc(1, sizeof(*a));
    struct part *part = calloc((size_t)options->path_count, sizeof(*part));
    int code = CLI_FAILURE;

    if (a && part) {
        *a = (struct apart){.options = options, .config = *options->config, .part = part};
        if (!a->config.flow.max_flows)
            a->config.flow.max_flows = flow_table_default_flows() / options->jobs + 16;
        for (int i = 0; i < options->path_count; i++)
            part[i] = (struct part){.apart = a, .index = i};
        pthread_mutex_init(&a->lock, NULL);
        pthread_cond_init(&a->changed, NULL);
        code = read_all(a, sum);
        pthread_cond_destroy(&a->changed);
        pthread_mutex_destroy(&a->lock);
    } else {
        fputs("weir: out of memory\n", stderr);
    }
    free(part);
    free(a);
    return code;
}
