from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from pytest_keepalive import _recorder
from pytest_keepalive._instruments import instruments
from pytest_keepalive._server import KeepaliveServer
from pytest_keepalive._watch import _witness

if TYPE_CHECKING:
    from urllib3 import PoolManager

pytest_plugins = ["pytester"]

# The same examples each time: a failure that comes and goes teaches nothing in CI.
settings.register_profile("suite", max_examples=60, deadline=None, database=None, derandomize=True)
settings.load_profile("suite")


@pytest.fixture
def server() -> Iterator[KeepaliveServer]:
    with KeepaliveServer() as server:
        yield server


@pytest.fixture
def pool() -> Iterator[PoolManager]:
    # Not before a test asks for it: niquests brings another urllib3.
    from urllib3 import PoolManager

    with PoolManager(timeout=5) as pool:
        yield pool


@pytest.fixture
def _sockets_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out what the servers of this process know of connections that no probe watches."""
    monkeypatch.setattr(_recorder, "complete", lambda recording: recording)


@pytest.fixture
def _no_native_clients(monkeypatch: pytest.MonkeyPatch) -> None:
    """Suspect no client that some plugin or test has loaded of what other processes open."""
    monkeypatch.setattr(_witness, "NATIVE_CLIENTS", {"pycurl": "pycurl", "psycopg_c": "psycopg"})
    for module in _witness.NATIVE_CLIENTS:
        monkeypatch.delitem(sys.modules, module, raising=False)


@pytest.fixture(autouse=True)
def _observers_are_left_as_found() -> Iterator[None]:
    # A marker of ours in a test of this folder has all the others measured: use pytester.
    assert not instruments.measuring
    yield
    assert not instruments.measuring
