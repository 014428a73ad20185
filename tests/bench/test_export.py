"""The export benchmark runs, and its figures come out; the records are few, so that no figure is judged."""
import json
import os
import subprocess
from pathlib import Path

import pytest

BUILD = Path(os.environ.get("WEIR_BUILD") or Path(__file__).resolve().parents[2] / "build")


@pytest.mark.parametrize("profile", ["core", "elk", "uniflow", "silk", "rich", "ecs", "json"])
@pytest.mark.parametrize("way", ["encode", "tcp"])
def test_prints_figures(profile, way):
    words = ["--profile", profile, "--records", "3000", "--rounds", "1"] + (["--tcp"] if way == "tcp" else [])
    run = subprocess.run([BUILD / "tests/bench/export", *words], capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    line = json.loads(run.stdout)
    assert (line["way"], line["profile"], line["records"]) == (way, profile, 3000)
    assert line["records_per_s"] > 0 and line["cpu_ns_per_record"] > 0
    assert line["octets_per_record"] > 90


def test_prints_what_a_record_costs_beside_others():
    """So few records are no measure: no figure is judged."""
    run = subprocess.run([Path(__file__).with_name("export"), "--build", BUILD, "--rounds", "1", "--flows", "5000"],
                         capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr
    *figures, ratios = map(json.loads, run.stdout.splitlines())
    assert [line["way"] for line in figures if "way" in line] == ["encode", "tcp"]
    costs = {line["program"]: line["cpu_ns_per_record"] for line in figures if "program" in line}
    assert {"weir_udp", "weir_file"} <= costs.keys() and ratios["bench"] == "export"
