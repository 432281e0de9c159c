from __future__ import annotations

import os
import socket
import struct
import time
from collections.abc import Iterator

import pytest

from pytest_keepalive._origin import pair_of
from pytest_keepalive._watch._obituaries import Obituaries
from pytest_keepalive._watch._ring import BY_DESCRIPTOR, CONNECT, LET_GO, Ring, make_memory
from pytest_keepalive._watch._sock_diag import Socket

pytestmark = pytest.mark.usefixtures("kernel_watch")


@pytest.fixture
def ring() -> Ring:
    memory = make_memory()
    ring = Ring(memory)
    os.close(memory)
    return ring


@pytest.fixture
def obituaries(ring: Ring) -> Iterator[Obituaries]:
    obituaries = Obituaries(ring)
    yield obituaries
    obituaries.close()


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


def record(ring: Ring, sock: socket.socket, port: int = 0, cookie: int | None = None) -> int:
    """Record a connect as a supervisor does, and give the cookie of its socket."""
    real = struct.unpack("=Q", sock.getsockopt(socket.SOL_SOCKET, 57, 8))[0]
    told = real if cookie is None else cookie
    place = (1.5, told, 0, 1, 1, 0, 3, 0, 2, port, CONNECT, BY_DESCRIPTOR, LET_GO)
    ring.append(1, (*place, b"", b"", b""))
    return int(real)


def await_obituary(obituaries: Obituaries, cookie: int) -> Socket:
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        obituaries.listen()
        dead = obituaries.take(cookie)
        if dead is not None:
            return dead
        time.sleep(0.001)
    raise AssertionError("no obituary came")


def test_the_end_of_a_socket_is_announced_with_what_it_carried(
    ring: Ring, obituaries: Obituaries, listener: socket.socket
) -> None:
    client = socket.create_connection(listener.getsockname())
    server, _ = listener.accept()
    cookie = record(ring, client)
    ends = pair_of(client.getsockname(), client.getpeername())
    client.sendall(b"12345")
    client.close()
    server.recv(5)
    server.close()
    dead = await_obituary(obituaries, cookie)
    assert (dead.local, dead.peer) == ends
    assert dead.counts is not None
    assert (dead.counts.established, dead.counts.sent, dead.counts.received) == (True, 5, 0)
    assert obituaries.take(cookie) is None


def test_a_refused_attempt_is_announced_as_one(ring: Ring, obituaries: Obituaries) -> None:
    with socket.socket() as nobody, socket.socket() as client:
        nobody.bind(("127.0.0.1", 0))
        cookie = record(ring, client)
        assert client.connect_ex(nobody.getsockname())
    dead = await_obituary(obituaries, cookie)
    assert dead.counts is not None
    assert not dead.counts.established


def test_sockets_that_are_not_recorded_are_not_kept(
    ring: Ring, obituaries: Obituaries, listener: socket.socket
) -> None:
    others = [socket.socket() for _ in range(20)]
    cookies = [struct.unpack("=Q", each.getsockopt(socket.SOL_SOCKET, 57, 8))[0] for each in others]
    mine = socket.socket()
    cookie = record(ring, mine)
    for each in (*others, mine):
        each.close()
    await_obituary(obituaries, cookie)
    assert [obituaries.take(other) for other in cookies] == [None] * 20


def test_one_without_a_cookie_is_known_by_where_it_went(
    ring: Ring, obituaries: Obituaries, listener: socket.socket
) -> None:
    address = listener.getsockname()
    client = socket.create_connection(address)
    record(ring, client, port=address[1], cookie=0)
    local = client.getsockname()
    client.close()
    listener.accept()[0].close()
    deadline = time.monotonic() + 5
    while not (gone := obituaries.of_those_who_went([address])):
        assert time.monotonic() < deadline
        obituaries.listen()
    assert [dead.local for dead in gone] == [local]


def test_a_flood_of_others_is_heard_in_parts(ring: Ring, obituaries: Obituaries) -> None:
    cookies = []
    for index in range(1500):
        with socket.socket() as sock:
            if index in (0, 1499):
                cookies.append(record(ring, sock))
    time.sleep(0.05)
    rounds = 1
    while obituaries.listen():
        rounds += 1
    assert rounds == 2 or obituaries.lost
    if not obituaries.lost:
        assert all(obituaries.take(cookie) for cookie in cookies)
