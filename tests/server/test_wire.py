"""Leaving a socket: the moments that no client can choose."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import pytest

from pytest_keepalive._server._wire import Ended, Manner, Wire


@pytest.fixture
def ends() -> Iterator[tuple[Wire, socket.socket]]:
    near, far = socket.socketpair()
    far.settimeout(5)
    with near, far:
        yield Wire(near), far


@pytest.fixture
def loopback() -> Iterator[tuple[Wire, socket.socket]]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        with socket.create_connection(listening.getsockname()) as far:
            far.settimeout(5)
            near, _ = listening.accept()
            with near:
                yield Wire(near), far


def test_a_client_that_falls_silent_is_left_in_the_end(
    ends: tuple[Wire, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pytest_keepalive._server._wire._LINGER_SECONDS", 0.02)
    wire, far = ends
    wire.leave(Manner.LINGER)
    assert far.recv(1) == b""
    far.send(b"still understood")
    begin = time.monotonic()
    wire.linger()
    assert 0.02 <= time.monotonic() - begin < 3
    with pytest.raises(ConnectionError):
        far.send(b"no more")


def test_lingering_ends_as_soon_as_the_client_closes(ends: tuple[Wire, socket.socket]) -> None:
    wire, far = ends
    wire.leave(Manner.LINGER)
    far.close()
    begin = time.monotonic()
    wire.linger()
    assert time.monotonic() - begin < 1


def test_a_request_that_crosses_the_drop_finds_the_connection_dropped(
    ends: tuple[Wire, socket.socket],
) -> None:
    wire, _ = ends
    wire.mark_idle()
    assert wire.drop()
    with pytest.raises(Ended, match="dropped while idle"):
        wire.mark_busy()


def test_a_request_that_began_before_the_drop_goes_on(ends: tuple[Wire, socket.socket]) -> None:
    wire, far = ends
    wire.mark_busy()
    assert not wire.drop()
    wire.mark_busy()
    far.send(b"more of it")
    assert wire.receive() == b"more of it"
    with pytest.raises(Ended, match="dropped while idle"):
        wire.await_request(None)


def test_what_was_left_is_neither_dropped_nor_aborted(ends: tuple[Wire, socket.socket]) -> None:
    wire, _ = ends
    wire.leave(Manner.CLOSE)
    assert not wire.drop()
    wire.abort()
    wire.linger()


def test_a_peer_that_was_sending_when_its_wire_was_aborted_is_not_left_waiting(
    loopback: tuple[Wire, socket.socket],
) -> None:
    wire, far = loopback
    far.setblocking(False)
    assert 4096 < far.send(b"x" * 1_000_000) < 10_000_000
    wire.abort()
    while wire.receive():
        pass
    wire.leave(Manner.CLOSE)
    far.settimeout(2)
    with pytest.raises(ConnectionError):
        far.sendall(b"x" * 10_000_000)


def test_an_idle_peer_of_an_aborted_wire_sees_it_closed_and_not_reset(
    loopback: tuple[Wire, socket.socket],
) -> None:
    wire, far = loopback
    far.send(b"x")
    assert wire.receive() == b"x"
    wire.abort()
    assert wire.receive() == b""
    wire.leave(Manner.CLOSE)
    assert [far.recv(1), far.recv(1)] == [b"", b""]


def test_what_breaks_was_broken_by_the_client(ends: tuple[Wire, socket.socket]) -> None:
    wire, far = ends
    far.close()
    with pytest.raises(Ended) as caught:
        wire.send(b"x")
    assert caught.value.by == "client"
    assert caught.value.reason.startswith("connection broke: ")
