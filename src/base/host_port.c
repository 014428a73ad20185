#include "base/host_port.h"

#include <errno.h>
#include <string.h>

#define HOST_LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"

static int copy_host(const char *text, size_t len, const char *letters, char *host, size_t size)
{
    if (!len || strspn(text, letters) < len)
        return -EINVAL;
    if (len >= size)
        return -ENAMETOOLONG;
    memcpy(host, text, len);
    host[len] = '\0';
    return 0;
}

static int split_brackets(const char *text, char *host, size_t size, const char **port)
{
    size_t len = strcspn(text + 1, "]");
    const char *behind = text + 1 + len + 1;

    if (text[1 + len] != ']' || (*behind && *behind != ':'))
        return -EINVAL;
    *port = *behind ? behind + 1 : NULL;
    return copy_host(text + 1, len, HOST_LETTERS ":%", host, size);
}

int host_port_split(const char *text, char *host, size_t size, const char **port)
{
    const char *colon = strchr(text, ':');

    if (*text == '[')
        return split_brackets(text, host, size, port);
    *port = NULL;
    if (colon && strchr(colon + 1, ':'))
        return copy_host(text, strlen(text), HOST_LETTERS ":%", host, size);
    if (colon)
        *port = colon + 1;
    return copy_host(text, colon ? (size_t)(colon - text) : strlen(text), HOST_LETTERS, host, size);
}

int host_port_check(const char *text)
{
    char host[256];
    const char *port;
    int number = 0;

    if (host_port_split(text, host, sizeof(host), &port) < 0 || !port || !*port || strlen(port) > 5)
        return -EINVAL;
    for (; *port; port++) {
        if (*port < '0' || *port > '9')
            return -EINVAL;
        number = number * 10 + (*port - '0');
    }
    return number && number <= 65535 ? number : -EINVAL;
}
