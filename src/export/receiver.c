#include "export/receiver.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TABLE_MAX (256 << 10) /* of one table; some 1700 sockets */

/* The table writes an address as words of the machine, in hexadecimal. */
static void address_words(const struct address *a, char *text)
{
    const uint32_t *word;
    unsigned words = a->at.ss_family == AF_INET6 ? 4 : 1;

    if (words == 4)
        word = (const uint32_t *)&((const struct sockaddr_in6 *)&a->at)->sin6_addr;
    else
        word = &((const struct sockaddr_in *)&a->at)->sin_addr.s_addr;
    for (unsigned i = 0; i < words; i++)
        sprintf(text + 8 * i, "%08X", word[i]);
}

static bool is_any(const char *words)
{
    return words[strspn(words, "0")] == '\0';
}

/* The socket at `words` gets what is sent to `mine`. */
static bool is_bound_here(const char *words, const char *mine)
{
    size_t len = strlen(mine);

    if (is_any(words) || strcmp(words, mine) == 0)
        return true;
    /* an IPv6 socket at ::ffff:127.0.0.1 */
    return len == 8 && strlen(words) == 32 && strcmp(words + 24, mine) == 0 &&
           strncmp(words, "0000000000000000FFFF0000", 24) == 0;
}

static void take_line(const char *line, const char *mine, uint16_t port, struct receiver *r)
{
    unsigned local_port, remote_port;
    char local[33], remote[33];
    unsigned long waiting, inode, drops;

    if (sscanf(
            line,
            " %*u: %32[0-9A-F]:%X %32[0-9A-F]:%X %*X %*X:%lX %*X:%*X %*X %*u %*u %lu %*d %*s %lu",
            local, &local_port, remote, &remote_port, &waiting, &inode, &drops) != 7)
        return;
    if (local_port != port || remote_port != 0 || !is_bound_here(local, mine))
        return;
    r->found = true;
    r->inode = inode > r->inode ? inode : r->inode;
    r->waiting = waiting > r->waiting ? waiting : r->waiting;
    r->drops += drops;
}

void receiver_parse(const char *text, const struct address *to, struct receiver *r)
{
    uint16_t port = address_port(to);
    char mine[33];

    address_words(to, mine);
    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        take_line(line, mine, port, r);
    }
}

static int read_table(const char *path, const struct address *to, struct receiver *r)
{
    char *text = malloc(TABLE_MAX);
    size_t have = 0;
    ssize_t n = 0;
    int fd = text ? open(path, O_RDONLY | O_CLOEXEC) : -1;

    if (fd < 0) {
        int error = text ? -errno : -ENOMEM;
        free(text);
        return error;
    }
    while (have < TABLE_MAX - 1 && (n = read(fd, text + have, TABLE_MAX - 1 - have)) > 0)
        have += (size_t)n;
    close(fd);
    text[have] = '\0';
    receiver_parse(text, to, r);
    free(text);
    return n < 0 ? -EIO : 0;
}

int receiver_read(const struct address *to, struct receiver *r)
{
    *r = (struct receiver){0};
    int rc = to->at.ss_family == AF_INET ? read_table("/proc/net/udp", to, r) : 0;
    int six = read_table("/proc/net/udp6", to, r);

    return rc ? rc : to->at.ss_family == AF_INET6 ? six : 0;
}

bool receiver_is_local(const struct address *to)
{
    if (to->at.ss_family == AF_INET)
        return ntohl(((const struct sockaddr_in *)&to->at)->sin_addr.s_addr) >> 24 == 127;
    return IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)&to->at)->sin6_addr);
}
