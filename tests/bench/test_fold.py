"""The benchmark of folding runs; so few flows are no measure, only what folding promises is judged."""
import json
import os
import subprocess
from pathlib import Path

BUILD = Path(os.environ.get("WEIR_BUILD") or Path(__file__).resolve().parents[2] / "build")


def test_prints_figures():
    run = subprocess.run([Path(__file__).with_name("fold"), "--build", BUILD, "--rounds", "1", "--flows", "50000",
                          "--table", "5000"], capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr
    off, on, ratios = map(json.loads, run.stdout.splitlines())
    assert (off["fold"], off["records"], on["fold"]) == ("off", 50000, "on")
    assert on["records"] < 45000 and on["octets"] < off["octets"]
    assert off["cpu_ns_per_packet"] > 0 and ratios["cpu_ratio"] > 0
