/*
 * Any text as a configuration file, as the value of every key, and as the URL of a collector. What
 * loads must print to a text that loads to the same; what fails must leave the configuration alone
 * and say so in one printable line.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "config/keys.h"
#include "weir/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int holds)
{
    if (!holds)
        abort();
}

static char *printed(const struct config *config, size_t *len)
{
    char *text = NULL;
    FILE *out = open_memstream(&text, len);

    require(out != NULL);
    config_print(config, out);
    fclose(out);
    return text;
}

static void require_round_trip(const struct config *config)
{
    static struct config again;
    struct config_error error;
    size_t len, again_len;
    char *text = printed(config, &len);

    require(config_load_memory("printed", text, len, &again, &error) == 0);
    char *again_text = printed(&again, &again_len);
    require(len == again_len && memcmp(text, again_text, len) == 0);
    free(text);
    free(again_text);
}

static void require_line(const struct config_error *error)
{
    require(error->text[0] && strlen(error->text) < sizeof(error->text) - 1);
    for (const char *c = error->text; *c; c++)
        require((unsigned char)*c >= ' ' && *c != 0x7f);
}

static void try_file(const void *bytes, size_t size)
{
    static struct config config;
    struct config_error error;

    memset(&config, 0xaa, sizeof(config));
    if (config_load_memory("weir.yaml", bytes, size, &config, &error) == 0) {
        require_round_trip(&config);
        if (config_check(&config, &error) < 0)
            require_line(&error);
        require_round_trip(&config);
        return;
    }
    require_line(&error);
    for (size_t i = 0; i < sizeof(config); i++)
        require(((unsigned char *)&config)[i] == 0xaa);
}

/* The name of a key as users write it: in a list of sections, that of the first one. */
static const char *usable_name(const struct config_key *key, char path[CONFIG_KEY_MAX + 1])
{
    const char *close = strchr(key->name, ']');

    if (!close)
        return key->name;
    sprintf(path, "%.*s0%s", (int)(close - key->name), key->name, close);
    return path;
}

static void try_value(const char *text)
{
    static struct config config, before;
    struct config_error error;
    char path[CONFIG_KEY_MAX + 1];

    config_defaults(&config);
    for (size_t i = 0; i < config_key_count; i++) {
        before = config;
        if (config_set(&config, usable_name(&config_keys[i], path), text, &error) < 0) {
            require_line(&error);
            require(memcmp(&config, &before, sizeof(config)) == 0);
        }
    }
    require_round_trip(&config);
    if (config_set(&config, text, "1", &error) < 0)
        require_line(&error);
    if (config_add_collector(&config, text, &error) < 0)
        require_line(&error);
    require_round_trip(&config);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *exact = malloc(size + 1);

    require(exact != NULL);
    memcpy(exact, data, size);
    exact[size] = '\0';
    if (size < 256 && !memchr(exact, '\n', size))
        try_value(exact);
    exact =
        realloc(exact, size ? size : 1); /* without the terminator: a read behind the end is seen */
    require(exact != NULL);
    try_file(exact, size);
    free(exact);
    return 0;
}
