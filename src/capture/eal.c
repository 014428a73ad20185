#include "capture/eal.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define PREFIX "dpdk:"
#define MIB (UINT64_C(1) << 20)
#define MEMORY_OVERHEAD (64 * MIB) /* the EAL's own, queues and tables */

struct writer {
    struct eal_arguments *to;
    size_t used;
    bool full;
};

__attribute__((format(printf, 2, 3))) static void put(struct writer *w, const char *format, ...)
{
    struct eal_arguments *a = w->to;
    size_t room = sizeof(a->text) - w->used;
    va_list list;

    va_start(list, format);
    int n = vsnprintf(a->text + w->used, room, format, list);
    va_end(list);
    if (n < 0 || (size_t)n >= room || a->count + 1 >= EAL_ARGUMENTS_MAX) {
        w->full = true;
        return;
    }
    a->word[a->count++] = a->text + w->used;
    a->word[a->count] = NULL;
    w->used += (size_t)n + 1;
}

static bool is_dpdk(const char *source)
{
    return strncmp(source, PREFIX, strlen(PREFIX)) == 0;
}

bool eal_is_pci(const char *source)
{
    const char *device = is_dpdk(source) ? source + strlen(PREFIX) : source;
    size_t length = strcspn(device, ",");

    return length >= 7 && length == strspn(device, "0123456789abcdefABCDEF:.") &&
           memchr(device, ':', length) && device[length - 2] == '.';
}

void eal_device_name(const char *source, char *name, size_t size)
{
    const char *device = is_dpdk(source) ? source + strlen(PREFIX) : source;
    int length = (int)strcspn(device, ",");
    bool short_pci = eal_is_pci(source) && strchr(device, ':') == memrchr(device, ':', length);

    snprintf(name, size, "%s%.*s", short_pci ? "0000:" : "", length, device);
    if (eal_is_pci(source))
        for (char *c = name; *c; c++)
            *c = (char)tolower((unsigned char)*c);
}

bool eal_device_argument(const char *source, const char *key, char *value, size_t size)
{
    size_t length = strlen(key);

    for (const char *at = strchr(source, ','); at; at = strchr(at + 1, ','))
        if (strncmp(at + 1, key, length) == 0 && at[1 + length] == '=') {
            const char *from = at + length + 2;
            snprintf(value, size, "%.*s", (int)strcspn(from, ","), from);
            return true;
        }
    return false;
}

static bool has_word(const char *words, const char *word)
{
    size_t length = strlen(word);

    for (const char *at = words ? strstr(words, word) : NULL; at; at = strstr(at + 1, word))
        if ((at == words || strchr(" \t", at[-1])) && strchr(" \t=", at[length]))
            return true;
    return false;
}

static void put_memory(struct writer *w, const struct eal_plan *plan)
{
    bool in_memory = has_word(plan->extra, "--in-memory");
    bool no_huge = has_word(plan->extra, "--no-huge");
    uint64_t octets = plan->memory_octets + MEMORY_OVERHEAD;
    /* A buffer does not reach over the end of a page of 4 KiB. */
    uint64_t plain_octets = 2 * plan->memory_octets + MEMORY_OVERHEAD;

    w->to->huge_pages = !no_huge && (in_memory || plan->huge_octets >= octets);
    if (w->to->huge_pages && !in_memory)
        put(w, "--in-memory");
    if (w->to->huge_pages)
        return;
    if (!no_huge)
        put(w, "--no-huge");
    put(w, "--no-shconf");
    if (!has_word(plan->extra, "-m")) {
        put(w, "-m");
        put(w, "%llu", (unsigned long long)(plain_octets / MIB));
    }
}

static void put_devices(struct writer *w, const struct eal_plan *plan)
{
    bool any = false;

    for (uint16_t i = 0; i < plan->source_count; i++)
        if (is_dpdk(plan->sources[i]) && eal_is_pci(plan->sources[i])) {
            put(w, "-a");
            put(w, "%s", plan->sources[i] + strlen(PREFIX));
            any = true;
        }
    if (!any)
        put(w, "--no-pci");
}

/* Words that the EAL would take and weir cannot work with; long ones may be shortened. */
static const struct {
    const char *name, *why;
} refused[] = {
    {"-h", "it prints DPDK's help and ends the process"},
    {"--help", "it prints DPDK's help and ends the process"},
    {"--proc-type", "weir is a DPDK process by itself and cannot join another"},
    {"--telemetry", "its thread and socket would be outside of the sandbox"},
};

#define SHORTEST 4 /* what getopt_long() may tell apart: --he, --pr, --te */

static bool means(const char *word, size_t length, const char *name)
{
    size_t own = 0;

    while (own < length && word[own] != '=')
        own++;
    if (name[1] != '-')
        return own >= 2 && strncmp(word, name, 2) == 0;
    return own >= SHORTEST && own <= strlen(name) && strncmp(word, name, own) == 0;
}

static int check_word(const char *word, size_t length, char error[CAPTURE_ERROR_MAX])
{
    for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++)
        if (means(word, length, refused[i].name)) {
            snprintf(error, CAPTURE_ERROR_MAX, "capture.eal: %s is refused: %s; take it out",
                     refused[i].name, refused[i].why);
            return -EINVAL;
        }
    return 0;
}

static int put_extra(struct writer *w, const char *extra, char error[CAPTURE_ERROR_MAX])
{
    int status = 0;

    for (const char *at = extra ? extra : ""; *at && status == 0;) {
        size_t length = strcspn(at, " \t");
        status = check_word(at, length, error);
        if (length)
            put(w, "%.*s", (int)length, at);
        at += length;
        at += strspn(at, " \t");
    }
    return status;
}

int eal_arguments_make(const struct eal_plan *plan, struct eal_arguments *out,
                       char error[CAPTURE_ERROR_MAX])
{
    struct writer w = {.to = out};

    memset(out, 0, sizeof(*out));
    put(&w, "weir");
    put(&w, "-l");
    put(&w, "%u", plan->core);
    put(&w, "--file-prefix=%s", plan->prefix);
    put(&w, "--no-telemetry");
    put_memory(&w, plan);
    put_devices(&w, plan);
    int status = put_extra(&w, plan->extra, error);
    if (status != 0 || !w.full)
        return status;
    snprintf(error, CAPTURE_ERROR_MAX, "capture.eal: more words than %d, or longer than %d octets",
             EAL_ARGUMENTS_MAX, EAL_TEXT_MAX);
    return -EINVAL;
}
