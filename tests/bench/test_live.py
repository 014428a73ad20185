"""The benchmark of DPDK's devices comes to figures."""
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

BENCH = Path(__file__).resolve().parent
BUILD = Path(os.environ.get("WEIR_BUILD") or BENCH.parents[1] / "build")


def has_dpdk():
    symbols = subprocess.run(["nm", "-D", BUILD / "weir"], capture_output=True, text=True, check=False).stdout
    return "rte_eal_init" in symbols


@pytest.mark.skipif(not has_dpdk(), reason="built without DPDK")
@pytest.mark.skipif(not shutil.which("dpdk-testpmd"), reason="no dpdk-testpmd here")
def test_live_prints_figures_and_ratios():
    run = subprocess.run([BENCH / "live", "--build", BUILD, "--rounds", "1", "--seconds", "0.5"], capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    lines = [json.loads(line) for line in run.stdout.splitlines()]
    figures = {(line["device"], line["program"]): line["mpps"] for line in lines if "program" in line}
    assert set(figures) == {(d, p) for d in ("net_pcap", "net_ring") for p in ("testpmd", "receive", "weir")}
    assert all(rate > 0 for rate in figures.values())
    ratios = {line["device"]: line for line in lines if "weir_to_testpmd" in line}
    assert set(ratios) == {"net_pcap", "net_ring"} and all(line["weir_to_testpmd"] > 0 for line in ratios.values())
