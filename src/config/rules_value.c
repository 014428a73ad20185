/*
 * Plain values and lists of a rules file.
 */
#include <stdlib.h>
#include <string.h>

#include "config/rules_reader.h"

/* A plain value; what it should have been is said where it is not. */
int rules_want_scalar(struct rules_reader *r, const char *expected)
{
    if (r->in.event.type != YAML_SCALAR_EVENT || config_events_is_null(&r->in))
        return RULES_FAIL(r, "expected %s, found %s", expected, config_events_found(&r->in));
    return 0;
}

int rules_fail_value(struct rules_reader *r, const char *expected)
{
    char quoted[CONFIG_QUOTED_MAX];

    config_quote(config_events_scalar(&r->in), quoted, sizeof(quoted));
    return RULES_FAIL(r, "\"%s\" is not %s", quoted, expected);
}

int rules_read_text(struct rules_reader *r, char *out, size_t size, const char *expected)
{
    int rc = rules_want_scalar(r, expected);
    const char *text = config_events_scalar(&r->in);

    if (rc)
        return rc;
    if (strlen(text) >= size)
        return RULES_FAIL(r, "expected %s of less than %zu octets", expected, size);
    for (const char *p = text; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            return RULES_FAIL(r, "expected %s without control characters", expected);
    memset(out, 0, size);
    strcpy(out, text);
    return 0;
}

int rules_read_word(struct rules_reader *r, const char *const *words, unsigned count,
                    const char *expected, uint8_t *out)
{
    int rc = rules_want_scalar(r, expected);

    if (rc)
        return rc;
    for (unsigned i = 0; i < count; i++) {
        if (strcmp(words[i], config_events_scalar(&r->in)) == 0) {
            *out = (uint8_t)i;
            return 0;
        }
    }
    return rules_fail_value(r, expected);
}

bool rules_parse_number(const char *text, uint64_t most, uint64_t *out)
{
    return *text && strspn(text, "0123456789") == strlen(text) && strlen(text) < 12 &&
           (*out = strtoull(text, NULL, 10)) <= most;
}

bool rules_parse_decimal(const char *text, double *out)
{
    char *end;

    if (!*text || strlen(text) > 24 || strspn(text, "+-.0123456789") != strlen(text))
        return false;
    *out = strtod(text, &end);
    return *end == '\0';
}

int rules_read_name(struct rules_reader *r, char out[ALERT_NAME_MAX])
{
    int rc = rules_read_text(r, out, ALERT_NAME_MAX, "a name");

    if (!rc && (!*out || strspn(out, "abcdefghijklmnopqrstuvwxyz0123456789-_") != strlen(out)))
        return rules_fail_value(r, "a name (a-z, 0-9, - and _)");
    return rc;
}

int rules_read_list(struct rules_reader *r, const char *expected,
                    int (*element)(struct rules_reader *))
{
    size_t path_len = strlen(r->in.path);

    if (r->in.event.type == YAML_SCALAR_EVENT && !config_events_is_null(&r->in))
        return element(r);
    if (r->in.event.type != YAML_SEQUENCE_START_EVENT)
        return RULES_FAIL(r, "expected %s, found %s", expected, config_events_found(&r->in));
    for (unsigned i = 0;; i++) {
        int rc = config_events_pull(&r->in);
        if (rc || r->in.event.type == YAML_SEQUENCE_END_EVENT)
            return rc;
        snprintf(r->in.path + path_len, sizeof(r->in.path) - path_len, "[%u]", i);
        if ((rc = rules_want_scalar(r, "a value")) || (rc = element(r)))
            return rc;
        r->in.path[path_len] = '\0';
    }
}

int rules_read_mapping(struct rules_reader *r, const char *expected,
                       int (*pair)(struct rules_reader *, void *context), void *context)
{
    size_t path_len = strlen(r->in.path);

    if (r->in.event.type != YAML_MAPPING_START_EVENT)
        return RULES_FAIL(r, "expected %s, found %s", expected, config_events_found(&r->in));
    for (;;) {
        int rc = config_events_pull(&r->in);
        if (rc || r->in.event.type == YAML_MAPPING_END_EVENT)
            return rc;
        if ((rc = config_events_enter(&r->in)) || (rc = pair(r, context)))
            return rc;
        r->in.path[path_len] = '\0';
    }
}
