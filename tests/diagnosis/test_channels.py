"""Group G6: clients that speak no HTTP, over Python's sockets."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterator
from threading import Thread

import pytest

from pytest_keepalive import Cause
from pytest_keepalive._measure import measure

Address = tuple[str, int]
PING, PONG = b"PING\r\n", b"+PONG\r\n"


class PingServer:
    """A server of a protocol of lines; it hangs up behind an answer, if told to."""

    def __init__(self, hangs_up: bool) -> None:
        self._hangs_up = hangs_up
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = Thread(target=self._accept)
        self.address: Address = self._listener.getsockname()
        self.accepted = 0

    def __enter__(self) -> PingServer:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self.accepted += 1
            with sock:
                while sock.recv(100):
                    sock.sendall(PONG)
                    if self._hangs_up:
                        break


@pytest.fixture(params=[False])
def ping_server(request: pytest.FixtureRequest) -> Iterator[PingServer]:
    with PingServer(request.param) as server:
        yield server


class Cache:
    """A client that keeps its connection until it is closed."""

    def __init__(self, address: Address) -> None:
        self._sock = socket.create_connection(address)

    def ping(self) -> None:
        self._sock.sendall(PING)
        assert self._sock.recv(100) == PONG

    def wait_for_the_end(self) -> None:
        assert self._sock.recv(100) == b""

    def close(self) -> None:
        self._sock.close()


def ping_once(address: Address, until_the_end: bool) -> None:
    cache = Cache(address)
    cache.ping()
    if until_the_end:
        cache.wait_for_the_end()
    cache.close()


async def ping_once_with_streams(address: Address, until_the_end: bool) -> None:
    reader, writer = await asyncio.open_connection(*address)
    writer.write(PING)
    assert await reader.readline() == PONG
    if until_the_end:
        assert await reader.read() == b""
    writer.close()
    await writer.wait_closed()


def in_threads(address: Address, until_the_end: bool) -> None:
    for _ in range(3):
        ping_once(address, until_the_end)


def in_tasks(address: Address, until_the_end: bool) -> None:
    async def main() -> None:
        for _ in range(3):
            await ping_once_with_streams(address, until_the_end)

    asyncio.run(main())


Ways = Callable[[Address, bool], None]
EACH_WAY = pytest.mark.parametrize("way", [in_threads, in_tasks])


@EACH_WAY
def test_a_channel_for_each_call(ping_server: PingServer, way: Ways) -> None:
    with measure() as seen:
        way(ping_server.address, False)
    assert seen.count == ping_server.accepted == 3
    assert [finding.cause for finding in seen.findings] == [Cause.CHANNEL_PER_CALL] * 2
    first = seen.findings[0]
    assert first.call_site is not None
    assert "connect" in first.call_site.source or "Cache(" in first.call_site.source
    assert f"{len(PING)} bytes out and {len(PONG)} in" in first.evidence[0]


@EACH_WAY
@pytest.mark.parametrize("ping_server", [True], indirect=True)
def test_a_server_that_closes_first_leaves_it_open_why(ping_server: PingServer, way: Ways) -> None:
    with measure() as seen:
        way(ping_server.address, True)
    assert [finding.cause for finding in seen.findings] == [Cause.UNKNOWN] * 2


def test_a_channel_that_is_kept_has_no_finding(ping_server: PingServer) -> None:
    with measure() as seen:
        cache = Cache(ping_server.address)
        for _ in range(3):
            cache.ping()
        cache.close()
    assert seen.count == ping_server.accepted == 1
    assert seen.findings == ()
