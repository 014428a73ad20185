#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/address.h"
#include "base/host_port.h"
#include "core/machine.h"
#include "export/certificate.h"
#include "weir/config.h"

#define GROUPS_MAX 256
#define DAY 86400

/* --- Files --- */

static void add_path(struct machine *m, const char *key, const char *path, enum machine_need need)
{
    if (!*path || strcmp(path, "-") == 0 || m->path_count == MACHINE_PATHS_MAX)
        return;
    struct machine_path *p = &m->path[m->path_count++];
    *p = (struct machine_path){.key = key, .need = need};
    snprintf(p->path, sizeof(p->path), "%s", path);
}

static void directory_of(const char *file, char directory[CONFIG_PATH_MAX])
{
    size_t len = strlen(file);

    while (len > 1 && file[len - 1] == '/')
        len--;
    while (len && file[len - 1] != '/')
        len--;
    while (len > 1 && file[len - 1] == '/')
        len--;
    if (len)
        snprintf(directory, CONFIG_PATH_MAX, "%.*s", (int)len, file);
    else
        strcpy(directory, ".");
}

/* The directory that holds a file. */
static void add_beside(struct machine *m, const char *key, const char *file)
{
    char directory[CONFIG_PATH_MAX];

    if (!*file || strcmp(file, "-") == 0)
        return;
    directory_of(file, directory);
    add_path(m, key, directory, NEED_DIRECTORY);
}

static void list_paths(struct machine *m, const struct config *c)
{
    add_beside(m, "sensor.control", c->sensor.control);
    add_path(m, "export.spool", c->exports.spool, NEED_MADE);
    for (uint32_t i = 0; i < c->exports.collector_count; i++) {
        const struct collector_config *one = &c->exports.collector[i];
        add_beside(m, "export.collectors.path", one->path);
        add_path(m, "export.collectors.ca", one->ca, NEED_READ);
        add_path(m, "export.collectors.cert", one->cert, NEED_READ);
        add_path(m, "export.collectors.key", one->key, NEED_READ);
    }
    if (c->hunts.enabled) {
        add_path(m, "hunts.rules", c->hunts.rules, NEED_READ);
        add_beside(m, "hunts.alerts", c->hunts.alerts);
    }
    add_path(m, "redis.password_file", c->redis.password_file, NEED_READ);
    add_path(m, "redis.ca", c->redis.ca, NEED_READ);
}

/* errno as the effective user finds it. */
static int try_path(const struct machine_path *p)
{
    bool directory = p->need != NEED_READ;
    struct stat st;

    if (stat(p->path, &st) != 0)
        return errno;
    if (directory && !S_ISDIR(st.st_mode))
        return ENOTDIR;
    return faccessat(AT_FDCWD, p->path, directory ? W_OK | X_OK : R_OK, AT_EACCESS) ? errno : 0;
}

/* A directory can be made when the one above it takes it. */
static int try_making(const struct machine_path *p)
{
    struct machine_path above = {.need = NEED_DIRECTORY, .path = "."};
    int error = try_path(p);

    if (error != ENOENT || p->need != NEED_MADE)
        return error;
    directory_of(p->path, above.path);
    return try_path(&above);
}

static bool become(const struct passwd *user)
{
    return initgroups(user->pw_name, user->pw_gid) == 0 && setegid(user->pw_gid) == 0 &&
           seteuid(user->pw_uid) == 0;
}

/* Looks once more as the user that the sensor will be. Only root can become another one, and comes
 * back: this is a command with one thread. */
static void try_as_user(struct machine *m, const char *name)
{
    const struct passwd *user = *name && geteuid() == 0 ? getpwnam(name) : NULL;
    gid_t groups[GROUPS_MAX], group = getegid();
    int count = user ? getgroups(GROUPS_MAX, groups) : -1;

    if (count < 0)
        return;
    if (become(user))
        for (uint32_t i = 0; i < m->path_count; i++)
            m->path[i].user_error = try_path(&m->path[i]);
    if (seteuid(0) != 0 || setegid(group) != 0 || setgroups((size_t)count, groups) != 0)
        m->root = false; /* not seen: what was given up stays given up */
}

/* --- Names --- */

/* Looks up a host; a text that is an address needs none. */
static void add_name(struct machine *m, const char *key, const char *host)
{
    struct addresses found;

    if (!*host || m->name_count == MACHINE_NAMES_MAX || address_is_numeric(host))
        return;
    struct machine_name *n = &m->name[m->name_count++];
    *n = (struct machine_name){.key = key};
    snprintf(n->name, sizeof(n->name), "%s", host);
    if (address_resolve(host, 0, SOCK_STREAM, &found, n->why, sizeof(n->why)) == 0)
        n->why[0] = '\0';
}

/* The host of "host:port". */
static void add_host(struct machine *m, const char *key, const char *address)
{
    char host[CONFIG_ADDRESS_MAX];
    const char *port;

    if (strncmp(address, "unix:", 5) != 0 &&
        host_port_split(address, host, sizeof(host), &port) == 0)
        add_name(m, key, host);
}

static void list_names(struct machine *m, const struct config *c)
{
    const char *syslog = strstr(c->hunts.syslog, "://");

    for (uint32_t i = 0; i < c->exports.collector_count; i++)
        add_name(m, "export.collectors.host", c->exports.collector[i].host);
    if (c->hunts.enabled && syslog)
        add_host(m, "hunts.syslog", syslog + 3);
    add_host(m, "redis.address", c->redis.address);
}

/* --- What is listened on --- */

/* With listen(): without it two sockets may have the same address when both say so. */
static void try_metrics(struct machine_name *n)
{
    struct addresses found;

    if (address_parse_listen(n->name, ADDRESS_NO_PORT, &found, n->why, sizeof(n->why)))
        return;
    int fd = address_listen(&found.address[0], 1);
    snprintf(n->why, sizeof(n->why), "%s", fd < 0 ? strerror(-fd) : "");
    if (fd >= 0)
        close(fd);
}

static void try_control(struct machine_name *n)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    snprintf(address.sun_path, sizeof(address.sun_path), "%.107s", n->name);
    if (fd < 0)
        return;
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0 || errno == EAGAIN)
        snprintf(n->why, sizeof(n->why), "a sensor that runs answers there");
    close(fd);
}

static void add_listen(struct machine *m, const char *key, const char *name,
                       void (*try)(struct machine_name *))
{
    if (!*name)
        return;
    struct machine_name *n = &m->listen[m->listen_count++];
    *n = (struct machine_name){.key = key};
    snprintf(n->name, sizeof(n->name), "%.127s", name);
    try(n);
}

/* --- Certificates --- */

static void add_certificate(struct machine *m, const struct config *c, unsigned index)
{
    const struct collector_config *one = &c->exports.collector[index];
    struct certificate facts;

    if (one->transport != TRANSPORT_TLS || !*one->cert)
        return;
    struct machine_certificate *to = &m->certificate[m->certificate_count++];
    *to = (struct machine_certificate){.collector = index};
    if (certificate_read(one->cert, one->key, one->ca, &facts, to->why) == 0)
        to->days_left = facts.seconds_left / DAY - (facts.seconds_left < 0);
}

void machine_gather_files(struct machine *m, const struct config *config)
{
    list_paths(m, config);
    for (uint32_t i = 0; i < m->path_count; i++)
        m->path[i].error = try_making(&m->path[i]);
    try_as_user(m, config->sensor.user);
    for (unsigned i = 0; i < config->exports.collector_count; i++)
        add_certificate(m, config, i);
    list_names(m, config);
    add_listen(m, "sensor.metrics", config->sensor.metrics, try_metrics);
    add_listen(m, "sensor.control", config->sensor.control, try_control);
}
