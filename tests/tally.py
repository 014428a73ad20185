#!/usr/bin/env python3
"""Adds up test results: meson's testlog.json, pytest's JUnit files, and steps that failed as a whole.

usage: tally.py [--step NAME=LOG | --ok NAME | LABEL=FILE]...

Prints the output of what failed, then `N passed, N failed, N skipped`: cmocka cases and pytest tests one by one, other
programs and --ok as one test each. A file that is missing or empty is a failure, explained by the .log beside it.
Where X.again.xml stands beside X.xml, it holds a second run of what failed in the first: what passes there is
counted as passed, and named.
Exit 0 if something passed and nothing failed."""
import json
import re
import sys
import xml.etree.ElementTree as xml
from collections import Counter
from pathlib import Path

CASE = re.compile(r"^\[\s+(OK|FAILED|SKIPPED)\s+\] ([A-Za-z_]\w*)$", re.M)
OUTCOME = {"OK": "passed", "FAILED": "failed", "SKIPPED": "skipped"}
OUTPUT_SHOWN = 20000  # characters of a failing program


def meson_counts(test):
    """Counter of one program of testlog.json."""
    output = test.get("stdout", "") + "\n" + test.get("stderr", "")
    cases = {name: OUTCOME[word] for word, name in CASE.findall(output)}
    counts = Counter(cases.values())
    ended_well = test["result"] in ("OK", "EXPECTEDFAIL")
    if test["result"] == "SKIP":
        return Counter(skipped=1)
    if not counts:
        return Counter(passed=1) if ended_well else Counter(failed=1)
    if not ended_well and not counts["failed"]:
        counts["failed"] = 1  # it crashed, or a sanitizer ended it
    return counts


def read_meson(label, path, failures):
    counts = Counter()
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        test = json.loads(line)
        one = meson_counts(test)
        counts += one
        if one["failed"]:
            output = test.get("stdout", "") + test.get("stderr", "")
            failures.append((f"{label}: {test['name']}: {test['result']}, exit {test['returncode']}", output))
    return counts


def bad_children(case):
    return [child for child in case if child.tag in ("failure", "error")]


def passed_again(path):
    """Names of the cases that passed in the second run, if there was one."""
    again = path.with_suffix(".again.xml")
    if not again.exists():
        return set()
    return {(case.get("classname"), case.get("name")) for case in xml.parse(again).iter("testcase")
            if not bad_children(case) and case.find("skipped") is None}


def read_junit(label, path, failures):
    counts, again = Counter(), passed_again(path)
    for case in xml.parse(path).iter("testcase"):
        bad = bad_children(case)
        if bad and (case.get("classname"), case.get("name")) in again:
            print(f"passed when run again: {label}: {case.get('classname')}::{case.get('name')}")
            bad = []
        skipped = case.find("skipped") is not None
        counts["failed" if bad else "skipped" if skipped else "passed"] += 1
        for child in bad:
            failures.append((f"{label}: {case.get('classname')}::{case.get('name')}", child.text or child.get("message")))
    return counts


def read_results(label, path, failures):
    counts = Counter()
    try:
        counts = (read_junit if path.suffix == ".xml" else read_meson)(label, path, failures)
    except (OSError, ValueError, KeyError, xml.ParseError) as error:
        log = path.with_suffix(".log")
        text = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
        failures.append((f"{label}: no result", f"{text}\n{error}"))
        return Counter(failed=1)
    if not counts:
        failures.append((f"{label}: ran no test", str(path)))
        counts["failed"] = 1
    return counts


def read_ok(_label, _path, _failures):
    return Counter(passed=1)


def read_step(label, path, failures):
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        text = str(error)
    failures.append((f"{label}: failed", text))
    return Counter(failed=1)


OPTIONS = {"--step": read_step, "--ok": read_ok}


def main(arguments):
    counts, failures, reader = Counter(), [], read_results
    for argument in arguments:
        if argument in OPTIONS:
            reader = OPTIONS[argument]
            continue
        label, _, path = argument.partition("=")
        counts += reader(label, Path(path), failures)
        reader = read_results
    for title, output in failures:
        print(f"--- {title}\n{(output or '')[-OUTPUT_SHOWN:].rstrip()}\n")
    print(f"{counts['passed']} passed, {counts['failed']} failed, {counts['skipped']} skipped", flush=True)
    return 0 if counts["passed"] and not counts["failed"] else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
