#include "capture/rights.h"

#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

uint64_t rights_effective(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {0};

    if (syscall(SYS_capget, &header, data) != 0)
        return UINT64_MAX;
    return (uint64_t)data[1].effective << 32 | data[0].effective;
}

bool rights_missing(uint64_t wanted, uint64_t have, char names[RIGHTS_TEXT_MAX])
{
    static const struct {
        unsigned capability;
        const char *name;
    } known[] = {
        {CAP_NET_RAW, "CAP_NET_RAW"},     {CAP_NET_ADMIN, "CAP_NET_ADMIN"},
        {CAPABILITY_BPF, "CAP_BPF"},      {CAP_IPC_LOCK, "CAP_IPC_LOCK"},
        {CAP_SYS_ADMIN, "CAP_SYS_ADMIN"},
    };
    size_t used = 0;

    if (have & RIGHT(CAP_SYS_ADMIN))
        have |= RIGHT(CAPABILITY_BPF);
    names[0] = '\0';
    for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
        if (wanted & ~have & RIGHT(known[i].capability))
            used += (size_t)snprintf(names + used, RIGHTS_TEXT_MAX - used, "%s%s", used ? ", " : "",
                                     known[i].name);
    return used > 0;
}
