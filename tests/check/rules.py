"""The rules of the house that a program can judge. Each is a generator of (path, line, message)."""
import re

# --- Layers: what each folder may include beside libc ---

STAGES = ("base", "decode", "flow", "hosts", "hunt", "export", "format", "config", "capture", "redis", "core", "cli")

LIBRARIES = {
    "export": ("openssl/",),
    "format": ("openssl/", "yajl/"),
    "config": ("yaml.h",),
    "capture": ("rte_", "xdp/", "bpf/", "pcap/", "zlib.h"),
    "redis": ("hiredis/",),
    "core": ("seccomp.h", "systemd/", "microhttpd.h"),
}
LIBRARIES_OF_FILE = {"src/cli/top.c": ("ncurses.h", "curses.h")}

SEES_ALL_STAGES = ("core", "cli", "main.c")

LIBC = frozenset("""
assert.h ctype.h errno.h float.h inttypes.h limits.h locale.h math.h setjmp.h signal.h stdalign.h stdarg.h
stdatomic.h stdbool.h stddef.h stdint.h stdio.h stdlib.h stdnoreturn.h string.h strings.h time.h uchar.h wchar.h
arpa/inet.h dirent.h dlfcn.h endian.h byteswap.h execinfo.h fcntl.h fnmatch.h getopt.h glob.h grp.h ifaddrs.h libgen.h
malloc.h net/if.h net/if_arp.h net/ethernet.h netdb.h netinet/in.h netinet/tcp.h netinet/udp.h netpacket/packet.h
poll.h pthread.h pwd.h sched.h semaphore.h spawn.h stdio_ext.h sys/epoll.h sys/eventfd.h sys/file.h sys/inotify.h
sys/auxv.h sys/ioctl.h sys/mman.h sys/param.h sys/prctl.h sys/random.h sys/resource.h sys/select.h sys/sendfile.h sys/signalfd.h
sys/socket.h sys/stat.h sys/statvfs.h sys/syscall.h sys/sysinfo.h sys/time.h sys/timerfd.h sys/types.h sys/uio.h
sys/un.h sys/utsname.h sys/vfs.h sys/wait.h sysexits.h syslog.h termios.h ucontext.h unistd.h
cpuid.h immintrin.h emmintrin.h smmintrin.h nmmintrin.h wmmintrin.h x86intrin.h arm_acle.h arm_neon.h
""".split())
KERNEL = ("linux/", "asm/")


def folder_of(path):
    """decode for src/decode/l2.c, include for include/weir/x.h, main.c, bpf; None where no layer rule holds."""
    parts = path.split("/")
    if parts[0] == "src":
        return parts[1]
    return parts[0] if parts[0] in ("include", "bpf") else None


def quoted_include_allowed(folder, name):
    target = name.split("/")[0]
    if folder == "bpf":
        return name in ("weir/wire.h", "weir/xdp_shared.h")
    if target == "weir":
        return True
    if folder == "include":
        return False
    return target in STAGES and (folder in SEES_ALL_STAGES or target in (folder, "base"))


def library_include_allowed(path, folder, name):
    if name in LIBC or name.startswith(KERNEL) and folder != "include":
        return True
    prefixes = LIBRARIES.get(folder, ()) + LIBRARIES_OF_FILE.get(path, ())
    return name.startswith(prefixes) if prefixes else folder == "bpf" and name.startswith("bpf/")


def layers(source):
    folder = folder_of(source.path)
    if folder is None or not source.path.endswith((".c", ".h")):
        return
    if folder not in STAGES + ("include", "bpf", "main.c"):
        yield source.path, 1, f"src/{folder} is not a folder of the house"
        return
    for line, angle, name in source.includes:
        if angle and not library_include_allowed(source.path, folder, name):
            yield source.path, line, f"{folder} may not include <{name}>"
        elif not angle and "/" not in name:
            yield source.path, line, f'"{name}" does not name its folder'
        elif not angle and not quoted_include_allowed(folder, name):
            yield source.path, line, f'{folder} may not include "{name}"'


# --- Hot files: no allocation, lock, system call, log or clock read per packet ---

HOT = re.compile(r"src/(decode|flow)/\w+\.[ch]$")
COLD_FUNCTION = re.compile(r"_(create|destroy|init|fini|open|close)$")
COLD_BY_REVIEW = {  # functions that do not run per packet, though their name does not say so
    "src/flow/table.c": ("flow_table_default_flows", "flow_table_grow", "reserve_arrays"),
}

BANNED = re.compile(r"""\b(
    malloc|calloc|realloc|reallocarray|free|aligned_alloc|posix_memalign|strdup|strndup|asprintf
    |mmap|munmap|mremap|madvise|mlock|mprotect|sbrk|memory_\w+
    |printf|fprintf|sprintf|snprintf|vsnprintf|vfprintf|puts|fputs|putchar|perror|syslog|log_\w+
    |fopen|fclose|fread|fwrite|fflush|open|close|read|write|ioctl|poll|select|send|recv|sendto|recvfrom|syscall
    |clock_gettime|gettimeofday|time|nanosleep|usleep|sleep|sched_yield|getrandom|rand|random
    |pthread_\w+|sem_\w+|mtx_\w+|call_once
)\s*\(""", re.X)


def hot_calls(source):
    if not HOT.match(source.path):
        return
    reviewed = COLD_BY_REVIEW.get(source.path, ())
    for function in source.functions:
        if COLD_FUNCTION.search(function.name) or function.name in reviewed:
            continue
        for match in BANNED.finditer(function.body):
            line = function.body_line + function.body.count("\n", 0, match.start())
            yield source.path, line, f"{function.name}() is hot and may not call {match.group(1)}()"


# --- Sizes ---

FILE_LIMIT, MAIN_LIMIT, HEADER_LIMIT = 700, 120, 150
SIZE_WAIVERS = {
    "include/weir/flow.h": (205, "one record and its enums; a reader wants all its fields on one page"),
    "include/weir/config.h": (200, "every stage's configuration on one page, as weir.yaml has it"),
}


def is_code(source):
    return source.path.endswith((".c", ".h")) and source.path.startswith(("src/", "include/", "tests/", "bpf/"))


def size_limit(path):
    if path in SIZE_WAIVERS:
        return SIZE_WAIVERS[path][0]
    if path == "src/main.c":
        return MAIN_LIMIT
    return HEADER_LIMIT if path.startswith("include/weir/") else FILE_LIMIT


def sizes(source):
    if is_code(source) and len(source.lines) > size_limit(source.path):
        yield source.path, 1, f"{len(source.lines)} lines, at most {size_limit(source.path)}"


def review(source):
    """What a reviewer should look at; not a failure."""
    if not is_code(source):
        return
    if len(source.lines) > 400:
        yield source.path, 1, f"{len(source.lines)} lines"
    for number, line in enumerate(source.lines, 1):
        if len(line) > 100:
            yield source.path, number, f"line of {len(line)} characters"
    for function in source.functions:
        if function.length > 60:
            yield source.path, function.line, f"{function.name}() has {function.length} lines"
        if function.parameters > 5:
            yield source.path, function.line, f"{function.name}() has {function.parameters} parameters"


# --- Texts that must not stay ---

UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b|\bfor now\b|/work/")
UNFINISHED_EXEMPT = ("tests/check/", "LICENSE", "tests/fuzz/corpus/")


def unfinished(source):
    if source.path.startswith(UNFINISHED_EXEMPT):
        return
    for number, line in enumerate(source.lines, 1):
        match = UNFINISHED.search(line)
        if match:
            yield source.path, number, f'"{match.group()}" must not stay'


# --- Headers are entered once ---


def headers_guarded(source):
    if source.path.startswith(("src/", "include/")) and source.path.endswith(".h"):
        if "#pragma once" not in source.text:
            yield source.path, 1, "header without #pragma once"


HARD = (layers, hot_calls, sizes, unfinished, headers_guarded)
