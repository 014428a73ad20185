#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "export/backlog.h"
#include "export/spool_internal.h"
#include "weir/config_limits.h"

#define SEGMENT_DIGITS 16
#define FIRST_NUMBER (1u << 20) /* leaves room below for a copy that goes first */

static bool parse_name(const char *name, uint64_t *number)
{
    char again[32];

    if (strlen(name) != SEGMENT_DIGITS + 4 || strspn(name, "0123456789abcdef") != SEGMENT_DIGITS)
        return false;
    *number = strtoull(name, NULL, 16);
    spool_segment_name(*number, again);
    return strcmp(name, again) == 0 && *number < 1ull << (64 - TICKET_OFFSET_BITS);
}

int spool_give(int fd, const struct spool_owner *owner)
{
    return owner->given && fchown(fd, owner->uid, owner->gid) < 0 ? -errno : 0;
}

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
    struct segment *g = spool_segment_create(s, number);
    struct stat st;
    int error = 0;

    if (!g)
        return -ENOMEM;
    if (spool_segment_open(s, g, O_RDWR) || fstat(g->file.fd, &st) < 0 || !S_ISREG(st.st_mode) ||
        st.st_size > 1 << (TICKET_OFFSET_BITS - 1)) {
        found->other++;
        spool_segment_destroy(g);
        return 0;
    }
    g->file.size = (uint64_t)st.st_size;
    g->read_at = g->mark = g->marked = segment_begin(&g->file, &error);
    enum verdict verdict = scan(s, g, found);
    bool strange = verdict == EMPTY && g->read_at == 0 && g->file.size > 0;
    if (verdict == OURS)
        spool_give(g->file.fd, &s->owner);
    close(g->file.fd);
    g->file.fd = -1;
    if (verdict == OURS) {
        found->segments++;
        export_count_add(&found->count, &g->unread);
        spool_segment_link(s, g);
        return 0;
    }
    if (verdict == EMPTY && !strange) {
        char name[32];
        spool_segment_name(number, name);
        unlinkat(s->directory, name, 0);
    } else {
        found->other++;
    }
    spool_segment_destroy(g);
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

/* It becomes the oldest segment. */
static void adopt_copy(struct spool *s)
{
    uint64_t *numbers = NULL;
    size_t count = 0;
    char name[32];

    if (faccessat(s->directory, COPY_NAME, F_OK, 0) < 0 || list_segments(s, &numbers, &count))
        return;
    uint64_t number = count ? numbers[0] - 1 : FIRST_NUMBER - 1;
    free(numbers);
    spool_segment_name(number, name);
    if (number < 1ull << (64 - TICKET_OFFSET_BITS)) /* none is below 0 */
        renameat(s->directory, COPY_NAME, s->directory, name);
}

static int adopt_segments(struct spool *s, struct spool_found *found)
{
    uint64_t *numbers = NULL;
    size_t count = 0;
    adopt_copy(s);
    int rc = list_segments(s, &numbers, &count);

    for (size_t i = 0; !rc && i < count; i++) {
        rc = adopt_segment(s, numbers[i], found);
        if (numbers[i] >= s->next_number)
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
    int rc = spool_give(s->directory, &s->owner);
    if (!rc)
        rc = spool_give(s->lock, &s->owner);
    if (rc)
        return fail(text, name, "cannot be given to sensor.user", rc);
    if (flock(s->lock, LOCK_EX | LOCK_NB) == 0)
        return 0;
    snprintf(text, SPOOL_TEXT_MAX,
             "spool directory %s: another sensor uses it (give each an export.spool of its own)",
             name);
    return -EBUSY;
}

static struct spool *make_spool(const struct spool_options *o)
{
    struct spool *s = calloc(1, sizeof(*s));

    if (!s)
        return NULL;
    s->directory = s->lock = s->copy.fd = -1;
    s->next_number = FIRST_NUMBER;
    s->bound = o->bound;
    s->owner = o->owner;
    s->segment_octets = spool_segment_size(o->bound);
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
