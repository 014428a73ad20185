"""CPU time of `weir read -w FILE.ipfix` and of other sensors on the same captures; the floor is a bare libpcap loop.

Flows take turns, 64 octets a frame: each of the capture's packets is of the flow that was silent for the longest."""
import sys
import tempfile
from pathlib import Path

import peers

FLOWS, FLOWS_QUICK = [1000, 10_000, 100_000, 1_000_000], [1000, 10_000, 100_000]
PACKETS, PACKETS_QUICK = 3_000_000, 1_000_000
PACKETS_LEAST = 2  # of each flow
OCTETS = 80


def captures(args):
    packets = args.packets or (PACKETS_QUICK if args.quick else PACKETS)
    wanted = args.flows or (FLOWS_QUICK if args.quick else FLOWS)
    return [peers.Capture("turns", flows, packets, OCTETS) for flows in wanted]


def about(capture):
    return {"kind": "peer", "flows": capture.flows, "packets": capture.packets}


def points(capture, results, absent):
    floor = peers.figures(results["floor"], capture.packets)["ns_per_packet"]
    for program, runs in results.items():
        if isinstance(runs, str):
            yield {**about(capture), "program": program, "left_out": runs}
        else:
            yield {**about(capture), "program": program, "floor_ns": floor, **peers.figures(runs, capture.packets)}
    for program in absent:
        yield {**about(capture), "program": program, "left_out": peers.not_installed(program)}


def measure(args):
    programs = peers.Programs(args, "ipfix")
    try:
        tools = args.build / "tests/bench"
        peers.check_built(programs.program, tools / "gen_capture", tools / "pcap_floor")
        args.dir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=args.dir) as folder:
            for capture in captures(args):
                if capture.flows > capture.packets // PACKETS_LEAST:
                    reason = f"a flow of the capture needs {PACKETS_LEAST} packets (--packets)"
                    yield {**about(capture), "left_out": reason}
                else:
                    yield from compare(args, programs, capture, Path(folder))
    except peers.Failed as problem:
        sys.exit(f"bench/curve: {problem}")


def compare(args, programs, capture, folder):
    peers.make_captures([capture], folder, args.build)
    results = peers.measure(programs, capture, folder, args.rounds, args.note)
    capture.path(folder).unlink()
    for name in ("floor", "weir"):
        if isinstance(results[name], str):
            raise peers.Failed(results[name])
    yield from points(capture, results, programs.absent)
