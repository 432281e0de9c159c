from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Iterator

import pytest

from pytest_keepalive._events import Side
from pytest_keepalive._probes import _tcp_info
from pytest_keepalive._probes._tcp_info import TcpInfo, read_tcp_info
from tests.probes.needs import on_linux

Ends = tuple[socket.socket, socket.socket]


@pytest.fixture
def ends() -> Iterator[Ends]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        server, _ = listener.accept()
    with client, server:
        client.settimeout(5)
        server.settimeout(5)
        yield client, server


def talk(ends: Ends) -> None:
    client, server = ends
    client.sendall(b"x" * 10)
    assert len(server.recv(100)) == 10
    server.sendall(b"y" * 20)
    assert len(client.recv(100)) == 20


def close_server(ends: Ends) -> None:
    client, server = ends
    server.close()
    assert client.recv(1) == b""


def shut_client(ends: Ends) -> None:
    client, server = ends
    client.shutdown(socket.SHUT_WR)
    assert server.recv(1) == b""


def reset(ends: Ends) -> None:
    client, server = ends
    server.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    server.close()
    with pytest.raises(ConnectionResetError):
        client.recv(1)


@on_linux
@pytest.mark.parametrize(
    ("deeds", "sent", "received", "first"),
    [
        ((), 0, 0, Side.CLIENT),
        ((talk,), 10, 20, Side.CLIENT),
        ((talk, close_server), 10, 20, Side.PEER),
        ((close_server,), 0, 0, Side.PEER),
        ((talk, shut_client), 10, 20, Side.CLIENT),
        ((shut_client,), 0, 0, Side.CLIENT),
        ((reset,), 0, 0, Side.PEER),
        # Both a reset and two FINs lead to CLOSED, and a FIN counts as a byte.
        ((talk, reset), None, None, Side.PEER),
        ((talk, shut_client, close_server), None, None, Side.PEER),
    ],
    ids=[
        "new",
        "talked",
        "server-closed",
        "server-closed-unused",
        "client-shut",
        "client-shut-unused",
        "reset-unused",
        "reset",
        "both-closed",
    ],
)
def test_the_kernel_tells_payload_and_who_closed_first(
    ends: Ends,
    deeds: tuple[Callable[[Ends], None], ...],
    sent: int | None,
    received: int | None,
    first: Side,
) -> None:
    for deed in deeds:
        deed(ends)
    info = read_tcp_info(ends[0])
    assert info is not None
    assert info.was_established
    assert not info.is_connecting
    assert (info.sent, info.received) == (sent, received)
    assert info.first_to_close is first


@on_linux
def test_the_peers_fin_is_noticed_with_its_time(ends: Ends) -> None:
    before = read_tcp_info(ends[0])
    assert before is not None
    assert not before.peer_has_closed
    close_server(ends)
    after = read_tcp_info(ends[0])
    assert after is not None
    assert after.peer_has_closed
    assert 0 <= after.last_segment < 5


@on_linux
def test_asking_takes_no_error_away() -> None:
    with socket.socket() as closed, socket.socket() as client:
        closed.bind(("127.0.0.1", 0))
        client.setblocking(False)
        client.connect_ex(closed.getsockname())
        info = read_tcp_info(client)
        assert info is not None
        assert not info.was_established
        assert client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) != 0


def test_a_syn_that_is_out_is_an_attempt_under_way() -> None:
    assert TcpInfo(2, 0, 0, 0.0).is_connecting
    assert not TcpInfo(2, 0, 0, 0.0).was_established


@pytest.mark.parametrize(
    ("state", "sent", "received"),
    [(1, 10, 21), (4, 10, 21), (5, 9, 21), (6, 9, 20), (8, 10, 20), (9, 10, 20)],
)
def test_a_fin_is_no_payload(state: int, sent: int, received: int) -> None:
    info = TcpInfo(state, 11, 21, 0.0)
    assert (info.sent, info.received) == (sent, received)


def test_a_state_that_nobody_closes_in_tells_nobody() -> None:
    assert TcpInfo(2, 0, 0, 0.0).first_to_close is None


def test_a_closed_socket_tells_nothing() -> None:
    client = socket.socket()
    client.close()
    assert read_tcp_info(client) is None


def test_another_system_tells_nothing(ends: Ends, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_tcp_info, "_TCP_INFO", None)
    assert read_tcp_info(ends[0]) is None


def test_an_old_kernel_that_tells_less_tells_nothing(
    ends: Ends, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_tcp_info, "_TCP_INFO", 11)
    monkeypatch.setattr(_tcp_info, "_getsockopt", lambda *_: b"\x01" * 104)
    assert read_tcp_info(ends[0]) is None
