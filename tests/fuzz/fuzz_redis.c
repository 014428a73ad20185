/*
 * Any text as an answer of Redis: an error, INFO, the name of a host, and, line by line, fields and
 * values of a host's hash. Sums hold what fits, and nothing is read past an end.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/host_key.h"
#include "redis/key.h"
#include "redis/reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int holds)
{
    if (!holds)
        abort();
}

static void read_one(const char *text)
{
    char node[24], field[16], again[KEY_MAX];
    struct host_key key, back;
    int port = 1;

    require(reply_error(text) < REDIS_ERROR_COUNT);
    if (reply_moved(text, node, sizeof(node), &port))
        require(node[0] && strlen(node) < sizeof(node) && port > 0 && port < 65536);
    if (reply_info(text, "run_id", field, sizeof(field)))
        require(strlen(field) < sizeof(field) && !strchr(field, '\n'));
    if (!host_key_parse(text, &key))
        return;
    host_key_text(&key, again);
    require(host_key_parse(again, &back) && memcmp(&key, &back, sizeof(key)) == 0);
}

/* "field value" in each line. A field has no end of its own but its length. */
static void read_hash(char *text)
{
    struct host_row row = {.inside = 1};
    struct reply_sum sum;
    char *line;

    reply_sum_begin(&sum, &row);
    while ((line = strsep(&text, "\n")) != NULL) {
        size_t len = strcspn(line, " ");
        char *field = malloc(len + 1);
        require(field != NULL);
        memcpy(field, line, len);
        field = realloc(field, len ? len : 1);
        reply_sum_field(&sum, field, len, line[len] ? line + len + 1 : "");
        free(field);
    }
    reply_sum_end(&sum);
    require(sum.sensors <= REPLY_SENSORS_MAX && row.inside == 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);

    require(text != NULL);
    memcpy(text, data, size);
    text[size] = '\0';
    read_one(text);
    read_hash(text);
    free(text);
    return 0;
}
