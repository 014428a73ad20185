#include "core/sandbox.h"

#include <dlfcn.h>
#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/sandbox_landlock.h"
#include "core/sandbox_syscalls.h"
#include "core/threads.h"

/* What is being put in force, and where a failure is told. */
struct entry {
    const struct sandbox_plan *plan;
    char *line;
    struct passwd user; /* pw_name NULL = stay */
    char user_text[1024];
    int abi;   /* of Landlock; 0 = none */
    int rules; /* Landlock's, -1 = none */
    bool filtered;
};

static int fail(struct entry *e, int error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static int fail(struct entry *e, int error, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(e->line, SANDBOX_LINE_MAX, format, args);
    va_end(args);
    return error;
}

/* A part that is not to be had: an error, or with --sandbox partial a thing to be said. */
static int missing(struct entry *e, int error, const char *what)
{
    if (e->plan->level == SANDBOX_PARTIAL)
        return 0;
    return fail(e, error,
                "sandbox: %s; --sandbox partial goes on without it, --sandbox off "
                "without any",
                what);
}

/* --- Libraries: what they load late would meet a closed door --- */

static void preload_name_service(void)
{
    FILE *f = fopen("/etc/nsswitch.conf", "re");
    char line[512], library[128], *rest, *word;

    while (f && fgets(line, sizeof(line), f)) {
        if (strncmp(line, "hosts:", 6) != 0)
            continue;
        for (word = strtok_r(line + 6, " \t\n", &rest); word;
             word = strtok_r(NULL, " \t\n", &rest)) {
            snprintf(library, sizeof(library), "libnss_%s.so.2", word);
            (void)dlopen(library, RTLD_NOW); /* files and dns are in the C library itself */
        }
    }
    if (f)
        fclose(f);
}

static void preload(const struct sandbox_plan *plan)
{
    (void)dlopen("libgcc_s.so.1", RTLD_NOW); /* pthread_exit() wants it */
    if (plan->names)
        preload_name_service();
}

/* --- The user --- */

static int find_user(struct entry *e)
{
    const char *name = e->plan->user;
    struct passwd *found = NULL;

    if (!name[0])
        return 0;
    int r = getpwnam_r(name, &e->user, e->user_text, sizeof(e->user_text), &found);
    if (!found)
        return fail(e, r ? -r : -ENOENT, "sensor.user: there is no user \"%s\"", name);
    if (geteuid() != 0 && geteuid() != found->pw_uid)
        return fail(e, -EPERM,
                    "sensor.user: only root can become \"%s\"; start as root, or as "
                    "that user with the capabilities",
                    name);
    return 0;
}

static int become_user(struct entry *e)
{
    const struct passwd *u = &e->user;

    if (!e->plan->user[0] || geteuid() != 0)
        return 0;
    /* the C library does these in all threads */
    if (initgroups(u->pw_name, u->pw_gid) || setresgid(u->pw_gid, u->pw_gid, u->pw_gid) ||
        setresuid(u->pw_uid, u->pw_uid, u->pw_uid))
        return fail(e, -errno, "sensor.user: cannot become \"%s\": %s", u->pw_name,
                    strerror(errno));
    return 0;
}

/* --- What each thread gives up --- */

/* Without CAP_SETPCAP the bounding set stays; no_new_privs makes it worthless. */
static int drop_bounding_set(void *context)
{
    (void)context;
    for (int capability = 0; prctl(PR_CAPBSET_READ, capability) >= 0; capability++)
        if (prctl(PR_CAPBSET_DROP, capability) && errno != EPERM)
            return -errno;
    return 0;
}

static int confine_thread(void *context)
{
    const struct entry *e = context;
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {0};

    (void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    if (syscall(SYS_capset, &header, none) || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        return -errno;
    return e->rules >= 0 ? landlock_restrict(e->rules) : 0;
}

static int in_each_thread(struct entry *e, int (*work)(void *), const char *what)
{
    pid_t thread = 0;
    int r = threads_each(work, e, &thread);

    if (r)
        return fail(e, r, "sandbox: cannot %s in thread %d: %s", what, (int)thread, strerror(-r));
    return 0;
}

/* --- Landlock --- */

/* The service manager may listen on a socket without a file. */
static bool needs_abstract_sockets(void)
{
    const char *notify = getenv("NOTIFY_SOCKET");
    return notify && notify[0] == '@';
}

static int allow_path(struct entry *e, const struct sandbox_path *p)
{
    int r = landlock_allow_path(e->rules, e->abi, p->path, p->access == SANDBOX_WRITE);

    if (r && p->key)
        return fail(e, r, "%s: %s: %s", p->key, p->path, strerror(-r));
    return 0;
}

static int allow_all(struct entry *e)
{
    const struct sandbox_plan *plan = e->plan;
    int r = 0;

    for (unsigned i = 0; i < plan->path_count && !r; i++)
        r = allow_path(e, &plan->path[i]);
    if (e->abi < LANDLOCK_ABI_PORTS || plan->any_port)
        return r;
    for (unsigned i = 0; i < plan->port_count && !r; i++) {
        r = landlock_allow_connect(e->rules, plan->port[i]);
        if (r)
            fail(e, r, "sandbox: Landlock refuses port %u: %s", plan->port[i], strerror(-r));
    }
    return r;
}

static int make_rules(struct entry *e)
{
    struct landlock_options options = {.abi = landlock_abi(),
                                       .ports = !e->plan->any_port,
                                       .abstract_sockets = needs_abstract_sockets()};

    if (!options.abi)
        return missing(e, -ENOTSUP,
                       "this kernel has no Landlock (Linux 5.13 has, when it is in "
                       "the boot parameter lsm=)");
    e->rules = landlock_create(&options);
    if (e->rules < 0)
        return fail(e, e->rules, "sandbox: Landlock: %s", strerror(-e->rules));
    e->abi = options.abi;
    return allow_all(e);
}

/* --- After it --- */

/* As the user that the sensor is now; a directory that cannot be written fails here, not at the
 * first record. */
static int check_paths(struct entry *e)
{
    for (unsigned i = 0; i < e->plan->path_count; i++) {
        const struct sandbox_path *p = &e->plan->path[i];
        int mode = p->access == SANDBOX_WRITE ? R_OK | W_OK : R_OK;
        if (p->key && p->access == SANDBOX_WRITE && access(p->path, mode))
            return fail(e, -errno, "%s: %s: not writable by user %s (uid %d)", p->key, p->path,
                        e->plan->user[0] ? e->plan->user : "of the sensor", (int)geteuid());
    }
    return 0;
}

static int filter_calls(struct entry *e)
{
    if (e->plan->filter == FILTER_OFF)
        return 0;
    int r = syscalls_confine(e->plan->filter);
    if (r == -ENOTSUP)
        return missing(e, r, "this build has no filter of system calls (libseccomp)");
    if (r)
        return fail(e, r, "sandbox: filter of system calls: %s", strerror(-r));
    e->filtered = true;
    return 0;
}

/* Whether a thread's status file says what it should. */
static bool status_is(const char *status, const char *field, unsigned long long value)
{
    const char *at = strstr(status, field);
    unsigned long long found;

    return at && sscanf(at + strlen(field), " %llx", &found) == 1 && found == value;
}

static bool thread_confined(const struct entry *e, pid_t thread)
{
    char path[64], status[4096];

    snprintf(path, sizeof(path), "/proc/self/task/%d/status", (int)thread);
    FILE *f = fopen(path, "re");
    if (!f)
        return false;
    size_t n = fread(status, 1, sizeof(status) - 1, f);
    fclose(f);
    status[n] = '\0';
    return status_is(status, "\nCapPrm:", 0) && status_is(status, "\nCapEff:", 0) &&
           status_is(status, "\nNoNewPrivs:", 1) &&
           (!e->filtered || status_is(status, "\nSeccomp:", 2));
}

static int verify(struct entry *e)
{
    pid_t ids[256];
    int count = threads_list(ids, 256);

    for (int i = 0; i < count && i < 256; i++)
        if (!thread_confined(e, ids[i]))
            return fail(e, -EPERM, "sandbox: thread %d is not confined", (int)ids[i]);
    return count < 0 ? fail(e, count, "sandbox: /proc/self/task: %s", strerror(-count)) : 0;
}

/* --- In words --- */

static void describe(const struct entry *e)
{
    char files[96] = "files and ports NOT confined (no Landlock)";
    const char *calls = "NOT filtered";

    if (e->abi)
        snprintf(files, sizeof(files), "Landlock %d (files%s)", e->abi,
                 e->abi < LANDLOCK_ABI_PORTS ? "; this kernel cannot restrict TCP ports"
                 : e->plan->any_port         ? "; TCP ports free for Redis Sentinel"
                                             : ", TCP ports");
    if (e->filtered)
        calls = e->plan->filter == FILTER_KILL ? "filtered" : "logged when off the list";
    snprintf(e->line, SANDBOX_LINE_MAX, "sandbox: uid %d%s, no capabilities, %s, system calls %s",
             (int)geteuid(), geteuid() == 0 ? " (set sensor.user to give up root)" : "", files,
             calls);
}

static int enter(struct entry *e)
{
    int r = find_user(e);

    preload(e->plan);
    if (!r)
        r = make_rules(e);
    if (!r)
        r = in_each_thread(e, drop_bounding_set, "drop capabilities");
    if (!r)
        r = become_user(e);
    if (!r)
        r = check_paths(e);
    if (!r)
        r = in_each_thread(e, confine_thread, "give up rights");
    if (!r)
        r = filter_calls(e);
    return r ? r : verify(e);
}

int sandbox_enter(const struct sandbox_plan *plan, char line[SANDBOX_LINE_MAX])
{
    struct entry e = {.plan = plan, .line = line, .rules = -1};

    if (plan->level == SANDBOX_OFF) {
        snprintf(line, SANDBOX_LINE_MAX,
                 "sandbox: off: user and capabilities are kept, files, "
                 "ports and system calls are open");
        return 0;
    }
    int r = enter(&e);
    if (e.rules >= 0)
        close(e.rules);
    if (!r)
        describe(&e);
    return r;
}
