from __future__ import annotations

from collections.abc import Iterator

import pytest

from pytest_keepalive._counter import ConnectionCounter
from tests.transports.side_by_side import counter


@pytest.fixture
def unpatched() -> Iterator[ConnectionCounter]:
    seen = counter(patch=False)
    yield seen
    seen.close()
