#include "redis/resp.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SIZE_MIN 4096u

void resp_fini(struct resp *r)
{
    free(r->at);
    *r = (struct resp){0};
}

void resp_clear(struct resp *r)
{
    r->len = 0;
    r->commands = 0;
    r->failed = false;
}

static char *make_room(struct resp *r, size_t len)
{
    size_t size = r->size ? r->size : SIZE_MIN;

    if (r->failed)
        return NULL;
    while (size - r->len < len)
        size *= 2;
    if (size != r->size) {
        char *at = realloc(r->at, size);
        if (!at) {
            r->failed = true;
            return NULL;
        }
        r->at = at;
        r->size = size;
    }
    return r->at + r->len;
}

static void put_length(struct resp *r, char sign, size_t value)
{
    char *to = make_room(r, 32);

    if (to)
        r->len += (size_t)sprintf(to, "%c%zu\r\n", sign, value);
}

void resp_command(struct resp *r, unsigned words, const char *name)
{
    put_length(r, '*', words);
    resp_text(r, name);
    r->commands++;
}

void resp_bytes(struct resp *r, const void *bytes, size_t len)
{
    put_length(r, '$', len);
    char *to = make_room(r, len + 2);
    if (!to)
        return;
    memcpy(to, bytes, len);
    memcpy(to + len, "\r\n", 2);
    r->len += len + 2;
}

void resp_text(struct resp *r, const char *text)
{
    resp_bytes(r, text, strlen(text));
}

void resp_number(struct resp *r, uint64_t value)
{
    char text[24];

    resp_bytes(r, text, (size_t)sprintf(text, "%" PRIu64, value));
}
