#include "cli/print.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/thread.h"
#include "cli/cli.h"
#include "weir/encode.h"
#include "weir/flow.h"

#define THREADS_MAX 8
#define SHEET_RECORDS 256
#define SHEETS_OF_A_THREAD 2 /* one is formatted, another one filled or written */

/* The caller's until full, then its thread's until done. */
struct sheet {
    sem_t full, done;
    uint32_t count; /* 0: the thread is to end */
    struct flow_record record[SHEET_RECORDS];
    uint32_t len[SHEET_RECORDS];
    char text[SHEET_RECORDS * ENCODE_MAX]; /* without gaps */
};

struct writer {
    struct print *print;
    unsigned number;
    pthread_t thread;
};

struct print {
    const struct config *config;
    const struct record_encoder *encoder;
    struct cli_output *output;
    unsigned threads, sheets;
    unsigned running; /* threads, once there are records enough for them */
    bool started;
    uint32_t filled, written; /* sheets; filled is the one that takes records */
    struct writer writer[THREADS_MAX];
    struct sheet *sheet;
};

int print_create(const struct config *config, const struct record_encoder *encoder,
                 struct cli_output *output, unsigned threads, struct print **out)
{
    struct print *p = calloc(1, sizeof(*p));

    if (!p)
        return -ENOMEM;
    p->config = config;
    p->encoder = encoder;
    p->output = output;
    p->threads = threads < THREADS_MAX ? threads : THREADS_MAX;
    p->sheets = p->threads * SHEETS_OF_A_THREAD;
    p->sheet = p->sheets ? calloc(p->sheets, sizeof(*p->sheet)) : NULL;
    if (p->sheets && !p->sheet) {
        free(p);
        return -ENOMEM;
    }
    for (unsigned i = 0; i < p->sheets; i++) {
        sem_init(&p->sheet[i].full, 0, 0);
        sem_init(&p->sheet[i].done, 0, 0);
    }
    *out = p;
    return 0;
}

static struct sheet *sheet_at(const struct print *p, uint32_t number)
{
    return &p->sheet[number % p->sheets];
}

static void wait_for(sem_t *sem)
{
    while (sem_wait(sem))
        ; /* EINTR */
}

/* --- A thread's part --- */

static void format_sheet(const struct print *p, struct sheet *s)
{
    char *at = s->text;

    for (uint32_t i = 0; i < s->count; i++) {
        s->len[i] = (uint32_t)p->encoder->record(p->config, &s->record[i], at);
        at += s->len[i];
    }
}

static void *format_sheets(void *context)
{
    const struct writer *w = context;

    for (uint32_t number = w->number;; number += w->print->threads) {
        struct sheet *s = sheet_at(w->print, number);
        wait_for(&s->full);
        if (!s->count)
            return NULL;
        format_sheet(w->print, s);
        sem_post(&s->done);
    }
}

/* --- The caller's part --- */

static void start(struct print *p)
{
    for (p->started = true; p->running < p->threads; p->running++) {
        struct writer *w = &p->writer[p->running];
        *w = (struct writer){.print = p, .number = p->running};
        if (thread_start(&w->thread, format_sheets, w))
            break;
    }
}

static void write_text(struct print *p, const struct flow_record *record, const char *text,
                       size_t len)
{
    cli_output_add(p->output, text, len, !flow_record_is_notice(record));
}

static void write_sheet(struct print *p)
{
    struct sheet *s = sheet_at(p, p->written++);
    const char *at = s->text;

    wait_for(&s->done);
    for (uint32_t i = 0; i < s->count; i++) {
        write_text(p, &s->record[i], at, s->len[i]);
        at += s->len[i];
    }
    s->count = 0;
}

/* A thread that could not be started, or would not be worth it, is replaced by the caller. */
static void hand_on(struct print *p)
{
    struct sheet *s = sheet_at(p, p->filled);

    if (p->filled++ % p->threads < p->running) {
        sem_post(&s->full);
    } else {
        format_sheet(p, s);
        sem_post(&s->done);
    }
    if (p->filled - p->written == p->sheets)
        write_sheet(p);
}

void print_record(struct print *p, const struct flow_record *record)
{
    char text[ENCODE_MAX];

    if (!p->threads || p->output->error) { /* what cannot be written is counted, not formatted */
        size_t len = p->output->error ? 0 : p->encoder->record(p->config, record, text);
        write_text(p, record, text, len);
        return;
    }
    struct sheet *s = sheet_at(p, p->filled);
    s->record[s->count++] = *record;
    if (s->count < SHEET_RECORDS)
        return;
    if (!p->started)
        start(p);
    hand_on(p);
}

void print_finish(struct print *p)
{
    if (p->threads && sheet_at(p, p->filled)->count)
        hand_on(p);
    while (p->written != p->filled)
        write_sheet(p);
}

/* Each thread waits for the next of its sheets, and finds it empty. */
static void stop(struct print *p)
{
    for (; p->written != p->filled; p->written++)
        wait_for(&sheet_at(p, p->written)->done);
    for (unsigned i = 0; i < p->threads; i++) {
        sheet_at(p, p->filled + i)->count = 0;
        sem_post(&sheet_at(p, p->filled + i)->full);
    }
    for (unsigned i = 0; i < p->running; i++)
        pthread_join(p->writer[i].thread, NULL);
}

void print_destroy(struct print *p)
{
    if (!p)
        return;
    stop(p);
    for (unsigned i = 0; i < p->sheets; i++) {
        sem_destroy(&p->sheet[i].full);
        sem_destroy(&p->sheet[i].done);
    }
    free(p->sheet);
    free(p);
}
