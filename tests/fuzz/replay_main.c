/*
 * Runs a fuzz target over stored inputs without libFuzzer: every file named, and every file of a
 * directory named. Each is handed over in a heap block of its exact size.
 */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv) __attribute__((weak));

static int replay_stream(FILE *file, size_t size)
{
    uint8_t *data = malloc(size);
    if (!data && size)
        return -ENOMEM;
    int error = fread(data, 1, size, file) == size ? 0 : -EIO;
    if (!error)
        LLVMFuzzerTestOneInput(data, size);
    free(data);
    return error;
}

static int replay_file(const char *path)
{
    struct stat st;
    FILE *file = fopen(path, "rb");
    if (!file)
        return -errno;
    int error = fstat(fileno(file), &st) == 0 ? replay_stream(file, (size_t)st.st_size) : -errno;
    fclose(file);
    return error;
}

static int replay(const char *path, unsigned *count);

static int replay_directory(const char *path, DIR *directory, unsigned *count)
{
    char inside[PATH_MAX];
    int error = 0;

    for (struct dirent *entry; !error && (entry = readdir(directory));) {
        if (entry->d_name[0] == '.')
            continue;
        if (snprintf(inside, sizeof(inside), "%s/%s", path, entry->d_name) >= (int)sizeof(inside))
            return -ENAMETOOLONG;
        error = replay(inside, count);
    }
    return error;
}

static int replay(const char *path, unsigned *count)
{
    DIR *directory = opendir(path);
    int error;

    if (directory) {
        error = replay_directory(path, directory, count);
        closedir(directory);
        return error;
    }
    error = replay_file(path);
    if (error)
        fprintf(stderr, "%s: %s\n", path, strerror(-error));
    else
        ++*count;
    return error;
}

int main(int argc, char **argv)
{
    unsigned count = 0;

    if (LLVMFuzzerInitialize)
        LLVMFuzzerInitialize(&argc, &argv);
    for (int i = 1; i < argc; i++)
        if (replay(argv[i], &count))
            return EXIT_FAILURE;
    fprintf(stderr, "inputs: %u\n", count);
    return count ? EXIT_SUCCESS : EXIT_FAILURE; /* an empty corpus proves nothing */
}
