"""The curve's points come out, whole, and its errors are lines."""
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).resolve().parent
sys.path.append(str(BENCH.parent / "e2e"))
import lab  # noqa: E402

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


@pytest.mark.skipif(lab.MISSING is not None, reason=lab.MISSING or "")
@pytest.mark.skipif(not (BUILD / "tests/harness/blast").exists(), reason="built without AF_XDP")
def test_what_is_sent_to_a_live_sensor_is_delivered_or_lost():
    got = points("--part", "loss", "--quick", "--seconds", "0.2", "--flows", "1000,2000000", "--new", "10", "--family", "4", "--frame", "64")
    tried = [p for p in got if p["kind"] == "loss"]
    assert {p["program"] for p in tried} == {"floor", "weir"}
    for p in tried:
        assert p["sent"] == p["delivered"] + p["missed"] > 0 < p["worker_cpu_s"]
        assert p["loss_percent"] == round(100 * p["missed"] / p["sent"], 3)
    first, second = [p for p in got if p["kind"] == "lossless"]
    lossless = [p["packets_per_second"] for p in tried if p["program"] == "weir" and not p["missed"]]
    assert first["packets_per_second"] == max(lossless, default=0) and first["floor_packets_per_second"] > 0
    assert second["flows"] == 2_000_000 and "left_out" in second


def test_without_a_lab_the_loss_is_left_out_with_the_reason():
    done = subprocess.run(["setpriv", "--bounding-set=-all", "--inh-caps=-all", BENCH / "curve", "--build", BUILD, "--part", "loss"],
                          capture_output=True, text=True, check=False)
    (line,) = done.stdout.splitlines()
    assert done.returncode == 0 and "rights" in json.loads(line)["left_out"], done.stderr
