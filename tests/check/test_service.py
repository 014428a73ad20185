"""The unit file of the service: as locked up as it claims, and complete."""
import pathlib
import re
import shutil
import subprocess

import pytest

UNIT = pathlib.Path(__file__).parents[2] / 'deploy' / 'systemd' / 'weir.service'

analyze = pytest.mark.skipif(not shutil.which('systemd-analyze'), reason='no systemd-analyze here')


def systemd(*args):
    return subprocess.run(['systemd-analyze', *map(str, args)], capture_output=True, text=True, timeout=60)


@analyze
def test_exposure_is_at_most_3():
    run = systemd('security', '--offline=true', '--threshold=30', UNIT)
    assert run.returncode == 0, run.stdout + run.stderr
    assert float(re.search(r'Overall exposure level for weir.service: (\S+)', run.stdout).group(1)) <= 3.0


@analyze
def test_nothing_in_it_is_unknown(tmp_path):
    unit = tmp_path / 'weir.service'
    unit.write_text(UNIT.read_text().replace('/usr/bin/weir', '/bin/true'))
    run = systemd('verify', '--man=no', unit)
    assert str(unit.name) not in run.stderr, run.stderr


def test_it_may_do_what_the_sensor_needs():
    text = UNIT.read_text()
    for name in ('AmbientCapabilities', 'CapabilityBoundingSet'):
        granted = re.search(rf'^{name}=(.*)$', text, re.M).group(1).split()
        assert sorted(granted) == ['CAP_BPF', 'CAP_IPC_LOCK', 'CAP_NET_ADMIN', 'CAP_NET_RAW']
    calls = ' '.join(re.findall(r'^SystemCallFilter=(.*)$', text, re.M))
    for call in ('bpf', 'seccomp', 'capset', 'landlock_restrict_self'):
        assert call in calls.split()
    assert 'AF_XDP' in re.search(r'^RestrictAddressFamilies=(.*)$', text, re.M).group(1)
