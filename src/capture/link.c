#include "capture/link.h"

#include <pcap/pcap.h>
#include <stdio.h>

enum link_type link_of_dlt(int dlt)
{
    static const struct {
        int dlt;
        enum link_type link;
    } known[] = {
        {DLT_EN10MB, LINK_ETHERNET},
        {DLT_NULL, LINK_NULL},
        {DLT_LOOP, LINK_LOOP},
        {DLT_RAW, LINK_RAW},
        {14, LINK_RAW}, /* DLT_RAW of OpenBSD, kept in its files */
        {DLT_IPV4, LINK_IPV4},
        {DLT_IPV6, LINK_IPV6},
        {DLT_LINUX_SLL, LINK_LINUX_SLL},
        {DLT_LINUX_SLL2, LINK_LINUX_SLL2},
        {DLT_PPP, LINK_PPP},
        {DLT_PPP_SERIAL, LINK_PPP},
        {DLT_C_HDLC, LINK_CHDLC},
    };

    for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
        if (known[i].dlt == dlt)
            return known[i].link;
    return LINK_UNSUPPORTED;
}

const char *link_dlt_name(int dlt, char buffer[16])
{
    const char *name = pcap_datalink_val_to_name(dlt);

    if (name)
        return name;
    snprintf(buffer, 16, "type %d", dlt);
    return buffer;
}
