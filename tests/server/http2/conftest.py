from __future__ import annotations

from collections.abc import Iterator

import pytest

from pytest_keepalive._server import KeepaliveServer

from .client import Http2Client


@pytest.fixture
def server() -> Iterator[KeepaliveServer]:
    with KeepaliveServer(http2=True) as server:
        yield server


@pytest.fixture
def client(server: KeepaliveServer) -> Iterator[Http2Client]:
    with Http2Client(server) as client:
        yield client
