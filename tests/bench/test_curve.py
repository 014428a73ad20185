"""The curve's points come out, whole, and its errors are lines."""
import json
import os
import subprocess
from pathlib import Path

BENCH = Path(__file__).resolve().parent
BUILD = Path(os.environ.get("WEIR_BUILD") or BENCH.parents[1] / "build")


def curve(*options):
    return subprocess.run([BENCH / "curve", "--build", BUILD, *options], capture_output=True, text=True, check=False)


def test_every_point_has_its_floor():
    done = curve("--rounds", "1", "--flows", "1000,2000", "--family", "4")
    assert done.returncode == 0, done.stderr
    points = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(p["mix"], p["flows"]) for p in points] == [("known", 1000), ("known", 2000), ("new", 1000), ("new", 2000)]
    for point in points:
        assert 0 < point["floor_ns"] < point["engine_ns"]
        assert point["engine_ns_least"] <= point["engine_ns"] <= point["engine_ns_most"]


def test_what_cannot_be_measured_is_said():
    done = curve("--rounds", "1", "--flows", "17000000")
    assert done.returncode == 1 and "engine: --flows" in done.stderr and not done.stdout
