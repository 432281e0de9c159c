from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator

import pytest

from pytest_keepalive._origin import Pair, pair_of
from pytest_keepalive._watch._sock_diag import (
    CLOSE_WAIT,
    ESTABLISHED,
    TIME_WAIT,
    SockDiag,
    counts_of,
)

pytestmark = pytest.mark.usefixtures("kernel_watch")


@pytest.fixture
def diag() -> Iterator[SockDiag]:
    diag = SockDiag()
    yield diag
    diag.close()


@pytest.fixture(params=["127.0.0.1", "::1"])
def listener(request: pytest.FixtureRequest) -> Iterator[socket.socket]:
    host: str = request.param
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family) as listener:
        yield listener


def cookie_of(sock: socket.socket) -> int:
    return int(struct.unpack("=Q", sock.getsockopt(socket.SOL_SOCKET, 57, 8))[0])


def pair(sock: socket.socket) -> Pair:
    found = pair_of(sock.getsockname(), sock.getpeername())
    assert found is not None
    return found


def connected(listener: socket.socket) -> tuple[socket.socket, socket.socket]:
    client = socket.create_connection(listener.getsockname()[:2])
    return client, listener.accept()[0]


def test_a_socket_is_found_by_its_cookie(diag: SockDiag, listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    client, server = connected(listener)
    with client, server:
        client.sendall(b"12345")
        server.recv(5)
        server.sendall(b"123")
        client.recv(3)
        for ports in ((), (port,), (1, port, 2), tuple(range(1, 40))):
            if ports and port not in ports:
                continue
            (found,) = diag.find({cookie_of(client)}, ports=ports)
            assert Pair(found.local, found.peer) == pair(client)
            assert found.state == ESTABLISHED
            assert found.counts is not None
            assert found.counts.established
            assert (found.counts.sent, found.counts.received) == (5, 3)


def test_other_ports_and_other_cookies_are_left_out(
    diag: SockDiag, listener: socket.socket
) -> None:
    client, server = connected(listener)
    with client, server:
        assert diag.find({cookie_of(client)}, ports=(1, 2)) == []
        assert diag.find({1 << 60}) == []


def test_one_in_time_wait_is_found_too(diag: SockDiag, listener: socket.socket) -> None:
    client, server = connected(listener)
    cookie, ends = cookie_of(client), pair(client)
    client.close()
    server.close()
    for _ in range(500):
        (found,) = diag.find({cookie}, ports=(ends.peer[1],))
        if found.state == TIME_WAIT:
            break
        threading.Event().wait(0.01)
    assert Pair(found.local, found.peer) == ends
    assert found.state == TIME_WAIT
    assert found.waits_since > 0


def test_the_states_of_what_is_open(diag: SockDiag, listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    first, its_server = connected(listener)
    second, other_server = connected(listener)
    with first, second, its_server:
        other_server.close()
        assert second.recv(1) == b""
        expected = {pair(first): ESTABLISHED, pair(second): CLOSE_WAIT}
        assert diag.states((port,)) == expected
        everything = diag.states()
        assert expected.items() <= everything.items()
        assert pair(its_server) in everything


def test_states_of_many_are_all_there(diag: SockDiag, listener: socket.socket) -> None:
    pairs = [connected(listener) for _ in range(200)]
    states = diag.states((listener.getsockname()[1],))
    assert states == {pair(client): ESTABLISHED for client, _ in pairs}
    for client, server in pairs:
        client.close()
        server.close()


def test_short_information_tells_nothing() -> None:
    assert counts_of(b"\x01" * 100) is None


def test_an_older_kernel_does_not_tell_what_was_sent() -> None:
    info = bytearray(192)
    struct.pack_into("=QQ", info, 120, 8, 9)
    struct.pack_into("=I", info, 152, 1)
    assert counts_of(bytes(info)) == (True, None, 9)
