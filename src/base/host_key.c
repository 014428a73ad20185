#include "base/host_key.h"

#include <arpa/inet.h>
#include <string.h>

size_t host_key_text(const struct host_key *key, char out[IP_TEXT_MAX])
{
    if (host_key_is_other(key))
        return (size_t)(stpcpy(out, "other") - out);
    size_t len = ip_format(host_key_version(key), host_key_address(key), out);
    out[len] = '\0';
    return len;
}

bool host_key_parse(const char *text, struct host_key *key)
{
    uint8_t address[16];

    if (strcmp(text, "other") == 0)
        *key = host_key_other();
    else if (inet_pton(AF_INET, text, address) == 1)
        *key = host_key_of(4, address);
    else if (inet_pton(AF_INET6, text, address) == 1)
        *key = host_key_of(6, address);
    else
        return false;
    return true;
}
