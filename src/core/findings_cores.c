#include <stdio.h>
#include <string.h>

#include "core/findings.h"
#include "core/machine.h"
#include "weir/config.h"

/* The core as the machine knows it; NULL: no such core. */
static const struct machine_core *core_at(const struct findings *f, int64_t number)
{
    return number >= 0 && number < CPU_SETSIZE ? &f->machine->core[number] : NULL;
}

/* Whether the core can be had. */
static bool judge_core(struct findings *f, unsigned number)
{
    const struct machine_core *core = core_at(f, number);

    if (!core || !core->online) {
        finding_add(f, FINDING_ERROR, "capture.cores: core %u is not there or not online", number);
        finding_mend(f, "lscpu -e lists the cores");
        return false;
    }
    if (!core->allowed) {
        finding_add(f, FINDING_ERROR, "capture.cores: core %u is not allowed to this process",
                    number);
        finding_mend(f, "start it without taskset, or with AllowedCPUs= in its unit");
        return false;
    }
    if (core->pinned_pid) {
        finding_add(f, FINDING_WARNING, "capture.cores: process %d (%s) is pinned to core %u too",
                    core->pinned_pid, core->pinned_name, number);
        finding_mend(f, "taskset -pc CORES %d, or name another core", core->pinned_pid);
    }
    return true;
}

/* Pairs of workers' cores that are one core with two threads. */
static void judge_siblings(struct findings *f)
{
    const struct machine *m = f->machine;
    int pairs = 0, one = 0, other = 0;

    for (uint32_t i = 0; i < f->workers; i++) {
        for (uint32_t j = 0; j < i; j++) {
            const struct machine_core *a = core_at(f, f->core[i]), *b = core_at(f, f->core[j]);
            if (!a || !b || a == b || !a->online || !b->online || a->physical != b->physical)
                continue;
            one = (int)((a < b ? a : b) - m->core);
            other = (int)((a < b ? b : a) - m->core);
            pairs++;
        }
    }
    if (!pairs)
        return;
    finding_add(f, FINDING_WARNING, "capture.cores: %d and %d are halves of one core%s", one, other,
                pairs > 1 ? ", and others" : "");
    finding_mend(f, "leave one of each pair out");
}

/* "2-5,8" of the named cores that are not isolated. */
static void shared_cores(const struct findings *f, char out[128])
{
    const struct capture_config *c = &f->config->capture;
    size_t n = 0;

    out[0] = '\0';
    for (uint32_t i = 0; i < c->core_count && n < 120; i++) {
        const struct machine_core *core = core_at(f, (int64_t)c->core[i]);
        if (core && core->online && !core->isolated)
            n += (size_t)snprintf(out + n, 128 - n, "%s%u", n ? "," : "", (unsigned)c->core[i]);
    }
}

static void judge_isolation(struct findings *f)
{
    char cores[128];

    shared_cores(f, cores);
    if (!*cores) {
        finding_add(f, FINDING_OK, "capture.cores: all isolated from the scheduler");
        return;
    }
    finding_add(f, FINDING_WARNING, "capture.cores: %s: other programs run there too", cores);
    finding_mend(f, "boot with isolcpus=%s nohz_full=%s", cores, cores);
}

static void judge_count(struct findings *f)
{
    uint32_t cores = 0;

    for (int i = 0; i < CPU_SETSIZE; i++)
        cores += f->machine->core[i].online && f->machine->core[i].allowed;
    if (f->workers <= cores) {
        finding_add(f, FINDING_OK, "cores: %u for %u workers", cores, f->workers);
        return;
    }
    finding_add(f, FINDING_WARNING, "capture.workers: %u workers on %u cores", f->workers, cores);
    finding_mend(f, "capture.workers: %u", cores);
}

static void judge_governor(struct findings *f)
{
    const char *governor = f->machine->governor;

    if (strcmp(governor, "powersave") != 0 && strcmp(governor, "ondemand") != 0 &&
        strcmp(governor, "conservative") != 0)
        return;
    finding_add(f, FINDING_WARNING, "cores: governor %s: they clock up too late for a burst",
                governor);
    finding_mend(f, "cpupower frequency-set -g performance");
}

void findings_cores(struct findings *f)
{
    bool all = true;

    judge_count(f);
    judge_governor(f);
    for (uint32_t i = 0; i < f->workers; i++)
        if (f->core[i] >= 0 && (!i || f->core[i] != f->core[i - 1]))
            all &= judge_core(f, (unsigned)f->core[i]);
    judge_siblings(f);
    if (all && f->config->capture.core_count)
        judge_isolation(f);
}
