from __future__ import annotations

from collections.abc import Iterator

import pytest

from pytest_keepalive import View, measure


@pytest.fixture
def seen() -> Iterator[View]:
    """Measure a test, and no other: ``connection_counter`` would have all of the run measured."""
    with measure() as seen:
        yield seen
