"""Loss of a live sensor: tests/harness/blast sends at even pace over a veth to `weir run -i xdp:...`, one worker.

Sender and worker have a processor each. The flows have begun before anything is counted; newcomers are flows of one
packet, for which the table has room. First the sender sends as fast as it can; where that loses something, half-way
steps look for the highest rate without loss. A rate that loses, or that the sender does not keep, is tried again,
since somebody else may have had a processor for a moment. The floor is tests/harness/receive in weir's place: it takes
the frames and does no more."""
import contextlib
import json
import os
import socket
import sys
import types
from pathlib import Path

from threads import busiest, cpu_by_thread

FLOWS, FLOWS_QUICK = [1000, 10_000, 100_000, 1_000_000], [1000, 100_000]
SHARES, FAMILIES, FRAMES = [0, 10], [4, 6], [64, 512, 1514]
FLOWS_MAX, FRAME_MAX = 1 << 20, 1514  # of blast
RING = 65536
WARM_UP_RATE = 200_000
WARM_UP_SECONDS_MAX = 60
STEPS, STEPS_QUICK = 4, 3
TRIES = 3
SENDER_KEEPS_UP = 0.9  # with the rate asked for


def load_lab(build):
    """The labs of the end-to-end tests, on this build; or why there can be none."""
    os.environ.update(WEIR=str(build / "weir"), WEIR_BUILD=str(build))
    sys.path.append(str(Path(__file__).resolve().parents[1] / "e2e"))
    try:
        import lab
        import traffic
    except ImportError as problem:
        return None, f"{problem} (deploy/install-deps bench)"
    reason = lab.MISSING or (None if traffic.has_xdp() else "built without AF_XDP")
    return types.SimpleNamespace(pair=lab.pair, wait_for=lab.wait_for, blast=traffic.blast, receiver=traffic.Receiver,
                                 misses=traffic.MISSES), reason


@contextlib.contextmanager
def first_in_line():
    """Sender and sensor run before what else wants their processors, if that is allowed."""
    before = os.getpriority(os.PRIO_PROCESS, 0)
    with contextlib.suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, -20)
    try:
        yield
    finally:
        os.setpriority(os.PRIO_PROCESS, 0, before)


def cases(args):
    """Shares over all flows; other families and frame sizes with as many flows as lie in the middle."""
    all_flows = args.flows or (FLOWS_QUICK if args.quick else FLOWS)
    families = args.family or FAMILIES
    frames = [min(frame, FRAME_MAX) for frame in args.frame or FRAMES]
    shares = args.new or SHARES
    middle = all_flows[len(all_flows) // 2]
    yield from ((flows, share, families[0], frames[0]) for share in shares for flows in all_flows)
    yield from ((middle, shares[0], family, frames[0]) for family in families[1:])
    yield from ((middle, shares[0], families[0], frame) for frame in frames[1:])


def about(case):
    return dict(zip(("flows", "new_percent", "family", "frame_len"), case))


class Weir:
    """`weir run` on mon0; counts are those of its ledger."""

    def __init__(self, net):
        self.control = net.folder / "control"
        self.process = net.weir(net.sensor, "-i", "xdp:mon0", "-w", f"file:{net.folder}/records.ipfix",
                                "--sensor.control", self.control, "--capture.workers", 1,
                                "--capture.cores", os.cpu_count() - 1, "--capture.ring", RING)
        self.process.wait_line(r"\d+ workers?, clock")

    def counts(self):
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(self.control))
            client.sendall(b"status\n")
            with client.makefile() as lines:
                status = json.loads(lines.readline())
        port, worker = status["ports"][0], status["workers"][0]
        return {"received": port["received_packets"], "delivered": worker["delivered_packets"],
                "missed": sum(port["missed_packets"].values()), "pending": port["pending_packets"],
                "threads": cpu_by_thread(self.process.pid)}

    def stop(self):
        if self.process.stop() != 0 or "ledger closed" not in self.process.stderr:
            sys.exit(f"bench/curve: weir run did not end well:\n{self.process.stderr}")


class Bare:
    """The same port, and nothing behind it."""

    def __init__(self, net, tools):
        wrap = ("taskset", "-c", os.cpu_count() - 1)
        self.misses = tools.misses
        self.receiver = tools.receiver(net, "xdp:mon0", f"--capture.ring={RING}", wrap=wrap)

    def counts(self):
        now = self.receiver.now()
        return {**{name: now[name] for name in ("received", "delivered", "pending")},
                "missed": sum(now[name] for name in self.misses), "threads": cpu_by_thread(self.receiver.process.pid)}

    def stop(self):
        self.receiver.stop()


class Bench:
    """One case: a sender, and who receives what it sends."""

    def __init__(self, args, case, tools, net, subject):
        self.args, self.case, self.tools, self.net, self.subject = args, case, tools, net, subject
        self.sent = self.newcomers = 0

    def send(self, *more):
        flows, _, family, frame = self.case
        options = ["-f", flows, "-s", frame, "-b", *(["-6"] if family == 6 else [])]
        done = self.tools.blast(self.net, *options, *more, timeout=120)
        self.sent += done["sent"]
        return done

    def send_with_newcomers(self, rate):
        """They are others than those of the time before."""
        share = self.case[1]
        done = self.send("-t", self.args.seconds, "-w", share, "-o", self.newcomers, *(["-r", rate] if rate else []))
        self.newcomers += (done["sent"] + done["refused"]) * share // 100 + 1
        return done

    def settled(self):
        """Counts, as soon as all that was ever sent has a fate."""
        def all_in():
            counts = self.subject.counts()
            whole = counts["received"] == self.sent == counts["delivered"] + counts["missed"] and not counts["pending"]
            return counts if whole else None
        def what():
            return f"all {self.sent} sent are accounted: {self.subject.counts()}"
        return self.tools.wait_for(all_in, what, pause=0.1)

    def warm_up(self):
        self.send("-n", 4 * self.case[0], "-r", WARM_UP_RATE, "-t", WARM_UP_SECONDS_MAX)
        return self.settled()

    def step(self, rate):
        """Sends at a rate, or at the highest there is; what became of it."""
        before = self.settled()
        done = self.send_with_newcomers(rate)
        after = self.settled()
        missed = after["missed"] - before["missed"]
        return {"asked_packets_per_second": rate, "packets_per_second": round(done["rate"]), "sent": done["sent"],
                "delivered": after["delivered"] - before["delivered"], "missed": missed,
                "loss_percent": round(100 * missed / done["sent"], 3),
                "worker_cpu_s": round(busiest(before["threads"], after["threads"]), 3)}

    def try_rate(self, rate, expected=0):
        """The best of some tries, unless the first is as good as can be; rate None: as fast as the sender can, which
        should be about what is expected."""
        enough, tries = SENDER_KEEPS_UP * (rate or expected), []
        while len(tries) < TRIES and not any(not t["missed"] and t["packets_per_second"] >= enough for t in tries):
            tries.append(self.step(rate))
        kept = [t for t in tries if t["packets_per_second"] >= enough] or tries
        return min(kept, key=lambda t: (t["loss_percent"], -t["packets_per_second"]))

    def search(self, expected):
        """(at full speed, the steps, the highest rate without loss)"""
        self.warm_up()
        full = self.try_rate(None, expected)
        steps, low, high = [full], 0, full["packets_per_second"]
        if not full["missed"]:
            return full, steps, high
        for _ in range(STEPS_QUICK if self.args.quick else STEPS):
            steps.append(self.try_rate((low + high) // 2))
            if steps[-1]["missed"]:
                high = (low + high) // 2
            else:
                low = max(low, steps[-1]["packets_per_second"])
        return full, steps, low


def run(args, case, program, tools, expected=0):
    args.note(f"loss: {case[0]} flows, {case[1]} % new, IPv{case[2]}, {case[3]} B, {program}")
    with first_in_line(), tools.pair() as net:
        subject = Weir(net) if program == "weir" else Bare(net, tools)
        full, steps, lossless = Bench(args, case, tools, net, subject).search(expected)
        subject.stop()
    lines = [{"kind": "loss", **about(case), "program": program, **step} for step in steps]
    return lines, full, lossless


def measure_case(args, case, floors, tools):
    port = case[2:]
    if port not in floors:
        lines, _, floors[port] = run(args, case, "floor", tools)
        yield from lines
    lines, full, lossless = run(args, case, "weir", tools, floors[port])
    yield from lines
    yield {"kind": "lossless", **about(case), "packets_per_second": lossless, "floor_packets_per_second": floors[port],
           "sender_packets_per_second": full["packets_per_second"], "loss_percent_at_full_speed": full["loss_percent"]}


def measure(args):
    """Yields a line for each rate tried, and one for each case with the highest rate without loss."""
    tools, reason = load_lab(args.build)
    if reason:
        yield {"kind": "lossless", "left_out": reason}
        return
    floors = {}  # by family and frame size: the receiver knows no flows
    for case in cases(args):
        left_out = {"kind": "lossless", **about(case)}
        if case[0] > FLOWS_MAX:
            yield {**left_out, "left_out": f"the sender makes up to {FLOWS_MAX} flows"}
            continue
        try:
            yield from measure_case(args, case, floors, tools)
        except AssertionError as problem:  # of the lab
            yield {**left_out, "left_out": str(problem)}
