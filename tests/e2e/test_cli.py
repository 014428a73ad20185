"""The command line of the built binary, which the environment variable WEIR names."""

import os
import pathlib
import re
import subprocess

import pytest

WEIR = os.environ.get("WEIR", "weir")
EXAMPLE = pathlib.Path(__file__).parents[2] / "deploy" / "weir.yaml.example"


def weir(*words, **kwargs):
    return subprocess.run([WEIR, *map(str, words)], capture_output=True, text=True, timeout=20, **kwargs)


def shell(line):
    """Runs line with "weir" standing for the binary; pipes and redirections are its business."""
    return subprocess.run(["bash", "-c", f'weir() {{ "$WEIR" "$@"; }}; {line}'], capture_output=True, text=True,
                          timeout=20, env={**os.environ, "WEIR": WEIR})


def load(tmp_path, text):
    (tmp_path / "weir.yaml").write_bytes(text.encode())
    return weir("check", "-c", "weir.yaml", cwd=tmp_path)


@pytest.mark.parametrize("option", ["--help", "-h"])
def test_help_names_every_command_and_each_has_help(option):
    run = weir(option)
    assert (run.returncode, run.stderr) == (0, "")
    commands = re.findall(r"^  ([a-z]+) ", run.stdout, re.M)
    assert "check" in commands
    for command in commands:
        run = weir(command, option)
        assert (run.returncode, run.stderr) == (0, "")
        assert run.stdout.startswith(f"Usage: weir {command} ")
        assert "Examples:" in run.stdout


def test_version():
    run = weir("--version")
    assert run.returncode == 0
    assert re.fullmatch(r"weir \d+\.\d+\.\d+\n", run.stdout)


def test_no_command_prints_help_to_stderr():
    run = weir()
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr == weir("--help").stdout


@pytest.mark.parametrize("words, line", [
    (["raed"], "weir: raed: no such command (see weir --help)\n"),
    (["--verson"], "weir: --verson: no such option (see weir --help)\n"),
    ([""], "weir: : no such command (see weir --help)\n"),
    (["check", "--foo"], "weir check: --foo: no such option (see weir check --help)\n"),
    (["check", "-k"], "weir check: -k: no such option (see weir check --help)\n"),
    (["check", "-c"], "weir check: --config: needs a value: FILE (see weir check --help)\n"),
    (["check", "--keys=1"], "weir check: --keys: takes no value (see weir check --help)\n"),
    (["check", "weir.yaml"], 'weir check: "weir.yaml": takes no operands (see weir check --help)\n'),
    (["check", "--flow.idle", "15x"], 'weir check: --flow.idle: "15x" is not a duration (100ms..30d)\n'),
    (["check", "--flow.idel=1s"], "weir check: --flow.idel: no such key (did you mean flow.idle?)\n"),
    (["check", "--export.collectors[0].port", "47x9"],
     'weir check: --export.collectors[0].port: "47x9" is not a port (1..65535, auto)\n'),
    (["check", "--export.collectors", "tls://a"],
     "weir check: export.collectors[0].cert: IPFIX over TLS needs cert and key (RFC 7011 11.3)\n"),
    (["check", "--capture.ring=1000"], "weir check: capture.ring: 1000 is not a power of two\n"),
    (["check", "-c", "/nonexistent.yaml"], "/nonexistent.yaml: No such file or directory\n"),
    (["check", "-c", "/"], "/: Is a directory\n"),
    (["check", "-c", "/dev/zero"], "/dev/zero: longer than 1048576 octets\n"),
])
def test_bad_usage_is_one_line_and_exit_2(words, line):
    run = weir(*words)
    assert (run.returncode, run.stdout, run.stderr) == (2, "", line)


@pytest.mark.parametrize("option", ["--config", "--hunts.rules"])
def test_a_fifo_is_not_waited_for(tmp_path, option):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    run = weir("check", option, str(fifo))
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr.endswith(f"{fifo}: is a FIFO or pipe, expected a regular file\n") and run.stderr.count("\n") == 1


@pytest.mark.parametrize("text, line", [
    ("\nflow:\n  idle: 15x\n", 'weir.yaml:3: flow.idle: "15x" is not a duration (100ms..30d)'),
    ("flow:\n  idle: 1s\n  idle: 2s\n", "weir.yaml:3: flow.idle: given twice, first in line 2"),
    ("flow:\n  idel: 1s\n", "weir.yaml:2: flow.idel: no such key (did you mean flow.idle?)"),
    ("export:\n  collectors:\n    - host: a\n      port: 47x9\n",
     'weir.yaml:4: export.collectors[0].port: "47x9" is not a port (1..65535, auto)'),
    ("export:\n  collectors:\n    - prot: 1\n",
     "weir.yaml:3: export.collectors[0].prot: no such key (did you mean export.collectors[].port?)"),
    ("export:\n  enterprise: 6871\n",
     "weir.yaml: export.enterprise: 6871 belongs to CERT's elements (YAF, SiLK)"),
    ("flow: [1]\n", "weir.yaml:1: flow: expected keys, found a list"),
    ("flow:\n\tidle: 1s\n", "weir.yaml:2: not valid YAML: found character that cannot start any token"),
])
def test_a_bad_configuration_is_named_with_its_line(tmp_path, text, line):
    run = load(tmp_path, text)
    assert (run.returncode, run.stdout, run.stderr) == (2, "", line + "\n")


def test_the_example_holds_every_key_with_its_default():
    defaults, example = weir("check"), weir("check", "-c", EXAMPLE)
    assert (example.returncode, example.stderr) == (0, "configuration ok\n")
    assert example.stdout == defaults.stdout
    head, _, rest = EXAMPLE.read_text().partition("\n\n")
    assert all(line.startswith("#") for line in head.splitlines())
    assert rest == defaults.stdout


def test_what_check_prints_is_a_configuration(tmp_path):
    first = weir("check", "--flow.idle", "90s", "--hosts.networks=192.0.2.0/24,::/0", "--flow.decap", "none")
    assert "idle: 1m30s\n" in first.stdout
    assert load(tmp_path, first.stdout).stdout == first.stdout


def test_collectors_are_urls_sections_and_overrides(tmp_path):
    url = "tls://h?cert=c.pem&key=k.pem&spool=8MiB, udp://[::1]:2055, /x/y.ipfix"
    first = weir("check", "--export.collectors", url, "--export.collectors[1].profile", "elk",
                 "--export.collectors[3].host", "last")
    assert (first.returncode, first.stderr) == (0, "configuration ok\n")
    sections = re.findall(r"^    - name: (.*)\n      transport: (.*)\n", first.stdout, re.M)
    assert sections == [('"tls-h-4740"', "tls"), ('"udp-__1-2055"', "udp"), ('"file-y.ipfix"', "file"),
                        ('"tcp-last-4739"', "tcp")]
    assert load(tmp_path, first.stdout).stdout == first.stdout


def test_the_file_comes_before_the_overrides(tmp_path):
    (tmp_path / "weir.yaml").write_text("flow: {idle: 5s, active: 6s}\n")
    run = weir("check", "--flow.idle=9s", "-c", tmp_path / "weir.yaml")
    assert "idle: 9s\n" in run.stdout and "active: 6s\n" in run.stdout


def test_keys_lists_what_check_prints():
    run = weir("check", "--keys")
    assert run.returncode == 0
    listed = re.findall(r"^([a-z_.[\]]+\.[a-z_]+) ", run.stdout, re.M)
    leaves = re.findall(r"^ +(?:# [- ] )?([a-z_]+): ?[^ \n]", weir("check").stdout, re.M)
    assert [key.rpartition(".")[2] for key in listed] == leaves
    for key in listed:
        assert weir("check", f"--{key.replace('[]', '[0]')}=").stderr.count("no such key") == 0


@pytest.mark.parametrize("words", ["--help", "--version", "check", "check --keys", "check --help"])
def test_a_full_disk_is_a_failure(words):
    run = shell(f"weir {words} > /dev/full")
    assert (run.returncode, run.stderr) == (1, "weir: stdout: No space left on device\n")


@pytest.mark.parametrize("words", ["--help", "check", "check --keys"])
def test_a_closed_pipe_is_a_failure(words):
    # The reader is gone before weir starts.
    run = shell(f"exec 3> >(:); wait $!; weir {words} >&3")
    assert (run.returncode, run.stderr) == (1, "weir: stdout: Broken pipe\n")


def test_a_closed_stdout_is_a_failure():
    run = shell("weir check -c /dev/null >&-")
    assert (run.returncode, run.stderr) == (1, "weir: stdout: Bad file descriptor\n")
