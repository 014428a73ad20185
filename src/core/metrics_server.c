#include "core/metrics.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#ifdef WEIR_METRICS

#include <microhttpd.h>

#include "base/address.h"
#include "core/sensor.h"

#define CONNECTIONS_MAX 32
#define IDLE_SECONDS 10             /* a client that neither sends nor reads */
#define REQUEST_MAX ((size_t)16384) /* octets of a request with its headers */

struct metrics_server {
    int fd; /* listens; the daemon's once it runs */
    struct MHD_Daemon *daemon;
    metrics_source *source;
    void *context;
    struct sensor_status *status; /* large; used by the daemon's thread alone */
};

/* --- Listening --- */

static int fail(char *error, int r, const char *address, const char *why)
{
    snprintf(error, METRICS_ERROR_MAX, "sensor.metrics: %s: %s", address, why);
    return r;
}

/* The first of the host's addresses that can be listened on. */
static int open_socket(const char *address, char *error)
{
    struct addresses found;
    char why[METRICS_ERROR_MAX / 2];
    int fd = -EADDRNOTAVAIL;

    int r = address_parse_listen(address, ADDRESS_NO_PORT, &found, why, sizeof(why));
    if (r)
        return fail(error, r, address, why);
    for (uint32_t i = 0; i < found.count && fd < 0; i++)
        fd = address_listen(&found.address[i], CONNECTIONS_MAX);
    return fd < 0 ? fail(error, fd, address, strerror(-fd)) : fd;
}

int metrics_server_open(const char *address, struct metrics_server **out,
                        char error[METRICS_ERROR_MAX])
{
    int fd = open_socket(address, error);

    if (fd < 0)
        return fd;
    struct metrics_server *s = calloc(1, sizeof(*s));
    struct sensor_status *status = calloc(1, sizeof(*status));
    if (!s || !status) {
        free(s);
        free(status);
        close(fd);
        return fail(error, -ENOMEM, address, "no memory");
    }
    *s = (struct metrics_server){.fd = fd, .status = status};
    *out = s;
    return 0;
}

unsigned metrics_server_port(const struct metrics_server *s)
{
    struct address at;

    return address_of_socket(s->fd, &at) ? 0 : address_port(&at);
}

/* --- Answers --- */

/* Takes over text, which malloc() made. */
static enum MHD_Result answer(struct MHD_Connection *c, unsigned code, char *text, size_t len,
                              const char *type)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(len, text, MHD_RESPMEM_MUST_FREE);

    if (!response) {
        free(text);
        return MHD_NO;
    }
    (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    (void)MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    if (code == MHD_HTTP_METHOD_NOT_ALLOWED)
        (void)MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
    enum MHD_Result r = MHD_queue_response(c, code, response);
    MHD_destroy_response(response);
    return r;
}

static enum MHD_Result answer_line(struct MHD_Connection *c, unsigned code, const char *line)
{
    char *text = NULL;
    int len = asprintf(&text, "%s\n", line);

    return len < 0 ? MHD_NO : answer(c, code, text, (size_t)len, "text/plain; charset=utf-8");
}

static enum MHD_Result answer_metrics(struct metrics_server *s, struct MHD_Connection *c)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);

    if (!out)
        return MHD_NO;
    metrics_render(s->status, out);
    if (fclose(out)) {
        free(text);
        return MHD_NO;
    }
    return answer(c, MHD_HTTP_OK, text, len, "text/plain; version=0.0.4; charset=utf-8");
}

static enum MHD_Result on_request(void *context, struct MHD_Connection *c, const char *url,
                                  const char *method, const char *version, const char *body,
                                  size_t *body_len, void **request)
{
    struct metrics_server *s = context;
    char line[256];

    (void)version;
    (void)body;
    *body_len = 0; /* whatever it is, it is not read */
    if (!*request) {
        *request = s; /* the first call has only seen the headers */
        return MHD_YES;
    }
    if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
        return answer_line(c, MHD_HTTP_METHOD_NOT_ALLOWED, "GET or HEAD");
    bool metrics = strcmp(url, "/metrics") == 0;
    if (!metrics && strcmp(url, "/healthz") != 0)
        return answer_line(c, MHD_HTTP_NOT_FOUND, "/metrics or /healthz");
    s->source(s->context, s->status);
    if (metrics)
        return answer_metrics(s, c);
    return metrics_healthy(s->status, line, sizeof(line))
               ? answer_line(c, MHD_HTTP_OK, line)
               : answer_line(c, MHD_HTTP_SERVICE_UNAVAILABLE, line);
}

int metrics_server_start(struct metrics_server *s, metrics_source *source, void *context)
{
    s->source = source;
    s->context = context;
    s->daemon = MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD, 0, NULL, NULL, on_request, s,
                                 MHD_OPTION_LISTEN_SOCKET, s->fd, MHD_OPTION_CONNECTION_LIMIT,
                                 (unsigned)CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT,
                                 (unsigned)IDLE_SECONDS, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
                                 REQUEST_MAX, MHD_OPTION_END);
    return s->daemon ? 0 : errno ? -errno : -EIO;
}

void metrics_server_close(struct metrics_server *s)
{
    if (!s)
        return;
    if (s->daemon)
        MHD_stop_daemon(s->daemon); /* closes the socket too */
    else
        close(s->fd);
    free(s->status);
    free(s);
}

#else

int metrics_server_open(const char *address, struct metrics_server **out,
                        char error[METRICS_ERROR_MAX])
{
    (void)out;
    snprintf(error, METRICS_ERROR_MAX,
             "sensor.metrics: %s: this build has no metrics server (libmicrohttpd)", address);
    return -ENOTSUP;
}

unsigned metrics_server_port(const struct metrics_server *s)
{
    (void)s;
    return 0;
}

int metrics_server_start(struct metrics_server *s, metrics_source *source, void *context)
{
    (void)s;
    (void)source;
    (void)context;
    return -ENOTSUP;
}

void metrics_server_close(struct metrics_server *s)
{
    (void)s;
}

#endif
