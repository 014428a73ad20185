"""The curve's points come out, whole, and its errors are lines."""
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

BENCH = Path(__file__).resolve().parent
BUILD = Path(os.environ.get("WEIR_BUILD") or BENCH.parents[1] / "build")


def curve(*options):
    return subprocess.run([BENCH / "curve", "--build", BUILD, *options], capture_output=True, text=True, check=False)


def points(*options):
    done = curve(*options)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_every_point_of_the_engine_has_its_floor():
    got = points("--part", "engine", "--rounds", "1", "--flows", "1000,2000", "--new", "0,10,100", "--family", "4", "--frame", "64,512")
    grid = [(64, new, flows) for new in (0, 10, 100) for flows in (1000, 2000)] + [(512, 0, 1000), (512, 0, 2000)]
    assert [(p["frame_len"], p["new_percent"], p["flows"]) for p in got] == grid
    assert {p["new_percent"]: p["mix"] for p in got} == {0: "known", 10: "mixed", 100: "new"}
    for point in got:
        assert point["kind"] == "engine" and 0 < point["floor_ns"] < point["engine_ns"]
        assert point["engine_ns_least"] <= point["engine_ns"] <= point["engine_ns_most"]


def test_the_whole_grid_is_the_product_of_its_axes():
    got = points("--part", "engine", "--rounds", "1", "--all", "--flows", "1000", "--new", "0,100", "--frame", "64,512")
    assert len(got) == 8
    assert {(p["frame_len"], p["family"]) for p in got} == {(64, 4), (84, 6), (512, 4), (512, 6)}


def test_what_cannot_be_measured_is_said():
    done = curve("--part", "engine", "--rounds", "1", "--flows", "67108865", "--new", "0")
    assert done.returncode == 1 and "engine: --flows" in done.stderr and not done.stdout


def memory_available():
    with open("/proc/meminfo", encoding="ascii") as lines:
        return int(next(line for line in lines if line.startswith("MemAvailable")).split()[1]) * 1024


@pytest.mark.skipif(memory_available() > 30e9, reason="much memory here")
def test_too_little_memory_leaves_a_point_out_and_says_so():
    flows = 67_000_000  # 34 GB
    (point,) = points("--part", "engine", "--rounds", "1", "--flows", str(flows), "--new", "0", "--family", "4", "--frame", "64")
    assert point["flows"] == flows and "not enough memory" in point["left_out"] and "engine_ns" not in point


def test_peers_read_the_same_captures(tmp_path):
    got = points("--part", "peers", "--rounds", "1", "--flows", "1000,2000", "--packets", "10000", "--dir", tmp_path,
                 "--sensor", "softflowd", "--peer", f"again={BUILD / 'tests/bench/pcap_floor'} {{}}", "--peer", "bad=false {}")
    by_name = {(p["flows"], p["program"]): p for p in got}
    assert set(by_name) == {(flows, name) for flows in (1000, 2000) for name in ("floor", "weir", "softflowd", "again", "bad")}
    for (_, name), point in by_name.items():
        assert point["kind"] == "peer" and point["packets"] == 10000
        assert ("left_out" in point) == (name == "bad" or name == "softflowd" and not shutil.which(name))
        assert "left_out" in point or point["ns_per_packet"] > 0 < point["floor_ns"]
    assert "bad failed with 1" in by_name[1000, "bad"]["left_out"]
    assert not list(tmp_path.iterdir())
