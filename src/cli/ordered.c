#include "cli/ordered.h"

#include <stdio.h>
#include <string.h>

#define ORDER_IN_MEMORY (256u << 10)

int ordered_init(struct ordered *o, record_sink *sink, void *context)
{
    *o = (struct ordered){0};
    return record_order_create(ORDER_IN_MEMORY, sink, context, &o->order);
}

void ordered_fini(struct ordered *o)
{
    record_order_destroy(o->order);
    o->order = NULL;
}

void ordered_add(struct ordered *o, const struct flow_record *record)
{
    int rc = record_order_add(o->order, record);

    if (!rc || o->spilled_badly)
        return;
    o->spilled_badly = true;
    fprintf(stderr, "weir: temporary file: %s: records are ordered in parts only\n", strerror(-rc));
}

bool ordered_flush(struct ordered *o)
{
    if (!o->order || !record_order_flush(o->order))
        return true;
    fputs("weir: temporary file: cannot be read back, records are missing\n", stderr);
    return false;
}
