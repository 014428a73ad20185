import pytest

from harness import Weir


@pytest.fixture
def weir(tmp_path):
    return Weir(tmp_path)
