/*
 * Enters a sandbox as told and then tries things, to see from outside what is refused.
 *
 * usage: sandbox_probe [--level L] [--filter F] [--user U] [--read PATH] [--write PATH]
 *                      [--port N] [--name HOST] [--] ACTION[:ARGUMENT]...
 *
 * A thread is started before the sandbox, as a library's would be, one after it; each tries every
 * action after the main thread has. Prints the sandbox's line, then "WHO ACTION: result" each.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/sandbox.h"

struct probe {
    char **actions;
    const char *who;
    pthread_t thread;
    int start[2]; /* a pipe; closed to let the thread go on */
};

static int try_read(const char *path)
{
    int fd = open(path, O_RDONLY);
    if (fd < 0)
        return -errno;
    close(fd);
    return 0;
}

static int try_create(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    if (fd < 0)
        return -errno;
    close(fd);
    return unlink(path) ? -errno : 0;
}

static int try_tcp(const char *port, int (*call)(int, const struct sockaddr *, socklen_t))
{
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)atoi(port)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    if (fd < 0)
        return -errno;
    int r = call(fd, (const struct sockaddr *)&to, sizeof(to)) ? -errno : 0;
    close(fd);
    return r;
}

static int try_socket(const char *family)
{
    int fd = socket(atoi(family), SOCK_RAW, 0);
    if (fd < 0)
        return -errno;
    close(fd);
    return 0;
}

static int try_resolve(const char *name)
{
    struct addrinfo *found = NULL;
    int r = getaddrinfo(name, "80", NULL, &found);

    if (found)
        freeaddrinfo(found);
    return r == EAI_SYSTEM ? -errno : r ? -ENOENT : 0;
}

static int try_map(int protection)
{
    void *page = mmap(NULL, 4096, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED)
        return -errno;
    munmap(page, 4096);
    return 0;
}

static int try_protect(void)
{
    void *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return mprotect(page, 4096, PROT_READ | PROT_EXEC) ? -errno : 0;
}

static int try_exec(void)
{
    char *const argv[] = {"true", NULL};
    execv("/bin/true", argv);
    return -errno;
}

static int try_action(const char *name, const char *argument)
{
    if (strcmp(name, "read") == 0)
        return try_read(argument);
    if (strcmp(name, "create") == 0)
        return try_create(argument);
    if (strcmp(name, "connect") == 0)
        return try_tcp(argument, connect);
    if (strcmp(name, "bind") == 0)
        return try_tcp(argument, bind);
    if (strcmp(name, "socket") == 0)
        return try_socket(argument);
    if (strcmp(name, "resolve") == 0)
        return try_resolve(argument);
    if (strcmp(name, "map") == 0)
        return try_map(PROT_READ);
    if (strcmp(name, "map-exec") == 0)
        return try_map(PROT_READ | PROT_EXEC);
    if (strcmp(name, "protect-exec") == 0)
        return try_protect();
    if (strcmp(name, "exec") == 0)
        return try_exec();
    if (strcmp(name, "fork") == 0)
        return fork() < 0 ? -errno : 0;
    if (strcmp(name, "setuid") == 0)
        return setuid(0) ? -errno : 0;
    if (strcmp(name, "abort") == 0)
        abort();
    return -ENOSYS;
}

static void try_all(const struct probe *p)
{
    for (char **action = p->actions; *action; action++) {
        char name[32] = "";
        const char *colon = strchr(*action, ':');
        size_t len = colon ? (size_t)(colon - *action) : strlen(*action);
        memcpy(name, *action, len < sizeof(name) ? len : sizeof(name) - 1);
        if (strcmp(name, "wait") == 0) /* until stdin ends */
            while (getchar() != EOF)
                continue;
        else
            printf("%s %s: %s\n", p->who, *action,
                   strerror(-try_action(name, colon ? colon + 1 : "")));
        fflush(stdout);
    }
}

static void *run(void *argument)
{
    struct probe *p = argument;
    char octet;

    while (read(p->start[0], &octet, 1) < 0 && errno == EINTR)
        continue;
    try_all(p);
    return NULL;
}

static void start(struct probe *p)
{
    if (pipe(p->start) || pthread_create(&p->thread, NULL, run, p)) {
        perror("sandbox_probe");
        exit(2);
    }
}

static void finish(struct probe *p)
{
    close(p->start[1]);
    pthread_join(p->thread, NULL);
}

static void take_option(struct sandbox_plan *plan, const char *name, const char *value)
{
    if (strcmp(name, "--level") == 0)
        sandbox_plan_words(plan, value, NULL);
    else if (strcmp(name, "--filter") == 0)
        sandbox_plan_words(plan, NULL, value);
    else if (strcmp(name, "--user") == 0)
        snprintf(plan->user, sizeof(plan->user), "%s", value);
    else if (strcmp(name, "--read") == 0)
        sandbox_plan_path(plan, value, SANDBOX_READ, "a.key");
    else if (strcmp(name, "--write") == 0)
        sandbox_plan_path(plan, value, SANDBOX_WRITE, "a.key");
    else if (strcmp(name, "--port") == 0)
        sandbox_plan_port(plan, strtoul(value, NULL, 10));
    else if (strcmp(name, "--name") == 0)
        sandbox_plan_host(plan, value);
}

int main(int argc, char **argv)
{
    static struct sandbox_plan plan;
    char line[SANDBOX_LINE_MAX];
    int at = 1;

    sandbox_plan_init(&plan);
    for (; at + 1 < argc && strncmp(argv[at], "--", 2) == 0 && argv[at][2]; at += 2)
        take_option(&plan, argv[at], argv[at + 1]);
    if (at < argc && strcmp(argv[at], "--") == 0)
        at++;
    struct probe main_thread = {.actions = argv + at, .who = "main"};
    struct probe before = {.actions = argv + at, .who = "before"};
    struct probe after = {.actions = argv + at, .who = "after"};
    start(&before);
    int r = sandbox_enter(&plan, line);
    puts(line);
    fflush(stdout);
    if (r)
        return 1;
    start(&after);
    try_all(&main_thread);
    finish(&before);
    finish(&after);
    return 0;
}
