"""How the programs of this room's tests are compiled."""

import pytest


@pytest.fixture(scope="module", autouse=True)
def programs(quickly_compiled: None) -> None:
    """Samples are few here: to compile their programs takes longer than to run them."""
