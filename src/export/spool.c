#include "export/spool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "export/backlog.h"
#include "weir/config_limits.h"

#define SEGMENT_OCTETS_MAX (16u << 20)
#define SEGMENT_OCTETS_MIN (64u << 10)
#define SEGMENTS_IN_BOUND 64
#define SEGMENT_DIGITS 16
#define TICKET_OFFSET_BITS 28

static_assert(SEGMENT_OCTETS_MAX + 2 * MESSAGE_MAX < 1u << TICKET_OFFSET_BITS, "ticket");

struct segment {
    struct segment *next;
    uint64_t number;
    struct segment_file file; /* fd -1 = not open */
    uint64_t read_at, mark;   /* octets; delivered up to */
    uint64_t marked;          /* as it stands in the file */
    struct export_count unread;
    uint32_t outstanding; /* read, not done */
};

struct spool {
    int directory, lock;
    uint64_t bound, segment_octets, profile;
    uint32_t templates;
    struct spool_io io;
    struct crc32c crc;
    struct segment *head, *tail; /* oldest first */
    struct segment *reader;      /* first that is not read to its end; NULL = none */
    bool writes;                 /* the tail takes more */
    bool dirty;                  /* since the last sync */
    uint64_t next_number, octets;
    struct export_count count;
    uint8_t *buffer; /* of one frame */
};

/* --- Files --- */

static void segment_name(uint64_t number, char name[32])
{
    snprintf(name, 32, "%016" PRIx64 ".seg", number);
}

static bool parse_name(const char *name, uint64_t *number)
{
    char again[32];

    if (strlen(name) != SEGMENT_DIGITS + 4 || strspn(name, "0123456789abcdef") != SEGMENT_DIGITS)
        return false;
    *number = strtoull(name, NULL, 16);
    segment_name(*number, again);
    return strcmp(name, again) == 0 && *number < 1ull << (64 - TICKET_OFFSET_BITS);
}

static int open_segment(struct spool *s, struct segment *g, int flags)
{
    char name[32];

    if (g->file.fd >= 0)
        return 0;
    segment_name(g->number, name);
    g->file.fd = openat(s->directory, name, flags | O_CLOEXEC | O_NOFOLLOW, 0640);
    return g->file.fd < 0 ? -errno : 0;
}

static struct segment *make_segment(struct spool *s, uint64_t number)
{
    struct segment *g = calloc(1, sizeof(*g));

    if (!g)
        return NULL;
    g->number = number;
    g->file = (struct segment_file){.fd = -1, .io = &s->io, .crc = &s->crc};
    return g;
}

static void free_segment(struct segment *g)
{
    if (g->file.fd >= 0)
        close(g->file.fd);
    free(g);
}

static void link_segment(struct spool *s, struct segment *g)
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

    segment_name(g->number, name);
    unlinkat(s->directory, name, 0);
    unlink_segment(s, g);
    s->octets -= g->file.size;
    export_count_subtract(&s->count, &g->unread);
    free_segment(g);
}

static bool is_finished(const struct segment *g)
{
    return g->read_at >= g->file.size && !g->outstanding;
}

/* --- Opening --- */

enum verdict { OURS, EMPTY, OTHER };

/* Adds up what is to be read from the mark on. */
static enum verdict scan(struct spool *s, struct segment *g, struct spool_found *found)
{
    struct segment_frame frame;
    uint64_t at = g->read_at, behind = at;
    bool any = false;
    int error;

    while (segment_find(&g->file, &at, &frame, &error)) {
        if (frame.profile != s->profile || frame.templates != s->templates)
            return OTHER;
        struct export_count count = {frame.info.records, frame.info.packets, frame.info.octets};
        export_count_add(&g->unread, &count);
        found->skipped += at - behind;
        at += sizeof(frame) + frame.info.len;
        behind = at;
        any = true;
    }
    found->skipped += g->file.size - behind;
    return any ? OURS : EMPTY;
}

/* A file of our name that is empty, done, or damaged all over is deleted; with strange content it
 * is not ours. */
static int adopt_segment(struct spool *s, uint64_t number, struct spool_found *found)
{
    struct segment *g = make_segment(s, number);
    struct stat st;
    int error = 0;

    if (!g)
        return -ENOMEM;
    if (open_segment(s, g, O_RDWR) || fstat(g->file.fd, &st) < 0 || !S_ISREG(st.st_mode) ||
        st.st_size > 1 << (TICKET_OFFSET_BITS - 1)) {
        found->other++;
        free_segment(g);
        return 0;
    }
    g->file.size = (uint64_t)st.st_size;
    g->read_at = g->mark = g->marked = segment_begin(&g->file, &error);
    enum verdict verdict = scan(s, g, found);
    bool strange = verdict == EMPTY && g->read_at == 0 && g->file.size > 0;
    close(g->file.fd);
    g->file.fd = -1;
    if (verdict == OURS) {
        found->segments++;
        export_count_add(&found->count, &g->unread);
        link_segment(s, g);
        return 0;
    }
    if (verdict == EMPTY && !strange) {
        char name[32];
        segment_name(number, name);
        unlinkat(s->directory, name, 0);
    } else {
        found->other++;
    }
    free_segment(g);
    return 0;
}

static int by_number(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

/* Numbers of the segments in the directory, ascending. */
static int list_segments(struct spool *s, uint64_t **numbers, size_t *count)
{
    int fd = openat(s->directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *directory = fd < 0 ? NULL : fdopendir(fd);
    size_t room = 0;
    uint64_t number;

    if (!directory)
        return -errno;
    for (struct dirent *entry; (entry = readdir(directory));) {
        if (!parse_name(entry->d_name, &number))
            continue;
        if (*count == room) {
            room = room ? 2 * room : 64;
            uint64_t *more = reallocarray(*numbers, room, sizeof(**numbers));
            if (!more) {
                closedir(directory);
                return -ENOMEM;
            }
            *numbers = more;
        }
        (*numbers)[(*count)++] = number;
    }
    closedir(directory);
    if (*count)
        qsort(*numbers, *count, sizeof(**numbers), by_number);
    return 0;
}

static int adopt_segments(struct spool *s, struct spool_found *found)
{
    uint64_t *numbers = NULL;
    size_t count = 0;
    int rc = list_segments(s, &numbers, &count);

    for (size_t i = 0; !rc && i < count; i++) {
        rc = adopt_segment(s, numbers[i], found);
        s->next_number = numbers[i] + 1;
    }
    free(numbers);
    return rc;
}

static void directory_name(const char *name, char out[CONFIG_NAME_MAX])
{
    static const char fine[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";

    snprintf(out, CONFIG_NAME_MAX, "%s", name);
    for (char *c = out; *c; c++)
        if (!strchr(fine, *c) || (c == out && *c == '.'))
            *c = '_';
}

static int fail(char *text, const char *name, const char *what, int error)
{
    snprintf(text, SPOOL_TEXT_MAX, "spool directory %s: %s: %s", name, what, strerror(-error));
    return error;
}

static int enter_directory(struct spool *s, const struct spool_options *o, char *text)
{
    char name[CONFIG_NAME_MAX];

    directory_name(o->name, name);
    if (mkdirat(o->directory, name, 0750) < 0 && errno != EEXIST)
        return fail(text, name, "cannot be made", -errno);
    s->directory = openat(o->directory, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (s->directory < 0)
        return fail(text, name, "cannot be opened", -errno);
    s->lock = openat(s->directory, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (s->lock < 0)
        return fail(text, name, "lock", -errno);
    if (flock(s->lock, LOCK_EX | LOCK_NB) == 0)
        return 0;
    snprintf(text, SPOOL_TEXT_MAX,
             "spool directory %s: another sensor uses it (give each an export.spool of its own)",
             name);
    return -EBUSY;
}

static uint64_t segment_size(uint64_t bound)
{
    uint64_t size = bound / SEGMENTS_IN_BOUND;

    if (size > SEGMENT_OCTETS_MAX)
        return SEGMENT_OCTETS_MAX;
    return size < SEGMENT_OCTETS_MIN ? SEGMENT_OCTETS_MIN : size;
}

static struct spool *make_spool(const struct spool_options *o)
{
    struct spool *s = calloc(1, sizeof(*s));

    if (!s)
        return NULL;
    s->directory = s->lock = -1;
    s->bound = o->bound;
    s->segment_octets = segment_size(o->bound);
    s->profile = o->profile;
    s->templates = o->templates;
    s->io = o->io ? *o->io : (struct spool_io){pread, pwrite, fdatasync};
    crc32c_init(&s->crc);
    s->buffer = malloc(sizeof(struct segment_frame) + MESSAGE_MAX);
    return s;
}

int spool_open(const struct spool_options *o, struct spool **out, struct spool_found *found,
               char *text)
{
    struct spool *s = make_spool(o);
    int rc = s && s->buffer ? 0 : -ENOMEM;

    *found = (struct spool_found){0};
    if (rc)
        snprintf(text, SPOOL_TEXT_MAX, "spool: out of memory");
    else
        rc = enter_directory(s, o, text);
    if (!rc) {
        rc = adopt_segments(s, found);
        if (rc)
            fail(text, o->name, "cannot be read", rc);
    }
    if (rc)
        spool_close(s);
    else
        *out = s;
    return rc;
}

/* --- Writing --- */

static int begin_segment(struct spool *s)
{
    struct segment *g = make_segment(s, s->next_number);

    if (!g)
        return -ENOMEM;
    int rc = open_segment(s, g, O_RDWR | O_CREAT | O_EXCL);
    if (!rc) {
        s->next_number++;
        rc = segment_write_header(&g->file, sizeof(struct segment_header));
        if (!rc)
            rc = fsync(s->directory) < 0 && errno != EINVAL ? -errno : 0;
        if (rc) {
            char name[32];
            segment_name(g->number, name);
            unlinkat(s->directory, name, 0);
        }
    }
    if (rc) {
        free_segment(g);
        return rc;
    }
    g->file.size = g->read_at = g->mark = g->marked = sizeof(struct segment_header);
    link_segment(s, g);
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
    if (g->mark == g->marked || open_segment(s, g, O_RDWR))
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
    s->dirty = false;
    return rc;
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
        if (open_segment(s, g, O_RDWR)) {
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
        free_segment(g);
    }
    if (s->directory >= 0)
        close(s->directory);
    if (s->lock >= 0)
        close(s->lock);
    free(s->buffer);
    free(s);
}
