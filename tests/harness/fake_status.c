#include "harness/fake_status.h"

#include <stdlib.h>
#include <string.h>

#include "core/sensor.h"
#include "core/status.h"

#define SECOND UINT64_C(1000000000)

/* Numbers every field of a subject, so that one printed in place of another shows. */
static void number_fields(void *base, enum status_subject subject, uint64_t *next)
{
    for (const struct status_field *f = status_fields[subject]; f->name; f++)
        for (unsigned i = 0; i < (f->dimension ? f->dimension->count : 1); i++) {
            char *at = (char *)base + f->offset + i * f->stride;
            uint64_t value = ++*next;
            if (f->kind == STATUS_U64 || f->kind == STATUS_I64)
                memcpy(at, &value, sizeof(value));
            else if (f->kind == STATUS_U32 || f->kind == STATUS_INT)
                memcpy(at, &(uint32_t){(uint32_t)value}, sizeof(uint32_t));
        }
}

static void fill_collectors(struct sensor_status *s)
{
    strcpy(s->collector[0].name, "primary");
    strcpy(s->collector[1].name, "quote\" back\\slash \xc3\xbc");
    strcpy(s->collector[1].error, "connect: \"refused\"\n");
    strcpy(s->collector[2].name, "primary");
    s->collector[0].stats.state = COLLECTOR_UP;
    s->collector[2].stats.state = COLLECTOR_CLOSING;
}

struct sensor_status *fake_status(void)
{
    struct sensor_status *s = calloc(1, sizeof(*s));
    uint64_t next = 1000;

    if (!s)
        return NULL;
    strcpy(s->name, "sensor-1");
    s->state = SENSOR_RUNNING;
    s->port_count = 2;
    s->worker_count = 2;
    s->collector_count = 3;
    for (unsigned subject = 0; subject < STATUS_SUBJECT_COUNT; subject++)
        for (unsigned i = 0; i < status_count(s, subject); i++)
            number_fields((void *)status_base(s, subject, i), subject, &next);
    s->started_ns = 1700000000 * SECOND + 5;
    s->now_ns = s->started_ns + 100 * SECOND;
    s->clock_offset_ns = -(int64_t)SECOND / 4;
    strcpy(s->port[0].source, "xdp:eth0");
    strcpy(s->port[1].source, "dpdk:net_null0,size=64");
    s->port[0].interface.link_up = true;
    s->worker[0].core = -1;
    s->worker[0].snapshot.utc_ns = s->now_ns - SECOND / 2;
    s->worker[1].snapshot.utc_ns = s->now_ns + SECOND;
    fill_collectors(s);
    return s;
}
