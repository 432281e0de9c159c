"""The address pair of a connection that is reset before anybody asks for it."""

from __future__ import annotations

import select
import socket
import struct
from collections.abc import Iterator
from typing import Any

import pytest

from pytest_keepalive._events import discard
from pytest_keepalive._probes._httpcore_connections import pair_of_stream
from pytest_keepalive._probes._socket import SocketProbe

httpcore = pytest.importorskip("httpcore")
LINGER_NOT = struct.pack("ii", 1, 0)


@pytest.fixture
def probe() -> Iterator[SocketProbe]:
    probe = SocketProbe(discard)
    probe.install()
    yield probe
    probe.uninstall()


@pytest.fixture
def reset_stream(probe: SocketProbe) -> Iterator[Any]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        stream = httpcore.SyncBackend().connect_tcp(*listener.getsockname())
        accepted, _ = listener.accept()
        accepted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NOT)
        accepted.close()
        ready, _, _ = select.select([stream.get_extra_info("socket")], [], [], 5)
        assert ready
        yield stream
        stream.close()


def test_who_saw_it_connect_knows_both_its_ends(probe: SocketProbe, reset_stream: Any) -> None:
    with pytest.raises(OSError, match="not connected"):
        reset_stream.get_extra_info("server_addr")
    pair = pair_of_stream(reset_stream, probe.pair_of)
    assert pair is not None
    assert pair.local == reset_stream.get_extra_info("client_addr")


def test_where_nobody_saw_it_connect_it_has_no_ends(reset_stream: Any) -> None:
    assert pair_of_stream(reset_stream, lambda sock: None) is None
