#include "core/sandbox_landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* include/uapi/linux/landlock.h; headers of Debian 12 end at version 2 */
struct rules_attr {
    uint64_t fs, net, scoped;
};

struct path_attr {
    uint64_t allowed;
    int32_t parent_fd;
} __attribute__((packed));

struct port_attr {
    uint64_t allowed;
    uint64_t port;
};

enum { CREATE_VERSION = 1, RULE_PATH = 1, RULE_PORT = 2 };
enum { NET_BIND = 1 << 0, NET_CONNECT = 1 << 1 };
enum { SCOPE_ABSTRACT_SOCKET = 1 << 0, SCOPE_SIGNAL = 1 << 1 };

enum {
    FS_EXECUTE = 1 << 0,
    FS_WRITE_FILE = 1 << 1,
    FS_READ_FILE = 1 << 2,
    FS_READ_DIR = 1 << 3,
    FS_REMOVE_DIR = 1 << 4,
    FS_REMOVE_FILE = 1 << 5,
    FS_MAKE_DIR = 1 << 7,
    FS_MAKE_REG = 1 << 8,
    FS_MAKE_SOCK = 1 << 9,
    FS_REFER = 1 << 13,    /* version 2 */
    FS_TRUNCATE = 1 << 14, /* version 3 */
    FS_IOCTL_DEV = 1 << 15 /* version 5 */
};

#define FS_READ (FS_READ_FILE | FS_READ_DIR)
#define FS_WRITE                                                                                   \
    (FS_READ | FS_WRITE_FILE | FS_REMOVE_DIR | FS_REMOVE_FILE | FS_MAKE_DIR | FS_MAKE_REG |        \
     FS_MAKE_SOCK | FS_REFER | FS_TRUNCATE)
/* those that make sense for one file */
#define FS_OF_FILE (FS_EXECUTE | FS_WRITE_FILE | FS_READ_FILE | FS_TRUNCATE | FS_IOCTL_DEV)

static uint64_t fs_known(int abi)
{
    uint64_t all = FS_IOCTL_DEV * 2 - 1;

    if (abi < 5)
        all &= ~(uint64_t)FS_IOCTL_DEV;
    if (abi < 3)
        all &= ~(uint64_t)FS_TRUNCATE;
    if (abi < 2)
        all &= ~(uint64_t)FS_REFER;
    return all;
}

int landlock_abi(void)
{
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, CREATE_VERSION);
    return abi > 0 ? (int)abi : 0;
}

int landlock_create(const struct landlock_options *o)
{
    struct rules_attr attr = {.fs = fs_known(o->abi)};

    if (o->abi >= LANDLOCK_ABI_PORTS && o->ports)
        attr.net = NET_BIND | NET_CONNECT;
    if (o->abi >= LANDLOCK_ABI_SCOPES)
        attr.scoped = SCOPE_SIGNAL | (o->abstract_sockets ? 0 : SCOPE_ABSTRACT_SOCKET);
    /* an older kernel takes a longer struct whose end is 0 */
    long fd = syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);
    return fd < 0 ? -errno : (int)fd;
}

int landlock_allow_path(int rules, int abi, const char *path, bool write)
{
    struct path_attr attr = {.allowed = fs_known(abi) & (write ? FS_WRITE : FS_READ)};
    struct stat st;
    int r = 0;

    attr.parent_fd = open(path, O_PATH | O_CLOEXEC);
    if (attr.parent_fd < 0)
        return -errno;
    if (fstat(attr.parent_fd, &st) == 0 && !S_ISDIR(st.st_mode))
        attr.allowed &= FS_OF_FILE;
    if (syscall(SYS_landlock_add_rule, rules, RULE_PATH, &attr, 0))
        r = -errno;
    close(attr.parent_fd);
    return r;
}

int landlock_allow_connect(int rules, uint16_t port)
{
    struct port_attr attr = {.allowed = NET_CONNECT, .port = port};
    return syscall(SYS_landlock_add_rule, rules, RULE_PORT, &attr, 0) ? -errno : 0;
}

int landlock_restrict(int rules)
{
    return syscall(SYS_landlock_restrict_self, rules, 0) ? -errno : 0;
}
