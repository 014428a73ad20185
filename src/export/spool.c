#include "export/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "export/backlog.h"
#include "export/spool_internal.h"

#define SEGMENT_OCTETS_MAX (16u << 20)
#define SEGMENT_OCTETS_MIN (64u << 10)
#define SEGMENTS_IN_BOUND 64
#define COPY_OCTETS_MAX (1u << (TICKET_OFFSET_BITS - 1))

static_assert(SEGMENT_OCTETS_MAX + 2 * MESSAGE_MAX < 1u << TICKET_OFFSET_BITS, "ticket");

/* --- Files --- */

void spool_segment_name(uint64_t number, char name[32])
{
    snprintf(name, 32, "%016" PRIx64 ".seg", number);
}

int spool_segment_open(struct spool *s, struct segment *g, int flags)
{
    char name[32];

    if (g->file.fd >= 0)
        return 0;
    spool_segment_name(g->number, name);
    g->file.fd = openat(s->directory, name, flags | O_CLOEXEC | O_NOFOLLOW, 0640);
    return g->file.fd < 0 ? -errno : 0;
}

struct segment *spool_segment_create(struct spool *s, uint64_t number)
{
    struct segment *g = calloc(1, sizeof(*g));

    if (!g)
        return NULL;
    g->number = number;
    g->file = (struct segment_file){.fd = -1, .io = &s->io, .crc = &s->crc};
    return g;
}

void spool_segment_destroy(struct segment *g)
{
    if (g->file.fd >= 0)
        close(g->file.fd);
    free(g);
}

void spool_segment_link(struct spool *s, struct segment *g)
{
    if (s->tail)
        s->tail->next = g;
    else
        s->head = g;
    s->tail = g;
    s->octets += g->file.size;
    export_count_add(&s->count, &g->unread);
    if (!s->reader && g->read_at < g->file.size)
        s->reader = g;
}

static void unlink_segment(struct spool *s, struct segment *g)
{
    struct segment **at = &s->head, *before = NULL;

    while (*at != g) {
        before = *at;
        at = &before->next;
    }
    *at = g->next;
    if (s->tail == g) {
        s->tail = before;
        s->writes = false;
    }
    if (s->reader == g)
        s->reader = g->next;
}

/* The file goes, and what was not read of it. */
static void delete_segment(struct spool *s, struct segment *g)
{
    char name[32];

    spool_segment_name(g->number, name);
    unlinkat(s->directory, name, 0);
    unlink_segment(s, g);
    s->octets -= g->file.size;
    export_count_subtract(&s->count, &g->unread);
    spool_segment_destroy(g);
}

static bool is_finished(const struct segment *g)
{
    return g->read_at >= g->file.size && !g->outstanding;
}

uint64_t spool_segment_size(uint64_t bound)
{
    uint64_t size = bound / SEGMENTS_IN_BOUND;

    if (size > SEGMENT_OCTETS_MAX)
        return SEGMENT_OCTETS_MAX;
    return size < SEGMENT_OCTETS_MIN ? SEGMENT_OCTETS_MIN : size;
}

/* --- Writing --- */

static int begin_segment(struct spool *s)
{
    struct segment *g = spool_segment_create(s, s->next_number);

    if (!g)
        return -ENOMEM;
    int rc = spool_segment_open(s, g, O_RDWR | O_CREAT | O_EXCL);
    if (!rc) {
        s->next_number++;
        rc = segment_write_header(&g->file, sizeof(struct segment_header));
        if (!rc)
            rc = fsync(s->directory) < 0 && errno != EINVAL ? -errno : 0;
        if (rc) {
            char name[32];
            spool_segment_name(g->number, name);
            unlinkat(s->directory, name, 0);
        }
    }
    if (rc) {
        spool_segment_destroy(g);
        return rc;
    }
    g->file.size = g->read_at = g->mark = g->marked = sizeof(struct segment_header);
    spool_segment_link(s, g);
    s->writes = true;
    return 0;
}

static void evict(struct spool *s, struct export_count *evicted)
{
    export_count_add(evicted, &s->head->unread);
    delete_segment(s, s->head);
}

/* A segment that is full is brought to disk before the next begins. */
static int end_segment(struct spool *s)
{
    s->writes = false;
    int rc = s->io.fdatasync(s->tail->file.fd) < 0 ? -errno : 0;
    if (s->tail != s->reader && !s->tail->outstanding) {
        close(s->tail->file.fd);
        s->tail->file.fd = -1;
    }
    return rc;
}

static int write_frame(struct spool *s, struct segment_frame *frame, const uint8_t *octets)
{
    int rc = s->writes ? 0 : begin_segment(s);

    return rc ? rc : segment_append(&s->tail->file, frame, octets, s->buffer);
}

/* What was read from the oldest segment is in memory until it is delivered: on a full disk its
 * place is worth more than a second copy. */
static bool give_up_read(struct spool *s)
{
    struct segment *g = s->head;

    if (!g || g->read_at < g->file.size || g->file.size == sizeof(struct segment_header))
        return false;
    delete_segment(s, g);
    return true;
}

int spool_append(struct spool *s, const struct message_info *info, const uint8_t *octets,
                 struct export_count *evicted)
{
    struct segment_frame frame = {.templates = s->templates, .info = *info, .profile = s->profile};
    uint64_t need = sizeof(frame) + info->len;
    struct export_count count = {info->records, info->packets, info->octets};

    if (need + sizeof(struct segment_header) > s->bound)
        return -EFBIG;
    if (s->writes && s->tail->file.size + need > s->segment_octets)
        end_segment(s);
    uint64_t header = s->writes ? 0 : sizeof(struct segment_header);
    while (s->head && s->octets + need + header > s->bound) {
        evict(s, evicted);
        header = s->writes ? 0 : sizeof(struct segment_header);
    }
    int rc;
    do
        rc = write_frame(s, &frame, octets);
    while (rc == -ENOSPC && give_up_read(s));
    if (rc)
        return rc;
    s->octets += need;
    export_count_add(&s->tail->unread, &count);
    export_count_add(&s->count, &count);
    if (!s->reader)
        s->reader = s->tail;
    s->dirty = true;
    return 0;
}

static int write_mark(struct spool *s, struct segment *g)
{
    if (g->mark == g->marked || spool_segment_open(s, g, O_RDWR))
        return 0;
    int rc = segment_write_header(&g->file, g->mark);
    if (!rc)
        g->marked = g->mark;
    return rc;
}

int spool_sync(struct spool *s)
{
    int rc = 0;

    for (struct segment *g = s->head; g; g = g->next) {
        int failed = write_mark(s, g);
        rc = failed ? failed : rc;
    }
    if (s->dirty && s->writes && s->io.fdatasync(s->tail->file.fd) < 0)
        rc = -errno;
    if (s->dirty && s->copy.fd >= 0 && s->io.fdatasync(s->copy.fd) < 0)
        rc = -errno;
    s->dirty = false;
    return rc;
}

static int begin_copy(struct spool *s)
{
    int flags = O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW;

    s->copy = (struct segment_file){
        .fd = openat(s->directory, COPY_NAME, flags, 0640), .io = &s->io, .crc = &s->crc};
    if (s->copy.fd < 0)
        return -errno;
    s->copy.size = sizeof(struct segment_header);
    return segment_write_header(&s->copy, s->copy.size);
}

int spool_copy(struct spool *s, const struct message_info *info, const uint8_t *octets)
{
    struct segment_frame frame = {.templates = s->templates, .info = *info, .profile = s->profile};
    int rc = s->copy.fd < 0 ? begin_copy(s) : 0;

    if (!rc && s->copy.size > COPY_OCTETS_MAX)
        rc = -EFBIG;
    if (!rc)
        rc = segment_append(&s->copy, &frame, octets, s->buffer);
    if (!rc)
        s->dirty = true;
    return rc;
}

void spool_copy_drop(struct spool *s)
{
    if (s->copy.fd < 0)
        return;
    close(s->copy.fd);
    s->copy.fd = -1;
    unlinkat(s->directory, COPY_NAME, 0);
}

void spool_set_bound(struct spool *s, uint64_t bound)
{
    s->bound = bound;
    s->segment_octets = spool_segment_size(bound);
}

/* --- Reading --- */

static void lose(struct spool *s, struct segment *g, struct export_count *sum,
                 const struct export_count *count)
{
    export_count_add(sum, count);
    export_count_subtract(&s->count, count);
    export_count_subtract(&g->unread, count);
}

/* The segment is read to its end, or cannot be. What was in it and was not found is lost. */
static void leave_segment(struct spool *s, struct segment *g, struct export_count *sum)
{
    struct export_count rest = g->unread;

    lose(s, g, sum, &rest);
    g->read_at = g->file.size;
    if (g == s->tail && s->writes && !is_finished(g))
        return; /* it goes on */
    s->reader = g->next;
    if (is_finished(g))
        delete_segment(s, g);
}

static void fail_segment(struct spool *s, struct segment *g, struct spool_loss *loss)
{
    loss->errors++;
    loss->skipped += g->file.size - g->read_at;
    if (g == s->tail)
        s->writes = false;
    leave_segment(s, g, &loss->broken);
}

/* True: the message at read_at is here, or what was there is skipped. */
static bool read_frame(struct spool *s, struct segment *g, struct segment_frame *frame,
                       uint8_t *octets, struct spool_loss *loss)
{
    uint64_t at = g->read_at;
    int error;

    bool found = segment_find(&g->file, &at, frame, &error);
    if (error) {
        fail_segment(s, g, loss);
        return false;
    }
    loss->skipped += at - g->read_at;
    g->read_at = at;
    if (!found) {
        leave_segment(s, g, &loss->damaged);
        return false;
    }
    int rc = segment_message(&g->file, at, frame, octets);
    if (rc && rc != -EBADMSG) {
        fail_segment(s, g, loss);
        return false;
    }
    uint64_t len = sizeof(*frame) + frame->info.len;
    struct export_count count = {frame->info.records, frame->info.packets, frame->info.octets};
    g->read_at += len;
    if (!rc) {
        export_count_subtract(&s->count, &count);
        export_count_subtract(&g->unread, &count);
        return true;
    }
    loss->skipped += len;
    lose(s, g, &loss->damaged, &count);
    return false;
}

bool spool_read(struct spool *s, struct message_info *info, uint8_t *octets, uint64_t *ticket,
                struct spool_loss *loss)
{
    struct segment_frame frame;

    while (!spool_is_empty(s)) {
        struct segment *g = s->reader;
        if (spool_segment_open(s, g, O_RDWR)) {
            fail_segment(s, g, loss);
            continue;
        }
        if (!read_frame(s, g, &frame, octets, loss))
            continue;
        g->outstanding++;
        *ticket = g->number << TICKET_OFFSET_BITS | g->read_at;
        *info = frame.info;
        if (g->read_at == g->file.size && !(g == s->tail && s->writes))
            s->reader = g->next;
        return true;
    }
    return false;
}

static struct segment *segment_of(const struct spool *s, uint64_t ticket)
{
    for (struct segment *g = s->head; g; g = g->next)
        if (g->number == ticket >> TICKET_OFFSET_BITS)
            return g;
    return NULL;
}

void spool_done(struct spool *s, uint64_t ticket)
{
    struct segment *g = segment_of(s, ticket);
    uint64_t end = ticket & ((1ull << TICKET_OFFSET_BITS) - 1);

    if (!g)
        return;
    g->outstanding--;
    if (end > g->mark)
        g->mark = end;
    if (is_finished(g))
        delete_segment(s, g);
}

bool spool_holds(const struct spool *s, uint64_t ticket)
{
    return segment_of(s, ticket);
}

/* --- Figures --- */

struct export_count spool_count(const struct spool *s)
{
    return s->count;
}

bool spool_is_empty(const struct spool *s)
{
    return !s->reader || (s->reader->read_at >= s->reader->file.size && !s->reader->next);
}

uint64_t spool_octets(const struct spool *s)
{
    return s->octets;
}

uint64_t spool_bound(const struct spool *s)
{
    return s->bound;
}

uint32_t spool_segments(const struct spool *s)
{
    uint32_t count = 0;

    for (const struct segment *g = s->head; g; g = g->next)
        count++;
    return count;
}

void spool_close(struct spool *s)
{
    if (!s)
        return;
    if (s->directory >= 0)
        spool_sync(s);
    for (struct segment *g; (g = s->head);) {
        s->head = g->next;
        spool_segment_destroy(g);
    }
    if (s->copy.fd >= 0)
        close(s->copy.fd);
    if (s->directory >= 0)
        close(s->directory);
    if (s->lock >= 0)
        close(s->lock);
    free(s->buffer);
    free(s);
}
