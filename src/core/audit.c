#include "core/audit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "weir/flow.h"

#define SETS 2048u
#define WAYS 4u
#define WINDOW_NS UINT64_C(120000000000)

struct seen {
    uint64_t digest; /* 0 = free */
    uint64_t seen_ns;
    uint16_t worker;
    bool met;
};

/* A set-associative memory of the last digests; the oldest of a set makes room. */
struct auditor {
    uint64_t samples, meetings;
    struct seen seen[SETS][WAYS];
};

int auditor_create(struct auditor **out)
{
    struct auditor *a = calloc(1, sizeof(*a));

    if (!a)
        return -ENOMEM;
    *out = a;
    return 0;
}

void auditor_destroy(struct auditor *a)
{
    free(a);
}

uint64_t audit_digest(const struct hash_secret *secret, const struct flow_record *r)
{
    struct hash_job job = {.blocks = HASH_BLOCKS_MAX};
    uint8_t end[2][18];

    for (int s = 0; s < 2; s++) {
        memcpy(end[s], r->address[s], 16);
        memcpy(end[s] + 16, &r->port[s], 2);
    }
    int low = memcmp(end[0], end[1], sizeof(end[0])) > 0;
    memcpy(job.block[0], end[low], sizeof(end[0]));
    memcpy((uint8_t *)job.block + sizeof(end[0]), end[!low], sizeof(end[0]));
    job.block[2][HASH_BLOCK - 1] = r->proto;
    hash_burst_siphash(secret, &job, 1, sizeof(job));
    return job.value.second ? job.value.second : 1;
}

static struct seen *find(struct auditor *a, uint64_t digest)
{
    struct seen *set = a->seen[(digest >> 6) % SETS], *take = set;

    for (unsigned i = 0; i < WAYS; i++) {
        if (set[i].digest == digest)
            return &set[i];
        if (set[i].seen_ns < take->seen_ns)
            take = &set[i];
    }
    return take;
}

bool auditor_see(struct auditor *a, uint16_t worker, uint64_t digest, uint64_t now_ns)
{
    struct seen *e = find(a, digest);
    bool known = e->digest == digest && now_ns - e->seen_ns < WINDOW_NS;
    bool meets = known && e->worker != worker && !e->met;

    a->samples++;
    a->meetings += meets;
    e->met = known && (e->met || meets);
    e->digest = digest;
    e->seen_ns = now_ns;
    e->worker = worker;
    return meets;
}

uint64_t auditor_samples(const struct auditor *a)
{
    return a->samples;
}

uint64_t auditor_meetings(const struct auditor *a)
{
    return a->meetings;
}
