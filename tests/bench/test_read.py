"""The benchmark's captures are what they say, and its figures come out."""
import hashlib
import json
import os
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

import peers

BENCH = Path(__file__).resolve().parent
BUILD = Path(os.environ.get("WEIR_BUILD") or BENCH.parents[1] / "build")


def generate(*arguments):
    return subprocess.run([BUILD / "tests/bench/gen_capture", *map(str, arguments)], capture_output=True, check=True).stdout


def frames(capture):
    at = 24
    while at < len(capture):
        length = struct.unpack_from("<I", capture, at + 8)[0]
        yield capture[at + 16 : at + 16 + length]
        at += 16 + length


def flow_key(frame):
    return frame[23:24] + b"".join(sorted((frame[26:30] + frame[34:36], frame[30:34] + frame[36:38])))


@pytest.mark.parametrize("kind,flows,packets,least,most", [
    ("zipf", 1000, 50_000, 950, 1000), ("even", 2000, 10_000, 2000, 2000),
    ("turns", 2000, 2000, 2000, 2000), ("imix", 1000, 15_000, 1000, 2000)])
def test_captures_hold_their_flows_and_packets(kind, flows, packets, least, most):
    capture = generate(kind, flows, packets)
    assert hashlib.sha256(capture).digest() == hashlib.sha256(generate(kind, flows, packets)).digest()
    seen = list(frames(capture))
    assert len(seen) == packets
    assert least <= len({flow_key(frame) for frame in seen}) <= most
    assert {len(frame) for frame in seen} == ({64, 570, 1518} if kind == "imix" else {64})


def test_imix_begins_and_ends_connections():
    flags = [frame[47] for frame in frames(generate("imix", 100, 5000)) if frame[23] == 6]
    assert flags.count(2) >= 100 and flags.count(17) >= 100


def test_wrong_arguments_are_refused():
    for arguments in ([], ["zipf", "0", "1"], ["zipf", "1", "0"], ["flat", "1", "1"]):
        assert subprocess.run([BUILD / "tests/bench/gen_capture", *arguments], capture_output=True).returncode == 2


def read(folder, *options):
    run = subprocess.run([BENCH / "read", "--build", BUILD, "--rounds", "1", "--scale", "0.002", "--dir", folder, "--clean",
                          *options], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert not list(folder.iterdir())
    return [json.loads(line) for line in run.stdout.splitlines()]


def test_read_prints_figures_and_ratios(tmp_path):
    lines = read(tmp_path, "--sensor", "softflowd", "--peer", f"again={BUILD / 'tests/bench/pcap_floor'} {{}}")
    figures = {(line["capture"], line["program"]) for line in lines if "program" in line}
    ratios = [line for line in lines if "weir_to_floor" in line]
    assert {(name, program) for name in ("zipf", "million", "imix") for program in ("floor", "weir", "again")} <= figures
    assert len(ratios) == 3 and all(line["weir_to_floor"] > 0 < line["weir_to_again"] for line in ratios)


def test_every_sensor_that_is_installed_takes_part(tmp_path):
    programs = {line["program"]: line for line in read(tmp_path, "--capture", "zipf") if "program" in line}
    assert set(programs) == {"floor", "weir", *(name for name in peers.SENSORS if shutil.which(name))}
    assert all(line["cpu_s"] > 0 < line["wall_s"] for line in programs.values())
    assert all(line["packets_counted"] == line["packets"] for line in programs.values() if "packets_counted" in line)
    assert ("packets_counted" in programs.get("pmacctd", {})) == bool(shutil.which("pmacctd"))


def test_a_program_that_fails_ends_the_benchmark(tmp_path):
    run = subprocess.run([BENCH / "read", "--build", BUILD, "--rounds", "1", "--scale", "0.002", "--dir", tmp_path, "--clean",
                          "--capture", "zipf", "--sensor", "softflowd", "--peer", "bad=false {}"], capture_output=True, text=True)
    assert run.returncode == 1 and "bad failed with 1" in run.stderr
