#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/plain_file.h"
#include "config/config.h"
#include "config/error.h"
#include "config/rules.h"

/* Reads to the end, or till bytes is full. Returns the octets read, or -errno. */
static ssize_t read_all(int fd, char *bytes, size_t size)
{
    size_t len = 0;

    while (len < size) {
        ssize_t n = read(fd, bytes + len, size - len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            break;
        len += (size_t)n;
    }
    return (ssize_t)len;
}

/* One octet more than allowed is room enough to see that a file is too long. */
static ssize_t read_file(const char *path, char *bytes)
{
    int fd = plain_file_open(path);
    if (fd < 0)
        return fd;
    ssize_t len = read_all(fd, bytes, CONFIG_FILE_MAX + 1);
    close(fd);
    return len;
}

/* What read() is given: a file of at most CONFIG_FILE_MAX octets and one. */
static int load(const char *path, struct config_error *error,
                int (*read)(void *context, const char *bytes, size_t len), void *context)
{
    char name[256];
    char *bytes = malloc(CONFIG_FILE_MAX + 1);
    ssize_t len = bytes ? read_file(path, bytes) : -ENOMEM;
    int r = (int)len;

    if (len >= 0)
        r = read(context, bytes, (size_t)len);
    else
        config_fail(error, r, "%s: %s", config_quote(path, name, sizeof(name)),
                    plain_file_error(r));
    free(bytes);
    return r;
}

struct load_target {
    const char *path;
    struct config *config;
    struct hunt_rules *rules;
    struct config_error *error;
};

static int read_config(void *context, const char *bytes, size_t len)
{
    struct load_target *t = context;

    return config_load_memory(t->path, bytes, len, t->config, t->error);
}

static int read_rules(void *context, const char *bytes, size_t len)
{
    struct load_target *t = context;

    return config_load_rules_memory(t->path, bytes, len, t->rules, t->error);
}

int config_load(const char *path, struct config *config, struct config_error *error)
{
    struct load_target t = {.path = path, .config = config, .error = error};

    return load(path, error, read_config, &t);
}

int config_load_rules(const char *path, struct hunt_rules *rules, struct config_error *error)
{
    struct load_target t = {.path = path, .rules = rules, .error = error};

    return load(path, error, read_rules, &t);
}
