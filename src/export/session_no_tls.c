#include <errno.h>
#include <stdio.h>

#include "export/session.h"

int session_tls_create(const struct session_options *options, struct session **out, char *text)
{
    (void)options;
    (void)out;
    snprintf(text, SESSION_TEXT_MAX, "transport: this program was built without TLS");
    return -ENOTSUP;
}
