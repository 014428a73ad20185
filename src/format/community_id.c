/* SHA1_Init() and its like take no lock and look up no provider, as SHA1() does for each digest. */
#define OPENSSL_API_COMPAT 10101

#include <netinet/in.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdbool.h>
#include <string.h>

#include "base/bytes.h"
#include "format/format.h"
#include "weir/flow.h"
#include "weir/wire.h"

#define SEED_LEN 2
#define INPUT_MAX (SEED_LEN + 2 * 16 + 2 + 2 * 2)

struct type_pair {
    uint8_t ask, answer;
};

/* A record's ports are a pair of ICMP types, or type and code of a message that has no answer. The
 * second kind is not sorted (Community ID: "one-way"), so that the two must be told apart. */
static bool icmp_paired(const struct flow_record *r)
{
#define X(ask, answer) {ask, answer},
    static const struct type_pair v4[] = {WIRE_ICMP_PAIRS(X)};
    static const struct type_pair v6[] = {WIRE_ICMP6_PAIRS(X)};
#undef X
    const struct type_pair *pair = r->proto == IPPROTO_ICMP ? v4 : v6;
    size_t count = r->proto == IPPROTO_ICMP ? sizeof(v4) / sizeof(*v4) : sizeof(v6) / sizeof(*v6);

    for (size_t i = 0; i < count; i++)
        if ((r->port[0] == pair[i].ask && r->port[1] == pair[i].answer) ||
            (r->port[0] == pair[i].answer && r->port[1] == pair[i].ask))
            return true;
    return false;
}

static bool hashes_ports(uint8_t proto)
{
    return proto == IPPROTO_TCP || proto == IPPROTO_UDP || proto == IPPROTO_SCTP ||
           proto == IPPROTO_ICMP || proto == IPPROTO_ICMPV6;
}

/* The side that is hashed first: the one with the smaller address, then port. */
static unsigned lower_side(const struct flow_record *r, size_t address_len)
{
    if ((r->proto == IPPROTO_ICMP || r->proto == IPPROTO_ICMPV6) && !icmp_paired(r))
        return 0;
    int order = memcmp(r->address[0], r->address[1], address_len);
    if (order)
        return order > 0;
    return hashes_ports(r->proto) && r->port[0] > r->port[1];
}

size_t community_id(const struct flow_record *r, char *out)
{
    unsigned char input[INPUT_MAX], digest[SHA_DIGEST_LENGTH], text[COMMUNITY_ID_LEN - 2 + 1];
    size_t address_len = r->ip_version == 4 ? 4 : 16;
    SHA_CTX sha;
    unsigned low = lower_side(r, address_len);
    unsigned char *p = put_be16(input, 0);

    memcpy(p, r->address[low], address_len);
    memcpy(p + address_len, r->address[!low], address_len);
    p += 2 * address_len;
    *p++ = r->proto;
    *p++ = 0;
    if (hashes_ports(r->proto))
        p = put_be16(put_be16(p, r->port[low]), r->port[!low]);
    if (!SHA1_Init(&sha) || !SHA1_Update(&sha, input, (size_t)(p - input)) ||
        !SHA1_Final(digest, &sha))
        return 0;
    EVP_EncodeBlock(text, digest, sizeof(digest));
    out[0] = '1';
    out[1] = ':';
    memcpy(out + 2, text, COMMUNITY_ID_LEN - 2);
    return COMMUNITY_ID_LEN;
}
