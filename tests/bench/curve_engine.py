"""The engine over a grid of active flows, shares of packets that begin a flow, families and frame sizes.

With no packet that begins a flow the table is half full. With some, 80 % of it are known flows and newcomers have
filled the rest: each of them pushes out another, as in a flood, and the known flows stay. With 100 % a full table has
nothing but flows of one packet. A full table is the dear case: a newcomer costs a search, and a record."""
import json
import statistics
import subprocess
import sys

FLOWS = [1000, 10_000, 100_000, 1_000_000, 10_000_000, 20_000_000]
FLOWS_QUICK = [1000, 100_000, 1_000_000]
SHARES, FAMILIES, FRAMES = [0, 1, 10, 100], [4, 6], [64, 512, 1518]
MANY = 1_000_000  # flows beyond which a point takes a minute: one round, and frames of one size
PASSES_MANY = 640  # 10 M packets
RUN_SECONDS_MAX = 1800
EXIT_TOO_LITTLE_MEMORY = 3


def is_share(percent):
    return 0 <= percent <= 50 or percent == 100


def first_in_line():
    """The prefix of a command that is to run before all others, if that is allowed."""
    command = ["chrt", "-f", "50"]
    try:
        allowed = subprocess.run([*command, "true"], capture_output=True, check=False).returncode == 0
    except OSError:
        allowed = False
    return command if allowed else []


def cases(args):
    """The whole grid with --all; else each axis from where the other ones begin, and shares over all flows."""
    for frame in args.frame or FRAMES:
        for family in args.family or FAMILIES:
            for share in args.new or SHARES:
                for flows in args.flows or (FLOWS_QUICK if args.quick else FLOWS):
                    if args.all or on_axes(args, flows, share, family, frame):
                        yield flows, share, family, frame


def on_axes(args, flows, share, family, frame):
    first_frame, first_family = frame == (args.frame or FRAMES)[0], family == (args.family or FAMILIES)[0]
    if not first_frame:
        return first_family and share == (args.new or SHARES)[0] and flows <= MANY
    return first_family or share in (0, 100)


def command(args, flows, share, family, frame):
    mix = {0: ["known"], 100: ["new"]}.get(share) or ["mixed", "--new", share]
    passes = ["--passes", PASSES_MANY] if flows > MANY else []
    return [args.build / "tests/bench/engine", "--quick", "--family", family, "--flows", flows, "--frame", frame,
            *passes, "--mix", *mix]


def run(args, prefix, case):
    """What the engine says, or why the machine cannot do it."""
    words = [str(word) for word in (*prefix, *command(args, *case))]
    done = subprocess.run(words, capture_output=True, text=True, timeout=RUN_SECONDS_MAX, check=False)
    if done.returncode == EXIT_TOO_LITTLE_MEMORY:
        return {"left_out": done.stderr.splitlines()[0]}
    if done.returncode:
        sys.exit(f"bench/curve: {done.stderr.strip()}")
    return json.loads(done.stdout)


def summary(case, runs):
    flows, share, family, frame = case
    about = {"kind": "engine", "flows": flows, "new_percent": share, "family": family, "frame_len": frame}
    if "left_out" in runs[0]:
        return {**about, **runs[0]}
    engine = [run["engine_ns"] for run in runs]
    median = statistics.median(engine)
    return {
        **about,
        "mix": runs[0]["mix"],
        "frame_len": runs[0]["frame_len"],
        "rounds": len(runs),
        "packets": runs[0]["packets"],
        "memory_mb": runs[0]["memory_mb"],
        "floor_ns": statistics.median(run["floor_ns"] for run in runs),
        "engine_ns": median,
        "engine_ns_least": min(engine),
        "engine_ns_most": max(engine),
        "ratio": round(statistics.median(run["ratio"] for run in runs), 2),
        "million_packets_per_second": round(1000 / median, 2),
    }


def measure(args):
    """Yields the points; rounds take turns over all of them."""
    prefix, todo = first_in_line(), list(cases(args))
    runs = {case: [] for case in todo}
    for number in range(args.rounds):
        for case in todo:
            if number == 0 or case[0] <= MANY:
                args.note(f"engine: round {number + 1}: {case[0]} flows, {case[1]} % new, IPv{case[2]}, {case[3]} B")
                runs[case].append(run(args, prefix, case))
    for case in todo:
        yield summary(case, runs[case])
