"""The last line of tests/run adds up, and cannot be green when something failed."""
import json
import subprocess
import sys
from pathlib import Path

import pytest

TALLY = Path(__file__).resolve().parents[1] / "tally.py"

GREEN = "[ RUN      ] one\n[       OK ] one\n[ RUN      ] two\n[       OK ] two\n[  PASSED  ] 2 test(s).\n"
RED = ("[ RUN      ] one\n[       OK ] one\n[ RUN      ] two\nbecause\n[  FAILED  ] two\n[  PASSED  ] 1 test(s).\n"
       "[  FAILED  ] 1 test(s), listed below:\n[  FAILED  ] two\n 1 FAILED TEST(S)\n")
JUNIT = ('<testsuites><testsuite><testcase classname="a" name="good"/>'
         '<testcase classname="a" name="away"><skipped/></testcase>%s</testsuite></testsuites>')


def tally(*arguments):
    run = subprocess.run([sys.executable, str(TALLY), *arguments], capture_output=True, text=True)
    return run.returncode, run.stdout.splitlines()[-1], run.stdout


def write_testlog(path, *programs):
    with open(path, "w", encoding="utf-8") as file:
        for name, result, output in programs:
            code = 0 if result == "OK" else 1
            file.write(json.dumps({"name": name, "stdout": output, "result": result, "returncode": code}) + "\n")
    return f"build={path}"


def test_green_programs_and_cases_add_up(tmp_path):
    log = write_testlog(tmp_path / "log.json", ("unit", "OK", GREEN), ("plain", "OK", "hello"), ("no", "SKIP", ""))
    junit = tmp_path / "x.xml"
    junit.write_text(JUNIT % "")
    assert tally(log, f"pytest={junit}")[:2] == (0, "4 passed, 0 failed, 2 skipped")


@pytest.mark.parametrize("program,last", [
    (("unit", "FAIL", RED), "1 passed, 1 failed, 0 skipped"),
    (("unit", "ERROR", GREEN + "AddressSanitizer: leak"), "2 passed, 1 failed, 0 skipped"),
    (("unit", "TIMEOUT", ""), "0 passed, 1 failed, 0 skipped"),
])
def test_a_failing_program_is_counted_and_shown(tmp_path, program, last):
    code, line, output = tally(write_testlog(tmp_path / "log.json", program))
    assert (code, line) == (1, last)
    assert "--- build: unit: " + program[1] in output and program[2].strip() in output


def test_a_failing_pytest_is_counted_and_shown(tmp_path):
    junit = tmp_path / "x.xml"
    junit.write_text(JUNIT % '<testcase classname="a" name="bad"><failure message="m">why it failed</failure></testcase>')
    code, line, output = tally(f"replay={junit}")
    assert (code, line) == (1, "1 passed, 1 failed, 1 skipped")
    assert "--- replay: a::bad\nwhy it failed" in output


@pytest.mark.parametrize("second,result", [
    ('<testcase classname="a" name="bad"/>', (0, "2 passed, 0 failed, 1 skipped")),
    ('<testcase classname="a" name="bad"><skipped/></testcase>', (1, "1 passed, 1 failed, 1 skipped")),
    ('<testcase classname="a" name="bad"><error message="m"/></testcase>', (1, "1 passed, 1 failed, 1 skipped")),
    ('<testcase classname="a" name="other"/>', (1, "1 passed, 1 failed, 1 skipped")),
])
def test_only_what_passes_in_a_second_run_is_forgiven_and_named(tmp_path, second, result):
    junit = tmp_path / "x.xml"
    junit.write_text(JUNIT % '<testcase classname="a" name="bad"><failure message="m">why it failed</failure></testcase>')
    (tmp_path / "x.again.xml").write_text(f"<testsuites><testsuite>{second}</testsuite></testsuites>")
    code, line, output = tally(f"e2e={junit}")
    assert (code, line) == result
    assert ("passed when run again: e2e: a::bad" in output) == (code == 0)


def test_missing_empty_and_broken_results_fail(tmp_path):
    (tmp_path / "empty.json").write_text("")
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "broken.xml").write_text("<testsuites>")
    for name in ("empty.json", "broken.json", "broken.xml", "missing.json"):
        assert tally(f"x={tmp_path / name}")[:2] == (1, "0 passed, 1 failed, 0 skipped")


def test_a_suite_that_was_ended_shows_its_log(tmp_path):
    (tmp_path / "x.log").write_text("test_slow waits")
    code, line, output = tally(f"x={tmp_path / 'x.xml'}")
    assert (code, line) == (1, "0 passed, 1 failed, 0 skipped") and "test_slow waits" in output


def test_a_good_step_counts():
    assert tally("--ok", "fuzz_x")[:2] == (0, "1 passed, 0 failed, 0 skipped")


def test_a_failed_step_shows_its_log(tmp_path):
    log = tmp_path / "build.log"
    log.write_text("error: no semicolon\n")
    good = write_testlog(tmp_path / "log.json", ("unit", "OK", GREEN))
    code, line, output = tally("--step", f"build x={log}", good)
    assert (code, line) == (1, "2 passed, 1 failed, 0 skipped")
    assert "--- build x: failed\nerror: no semicolon" in output


def test_nothing_at_all_is_not_green():
    assert tally()[:2] == (1, "0 passed, 0 failed, 0 skipped")
