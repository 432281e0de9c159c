from __future__ import annotations

import http.client
import socket
from collections.abc import Iterator

import pytest

from pytest_keepalive._instruments import instruments
from pytest_keepalive._server import KeepaliveServer


@pytest.fixture
def client(server: KeepaliveServer) -> Iterator[http.client.HTTPConnection]:
    """What http.client calls a connection, which connects when it is asked for something."""
    client = http.client.HTTPConnection(server.host, server.port, timeout=5)
    yield client
    client.close()


@pytest.fixture
def tls_server() -> Iterator[KeepaliveServer]:
    with KeepaliveServer(tls=True) as server:
        yield server


@pytest.fixture
def secure() -> Iterator[KeepaliveServer]:
    """A server of HTTP/1.1 and HTTP/2 over TLS."""
    with KeepaliveServer(tls=True, http2=True) as server:
        yield server


@pytest.fixture
def refusing() -> Iterator[tuple[str, int]]:
    """An address at which nobody listens."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()


@pytest.fixture
def _not_yet_warned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(instruments, "_warned", set())
