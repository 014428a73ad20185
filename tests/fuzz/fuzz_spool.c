/*
 * A spool directory with one segment of any content: opening, reading, writing behind it and
 * opening again must neither crash nor lose count.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "export/spool.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SEGMENT "fuzz/0000000000000000.seg"
#define BOUND (256u << 10)

static void require(int holds)
{
    if (!holds)
        abort();
}

static int make_directory(const uint8_t *data, size_t size, char path[64])
{
    snprintf(path, 64, "/dev/shm/weir-fuzz-spool-XXXXXX");
    require(mkdtemp(path) != NULL);
    int directory = open(path, O_RDONLY | O_DIRECTORY);
    require(directory >= 0 && mkdirat(directory, "fuzz", 0700) == 0);
    int fd = openat(directory, SEGMENT, O_WRONLY | O_CREAT, 0600);
    require(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    close(fd);
    return directory;
}

static void remove_directory(int directory, const char *path)
{
    int fd = openat(directory, "fuzz", O_RDONLY | O_DIRECTORY);
    DIR *inside = fdopendir(fd);

    for (struct dirent *e; (e = readdir(inside));)
        unlinkat(fd, e->d_name, 0);
    closedir(inside);
    unlinkat(directory, "fuzz", AT_REMOVEDIR);
    rmdir(path);
    close(directory);
}

/* What was there in the beginning is what was read and what was lost. */
static void read_all(struct spool *spool, uint64_t expected)
{
    static uint8_t octets[MESSAGE_MAX];
    struct spool_loss loss = {0};
    struct message_info info;
    uint64_t ticket, records = 0;

    require(spool_count(spool).records == expected);
    while (spool_read(spool, &info, octets, &ticket, &loss)) {
        require(info.len <= MESSAGE_MAX);
        records += info.records;
        spool_done(spool, ticket);
    }
    require(records + loss.damaged.records + loss.broken.records == expected);
    require(spool_count(spool).records == 0);
}

static void try_spool(int directory)
{
    struct spool_options options = {.directory = directory, .name = "fuzz", .bound = BOUND};
    struct message_info info = {.len = 100, .records = 5};
    struct export_count evicted = {0};
    uint8_t message[100] = {0};
    struct spool_found found;
    char text[SPOOL_TEXT_MAX];
    struct spool *spool;

    require(spool_open(&options, &spool, &found, text) == 0);
    for (int i = 0; i < 3; i++)
        require(spool_append(spool, &info, message, &evicted) == 0);
    read_all(spool, found.count.records + 15 - evicted.records);
    spool_close(spool);
    require(spool_open(&options, &spool, &found, text) == 0);
    require(found.count.records == 0);
    spool_close(spool);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[64];
    int directory = make_directory(data, size, path);

    try_spool(directory);
    remove_directory(directory, path);
    return 0;
}
