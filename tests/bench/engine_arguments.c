#include "engine_arguments.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine_traffic.h"

/* new fills its table, and newcomers what the known flows of mixed leave of theirs. */
const struct mix mixes[MIX_COUNT] = {
    {.name = "known", .known = true, .fill = 50},
    {.name = "new", .fresh = true, .fill = 100},
    {.name = "mixed", .known = true, .fresh = true, .fill = 80, .asked = true},
    {.name = "crafted", .fresh = true, .crafted = true, .secret = true, .fill = 100, .asked = true},
    {.name = "exposed", .fresh = true, .crafted = true, .fill = 100, .asked = true},
};

uint8_t mix_new_percent(const struct mix *mix, const struct arguments *a)
{
    if (!mix->known)
        return 100;
    return mix->fresh ? (uint8_t)a->new_percent : 0;
}

static const struct option options[] = {
    {"flows", required_argument, NULL, 'n'}, {"family", required_argument, NULL, 'f'},
    {"mix", required_argument, NULL, 'm'},   {"new", required_argument, NULL, 'w'},
    {"frame", required_argument, NULL, 's'}, {"passes", required_argument, NULL, 'p'},
    {"cpu", required_argument, NULL, 'c'},   {"fill", required_argument, NULL, 'l'},
    {"deltas", no_argument, NULL, 'd'},      {"phases", no_argument, NULL, 'P'},
    {"quick", no_argument, NULL, 'q'},       {"hosts", no_argument, NULL, 'h'},
    {"hunts", no_argument, NULL, 'u'},       {"active", required_argument, NULL, 'a'},
    {"export", no_argument, NULL, 'e'},      {0},
};

static bool number(const char *name, const char *text, uint64_t low, uint64_t high, uint64_t *out)
{
    char *end;

    errno = 0;
    uint64_t value = strtoull(text, &end, 10);
    if (errno || *end || text[0] < '0' || text[0] > '9' || value < low || value > high) {
        fprintf(stderr, PROGRAM ": --%s: \"%s\" is not a number (%" PRIu64 "..%" PRIu64 ")\n", name,
                text, low, high);
        return false;
    }
    *out = value;
    return true;
}

static bool is_mix(const char *name)
{
    for (size_t i = 0; i < MIX_COUNT; i++)
        if (!strcmp(mixes[i].name, name))
            return true;
    return false;
}

static bool take_number(struct arguments *a, int letter, const char *name)
{
    uint64_t value = 0;

    switch (letter) {
    case 'n':
        return number(name, optarg, 1000, 1 << 26, &a->flows);
    case 'w':
        return number(name, optarg, 1, 50, &a->new_percent);
    case 's':
        return number(name, optarg, TRAFFIC_FRAME_MIN, TRAFFIC_FRAME_MAX, &a->frame_len);
    case 'p':
        return number(name, optarg, 1, 1 << 24, &a->passes);
    case 'l':
        return number(name, optarg, 1, 100, &a->fill);
    case 'a':
        return number(name, optarg, 1, 3600, &a->active_s);
    case 'c':
        if (!number(name, optarg, 0, CPU_SETSIZE - 1, &value))
            return false;
        a->cpu = (int)value;
        return true;
    default:
        return false;
    }
}

static bool take_name(struct arguments *a, int letter, const char *name)
{
    bool family = letter == 'f';
    bool ok = family ? !strcmp(optarg, "4") || !strcmp(optarg, "6") : is_mix(optarg);

    if (family)
        a->family = (unsigned)(optarg[0] - '0');
    else
        a->mix = optarg;
    if (!ok)
        fprintf(stderr, PROGRAM ": --%s: \"%s\" is not %s\n", name, optarg,
                family ? "4 or 6" : "known, new, mixed, crafted or exposed");
    return ok;
}

static bool take_option(struct arguments *a, int letter, const char *name)
{
    switch (letter) {
    case 'f':
    case 'm':
        return take_name(a, letter, name);
    case 'd':
        return a->deltas = true;
    case 'h':
        return a->hosts = true;
    case 'u':
        return a->hosts = a->hunts = true;
    case 'e':
        return a->export = true;
    case 'P':
        return a->phases = true;
    case 'q':
        return a->quick = true;
    default:
        return take_number(a, letter, name);
    }
}

bool arguments_read(int argc, char **argv, struct arguments *a)
{
    int letter, which = 0;

    *a = (struct arguments){.cpu = -1, .new_percent = 10};
    while ((letter = getopt_long(argc, argv, "", options, &which)) != -1)
        if (!take_option(a, letter, options[which].name))
            return false;
    if (optind != argc) {
        fprintf(stderr, PROGRAM ": unexpected argument \"%s\"\n", argv[optind]);
        return false;
    }
    return true;
}
