/* Strict reading of JSON lines by yajl: one object, no name twice, valid UTF-8, nothing behind it.
 */
#pragma once

#include "format_records.h"

#include <yajl/yajl_tree.h>

static inline void assert_names_differ(yajl_val v)
{
    if (YAJL_IS_ARRAY(v))
        for (size_t i = 0; i < v->u.array.len; i++)
            assert_names_differ(v->u.array.values[i]);
    if (!YAJL_IS_OBJECT(v))
        return;
    for (size_t i = 0; i < v->u.object.len; i++) {
        assert_names_differ(v->u.object.values[i]);
        for (size_t k = 0; k < i; k++)
            if (strcmp(v->u.object.keys[i], v->u.object.keys[k]) == 0)
                fail_msg("%s twice", v->u.object.keys[i]);
    }
}

/* Freed by yajl_tree_free(). */
static inline yajl_val parse_line(const char *line)
{
    char error[256] = "";
    size_t len = strlen(line);

    assert_true(len > 2 && line[len - 1] == '\n');
    assert_ptr_equal(strchr(line, '\n'), line + len - 1);
    yajl_val root = yajl_tree_parse(line, error, sizeof(error));
    if (!root)
        fail_msg("%s in %s", error, line);
    assert_true(YAJL_IS_OBJECT(root));
    assert_names_differ(root);
    return root;
}

/* A path is names with '/' between them. */
static inline yajl_val json_at(yajl_val root, const char *path)
{
    char copy[128];
    const char *names[8] = {NULL};
    unsigned count = 0;

    assert_true(strlen(path) < sizeof(copy));
    strcpy(copy, path);
    for (char *save, *name = strtok_r(copy, "/", &save); name; name = strtok_r(NULL, "/", &save))
        names[count++] = name;
    return yajl_tree_get(root, names, yajl_t_any);
}

static inline void assert_json_string(yajl_val root, const char *path, const char *expected)
{
    yajl_val v = json_at(root, path);
    if (!YAJL_IS_STRING(v))
        fail_msg("%s is no string", path);
    assert_string_equal(YAJL_GET_STRING(v), expected);
}

static inline void assert_json_number(yajl_val root, const char *path, const char *expected)
{
    yajl_val v = json_at(root, path);
    if (!YAJL_IS_NUMBER(v))
        fail_msg("%s is no number", path);
    assert_string_equal(YAJL_GET_NUMBER(v), expected);
}

static inline void assert_json_absent(yajl_val root, const char *path)
{
    if (json_at(root, path))
        fail_msg("%s is there", path);
}

static inline void assert_json_random_records(const struct record_encoder *face)
{
    struct config c = sample_config();
    uint64_t state = 88172645463325252u;

    for (unsigned i = 0; i < RANDOM_RECORDS; i++) {
        struct flow_record r = random_record(&state);
        char *line = encode(face, &c, &r);
        yajl_tree_free(parse_line(line));
        free(line);
    }
}

static inline void assert_json_widest_record(const struct record_encoder *face)
{
    struct config c = widest_config();
    struct flow_record r = widest_record();
    char *line = encode(face, &c, &r);
    yajl_tree_free(parse_line(line));
    free(line);
}
