"""Waiting for what must come, however slow the machine is."""
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
