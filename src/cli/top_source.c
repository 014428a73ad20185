#include "cli/top_source.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#ifdef WEIR_HAVE_REDIS
#include "redis/redis.h"
#include "redis/view.h"
#endif

#define CONTROL_DEFAULT "/run/weir/control.sock"
#define WAIT_SECONDS 5
#define ROWS_WANTED 200u

struct top_source {
    const struct config *config;
    struct redis_view *redis; /* NULL = the control socket */
};

static int fail(char *error, int rc, const char *what, const char *why)
{
    snprintf(error, TOP_ERROR_MAX, "%s: %s", what, why);
    return rc;
}

static uint64_t utc_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* --- The control socket --- */

static const char *control_path(const struct top_source *s)
{
    return s->config->sensor.control[0] ? s->config->sensor.control : CONTROL_DEFAULT;
}

static int connect_control(const char *path, char *error)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    struct timeval wait = {.tv_sec = WAIT_SECONDS};
    char why[200];

    if (strlen(path) >= sizeof(name.sun_path))
        return fail(error, -ENAMETOOLONG, path, "longer than a socket's path may be (107)");
    strcpy(name.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&name, sizeof(name))) {
        int rc = -errno;
        snprintf(why, sizeof(why), "%s; does weir run have this sensor.control?", strerror(-rc));
        if (fd >= 0)
            close(fd);
        return fail(error, rc, path, why);
    }
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
    return fd;
}

/* The parts of the answer, in the order of the commands; each ends with an empty line. */
enum part { PART_STATUS, PART_HOSTS, PART_CONNECTIONS, PART_ALERTS, PART_COUNT };

static int take_line(struct top_page *p, enum part part, const char *line, char *error)
{
    if (strncmp(line, "error: ", 7) == 0)
        return fail(error, -EPROTO, "the sensor", line + 7);
    if (part == PART_STATUS)
        top_json_text(line, "name", p->title, sizeof(p->title));
    else if (part == PART_HOSTS)
        top_add_host(p, line);
    else if (part == PART_CONNECTIONS)
        top_add_connection(p, line);
    else
        top_add_alert(p, line);
    return 0;
}

static int take_answer(FILE *in, const char *path, struct top_page *p, char *error)
{
    char *line = NULL;
    size_t size = 0;
    ssize_t len;
    int part = 0, rc = 0;

    while (!rc && part < PART_COUNT && (len = getline(&line, &size, in)) > 0) {
        line[strcspn(line, "\n")] = '\0';
        if (!line[0])
            part++;
        else
            rc = take_line(p, (enum part)part, line, error);
    }
    free(line);
    return rc || part == PART_COUNT ? rc : fail(error, -EIO, path, "the sensor does not answer");
}

static int read_control(struct top_source *s, struct top_page *p, char *error)
{
    const char *path = control_path(s);
    int fd = connect_control(path, error);

    if (fd < 0)
        return fd;
    FILE *in = fdopen(fd, "r");
    if (!in) {
        close(fd);
        return fail(error, -ENOMEM, path, "no memory");
    }
    dprintf(fd, "status\nhosts %s %s %u\nconnections\nalerts\n",
            p->window == WINDOW_HOUR ? "1h" : "1m", view_order_word[p->order], ROWS_WANTED);
    int rc = take_answer(in, path, p, error);
    fclose(in);
    return rc;
}

/* --- Redis --- */

#ifdef WEIR_HAVE_REDIS

static void on_connection(void *page, const char *json)
{
    top_add_connection(page, json);
}

static void on_alert(void *page, const char *json)
{
    top_add_alert(page, json);
}

static int read_redis(struct top_source *s, struct top_page *p, char *error)
{
    struct redis_view_page page = {.row = p->row,
                                   .rows_max = TOP_ROWS,
                                   .connection = on_connection,
                                   .alert = on_alert,
                                   .context = p};
    char why[REDIS_VIEW_ERROR_MAX];
    int rc = redis_view_read(s->redis, p->window, view_time(p->now_ns), &page, why);

    if (rc) {
        snprintf(error, TOP_ERROR_MAX, "%s", why);
        return rc;
    }
    p->rows = page.rows;
    snprintf(p->title, sizeof(p->title), "fleet of %u sensor%s", page.sensors,
             page.sensors == 1 ? "" : "s");
    return 0;
}

static int open_redis(struct top_source *s, char *error)
{
    const struct redis_config *redis = &s->config->redis;

    const char *refusal = redis_refusal(redis);

    if (!redis->address[0])
        return fail(error, -EINVAL, "--redis", "needs redis.address");
    if (refusal) {
        snprintf(error, TOP_ERROR_MAX, "%s", refusal);
        return -ENOTSUP;
    }
    return redis_view_create(redis, &s->redis) ? fail(error, -ENOMEM, "--redis", "no memory") : 0;
}

static void close_redis(struct top_source *s)
{
    redis_view_destroy(s->redis);
}

#else

static int read_redis(struct top_source *s, struct top_page *p, char *error)
{
    (void)s, (void)p;
    return fail(error, -ENOTSUP, "--redis", "this program was built without hiredis");
}

static int open_redis(struct top_source *s, char *error)
{
    (void)s;
    return fail(error, -ENOTSUP, "--redis", "this program was built without hiredis");
}

static void close_redis(struct top_source *s)
{
    (void)s;
}

#endif

int top_source_open(const struct config *config, bool redis, struct top_source **out,
                    char error[TOP_ERROR_MAX])
{
    struct top_source *s = calloc(1, sizeof(*s));

    if (!s)
        return fail(error, -ENOMEM, "top", "no memory");
    s->config = config;
    int rc = redis ? open_redis(s, error) : 0;
    if (rc)
        free(s);
    else
        *out = s;
    return rc;
}

void top_source_close(struct top_source *s)
{
    if (!s)
        return;
    close_redis(s);
    free(s);
}

int top_source_read(struct top_source *s, struct top_page *p, char error[TOP_ERROR_MAX])
{
    p->rows = p->connections = p->alerts = 0;
    p->now_ns = utc_ns();
    int rc = s->redis ? read_redis(s, p, error) : read_control(s, p, error);
    if (!rc)
        top_arrange(p);
    return rc;
}
