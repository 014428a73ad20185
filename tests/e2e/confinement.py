"""What must hold for every thread of a process in the sandbox."""
import pathlib
import re
import signal

import lab

SANITIZED = re.search(rb'__[at]san_init', pathlib.Path(lab.weir_binary()).read_bytes()) is not None


def status_of_threads(pid):
    """Of all but the thread sanitizer's own, which takes no signal."""
    for task in pathlib.Path(f'/proc/{pid}/task').iterdir():
        status = dict(re.findall(r'^(\w+):\s*(.*)$', (task / 'status').read_text(), re.M))
        if not SANITIZED or not int(status['SigBlk'], 16) >> (signal.SIGRTMAX - 1) & 1:
            yield status


def names_of_threads(pid):
    return {status['Name'] for status in status_of_threads(pid)}


def assert_confined(pid, uid=None, at_least=1):
    """No capability, no way to get one, and the filter of system calls, which sanitizers do without."""
    threads = list(status_of_threads(pid))
    assert len(threads) >= at_least
    for status in threads:
        for kind in ('CapPrm', 'CapEff', 'CapInh', 'CapAmb'):
            assert int(status[kind], 16) == 0, status
        assert status['NoNewPrivs'] == '1', status
        assert SANITIZED or status['Seccomp'] == '2', status
        if uid is not None:
            assert set(status['Uid'].split()) == {str(uid)}, status
