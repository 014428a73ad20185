#include "core/socket.h"

#include <errno.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define COMMANDS_PER_STEP 8 /* of one client: the others want their turn */

/*
 * A client is either read from or written to: while an answer waits, nothing is read, so that one
 * answer bounds what a client may hold.
 */
struct client {
    int fd;     /* -1 = free */
    bool ended; /* it will send no more */
    size_t used;
    char line[SOCKET_LINE_MAX];
    char *answer;
    size_t answer_len, answer_sent;
};

struct control_socket {
    int fd, epoll;
    int spare; /* given up for a moment when descriptors run out, to turn a client away */
    const struct socket_command *commands;
    void *context;
    char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
    dev_t device; /* of the file that is ours */
    ino_t inode;
    struct client client[SOCKET_CLIENTS_MAX];
};

/* --- The file --- */

static int fail(char *error, int r, const char *path, const char *why)
{
    snprintf(error, SOCKET_ERROR_MAX, "sensor.control: %s: %s", path, why);
    return r;
}

static bool somebody_listens(const struct sockaddr_un *name)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    /* EAGAIN: it has a full queue */
    bool live = fd >= 0 &&
                (connect(fd, (const struct sockaddr *)name, sizeof(*name)) == 0 || errno == EAGAIN);

    if (fd >= 0)
        close(fd);
    return live;
}

/* Makes way for the socket; only a socket that nobody listens on is removed. */
static int clear_path(const struct sockaddr_un *name, char *error)
{
    struct stat st;

    if (lstat(name->sun_path, &st))
        return errno == ENOENT ? 0 : fail(error, -errno, name->sun_path, strerror(errno));
    if (!S_ISSOCK(st.st_mode))
        return fail(error, -EEXIST, name->sun_path, "is a file that is not a socket; remove it");
    if (somebody_listens(name))
        return fail(error, -EADDRINUSE, name->sun_path,
                    "another process listens on it; stop it or give another path");
    return unlink(name->sun_path) ? fail(error, -errno, name->sun_path, strerror(errno)) : 0;
}

/* Root's socket is handed to the user that the sensor will be. */
static int give_to(const char *path, const char *owner)
{
    const struct passwd *user = owner && owner[0] && geteuid() == 0 ? getpwnam(owner) : NULL;

    if (user && chown(path, user->pw_uid, user->pw_gid))
        return -errno;
    return chmod(path, 0660) ? -errno : 0;
}

/* Nobody else may connect before mode and owner are as they shall be. */
static int bind_file(struct control_socket *s, const struct sockaddr_un *name, const char *owner)
{
    struct stat st;
    int r = 0;

    if (fchmod(s->fd, 0600) || bind(s->fd, (const struct sockaddr *)name, sizeof(*name)))
        return -errno;
    r = give_to(name->sun_path, owner);
    if (!r && (stat(name->sun_path, &st) || listen(s->fd, SOCKET_CLIENTS_MAX)))
        r = -errno;
    if (r) {
        unlink(name->sun_path);
        return r;
    }
    strcpy(s->path, name->sun_path);
    s->device = st.st_dev;
    s->inode = st.st_ino;
    return 0;
}

static int watch(struct control_socket *s, int operation, int fd, uint32_t events, void *what)
{
    struct epoll_event event = {.events = events, .data.ptr = what};
    return epoll_ctl(s->epoll, operation, fd, &event) ? -errno : 0;
}

static int listen_on(struct control_socket *s, const struct sockaddr_un *name, const char *owner,
                     char *error)
{
    int r = clear_path(name, error);

    if (r)
        return r;
    s->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    s->epoll = epoll_create1(EPOLL_CLOEXEC);
    r = s->fd < 0 || s->epoll < 0 ? -errno : bind_file(s, name, owner);
    if (!r)
        r = watch(s, EPOLL_CTL_ADD, s->fd, EPOLLIN, s);
    s->spare = dup(s->fd);
    return r ? fail(error, r, name->sun_path, strerror(-r)) : 0;
}

int control_socket_open(const char *path, const char *owner, const struct socket_command *commands,
                        void *context, struct control_socket **out, char error[SOCKET_ERROR_MAX])
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};

    if (strlen(path) >= sizeof(name.sun_path))
        return fail(error, -ENAMETOOLONG, path, "longer than a socket's path may be (107)");
    strcpy(name.sun_path, path);
    struct control_socket *s = calloc(1, sizeof(*s));
    if (!s)
        return fail(error, -ENOMEM, path, "no memory");
    s->fd = s->epoll = s->spare = -1;
    s->commands = commands;
    s->context = context;
    for (int i = 0; i < SOCKET_CLIENTS_MAX; i++)
        s->client[i].fd = -1;
    int r = listen_on(s, &name, owner, error);
    if (r) {
        control_socket_close(s);
        return r;
    }
    *out = s;
    return 0;
}

int control_socket_fd(const struct control_socket *s)
{
    return s->epoll;
}

/* --- Clients --- */

static void drop_client(struct client *c)
{
    close(c->fd); /* leaves epoll by this */
    free(c->answer);
    *c = (struct client){.fd = -1};
}

/* Or its connection would wait, and call for a step, for ever. */
static void turn_away(struct control_socket *s)
{
    close(s->spare);
    int fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC);
    if (fd >= 0)
        close(fd);
    s->spare = dup(s->fd);
}

static void accept_client(struct control_socket *s)
{
    static const char full[] = "error: too many clients\n\n";
    int fd = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (fd < 0) {
        if (errno == EMFILE || errno == ENFILE)
            turn_away(s);
        return;
    }
    for (int i = 0; i < SOCKET_CLIENTS_MAX; i++)
        if (s->client[i].fd < 0) {
            s->client[i].fd = fd;
            if (watch(s, EPOLL_CTL_ADD, fd, EPOLLIN, &s->client[i]))
                drop_client(&s->client[i]);
            return;
        }
    (void)send(fd, full, sizeof(full) - 1, MSG_NOSIGNAL);
    close(fd);
}

static void print_help(const struct control_socket *s, FILE *out)
{
    for (const struct socket_command *c = s->commands; c->name; c++)
        fprintf(out, "%-12s %s\n", c->name, c->help);
    fprintf(out, "%-12s %s\n", "help", "these lines");
}

static void run_command(const struct control_socket *s, char *line, FILE *out)
{
    char *argument = line + strcspn(line, " \t");

    if (*argument)
        *argument++ = '\0';
    argument += strspn(argument, " \t");
    for (const struct socket_command *c = s->commands; c->name; c++)
        if (strcmp(c->name, line) == 0) {
            c->run(s->context, argument, out);
            return;
        }
    if (strcmp(line, "help") == 0)
        print_help(s, out);
    else
        fprintf(out, "error: no such command, try help\n");
}

/* False: no memory for the answer. */
static bool answer_line(const struct control_socket *s, struct client *c, char *line)
{
    char *end = line + strlen(line);
    FILE *out = open_memstream(&c->answer, &c->answer_len);

    if (!out)
        return false;
    while (end > line && strchr("\r \t", end[-1]))
        *--end = '\0';
    run_command(s, line + strspn(line, " \t"), out);
    fputc('\n', out);
    c->answer_sent = 0;
    return fclose(out) == 0;
}

/* Sends what waits. 1 = all is out, 0 = the client must read first, -1 = it is gone. */
static int flush_client(struct client *c)
{
    while (c->answer_sent < c->answer_len) {
        ssize_t n =
            send(c->fd, c->answer + c->answer_sent, c->answer_len - c->answer_sent, MSG_NOSIGNAL);
        if (n < 0)
            return errno == EAGAIN ? 0 : errno == EINTR ? 1 : -1;
        c->answer_sent += (size_t)n;
    }
    free(c->answer);
    c->answer = NULL;
    c->answer_len = c->answer_sent = 0;
    return 1;
}

/* Takes the next line out of what was read; at the end of the stream the rest is one. */
static bool next_line(struct client *c, char line[SOCKET_LINE_MAX + 1])
{
    char *newline = memchr(c->line, '\n', c->used);
    size_t len = newline ? (size_t)(newline - c->line) : c->used;

    if (!newline && !(c->ended && c->used))
        return false;
    memcpy(line, c->line, len);
    line[len] = '\0';
    c->used -= newline ? len + 1 : len;
    memmove(c->line, newline ? newline + 1 : c->line, c->used);
    return true;
}

/* False: the client is gone, or sends what is no line. */
static bool read_client(struct client *c)
{
    ssize_t n = recv(c->fd, c->line + c->used, sizeof(c->line) - c->used, 0);

    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    c->ended = n == 0;
    c->used += (size_t)n;
    return c->used < sizeof(c->line) || memchr(c->line, '\n', c->used);
}

/* Answers what has been read. 1 = more may be read, 0 = the answer waits, or there is more to
 * answer; -1 = the end. */
static int serve_client(const struct control_socket *s, struct client *c)
{
    char line[SOCKET_LINE_MAX + 1];

    for (int i = 0; i < COMMANDS_PER_STEP; i++) {
        int r = flush_client(c);
        if (r <= 0)
            return r;
        if (!next_line(c, line))
            return c->ended ? -1 : 1;
        if (!answer_line(s, c, line))
            return -1;
    }
    return flush_client(c) < 0 ? -1 : 0;
}

static void step_client(struct control_socket *s, struct client *c, uint32_t events)
{
    if ((events & (EPOLLIN | EPOLLHUP)) && !c->answer && !c->ended && !read_client(c)) {
        drop_client(c);
        return;
    }
    int r = serve_client(s, c);
    /* EPOLLOUT calls again also when only lines are left to answer */
    if (r < 0 || watch(s, EPOLL_CTL_MOD, c->fd, r ? EPOLLIN : EPOLLOUT, c))
        drop_client(c);
}

void control_socket_step(struct control_socket *s)
{
    struct epoll_event event[SOCKET_CLIENTS_MAX + 1];
    int count = epoll_wait(s->epoll, event, SOCKET_CLIENTS_MAX + 1, 0);

    for (int i = 0; i < count; i++)
        if (event[i].data.ptr == s)
            accept_client(s);
        else
            step_client(s, event[i].data.ptr, event[i].events);
}

/* Unless another process has put its own there. */
static int remove_file(const struct control_socket *s)
{
    struct stat st;

    if (!s->path[0] || lstat(s->path, &st) || st.st_dev != s->device || st.st_ino != s->inode)
        return 0;
    return unlink(s->path) ? -errno : 0;
}

int control_socket_close(struct control_socket *s)
{
    if (!s)
        return 0;
    int r = remove_file(s);
    for (int i = 0; i < SOCKET_CLIENTS_MAX; i++)
        if (s->client[i].fd >= 0)
            drop_client(&s->client[i]);
    if (s->fd >= 0)
        close(s->fd);
    if (s->epoll >= 0)
        close(s->epoll);
    if (s->spare >= 0)
        close(s->spare);
    free(s);
    return r;
}
