/*
 * What a relay does with a stream of any octets: cutting it into messages, learning their
 * templates, saying them again. What it says must teach another cache the same. And any text as a
 * table of sockets.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "export/message.h"
#include "export/reader.h"
#include "export/receiver.h"
#include "export/template_cache.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int holds)
{
    if (!holds)
        abort();
}

static uint32_t domain_of(const uint8_t *message)
{
    return (uint32_t)message[12] << 24 | (uint32_t)message[13] << 16 | (uint32_t)message[14] << 8 |
           message[15];
}

static void say_again(const struct template_cache *from, const uint8_t *message)
{
    static uint8_t out[MESSAGE_MAX];
    struct template_cache *to;
    char text[TEMPLATE_TEXT_MAX];
    uint32_t cursor = 0, len;

    require(template_cache_create(&to) == 0);
    while ((len = template_cache_message(from, message, domain_of(message), &cursor, out,
                                         MESSAGE_MAX))) {
        require(ipfix_frame(out, len) == (int)len);
        uint32_t before = len;
        require(template_cache_learn(to, out, &len, text) == 0 && len == before);
    }
    template_cache_destroy(to);
}

/* Each message in a block of its exact size. False: the connection would be closed. */
static int take_message(struct template_cache *cache, const uint8_t *data, uint32_t len)
{
    uint8_t *message = malloc(len);
    char text[TEMPLATE_TEXT_MAX];
    uint32_t rest = len;

    require(message != NULL);
    memcpy(message, data, len);
    int rc = template_cache_learn(cache, message, &rest, text);
    require(rest <= len && (rc || rest >= MESSAGE_HEADER));
    if (!rc)
        say_again(cache, message);
    free(message);
    return rc;
}

static void take_stream(const uint8_t *data, size_t size)
{
    struct template_cache *cache;

    require(template_cache_create(&cache) == 0);
    for (size_t at = 0; at < size;) {
        int len = ipfix_frame(data + at, size - at);
        if (len <= 0 || (size_t)len > size - at || take_message(cache, data + at, (uint32_t)len))
            break;
        at += (size_t)len;
    }
    template_cache_destroy(cache);
}

static void take_table(const uint8_t *data, size_t size)
{
    struct address to = {.len = sizeof(struct sockaddr_in)};
    struct sockaddr_in *at = (struct sockaddr_in *)&to.at;
    struct receiver r = {0};
    char *text = malloc(size + 1);

    require(text != NULL);
    at->sin_family = AF_INET;
    at->sin_port = htons(2055);
    at->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    memcpy(text, data, size);
    text[size] = '\0';
    receiver_parse(text, &to, &r);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    take_stream(data, size);
    take_table(data, size);
    return 0;
}
