#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#ifdef WEIR_HAVE_NCURSES
#include <ncurses.h>
#endif

#include "cli/cli.h"
#include "cli/options.h"
#include "cli/top_source.h"

#define WIDTH 120 /* of a page that goes to a file */
#define KEY_CTRL_C 3

enum { OPTION_REDIS, OPTION_ONCE, OPTION_SORT, OPTION_WINDOW };

static const struct cli_option options[] = {
    [OPTION_REDIS] = {"redis", 0, NULL, "look at the whole fleet, by redis.address"},
    [OPTION_ONCE] = {"once", 0, NULL, "print one page as plain text"},
    [OPTION_SORT] = {"sort", 's', "out|in|ratio|conns|open|peers|age",
                     "what comes first (default: out)"},
    [OPTION_WINDOW] = {"window", 0, "1m|1h", "of the counters (default: 1m)"},
    {0},
};

static const struct cli_command command = {
    .name = "top",
    .about =
        "Shows hosts with their octets up and down, ratio, connections and peers, the longest\n"
        "open connections, and alerts: of the sensor that has sensor.control, or of a fleet.\n"
        "Keys: o out, i in, r ratio, c connections, n open now, p peers, a age; w window; q quit.",
    .options = options,
    .examples = "  weir top -c /etc/weir/weir.yaml\n"
                "  weir top --sensor.control /run/weir/control.sock --sort ratio\n"
                "  weir top --redis --redis.address redis.example:6379\n"
                "  weir top --once | head -20\n",
};

struct top {
    struct cli_args args;
    struct top_source *source;
    struct top_page page;
    char error[TOP_ERROR_MAX]; /* of the last reading; empty = none */
};

/* --- One page --- */

static void print_line(void *out, enum top_style style, const char *text)
{
    (void)style;
    fprintf(out, "%s\n", text);
}

static unsigned terminal_width(void)
{
    struct winsize size;

    return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col ? size.ws_col : WIDTH;
}

static int print_once(struct top *t)
{
    if (top_source_read(t->source, &t->page, t->error)) {
        fprintf(stderr, "weir top: %s\n", t->error);
        return CLI_FAILURE;
    }
    top_render(&t->page, terminal_width(), 0, print_line, stdout);
    return cli_flush_stdout();
}

/* --- The screen --- */

#ifdef WEIR_HAVE_NCURSES

#define REFRESH_MS 1000
#define FAILED_MS 2000 /* a source that does not answer is asked less often */

struct screen_line {
    int row;
};

static void draw_line(void *context, enum top_style style, const char *text)
{
    static const attr_t attributes[] = {
        [TOP_TITLE] = A_BOLD, [TOP_HEAD] = A_REVERSE, [TOP_PLAIN] = 0, [TOP_ALERT] = A_BOLD};
    struct screen_line *line = context;

    attrset(attributes[style]);
    mvaddnstr(line->row++, 0, text, COLS);
    attrset(0);
}

/* Whole, over as many lines as it needs: the remedy stands at its end. */
static void draw_error(struct screen_line *line, const char *text)
{
    size_t len = strlen(text), width = (size_t)COLS;

    attrset(A_REVERSE);
    for (size_t at = 0; at < len && line->row < LINES; at += width)
        mvaddnstr(line->row++, 0, text + at, COLS);
    mvaddnstr(line->row++, 0, "asking again; what follows is old", COLS);
    attrset(0);
}

static void draw(struct top *t)
{
    struct screen_line line = {0};

    erase();
    if (t->error[0])
        draw_error(&line, t->error);
    if (LINES > line.row)
        top_render(&t->page, (unsigned)COLS, (unsigned)(LINES - line.row), draw_line, &line);
    refresh();
}

/* False: the end is wanted. */
static bool take_key(struct top *t, int key)
{
    static const char orders[] = {
        [VIEW_OUT] = 'o',  [VIEW_IN] = 'i',    [VIEW_RATIO] = 'r', [VIEW_OPENED] = 'c',
        [VIEW_OPEN] = 'n', [VIEW_PEERS] = 'p', [VIEW_OLDEST] = 'a'};
    for (int i = 0; i < VIEW_ORDER_COUNT; i++)
        if (key == orders[i])
            t->page.order = (enum view_order)i;
    if (key == 'w')
        t->page.window = t->page.window == WINDOW_HOUR ? WINDOW_MINUTE : WINDOW_HOUR;
    return key != 'q' && key != KEY_CTRL_C;
}

static bool told_to_end(void)
{
    sigset_t pending;

    return sigpending(&pending) == 0 && sigismember(&pending, SIGTERM);
}

static long now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Until a key was taken or it is time to look again; false: the end. */
static bool wait_for_key(struct top *t, long until_ms, bool *taken)
{
    struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
    long left = until_ms - now_ms();

    *taken = false;
    int rc = poll(&in, 1, left > 0 ? (int)left : 0);
    if (told_to_end() || (rc > 0 && (in.revents & (POLLHUP | POLLERR | POLLNVAL))))
        return false;
    int key;
    while ((key = getch()) != ERR) {
        *taken = true;
        if (!take_key(t, key))
            return false;
    }
    return true;
}

static void watch(struct top *t)
{
    bool go_on = true;

    while (go_on) {
        t->error[0] = '\0';
        int rc = top_source_read(t->source, &t->page, t->error);
        long until = now_ms() + (rc ? FAILED_MS : REFRESH_MS);
        bool taken = false;
        draw(t);
        while (go_on && !taken && now_ms() < until)
            go_on = wait_for_key(t, until, &taken);
    }
}

static int show(struct top *t)
{
    sigset_t term;

    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)) {
        fputs("weir top: this is not a terminal; --once prints a page\n", stderr);
        return CLI_USAGE;
    }
    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    sigprocmask(SIG_BLOCK, &term, NULL);
    SCREEN *screen = newterm(NULL, stdout, stdin);
    if (!screen) {
        fprintf(stderr, "weir top: TERM=%s is not a terminal that is known; --once prints a page\n",
                getenv("TERM") ? getenv("TERM") : "");
        return CLI_FAILURE;
    }
    raw();
    noecho();
    keypad(stdscr, TRUE);
    nodelay(stdscr, TRUE);
    curs_set(0);
    watch(t);
    endwin();
    delscreen(screen);
    return CLI_OK;
}

#else

static int show(struct top *t)
{
    (void)t;
    fputs("weir top: this program was built without ncurses; --once prints a page\n", stderr);
    return CLI_USAGE;
}

#endif

static void take_options(struct top *t)
{
    const char *sort = t->args.value[OPTION_SORT], *window = t->args.value[OPTION_WINDOW];

    for (int i = 0; sort && i < VIEW_ORDER_COUNT; i++)
        if (strcmp(sort, view_order_word[i]) == 0)
            t->page.order = (enum view_order)i;
    t->page.window = window && strcmp(window, "1h") == 0 ? WINDOW_HOUR : WINDOW_MINUTE;
}

int cli_top(int argc, char **argv)
{
    struct top *t = calloc(1, sizeof(*t));

    if (!t)
        return CLI_FAILURE;
    int code = CLI_USAGE;
    if (!cli_parse(&command, argc, argv, &t->args)) {
        code = t->args.exit_code;
    } else if (top_source_open(&t->args.config, t->args.value[OPTION_REDIS] != NULL, &t->source,
                               t->error)) {
        fprintf(stderr, "weir top: %s\n", t->error);
    } else {
        take_options(t);
        strcpy(t->page.title, "nobody yet");
        code = t->args.value[OPTION_ONCE] ? print_once(t) : show(t);
    }
    top_source_close(t->source);
    free(t);
    return code;
}
