/*
 * Any lines as what a sensor or Redis tells `weir top`: the first octet chooses the size of the
 * terminal. No line leaves it, and nothing but printable ASCII gets there.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "cli/top_page.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct screen {
    unsigned width, lines;
};

static void require(int holds)
{
    if (!holds)
        abort();
}

static void take(void *context, enum top_style style, const char *text)
{
    struct screen *s = context;

    (void)style;
    require(strlen(text) <= s->width);
    for (; *text; text++)
        require(*text >= ' ' && *text <= '~');
    s->lines++;
}

static void render(struct top_page *p, unsigned choice)
{
    struct screen s = {.width = choice % 16 * 10 + 1};
    unsigned height = choice / 16 * 3;

    top_arrange(p);
    top_render(p, s.width, height, take, &s);
    require(!height || s.lines <= height);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct top_page *p = calloc(1, sizeof(*p));
    char *text = malloc(size + 1), *rest = text, *line;

    require(p != NULL && text != NULL);
    memcpy(text, data, size);
    text[size] = '\0';
    while ((line = strsep(&rest, "\n")) != NULL) {
        top_add_host(p, line);
        top_add_connection(p, line);
        top_add_alert(p, line);
    }
    render(p, size ? data[0] : 0);
    free(text);
    free(p);
    return 0;
}
