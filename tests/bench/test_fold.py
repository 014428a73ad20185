"""The benchmark of folding runs; so few flows are no measure, only what folding promises is judged."""
import json
import os
import subprocess
from pathlib import Path

BUILD = Path(os.environ.get("WEIR_BUILD") or Path(__file__).resolve().parents[2] / "build")


def figures(kind):
    run = subprocess.run([Path(__file__).with_name("fold"), "--build", BUILD, "--rounds", "1", "--flows", "50000",
                          "--table", "5000", "--kind", kind], capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr
    return map(json.loads, run.stdout.splitlines())


def test_prints_figures():
    off, on, ratios = figures("flood")
    assert (off["fold"], off["records"], on["fold"]) == ("off", 50000, "on")
    assert on["records"] < 45000 and on["octets"] < off["octets"]
    assert off["cpu_ns_per_packet"] > 0 and ratios["cpu_ratio"] > 0


def test_folds_nothing_below_the_rate():
    off, on, ratios = figures("turns")
    assert off["records"] == on["records"] == 50000
    assert ratios["records_ratio"] == 1
