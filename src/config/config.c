#include "config/config.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "config/error.h"
#include "config/keys.h"
#include "config/value.h"
#include "weir/config.h"

void config_defaults(struct config *config)
{
    struct config_error error;

    memset(config, 0, sizeof(*config));
    for (size_t i = 0; i < config_key_count; i++) {
        const struct config_key *key = &config_keys[i];
        int r = config_value_parse(key, key->fallback, config, &error);
        assert(r == 0);
        (void)r;
    }
}

static int fail_no_key(const char *name, struct config_error *error)
{
    char quoted[CONFIG_QUOTED_MAX], near[CONFIG_KEY_MAX];

    config_quote(name, quoted, sizeof(quoted));
    if (config_key_under(name) >= 0)
        return config_fail(error, -ENOENT, "%s: a section, not a key", quoted);
    if (config_key_nearest(name, near))
        return config_fail(error, -ENOENT, "%s: no such key (did you mean %s?)", quoted, near);
    return config_fail(error, -ENOENT, "%s: no such key (weir check --keys lists all)", quoted);
}

int config_set(struct config *config, const char *name, const char *value,
               struct config_error *error)
{
    const struct config_key *key = config_key_find(name);
    struct config_error why;
    struct config next = *config; /* a list that fails halfway must not show */

    if (!key)
        return fail_no_key(name, error);
    int r = config_value_parse(key, value, &next, &why);
    if (r < 0)
        return config_fail(error, r, "%s: %s", name, why.text);
    *config = next;
    return 0;
}
