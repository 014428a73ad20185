#!/usr/bin/env python3
"""Checks the rules of the house: layers, hot files, sizes, unfinished texts.

usage: check.py [--notes] [ROOT]     --notes also lists what a reviewer should look at
Exit: 0 all rules hold, 1 some do not, 2 usage."""
import sys
from pathlib import Path

import rules
import source

ROOT = Path(__file__).resolve().parents[2]


def findings(root, checks):
    return [found for file in source.files(root) for check in checks for found in check(file)]


def show(kind, found):
    for path, line, message in found:
        print(f"{path}:{line}: {kind}: {message}")


def main(arguments):
    notes = "--notes" in arguments
    roots = [a for a in arguments if a != "--notes"]
    if len(roots) > 1 or any(a.startswith("-") for a in roots):
        print(__doc__, file=sys.stderr)
        return 2
    root = Path(roots[0]) if roots else ROOT
    if notes:
        show("note", findings(root, [rules.review]))
    errors = findings(root, rules.HARD)
    show("error", errors)
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
