#include "core/machine_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIST_MAX 4096

int machine_read_word(const char *path, char *word, size_t size)
{
    FILE *f = fopen(path, "re");
    int r = f ? 0 : -errno;

    word[0] = '\0';
    if (!f)
        return r;
    if (!fgets(word, (int)size, f))
        word[0] = '\0';
    word[strcspn(word, "\n")] = '\0';
    fclose(f);
    return 0;
}

int machine_read_number(const char *path, uint64_t *number)
{
    char word[32], *end;
    int r = machine_read_word(path, word, sizeof(word));

    if (r < 0)
        return r;
    errno = 0;
    uint64_t value = strtoull(word, &end, 10);
    if (end == word || *end || errno || word[0] == '-')
        return -EINVAL;
    *number = value;
    return 0;
}

void machine_parse_cores(const char *list, cpu_set_t *set)
{
    CPU_ZERO(set);
    while (*list >= '0' && *list <= '9') {
        char *end;
        unsigned long first = strtoul(list, &end, 10), last = first;
        if (*end == '-')
            last = strtoul(end + 1, &end, 10);
        for (; first <= last && first < CPU_SETSIZE; first++)
            CPU_SET(first, set);
        list = end + (*end == ',');
    }
}

int machine_read_cores(const char *path, cpu_set_t *set)
{
    char list[LIST_MAX];
    int r = machine_read_word(path, list, sizeof(list));

    machine_parse_cores(list, set);
    return r;
}
