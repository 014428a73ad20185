#include "redis/link.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/host_port.h"

#define PASSWORD_MAX 1024
#define CONNECT_MAX_NS UINT64_C(2000000000) /* the sensor's end does not wait for longer */
#define MOVES_MAX 8u

void link_init(struct link *l, const struct redis_config *config, const char *name)
{
    *l = (struct link){.config = config};
    snprintf(l->name, sizeof(l->name), "%s", name);
    pthread_mutex_init(&l->lock, NULL);
}

void link_fini(struct link *l)
{
    link_close(l);
    pthread_mutex_destroy(&l->lock);
}

void link_close(struct link *l)
{
    pthread_mutex_lock(&l->lock);
    redisContext *context = l->context;
    l->context = NULL;
    if (context)
        redisFree(context);
    pthread_mutex_unlock(&l->lock);
}

void link_interrupt(struct link *l)
{
    pthread_mutex_lock(&l->lock);
    l->interrupted = true;
    if (l->context)
        shutdown(l->context->fd, SHUT_RDWR);
    pthread_mutex_unlock(&l->lock);
}

__attribute__((format(printf, 3, 4))) static bool fail(struct link *l, enum redis_error error,
                                                       const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(l->why, sizeof(l->why), format, arguments);
    va_end(arguments);
    l->error = error;
    return false;
}

static bool fail_context(struct link *l, const redisContext *c, enum redis_error otherwise)
{
    bool timed_out = c->err == REDIS_ERR_IO && (errno == EAGAIN || errno == ETIMEDOUT);

    return fail(l, timed_out ? REDIS_TIMEOUT : otherwise, "%s", c->errstr);
}

redisReply *link_reply(struct link *l)
{
    void *reply = NULL;

    if (!l->context)
        return NULL;
    if (redisGetReply(l->context, &reply) == REDIS_OK)
        return reply;
    fail_context(l, l->context, REDIS_CLOSED);
    link_close(l);
    return NULL;
}

void link_note_error(struct link *l, const char *text)
{
    l->error = reply_error(text);
    snprintf(l->why, sizeof(l->why), "%s", text);
    if (l->error == REDIS_MOVED)
        reply_moved(text, l->moved_host, sizeof(l->moved_host), &l->moved_port);
    else if (reply_error_is_final(l->error))
        l->moved_host[0] = '\0';
}

/* Closes the link when the reply is an error. */
static bool is_good(struct link *l, const redisReply *r)
{
    if (!r)
        return false;
    if (r->type != REDIS_REPLY_ERROR)
        return true;
    link_note_error(l, r->str);
    return false;
}

static bool run(struct link *l, int argc, const char **argv)
{
    if (redisAppendCommandArgv(l->context, argc, argv, NULL) != REDIS_OK)
        return fail(l, REDIS_OTHER, "no memory");
    redisReply *r = link_reply(l);
    bool good = is_good(l, r);
    if (r)
        freeReplyObject(r);
    return good;
}

/* --- Opening --- */

static struct timeval timeval_of(uint64_t ns)
{
    return (struct timeval){(time_t)(ns / 1000000000u), (suseconds_t)(ns % 1000000000u / 1000u)};
}

static bool adopt(struct link *l, redisContext *c)
{
    if (!c)
        return fail(l, REDIS_CONNECT, "no memory");
    if (c->err) {
        fail_context(l, c, REDIS_CONNECT);
        redisFree(c);
        return false;
    }
    redisSetTimeout(c, timeval_of(l->config->timeout_ns));
    pthread_mutex_lock(&l->lock);
    l->context = c;
    if (l->interrupted)
        shutdown(c->fd, SHUT_RDWR);
    pthread_mutex_unlock(&l->lock);
    return true;
}

static struct timeval connect_timeout(const struct link *l)
{
    uint64_t ns = l->config->timeout_ns;

    return timeval_of(ns < CONNECT_MAX_NS ? ns : CONNECT_MAX_NS);
}

static bool connect_tcp(struct link *l, const char *host, int port)
{
    snprintf(l->where, sizeof(l->where), "%.128s:%d", host, port);
    return adopt(l, redisConnectWithTimeout(host, port, connect_timeout(l)));
}

static bool connect_address(struct link *l)
{
    const char *address = l->config->address, *port;
    char host[CONFIG_ADDRESS_MAX];

    if (strncmp(address, "unix:", 5) == 0) {
        snprintf(l->where, sizeof(l->where), "%s", address);
        return adopt(l, redisConnectUnixWithTimeout(address + 5, connect_timeout(l)));
    }
    if (host_port_split(address, host, sizeof(host), &port) || !port)
        return fail(l, REDIS_CONNECT, "%s: not an address", address);
    return connect_tcp(l, host, atoi(port));
}

/* The connection is a Sentinel's: it says where the master is. */
static bool ask_sentinel(struct link *l, char *host, size_t size, int *port)
{
    const char *argv[] = {"SENTINEL", "get-master-addr-by-name", l->config->sentinel};

    if (redisAppendCommandArgv(l->context, 3, argv, NULL) != REDIS_OK)
        return fail(l, REDIS_OTHER, "no memory");
    redisReply *r = link_reply(l);
    bool good = is_good(l, r);
    if (good && (r->type != REDIS_REPLY_ARRAY || r->elements != 2))
        good = fail(l, REDIS_CONNECT, "Sentinel knows no master named %s (redis.sentinel)",
                    l->config->sentinel);
    if (good) {
        snprintf(host, size, "%s", r->element[0]->str);
        *port = atoi(r->element[1]->str);
    }
    if (r)
        freeReplyObject(r);
    return good;
}

static bool connect_by_sentinel(struct link *l)
{
    char host[CONFIG_ADDRESS_MAX];
    int port = 0;

    if (!connect_address(l) || !ask_sentinel(l, host, sizeof(host), &port))
        return false;
    link_close(l);
    return connect_tcp(l, host, port);
}

/* Keys that lie on several masters would send it to and fro. */
static bool connect_moved(struct link *l)
{
    char host[CONFIG_ADDRESS_MAX];

    memcpy(host, l->moved_host, sizeof(host));
    l->moved_host[0] = '\0';
    if (++l->moves > MOVES_MAX) {
        l->moves = 0;
        return fail(l, REDIS_MOVED,
                    "the Cluster keeps its keys on several masters: give weir a "
                    "Redis, or a Cluster with one master, of its own");
    }
    return connect_tcp(l, host, l->moved_port);
}

static bool connect_any(struct link *l)
{
    if (l->moved_host[0])
        return connect_moved(l);
    return l->config->sentinel[0] ? connect_by_sentinel(l) : connect_address(l);
}

/* --- Making known --- */

/* The first line of the file; it is read each time, so that a password may change. */
static bool read_password(struct link *l, char *out)
{
    FILE *f = fopen(l->config->password_file, "re");

    if (!f)
        return fail(l, REDIS_NOAUTH, "redis.password_file: %s: %s", l->config->password_file,
                    strerror(errno));
    bool good = fgets(out, PASSWORD_MAX, f) != NULL;
    fclose(f);
    if (!good)
        return fail(l, REDIS_NOAUTH, "redis.password_file: %s: is empty", l->config->password_file);
    out[strcspn(out, "\r\n")] = '\0';
    return true;
}

static bool authenticate(struct link *l)
{
    char password[PASSWORD_MAX] = "";
    const char *argv[3] = {"AUTH"};
    int argc = 1;

    if (!l->config->password_file[0] && !l->config->user[0])
        return true;
    if (l->config->password_file[0] && !read_password(l, password))
        return false;
    if (l->config->user[0])
        argv[argc++] = l->config->user;
    argv[argc++] = password;
    bool good = run(l, argc, argv);
    explicit_bzero(password, sizeof(password));
    if (!good && l->error == REDIS_OTHER)
        l->error = REDIS_NOAUTH;
    return good;
}

static bool select_database(struct link *l)
{
    char number[24];
    const char *argv[] = {"SELECT", number};

    snprintf(number, sizeof(number), "%llu", (unsigned long long)l->config->database);
    return !l->config->database || run(l, 2, argv);
}

/* An ACL may forget to allow it; it can be done without. */
static bool optional(struct link *l, bool good)
{
    return good || (l->context && (l->error == REDIS_NOPERM || l->error == REDIS_OTHER));
}

static bool set_name(struct link *l)
{
    const char *argv[] = {"CLIENT", "SETNAME", l->name};

    return optional(l, run(l, 3, argv));
}

static bool read_info(struct link *l)
{
    const char *argv[] = {"INFO"};
    char role[16] = "";

    l->run_id[0] = l->version[0] = '\0';
    if (redisAppendCommandArgv(l->context, 1, argv, NULL) != REDIS_OK)
        return fail(l, REDIS_OTHER, "no memory");
    redisReply *r = link_reply(l);
    bool good = is_good(l, r);
    if (good && r->str) {
        reply_info(r->str, "run_id", l->run_id, sizeof(l->run_id));
        reply_info(r->str, "redis_version", l->version, sizeof(l->version));
        reply_info(r->str, "role", role, sizeof(role));
    }
    if (r)
        freeReplyObject(r);
    if (good && strcmp(role, "slave") == 0)
        return fail(l, REDIS_READONLY, "its role is replica");
    return optional(l, good);
}

/* INFO is answered while data are loaded, a command on keys is not. */
static bool is_ready(struct link *l)
{
    const char *argv[] = {"ZCARD", "weir:sensors"};

    return run(l, 2, argv) || (l->context && l->error == REDIS_OTHER);
}

bool link_open(struct link *l)
{
    link_close(l);
    bool good = connect_any(l) && authenticate(l) && select_database(l) && set_name(l) &&
                read_info(l) && is_ready(l);
    if (!good)
        link_close(l);
    return good;
}
