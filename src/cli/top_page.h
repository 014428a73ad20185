/*
 * What `weir top` shows, as lines of text. Takes what sensors and Redis tell, of which nothing is
 * trusted: only printable ASCII gets through. Pure.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "core/view.h"
#include "weir/host.h"

#define TOP_ROWS 512u
#define TOP_LISTED 64u

struct top_connection {
    char host[48], peer[48];
    double start; /* seconds since 1970 */
    uint64_t octets[2];
    unsigned port, proto;
};

struct top_alert {
    double ts;
    char severity[12], state[12], rule[32], text[320];
};

struct top_page {
    char title[128]; /* of whom */
    enum host_window window;
    enum view_order order;
    uint64_t now_ns;
    struct host_row row[TOP_ROWS];
    size_t rows;
    struct top_connection connection[TOP_LISTED];
    size_t connections;
    struct top_alert alert[TOP_LISTED];
    size_t alerts;
};

/* Lines of JSON, as the control socket and Redis tell them; what is not understood is left out. */
void top_add_host(struct top_page *, const char *json);
void top_add_connection(struct top_page *, const char *json);
void top_add_alert(struct top_page *, const char *json);
/* All are there: brings them in their order. */
void top_arrange(struct top_page *);

/* A member of a flat object that is a string; false, and out is empty: there is none. */
bool top_json_text(const char *json, const char *name, char *out, size_t size);

enum top_style { TOP_TITLE, TOP_HEAD, TOP_PLAIN, TOP_ALERT };

/* Calls line() for each line, none longer than width; at most height lines, 0 = as many as there
 * are. */
void top_render(const struct top_page *, unsigned width, unsigned height,
                void (*line)(void *context, enum top_style, const char *text), void *context);
