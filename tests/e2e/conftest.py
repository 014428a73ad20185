"""Fixtures of several files."""
import pytest

import lab
from collector import Load


@pytest.fixture
def net():
    """One cable from a sender to a sensor."""
    if lab.MISSING:
        pytest.skip(lab.MISSING)
    with lab.pair() as made:
        yield made


@pytest.fixture(autouse=True)
def no_load_is_left():
    yield
    Load.kill_all()
