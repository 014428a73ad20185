"""What README.md shows of hunts is what weir does."""
import pathlib
import re
import subprocess
import textwrap

import pytest

import alert_examples
import lab

README = pathlib.Path(__file__).parents[2].joinpath('README.md').read_text()


@pytest.fixture(scope='module')
def alerts():
    return alert_examples.examples()


def test_alerts(alerts):
    assert alert_examples.lines(alerts) in README, alert_examples.lines(alerts)
    assert f'```json\n{alert_examples.as_json(alerts[0])}```' in README, alert_examples.as_json(alerts[0])


def test_every_built_in_rule_has_an_example_and_a_row(alerts):
    text = subprocess.run([lab.weir_binary(), 'hunts'], capture_output=True, text=True, check=True).stdout
    rules = re.findall(r'^(\S+) \(', text, re.M)
    assert [a['rule'] for a in alerts] == rules
    table = re.search(r'^\| hunt \|.*?\n\n', README, re.M | re.S)[0]
    assert re.findall(r'^\| ([a-z-]+) \|', table, re.M)[1:] == rules


def test_the_rules_file(tmp_path):
    block = re.search(r'^    tags:.*?\n\n', README, re.M | re.S)[0]
    path = tmp_path / 'rules.yaml'
    path.write_text(textwrap.dedent(block))
    done = subprocess.run([lab.weir_binary(), 'hunts', '--test', path], capture_output=True, text=True)
    assert done.returncode == 0 and '\nmail-flood (host by port, 1m, outbound, low, T1048)\n' in done.stdout, done
