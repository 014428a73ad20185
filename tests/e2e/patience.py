"""Waiting for what must come, however slow the machine is."""
import pathlib
import time

PATIENCE = 60  # seconds that any condition may take on a machine under load


class Failed(AssertionError):
    pass


def wait_for(condition, what, timeout=PATIENCE, pause=0.02):
    """Returns the first true value of condition(). what: a text, or a function that returns one."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Failed(f'{what() if callable(what) else what}: not within {timeout} s')
        time.sleep(pause)


def waited(pids):
    """Seconds that all threads of these processes have waited for a core: what the machine is to blame for."""
    total = 0
    for path in (p for pid in pids for p in pathlib.Path(f'/proc/{pid}/task').glob('*/schedstat')):
        try:
            total += int(path.read_text().split()[1])
        except (OSError, IndexError):
            pass  # a thread that has just ended
    return total / 1e9
