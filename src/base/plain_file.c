#include "base/plain_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int plain_file_open(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat st;

    if (fd < 0)
        return -errno;
    int rc = fstat(fd, &st) ? -errno : S_ISFIFO(st.st_mode) ? PLAIN_FILE_MAY_BLOCK : 0;
    if (!rc)
        return fd;
    close(fd);
    return rc;
}

int plain_file_check(const char *path)
{
    int fd = plain_file_open(path);

    if (fd < 0)
        return fd;
    close(fd);
    return 0;
}

const char *plain_file_error(int rc)
{
    return rc == PLAIN_FILE_MAY_BLOCK ? "is a FIFO or pipe, expected a regular file"
                                      : strerror(-rc);
}
