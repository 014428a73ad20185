#include "core/heartbeat.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void heartbeats_init(struct heartbeats *h, unsigned workers, uint64_t timeout_ns, uint64_t now_ns)
{
    *h = (struct heartbeats){.count = workers, .timeout_ns = timeout_ns};
    for (unsigned i = 0; i < workers; i++)
        h->worker[i].moved_ns = now_ns;
}

enum heartbeat_event heartbeats_see(struct heartbeats *h, unsigned worker, uint64_t loops,
                                    uint64_t now_ns)
{
    struct heartbeat *w = &h->worker[worker];
    bool was_stuck = w->stuck;

    if (loops != w->loops) {
        w->loops = loops;
        w->moved_ns = now_ns;
        w->stuck = false;
        return was_stuck ? HEARTBEAT_MOVES_AGAIN : HEARTBEAT_NONE;
    }
    if (was_stuck || now_ns - w->moved_ns < h->timeout_ns)
        return HEARTBEAT_NONE;
    w->stuck = true;
    h->stuck_total++;
    return HEARTBEAT_STUCK;
}

bool heartbeats_all_moved(struct heartbeats *h)
{
    for (unsigned i = 0; i < h->count; i++)
        if (h->worker[i].loops == h->worker[i].pinged)
            return false;
    for (unsigned i = 0; i < h->count; i++)
        h->worker[i].pinged = h->worker[i].loops;
    return true;
}

/* A small file of the thread, without its last newline; false when it cannot be read. */
static bool read_task(int thread_id, const char *name, char *text, size_t room)
{
    char path[64];
    ssize_t n = -1;

    snprintf(path, sizeof(path), "/proc/self/task/%d/%s", thread_id, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        n = read(fd, text, room - 1);
        close(fd);
    }
    if (n <= 0)
        return false;
    text[n] = '\0';
    text[strcspn(text, "\n")] = '\0';
    return true;
}

/* The stat line after the name in parentheses, which may hold anything: field 3 is the state, field
 * 39 the core last run on (proc(5)). */
static bool parse_stat(const char *stat, char *state, int *core)
{
    const char *p = strrchr(stat, ')');

    if (!p || sscanf(p, ") %c", state) != 1)
        return false;
    for (int field = 2; field < 39 && p; field++)
        p = strchr(p + 1, ' ');
    return p && sscanf(p, "%d", core) == 1;
}

size_t heartbeat_describe(int thread_id, char *line, size_t room)
{
    char text[1024], state = '?';
    int core = -1, n;

    if (!read_task(thread_id, "stat", text, sizeof(text)) || !parse_stat(text, &state, &core))
        n = snprintf(line, room, "thread %d has ended", thread_id);
    else {
        n = snprintf(line, room, "thread %d, state %c, last on core %d", thread_id, state, core);
        if (read_task(thread_id, "wchan", text, sizeof(text)) && strcmp(text, "0") != 0 &&
            (size_t)n < room)
            n += snprintf(line + n, room - (size_t)n, ", in %s", text);
        if (read_task(thread_id, "syscall", text, sizeof(text)) && (size_t)n < room)
            n += snprintf(line + n, room - (size_t)n, ", system call %s", text);
    }
    return (size_t)n < room ? (size_t)n : room - 1;
}
