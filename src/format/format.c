#include "format/format.h"

#include <string.h>

#include "weir/encode.h"

static const struct record_encoder *const faces[] = {
    &format_table, &format_zeek, &format_json, &format_ecs, &format_csv,
};

const struct record_encoder *const *format_all(size_t *count)
{
    *count = sizeof(faces) / sizeof(*faces);
    return faces;
}

const struct record_encoder *format_find(const char *name)
{
    for (size_t i = 0; i < sizeof(faces) / sizeof(*faces); i++)
        if (strcmp(faces[i]->name, name) == 0)
            return faces[i];
    return NULL;
}
