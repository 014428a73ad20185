"""Programs that read a capture - a bare libpcap loop, weir, other sensors - and the CPU time that each takes for it.

CPU time is user + system of the program and its children; the wall time tells what their threads make of several
processors. Rounds take turns over the programs, figures are medians."""
import csv
import dataclasses
import os
import shlex
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

RUN_SECONDS_MAX = 300
INSTALL = "deploy/install-deps bench"
SENSORS = {"softflowd": INSTALL, "nfpcapd": INSTALL, "pmacctd": INSTALL,
           "argus": "package argus-server, which also starts a daemon"}


class Failed(Exception):
    pass


def add_arguments(parser):
    parser.add_argument("--dir", type=Path, default=Path(tempfile.gettempdir()) / "weir-bench",
                        help="where the captures are made (default %(default)s)")
    parser.add_argument("--sensor", choices=SENSORS, action="append",
                        help="of those that are installed only this one; may be repeated")
    parser.add_argument("--peer", action="append", default=[], metavar="NAME=COMMAND",
                        help="another program; {} stands for the capture; may be repeated")


def check_arguments(parser, args):
    if not all(name and words for name, _, words in (peer.partition("=") for peer in args.peer)):
        parser.error("--peer is NAME=COMMAND")


# Captures

@dataclasses.dataclass(frozen=True)
class Capture:
    """What gen_capture writes for these arguments: the same everywhere, so that it is made once."""
    kind: str
    flows: int
    packets: int
    octets_max: int  # of a packet in the file, on average

    def path(self, folder):
        return folder / f"{self.kind}-{self.flows}-{self.packets}.pcap"


def make_captures(captures, folder, build):
    folder.mkdir(parents=True, exist_ok=True)
    missing = [capture for capture in captures if not capture.path(folder).exists()]
    needed = sum(capture.packets * capture.octets_max + 4096 for capture in missing)
    if shutil.disk_usage(folder).free < needed + 500_000_000:
        raise Failed(f"{folder} needs {needed / 1e9:.1f} GB for the captures and 0.5 GB for results; use --dir")
    for capture in missing:
        partial = capture.path(folder).with_suffix(".part")
        with open(partial, "wb") as file:
            subprocess.run([build / "tests/bench/gen_capture", capture.kind, str(capture.flows), str(capture.packets)],
                           stdout=file, check=True)
        partial.rename(capture.path(folder))


# Programs

class Programs:
    """Command lines by name; each takes (capture, flows, scratch directory)."""

    def __init__(self, args, face):
        self.build, self.face = args.build, face
        self.sink = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)  # takes export datagrams, nobody reads
        self.sink.bind(("127.0.0.1", 0))
        self.program = getattr(args, "weir", None) or args.build / "weir"
        self.commands = {"floor": self.floor, "weir": self.weir}
        wanted = args.sensor or SENSORS
        self.absent = [name for name in wanted if not shutil.which(name)]
        self.commands.update({name: getattr(self, name) for name in wanted if name not in self.absent})
        for name, _, words in (peer.partition("=") for peer in args.peer):
            self.commands[name] = lambda capture, _flows, _scratch, words=words: [
                word.replace("{}", str(capture)) for word in shlex.split(words)]

    def floor(self, capture, _flows, _scratch):
        return [self.build / "tests/bench/pcap_floor", capture]

    def weir(self, capture, _flows, scratch):
        face = ["-w", scratch / "out.ipfix"] if self.face == "ipfix" else ["-f", self.face]
        return [self.program, "read", *face, capture]

    def softflowd(self, capture, flows, scratch):
        """With room for all flows: at its default of 8192 it would cut them short. Without a control socket, on
        which it may wait for ever after the end of a file."""
        port = self.sink.getsockname()[1]
        return ["softflowd", "-r", capture, "-m", str(2 * flows), "-v", "9", "-n", f"127.0.0.1:{port}",
                "-p", scratch / "pid", "-c", "none"]

    def nfpcapd(self, capture, _flows, scratch):
        return ["nfpcapd", "-r", capture, "-w", scratch]

    def argus(self, capture, _flows, scratch):
        return ["argus", "-X", "-r", capture, "-w", scratch / "argus"]

    def pmacctd(self, capture, flows, scratch):
        """Its cheapest way to a line for each direction of a flow; large buffers, since it outruns small ones."""
        config = scratch / "pmacctd.conf"
        config.write_text(f"""daemonize: false
pcap_savefile: {capture}
plugins: print
aggregate: src_host, dst_host, src_port, dst_port, proto
print_output: csv
print_output_file: {scratch}/pmacctd.csv
print_output_file_append: true
print_cache_entries: {min(2 * flows, 400_000) | 1}
print_refresh_time: 3600
plugin_pipe_size: 268435456
plugin_buffer_size: 1048576
""")
        return ["pmacctd", "-f", config]


def packets_counted(scratch):
    """Those in pmacctd's lines: what outran its buffers is not among them. None for others."""
    lines = scratch / "pmacctd.csv"
    if not lines.exists():
        return None
    with open(lines, encoding="ascii", newline="") as file:
        return sum(int(row["PACKETS"]) for row in csv.DictReader(file) if row["PACKETS"] != "PACKETS")


@dataclasses.dataclass
class Run:
    seconds: float
    wall_seconds: float
    resident_kib: int
    packets: int | None = None  # None: not asked


def wait_for(child):
    """Its status and what it used; it outlives neither its time nor us."""
    watchdog = threading.Timer(RUN_SECONDS_MAX, child.kill)
    watchdog.start()
    try:
        _, status, usage = os.wait4(child.pid, 0)
    except BaseException:
        child.kill()
        raise
    finally:
        watchdog.cancel()
    child.returncode = os.waitstatus_to_exitcode(status)
    return usage


def run_once(name, command):
    """CPU time of one run; raises if the program fails, or weir's ledger does not close."""
    with tempfile.TemporaryFile() as errors:
        begin = time.monotonic()
        child = subprocess.Popen([str(part) for part in command], stdin=subprocess.DEVNULL,
                                 stdout=subprocess.DEVNULL, stderr=errors)
        usage = wait_for(child)
        wall_seconds = time.monotonic() - begin
        errors.seek(0)
        text = errors.read().decode(errors="replace")
    if child.returncode != 0:
        raise Failed(f"{name} failed with {child.returncode}: {text[-2000:]}")
    if name == "weir" and "ledger closed" not in text:
        raise Failed(f"weir's ledger did not close: {text[-2000:]}")
    return Run(usage.ru_utime + usage.ru_stime, wall_seconds, usage.ru_maxrss)


def run_in_scratch(programs, name, capture, folder):
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        run = run_once(name, programs.commands[name](capture.path(folder), capture.flows, Path(scratch)))
        run.packets = packets_counted(Path(scratch))
    return run


def measure(programs, capture, folder, rounds, note=lambda text: None):
    """{program: its runs}, or the reason why there are none."""
    results = {name: [] for name in programs.commands}
    for number in range(rounds):
        for name, runs in results.items():
            if isinstance(runs, str):
                continue
            note(f"peers: round {number + 1}: {capture.flows} flows, {name}")
            try:
                runs.append(run_in_scratch(programs, name, capture, folder))
            except (Failed, OSError) as problem:
                results[name] = str(problem)
    return results


def figures(runs, packets):
    """What is told of a program's runs."""
    seconds = statistics.median(run.seconds for run in runs)
    told = {"rounds": len(runs), "cpu_s": round(seconds, 3),
            "wall_s": round(statistics.median(run.wall_seconds for run in runs), 3),
            "ns_per_packet": round(seconds * 1e9 / packets, 1),
            "max_resident_mb": max(run.resident_kib for run in runs) // 1024}
    if runs[0].packets is not None:
        told["packets_counted"] = min(run.packets for run in runs)
    return told


def check_built(*programs):
    for program in programs:
        if not os.access(program, os.X_OK):
            raise Failed(f"no program at {program}: build first, or name it")


def not_installed(name):
    return f"{name} is not installed ({SENSORS[name]})"


def warn_absent(programs, who):
    for name in programs.absent:
        print(f"{who}: {not_installed(name)}", file=sys.stderr)
