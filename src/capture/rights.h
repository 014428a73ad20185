/*
 * The capabilities of this process.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define RIGHTS_TEXT_MAX 128

#define RIGHT(capability) (UINT64_C(1) << (capability))

/* Named here: the headers of older systems lack it. */
#define CAPABILITY_BPF 39

/* Bits RIGHT(CAP_NET_RAW) and so on; all, where the kernel does not say. For the time before the
 * sandbox, which kills who asks. */
uint64_t rights_effective(void);

/*
 * The names of those that are wanted and not there, such as "CAP_NET_RAW, CAP_BPF"; false when
 * none is. Known by name are CAP_NET_RAW, CAP_NET_ADMIN, CAP_BPF, for which CAP_SYS_ADMIN stands
 * too (capabilities(7)), CAP_IPC_LOCK and CAP_SYS_ADMIN.
 */
bool rights_missing(uint64_t wanted, uint64_t have, char names[RIGHTS_TEXT_MAX]);
