"""uvloop: what its loop connects without a Python socket."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest

from pytest_keepalive import KeepaliveServer, measure
from pytest_keepalive._events import Attempted, Outcome, Side
from pytest_keepalive._probes._patch import SeamGone
from pytest_keepalive._probes._uvloop import UvloopProbe
from pytest_keepalive._view import View

from .on_uvloop import assert_agreed, only, run

uvloop: Any = pytest.importorskip("uvloop", reason="pip install uvloop")

GET = b"GET / HTTP/1.1\r\nHost: test\r\n\r\n"
Act = Callable[[KeepaliveServer], Coroutine[Any, Any, None]]


@pytest.fixture
def tls_server() -> Iterator[KeepaliveServer]:
    pytest.importorskip("trustme")
    with KeepaliveServer(tls=True) as server:
        yield server


@pytest.fixture
def refusing() -> Iterator[int]:
    """A port at which nobody listens."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


def attempt_of(seen: View) -> Attempted:
    (attempt,) = seen.attempts
    return attempt


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(GET)
    assert (await reader.readuntil(b"ok")).startswith(b"HTTP/1.1 200")


async def end(writer: asyncio.StreamWriter) -> None:
    writer.close()
    await writer.wait_closed()


async def once(host: str, server: KeepaliveServer, **options: Any) -> None:
    reader, writer = await asyncio.open_connection(host, server.port, **options)
    await ask(reader, writer)
    await end(writer)


# Every way to connect


async def by_address(server: KeepaliveServer) -> None:
    await once("127.0.0.1", server)


async def by_name(server: KeepaliveServer) -> None:
    await once("localhost", server)


async def from_an_end_of_its_own(server: KeepaliveServer) -> None:
    await once("127.0.0.1", server, local_addr=("127.0.0.1", 0))


async def over_a_socket(server: KeepaliveServer) -> None:
    sock = socket.create_connection(("127.0.0.1", server.port), timeout=5)
    sock.setblocking(False)
    reader, writer = await asyncio.open_connection(sock=sock)
    await ask(reader, writer)
    await end(writer)


async def over_a_socket_of_the_loop(server: KeepaliveServer) -> None:
    loop = asyncio.get_running_loop()
    with socket.socket() as sock:
        sock.setblocking(False)
        await loop.sock_connect(sock, ("127.0.0.1", server.port))
        await loop.sock_sendall(sock, GET)
        assert await loop.sock_recv(sock, 4)


async def by_a_protocol_without_a_dictionary(server: KeepaliveServer) -> None:
    class Bare:
        __slots__ = ()

        def connection_made(self, transport: object) -> None: ...

        def connection_lost(self, error: object) -> None: ...

    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_connection(Bare, "127.0.0.1", server.port)  # type: ignore[type-var]
    transport.abort()
    await asyncio.sleep(0)


WAYS = [
    by_address,
    by_name,
    from_an_end_of_its_own,
    over_a_socket,
    over_a_socket_of_the_loop,
    by_a_protocol_without_a_dictionary,
]


@pytest.mark.usefixtures("_sockets_alone")
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_each_way_to_connect_is_one_connection_that_ends(server: KeepaliveServer, way: Act) -> None:
    with measure() as seen:
        run(way(server))
    assert_agreed(seen, server, 1)
    assert only(seen).closed_at is not None
    assert attempt_of(seen).outcome is Outcome.ESTABLISHED
    assert "test_uvloop.py" in str(only(seen).call_site)


def test_many_at_once_are_as_many_connections(server: KeepaliveServer) -> None:
    async def story() -> None:
        await asyncio.gather(*(once("127.0.0.1", server) for _ in range(20)))

    with measure() as seen:
        run(story())
    assert_agreed(seen, server, 20)


def test_a_name_is_told_apart_from_an_address(server: KeepaliveServer) -> None:
    async def story() -> None:
        await by_name(server)
        await by_address(server)

    with measure() as seen:
        run(story())
    named, numbered = seen.connections
    assert (named.asked_for, named.peer) == ("localhost", ("127.0.0.1", server.port))
    assert (numbered.asked_for, numbered.peer) == (None, named.peer)
    # Resolving is no part of connecting, and libuv does both in one.
    assert named.connect_seconds is None
    assert numbered.connect_seconds is not None
    assert (seen.to("localhost").count, seen.to("127.0.0.1").count) == (1, 2)


# What never became a connection


def test_a_refused_connect_is_an_attempt(refusing: int) -> None:
    with measure() as seen, pytest.raises(ConnectionRefusedError):
        run(asyncio.open_connection("127.0.0.1", refusing))
    assert seen.count == 0
    attempt = attempt_of(seen)
    assert (attempt.outcome, attempt.error) == (Outcome.FAILED, "ECONNREFUSED")
    assert attempt.peer == ("127.0.0.1", refusing)
    assert "on_uvloop.py" in str(attempt.call_site)


def test_a_connect_that_is_given_up_is_an_attempt() -> None:
    async def story(port: int) -> None:
        await asyncio.wait_for(asyncio.open_connection("127.0.0.1", port), 0.1)

    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, contextlib.ExitStack() as stack:
        # A queue of one that is full drops what comes.
        for _ in range(2):
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(full.getsockname())
        with measure() as seen, pytest.raises((TimeoutError, asyncio.TimeoutError)):
            run(story(full.getsockname()[1]))
    assert seen.count == 0
    assert (attempt_of(seen).outcome, attempt_of(seen).error) == (Outcome.FAILED, "CancelledError")


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        (("no-such-host.invalid", 80), {}),
        (("127.0.0.1", 80), {"sock": object()}),
        ((), {}),
        (("127.0.0.1", 80), {"server_hostname": "without TLS"}),
    ],
    ids=["unknown name", "two ways at once", "nothing", "a name without TLS"],
)
def test_what_was_never_tried_is_no_attempt_and_fails_as_ever(
    arguments: tuple[Any, ...], options: dict[str, Any]
) -> None:
    async def story() -> None:
        loop: Any = asyncio.get_running_loop()
        await loop.create_connection(asyncio.Protocol, *arguments, **options)

    with pytest.raises((OSError, ValueError, TypeError, AttributeError)) as unmeasured:
        run(story())
    with measure() as seen, pytest.raises(unmeasured.type) as measured:
        run(story())
    assert str(measured.value) == str(unmeasured.value)
    assert (seen.count, seen.attempts) == (0, ())


def test_what_a_server_of_the_loop_accepts_is_no_connection_of_its_own() -> None:
    async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        await end(writer)

    async def story() -> None:
        server = await asyncio.start_server(served, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        for _ in range(3):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write_eof()
            await reader.read()
            await end(writer)
        server.close()
        await server.wait_closed()

    with measure() as seen:
        run(story())
    assert seen.count == 3


def test_unix_sockets_and_datagrams_do_not_count(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    path = str(tmp_path_factory.mktemp("s") / "u")

    async def story() -> None:
        loop = asyncio.get_running_loop()
        server = await asyncio.start_unix_server(lambda _, writer: writer.close(), path)
        reader, writer = await asyncio.open_unix_connection(path)
        await reader.read()
        await end(writer)
        server.close()
        await server.wait_closed()
        made = await loop.create_datagram_endpoint(
            asyncio.DatagramProtocol, remote_addr=("127.0.0.1", 9)
        )
        made[0].close()

    with measure() as seen:
        run(story())
    assert (seen.count, seen.attempts) == (0, ())


# How a connection ended


def test_the_client_closes_first(server: KeepaliveServer) -> None:
    with measure() as seen:
        run(by_address(server))
    server.wait_until_closed()
    assert only(seen).closed_by is Side.CLIENT
    assert server.connections[0].closed_by == "client"


def test_the_server_closes_first(server: KeepaliveServer) -> None:
    async def story() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        await ask(reader, writer)
        server.drop_idle()
        assert await reader.read() == b""
        await end(writer)

    with measure() as seen:
        run(story())
    assert only(seen).closed_by is Side.PEER
    assert server.connections[0].closed_by == "server"


def test_a_connection_is_open_until_it_is_closed(server: KeepaliveServer) -> None:
    async def story() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        await ask(reader, writer)
        assert only(seen).closed_at is None
        await end(writer)
        assert only(seen).closed_at is not None

    with measure() as seen:
        run(story())


@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
def test_a_connection_ends_with_its_loop(server: KeepaliveServer) -> None:
    kept: list[object] = []

    async def story() -> None:
        loop = asyncio.get_running_loop()
        kept.append(await loop.create_connection(asyncio.Protocol, "127.0.0.1", server.port))

    with measure() as seen:
        run(story())
        assert only(seen).closed_at is not None
    assert_agreed(seen, server, 1)


# TLS


async def with_tls_at_once(server: KeepaliveServer) -> None:
    await once("127.0.0.1", server, ssl=server.client_context(), server_hostname="localhost")


async def with_tls_later(server: KeepaliveServer) -> None:
    loop = asyncio.get_running_loop()
    plain, protocol = await loop.create_connection(asyncio.Protocol, "127.0.0.1", server.port)
    secured = await loop.start_tls(
        plain, protocol, server.client_context(), server_hostname="localhost"
    )
    assert secured is not None
    secured.close()
    server.wait_until_closed()


@pytest.mark.parametrize("way", [with_tls_at_once, with_tls_later], ids=lambda way: way.__name__)
def test_tls_is_the_same_connection(tls_server: KeepaliveServer, way: Act) -> None:
    with measure() as seen:
        run(way(tls_server))
    assert_agreed(seen, tls_server, 1)
    assert only(seen).closed_at is not None


def test_a_handshake_that_fails_was_a_connection(tls_server: KeepaliveServer) -> None:
    distrusting = ssl.create_default_context()
    with measure() as seen, pytest.raises(ssl.SSLError):
        run(once("127.0.0.1", tls_server, ssl=distrusting, server_hostname="localhost"))
    tls_server.wait_for_connections(1)
    assert seen.count == tls_server.accepted == 1
    assert only(seen).peer == ("127.0.0.1", tls_server.port)
    assert only(seen).local is None


# Where others read the count


@pytest.mark.parametrize("reached", [True, False], ids=["made", "never-tried"])
def test_a_connect_is_begun_before_anything_is_sent_and_done_behind_it(
    server: KeepaliveServer, reached: bool
) -> None:
    counts, seen = [0, 0], []

    class Protocol(asyncio.Protocol):
        def connection_made(self, transport: Any) -> None:
            seen.append(tuple(counts))
            transport.abort()

    async def connect(server: KeepaliveServer) -> None:
        port: Any = server.port if reached else "no such port"
        with contextlib.suppress(OSError):
            await asyncio.get_running_loop().create_connection(Protocol, "127.0.0.1", port)

    probe = UvloopProbe(lambda event: None, counts)
    probe.install(uvloop)
    try:
        run(connect(server))
    finally:
        probe.uninstall()
    assert seen == [(1, 0)] * reached
    assert counts == [reached, reached]


# Beside others


def test_everything_is_put_back(server: KeepaliveServer) -> None:
    before = uvloop.Loop.create_connection, uvloop.Loop.start_tls
    lost = asyncio.StreamReaderProtocol.connection_lost
    with measure():
        run(by_address(server))
        assert uvloop.Loop.create_connection is not before[0]
    assert (uvloop.Loop.create_connection, uvloop.Loop.start_tls) == before
    assert asyncio.StreamReaderProtocol.connection_lost is lost


def test_a_seam_that_is_gone_is_named() -> None:
    class Changed:
        """A uvloop of the future."""

    probe = UvloopProbe(lambda event: None)
    with pytest.raises(SeamGone, match=r"uvloop\.Loop"):
        probe.install(Changed)  # type: ignore[arg-type]
