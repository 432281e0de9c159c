"""What the servers of this process accept."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from pytest_keepalive._probes._accepting import AcceptProbe, arrivals
from pytest_keepalive._server import KeepaliveServer


@pytest.fixture
def probe() -> Iterator[AcceptProbe]:
    probe = AcceptProbe()
    probe.install(socket)
    yield probe
    probe.uninstall()


def test_each_accepted_connection_is_known_by_the_end_of_its_client(
    probe: AcceptProbe, server: KeepaliveServer
) -> None:
    with socket.create_connection((server.host, server.port)) as client:
        server.wait_for_connections(1)
        assert [each.peer for each in arrivals] == [client.getsockname()]


def test_what_is_accepted_comes_as_it_is(probe: AcceptProbe) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.create_connection(listener.getsockname()) as client,
    ):
        accepted, end = listener.accept()
        with accepted:
            assert end == accepted.getpeername() == client.getsockname()
        listener.setblocking(False)
        with pytest.raises(BlockingIOError):
            listener.accept()


def test_a_forked_child_starts_empty(probe: AcceptProbe, server: KeepaliveServer) -> None:
    with socket.create_connection((server.host, server.port)):
        server.wait_for_connections(1)
    probe.forget()
    assert not arrivals


def test_nothing_is_left_behind(server: KeepaliveServer) -> None:
    before = dict(vars(socket.socket))
    probe = AcceptProbe()
    probe.install(socket)
    assert "_accept" in vars(socket.socket)
    probe.uninstall()
    assert dict(vars(socket.socket)) == before
    with socket.create_connection((server.host, server.port)):
        server.wait_for_connections(1)
    assert not arrivals
