"""The curve's points come out, whole, and its errors are lines."""
import json
import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).resolve().parent
sys.path.append(str(BENCH.parent / "e2e"))
import curve_plot  # noqa: E402
import lab  # noqa: E402
from patience import PATIENCE, wait_for  # noqa: E402

BUILD = Path(os.environ.get("WEIR_BUILD") or BENCH.parents[1] / "build")


def curve(*options):
    return subprocess.run([BENCH / "curve", "--build", BUILD, *options], capture_output=True, text=True, check=False)


def points(*options):
    done = curve(*options)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_every_point_of_the_engine_has_its_floor():
    got = points("--part", "engine", "--rounds", "1", "--flows", "1000,2000", "--new", "0,10,100", "--family", "4",
                 "--frame", "64,512")
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


def test_its_end_is_that_of_what_it_started():
    """Points of 10 M flows, which take long, so that an engine surely runs."""
    words = [BENCH / "curve", "--build", BUILD, "--part", "engine", "--flows", "10000000", "--new", "0", "--family", "4"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        engine = wait_for(lambda: [pid for pid in children.read_text().split() if is_engine(pid)], "an engine")[0]
        process.terminate()
        assert process.wait(PATIENCE) == 1 and "terminated" in process.stderr.read()
    wait_for(lambda: not is_engine(engine), "the engine's end")


def is_engine(pid):
    try:
        return b"bench/engine" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def memory_available():
    with open("/proc/meminfo", encoding="ascii") as lines:
        return int(next(line for line in lines if line.startswith("MemAvailable")).split()[1]) * 1024


@pytest.mark.skipif(memory_available() > 30e9, reason="much memory here")
def test_too_little_memory_leaves_a_point_out_and_says_so():
    flows = 67_000_000  # 34 GB
    (point,) = points("--part", "engine", "--rounds", "1", "--flows", str(flows), "--new", "0", "--family", "4",
                      "--frame", "64")
    assert point["flows"] == flows and "not enough memory" in point["left_out"] and "engine_ns" not in point


def test_peers_read_the_same_captures(tmp_path):
    got = points("--part", "peers", "--rounds", "1", "--flows", "1000,2000,6000", "--packets", "10000",
                 "--dir", tmp_path, "--sensor", "softflowd", "--peer", f"again={BUILD / 'tests/bench/pcap_floor'} {{}}",
                 "--peer", "bad=false {}")
    assert "--packets" in got.pop()["left_out"]
    by_name = {(p["flows"], p["program"]): p for p in got}
    names = ("floor", "weir", "softflowd", "again", "bad")
    assert set(by_name) == {(flows, name) for flows in (1000, 2000) for name in names}
    for (_, name), point in by_name.items():
        assert point["kind"] == "peer" and point["packets"] == 10000
        assert ("left_out" in point) == (name == "bad" or name == "softflowd" and not shutil.which(name))
        assert "left_out" in point or point["ns_per_packet"] > 0 < point["floor_ns"]
    assert "bad failed with 1" in by_name[1000, "bad"]["left_out"]
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(lab.MISSING is not None, reason=lab.MISSING or "")
@pytest.mark.skipif(not (BUILD / "tests/harness/blast").exists(), reason="built without AF_XDP")
def test_what_is_sent_to_a_live_sensor_is_delivered_or_lost():
    got = points("--part", "loss", "--quick", "--seconds", "0.5", "--flows", "1000,2000000", "--new", "10",
                 "--family", "4", "--frame", "64")
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
    bare = ("setpriv", "--bounding-set=-all", "--inh-caps=-all")
    done = subprocess.run([*bare, BENCH / "curve", "--build", BUILD, "--part", "loss"],
                          capture_output=True, text=True, check=False)
    (line,) = done.stdout.splitlines()
    assert done.returncode == 0 and "rights" in json.loads(line)["left_out"], done.stderr


LIVE = {"kind": "lossless", "new_percent": 0, "family": 4, "frame_len": 64, "packets_per_second": 1e6,
        "floor_packets_per_second": 2e6, "sender_packets_per_second": 2e6, "loss_percent_at_full_speed": 3}
ENGINE = {"kind": "engine", "new_percent": 0, "family": 4, "frame_len": 64, "engine_ns": 50, "floor_ns": 14}
PEER = {"kind": "peer", "program": "weir", "ns_per_packet": 100, "floor_ns": 50}


def test_each_question_has_a_panel_of_the_points_that_answer_it():
    engine = [{"flows": 1000}, {"flows": 9000, "engine_ns": 60}, {"flows": 1000, "frame_len": 512},
              {"flows": 20_000_000, "left_out": "not enough memory"}]
    counted = {"program": "lossy", "packets": 100, "packets_counted": 40}
    points = [*({**ENGINE, **point} for point in engine), *({**point, "flows": 1000} for point in (LIVE, PEER)),
              {**PEER, **counted, "flows": 1000}]
    panels = curve_plot.panels(points)
    assert [panel.title.split(",")[0].split(":")[0] for panel in panels] == [
        "Engine", "Engine", "Reading one capture", "Live on a veth", "Live"]
    shares, frames, read, rate, loss = ([series.points for series in panel.drawn] for panel in panels)
    assert shares == [{1000: 50, 9000: 60}, {1000: 14, 9000: 14}]
    assert frames == [{64: 50, 512: 50}, {64: 14, 512: 14}]
    assert read == [{1000: 100}, {1000: 100}]
    assert "lossy (counted 40 % of 1 k flows)" in [series.label for series in panels[2].drawn]
    assert rate == [{1000: 2}, {1000: 1}, {1000: 2}] and loss == [{1000: 3}]


@pytest.mark.skipif(not shutil.which("gnuplot"), reason="no gnuplot here")
def test_lines_of_an_earlier_run_are_drawn(tmp_path):
    lines, png = tmp_path / "points", tmp_path / "points.png"
    points = [{**point, "flows": flows} for point in (LIVE, PEER) for flows in (1000, 10_000)]
    lines.write_text("".join(json.dumps(point) + "\n" for point in points))
    done = curve("--points", lines, "--png", png)
    assert done.returncode == 0 and not done.stdout and not done.stderr, done.stderr
    head = png.read_bytes()[:24]
    assert head[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", head[16:]) == (2 * curve_plot.PANEL_SIZE[0], 2 * curve_plot.PANEL_SIZE[1])
    lines.write_text(json.dumps({"kind": "lossless", "left_out": "no rights"}) + "\n")
    assert curve("--points", lines, "--png", png).returncode == 1
