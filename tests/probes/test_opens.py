"""The count of a probe's connects, where others read it."""

from __future__ import annotations

import contextlib
import errno
import socket
from collections.abc import Callable
from typing import Any

import pytest

from pytest_keepalive._events import discard
from pytest_keepalive._opens import BEGUN, DONE
from pytest_keepalive._own_connects import OwnConnects
from pytest_keepalive._server import KeepaliveServer

from .socket_probes import installed

Connecting = Callable[[KeepaliveServer], object]


def refused(server: KeepaliveServer) -> None:
    with socket.socket() as bound, socket.socket() as client:
        bound.bind(("127.0.0.1", 0))
        client.connect_ex(bound.getsockname())


def under_way(server: KeepaliveServer) -> None:
    with socket.socket() as client:
        client.setblocking(False)
        assert client.connect_ex((server.host, server.port)) in (0, errno.EINPROGRESS)


def never_sent(server: KeepaliveServer) -> None:
    with socket.socket() as client, contextlib.suppress(TypeError):
        client.connect("nonsense")


def connected_before(server: KeepaliveServer) -> None:
    with socket.socket() as client:
        super(socket.socket, client).connect((server.host, server.port))
        assert client.connect_ex((server.host, server.port)) == errno.EISCONN


def established(server: KeepaliveServer) -> None:
    socket.create_connection((server.host, server.port)).close()


@pytest.mark.parametrize(
    ("connect", "counted", "accepted"),
    [
        (established, 1, 1),
        (refused, 1, 0),
        (under_way, 1, 1),
        (never_sent, 0, 0),
        (connected_before, 0, 1),
    ],
)
def test_a_connect_is_begun_before_the_system_call_and_done_behind_it(
    server: KeepaliveServer,
    monkeypatch: pytest.MonkeyPatch,
    connect: Connecting,
    counted: int,
    accepted: int,
) -> None:
    counts, seen = [5, 5], []

    def spy(name: str) -> None:
        original = getattr(socket.socket, name)

        def called(sock: Any, address: Any) -> Any:
            seen.append(tuple(counts))
            return original(sock, address)

        monkeypatch.setattr(socket.socket, name, called)

    spy("connect")
    spy("connect_ex")
    with installed(discard, counts) as probe:
        connect(server)
    server.wait_for_connections(accepted)
    assert server.accepted == accepted
    assert seen == [(6, 5)]
    assert counts == [5 + counted, 5 + counted]
    assert probe.opens == counted


def test_a_connect_that_could_not_be_stated_is_the_witnesses_to_count(
    server: KeepaliveServer,
) -> None:
    def broken(event: object) -> None:
        if type(event) is tuple:
            raise ValueError(event)

    counts = [0, 0]
    with installed(broken, counts):
        established(server)
    server.wait_for_connections(1)
    assert server.accepted == 1
    assert counts == [0, 0]


@pytest.mark.parametrize("listening", [True, False])
def test_what_a_relay_connects_is_counted_in_the_place_that_it_is_given(
    server: KeepaliveServer, listening: bool
) -> None:
    relays, counts = OwnConnects(), [5, 5]
    with socket.socket() as sock:
        relays.connect(sock, (server.host, server.port))
    relays.count_in(counts)
    with socket.socket() as bound, socket.socket() as sock:
        bound.bind(("127.0.0.1", 0))
        address = (server.host, server.port) if listening else bound.getsockname()
        with contextlib.suppress(ConnectionRefusedError):
            relays.connect(sock, address)
    server.wait_for_connections(1 + listening)
    assert server.accepted == 1 + listening
    assert counts == [6, 6]
    assert relays.opens == 2


def test_a_relay_counts_nothing_that_was_not_sent() -> None:
    relays = OwnConnects()
    with socket.socket() as sock, pytest.raises(TypeError):
        relays.connect(sock, "nonsense")
    assert relays.opens == 0


def test_a_forked_child_counts_elsewhere(server: KeepaliveServer) -> None:
    counts = [0, 0]
    with installed(discard, counts) as probe:
        established(server)
        probe.count_alone()
        established(server)
    server.wait_for_connections(2)
    assert server.accepted == 2
    assert (counts[BEGUN], counts[DONE]) == (1, 1)
    assert probe.opens == 2
