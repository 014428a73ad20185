#include <stdio.h>

#include "cli/cli.h"
#include "export/element.h"
#include "export/schema.h"
#include "weir/config.h"

static const char *const profile_names[] = {
    [PROFILE_CORE] = "core", [PROFILE_ELK] = "elk",   [PROFILE_UNIFLOW] = "uniflow",
    [PROFILE_SILK] = "silk", [PROFILE_RICH] = "rich",
};

static void print_id(const struct schema_field *f, FILE *out)
{
    if (f->pen == PEN_OWN)
        fprintf(out, "| own/%u ", f->id);
    else if (f->pen)
        fprintf(out, "| %u/%u ", f->pen, f->id);
    else
        fprintf(out, "| %u ", f->id);
}

static void print_len(const struct schema_field *f, FILE *out)
{
    uint16_t len = schema_field_len(f);

    if (len == LEN_VARIABLE)
        fputs("| variable ", out);
    else
        fprintf(out, "| %u ", len);
}

static void print_profiles(const struct schema_field *f, FILE *out)
{
    const char *between = "| ";

    for (unsigned i = 0; i < sizeof(profile_names) / sizeof(*profile_names); i++)
        if (f->profiles & 1u << i) {
            fprintf(out, "%s%s", between, profile_names[i]);
            between = ", ";
        }
}

void cli_print_fields(FILE *out)
{
    size_t count;
    const struct schema_field *f = schema_fields(&count);
    char name[IPFIX_NAME_MAX];

    fputs("| IE | name | octets | profiles | content |\n|---|---|---|---|---|\n", out);
    for (; count; count--, f++) {
        struct ipfix_element element;
        if (!ipfix_element_find(f->pen, f->id, &element))
            continue;
        ipfix_element_name(&element, name);
        print_id(f, out);
        fprintf(out, "| %s ", name);
        print_len(f, out);
        print_profiles(f, out);
        fprintf(out, " | %s |\n", f->help);
    }
}
