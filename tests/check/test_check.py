"""The checks hold on this tree, and each can fail: on small trees that break one rule."""
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import check  # noqa: E402
import rules  # noqa: E402
import source  # noqa: E402


@pytest.mark.parametrize("rule", rules.HARD, ids=lambda rule: rule.__name__)
def test_the_tree_holds(rule):
    found = check.findings(check.ROOT, [rule])
    assert not found, "\n" + "\n".join(f"{path}:{line}: {message}" for path, line, message in found)


def test_the_tree_was_seen():
    paths = [file.path for file in source.files(check.ROOT)]
    assert "src/base/ip.c" in paths and "include/weir/packet.h" in paths
    assert not [path for path in paths if path.startswith(("build", ".git/"))]


def messages(rule, path, text):
    return [message for _, _, message in rule(source.Source(path, text))]


ALLOWED = [
    ("src/decode/l2.c", '#include "decode/decode.h"\n#include "base/ip.h"\n#include "weir/packet.h"\n#include <string.h>\n'),
    ("src/capture/file.c", "#include <pcap/pcap.h>\n#include <zlib.h>\n"),
    ("src/format/json.c", "#include <openssl/evp.h>\n"),
    ("src/core/worker.c", '#include "flow/table.h"\n#include "decode/decode.h"\n'),
    ("src/main.c", '#include "cli/cli.h"\n'),
    ("include/weir/flow.h", '#include "weir/packet.h"\n#include <stdint.h>\n'),
    ("tests/unit/test_x.c", "#include <cmocka.h>\n"),
]
REFUSED = [
    ("src/decode/l2.c", '#include "flow/table.h"', 'decode may not include "flow/table.h"'),
    ("src/flow/track.c", '#include "core/worker.h"', 'flow may not include "core/worker.h"'),
    ("src/base/ip.c", '#include "decode/decode.h"', 'base may not include "decode/decode.h"'),
    ("src/flow/table.c", "#include <pcap/pcap.h>", "flow may not include <pcap/pcap.h>"),
    ("src/decode/l2.c", "#  include <openssl/evp.h>", "decode may not include <openssl/evp.h>"),
    ("src/capture/file.c", "#include <openssl/evp.h>", "capture may not include <openssl/evp.h>"),
    ("src/cli/read.c", "#include <ncurses.h>", "cli may not include <ncurses.h>"),
    ("include/weir/flow.h", "#include <yaml.h>", "include may not include <yaml.h>"),
    ("include/weir/flow.h", '#include "base/ip.h"', 'include may not include "base/ip.h"'),
    ("src/flow/table.c", '#include "table.h"', '"table.h" does not name its folder'),
    ("src/util/x.c", "", "src/util is not a folder of the house"),
]


@pytest.mark.parametrize("path,text", ALLOWED)
def test_layers_allow(path, text):
    assert messages(rules.layers, path, text) == []


@pytest.mark.parametrize("path,text,message", REFUSED)
def test_layers_refuse(path, text, message):
    assert messages(rules.layers, path, "/* a comment */\n" + text + "\n") == [message]


HOT = "static int flow_touch(struct flow *f)\n{\n    %s\n    return 0;\n}\n"


@pytest.mark.parametrize("call", [
    "free(f);", "p = malloc (8);", "printf(\"x\");", "clock_gettime(c, &t);", "log_error(f);", "if (pthread_mutex_lock(m))",
    "madvise(p, n, 4);", "memory_release(p);"])
def test_hot_functions_may_not_call(call):
    for path in ("src/flow/track.c", "src/decode/l2.h"):
        found = list(rules.hot_calls(source.Source(path, HOT % call)))
        assert len(found) == 1 and found[0][1] == 3 and "flow_touch() is hot" in found[0][2]


@pytest.mark.parametrize("path,text", [
    ("src/flow/track.c", HOT % "/* malloc(1) */"),
    ("src/flow/track.c", HOT % 'x = "free(";'),
    ("src/flow/track.c", HOT % "flow_free_list(f); set_time(f); freeze(f);"),
    ("src/flow/table.c", HOT.replace("flow_touch", "flow_table_create") % "p = calloc(1, 2);"),
    ("src/flow/table.c", HOT.replace("flow_touch", "flow_table_destroy") % "free(f);"),
    ("src/capture/file.c", HOT % "free(f);"),
])
def test_cold_or_harmless_calls_pass(path, text):
    assert messages(rules.hot_calls, path, text) == []


def test_a_reviewed_function_passes(monkeypatch):
    monkeypatch.setitem(rules.COLD_BY_REVIEW, "src/flow/x.c", ("flow_touch",))
    assert messages(rules.hot_calls, "src/flow/x.c", HOT % "free(f);") == []


@pytest.mark.parametrize("path,limit", [
    ("src/flow/track.c", 700), ("src/main.c", 120), ("include/weir/packet.h", 150), ("include/weir/flow.h", 205)])
def test_sizes(path, limit):
    assert messages(rules.sizes, path, "int x;\n" * limit) == []
    assert messages(rules.sizes, path, "int x;\n" * (limit + 1)) == [f"{limit + 1} lines, at most {limit}"]


def test_every_waiver_has_a_reason_and_a_use():
    for path, (limit, reason) in rules.SIZE_WAIVERS.items():
        lines = len((check.ROOT / path).read_text().splitlines())
        assert rules.HEADER_LIMIT < lines <= limit and len(reason) > 20, path


def test_review_notes():
    body = "    x();\n"
    text = ("int long_one(int a, int b[2], int (*c)(int, int), int d, int e,\n             int f)\n{\n" + body * 60 + "}\n\n"
            "int short_one(void)\n{\n" + body + "}\n" + "/* " + "x" * 98 + " */\n")
    assert messages(rules.review, "src/flow/x.c", text) == [
        "line of 104 characters", "long_one() has 64 lines", "long_one() has 6 parameters"]
    assert messages(rules.review, "src/flow/x.c", "\n" * 401) == ["401 lines"]


@pytest.mark.parametrize("text", ["/* TODO: later */", "# FIXME", "good enough for now", "see /work/notes"])
def test_unfinished_texts(text):
    assert len(messages(rules.unfinished, "src/flow/x.c", "int x;\n" + text + "\n")) == 1
    assert messages(rules.unfinished, "src/flow/x.c", "int todo_list; /* worked */\n") == []


def test_headers_are_entered_once():
    assert messages(rules.headers_guarded, "src/flow/x.h", "int f(void);\n") == ["header without #pragma once"]
    assert messages(rules.headers_guarded, "src/flow/x.h", "#pragma once\n") == []


def test_the_program_says_it(tmp_path):
    (tmp_path / "src/flow").mkdir(parents=True)
    (tmp_path / "build-x").mkdir()
    (tmp_path / "build-x/y.c").write_text("/* TODO */\n")
    program = [sys.executable, str(Path(check.__file__)), str(tmp_path)]
    assert subprocess.run(program, capture_output=True).returncode == 0
    (tmp_path / "src/flow/x.c").write_text('#include "decode/decode.h"\n')
    run = subprocess.run(program, capture_output=True, text=True)
    assert run.returncode == 1
    assert run.stdout == 'src/flow/x.c:1: error: flow may not include "decode/decode.h"\n'
    assert subprocess.run(program + ["--bad"], capture_output=True).returncode == 2
