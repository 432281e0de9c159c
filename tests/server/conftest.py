from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from pytest_keepalive._server import KeepaliveServer

from .raw_client import RawClient


@pytest.fixture(autouse=True)
def _no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    names = {thread.name for thread in set(threading.enumerate()) - before}
    assert not {name for name in names if name.startswith(("KeepaliveServer", "ConnectProxy"))}


@pytest.fixture
def server() -> Iterator[KeepaliveServer]:
    with KeepaliveServer() as server:
        yield server


@pytest.fixture
def client(server: KeepaliveServer) -> Iterator[RawClient]:
    with RawClient(server) as client:
        yield client
