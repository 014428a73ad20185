#include <string.h>

#include "config/keys.h"

/* The end of the index that path has where a name has [], or NULL. */
static const char *skip_index(const char *path)
{
    size_t digits = *path == '[' ? strspn(path + 1, "0123456789") : 0;
    return digits && path[digits + 1] == ']' ? path + digits + 2 : NULL;
}

/* What is left of name behind path, or NULL when it does not begin with it. */
static const char *match(const char *name, const char *path)
{
    while (*path) {
        if (name[0] == '[') {
            path = skip_index(path);
            name += 2;
            if (!path)
                return NULL;
        } else if (*name++ != *path++) {
            return NULL;
        }
    }
    return name;
}

const struct config_key *config_key_find(const char *path)
{
    for (size_t i = 0; i < config_key_count; i++) {
        const char *rest = match(config_keys[i].name, path);
        if (rest && !*rest)
            return &config_keys[i];
    }
    return NULL;
}

int config_key_under(const char *path)
{
    for (size_t i = 0; i < config_key_count; i++) {
        const char *rest = match(config_keys[i].name, path);
        if (rest && (*rest == '.' || *rest == '\0'))
            return (int)i;
    }
    return -1;
}

uint32_t config_path_index(const char *path)
{
    const char *open = strchr(path, '[');
    uint64_t index = 0;

    for (const char *c = open ? open + 1 : ""; *c >= '0' && *c <= '9'; c++)
        if (index < UINT32_MAX)
            index = index * 10 + (uint64_t)(*c - '0');
    return index < UINT32_MAX ? (uint32_t)index : UINT32_MAX;
}

static unsigned least(unsigned a, unsigned b, unsigned c)
{
    unsigned ab = a < b ? a : b;
    return ab < c ? ab : c;
}

/* Levenshtein's distance of two words shorter than CONFIG_KEY_MAX. */
static unsigned word_distance(const char *a, const char *b)
{
    unsigned row[CONFIG_KEY_MAX];
    size_t b_len = strlen(b);

    for (size_t j = 0; j <= b_len; j++)
        row[j] = (unsigned)j;
    for (size_t i = 0; a[i]; i++) {
        unsigned diagonal = row[0];
        row[0] = (unsigned)i + 1;
        for (size_t j = 0; j < b_len; j++) {
            unsigned above = row[j + 1];
            row[j + 1] = least(above + 1, row[j] + 1, diagonal + (a[i] != b[j]));
            diagonal = above;
        }
    }
    return row[b_len];
}

static const char *last_part(const char *path)
{
    const char *dot = strrchr(path, '.');
    return dot ? dot + 1 : path;
}

/* Copies as many parts of name as path has, so that a wrong section is compared with sections. */
static void cut_like(const char *name, const char *path, char out[CONFIG_KEY_MAX])
{
    size_t n = 0;
    unsigned dots = 0;

    for (const char *p = path; *p; p++)
        dots += *p == '.';
    while (name[n] && (name[n] != '.' || dots--))
        n++;
    memcpy(out, name, n);
    out[n] = '\0';
}

bool config_key_nearest(const char *path, char out[CONFIG_KEY_MAX])
{
    size_t len = strlen(path);
    unsigned best = 2 + (unsigned)len / 4; /* as many typing errors are not believed */

    if (len >= CONFIG_KEY_MAX)
        return false;
    for (size_t i = 0; i < config_key_count; i++) {
        const char *name = config_keys[i].name;
        char cut[CONFIG_KEY_MAX];
        cut_like(name, path, cut);
        unsigned distance = word_distance(path, cut);
        if (distance < best) {
            best = distance;
            strcpy(out, cut);
        }
        /* The right word in the wrong section, or without one. */
        if (best > 1 && strcmp(last_part(path), last_part(name)) == 0) {
            best = 1;
            strcpy(out, name);
        }
    }
    return best < 2 + len / 4;
}
