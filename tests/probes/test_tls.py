"""TLS handshakes, whoever makes them."""

from __future__ import annotations

import asyncio
import gc
import inspect
import select
import socket
import ssl
import weakref
from collections.abc import Iterator
from typing import Any

import pytest

from pytest_keepalive._events import Handshaken, Stated
from pytest_keepalive._measure import measure
from pytest_keepalive._origin import Pair
from pytest_keepalive._probes._tls import TlsProbe
from pytest_keepalive._server import KeepaliveServer


@pytest.fixture
def server() -> Iterator[KeepaliveServer]:
    with KeepaliveServer(tls=True) as server:
        yield server


@pytest.fixture
def context(server: KeepaliveServer) -> ssl.SSLContext:
    context = server.client_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


@pytest.fixture
def events() -> list[Stated]:
    return []


@pytest.fixture
def probe(events: list[Stated]) -> Iterator[TlsProbe]:
    probe = TlsProbe(events.append)
    probe.install(ssl)
    yield probe
    probe.uninstall()


def connect(server: KeepaliveServer) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port))


def pair_of(sock: socket.socket) -> Pair:
    return Pair(sock.getsockname(), sock.getpeername())


class TestSockets:
    """The ways in which CPython's ``ssl.SSLSocket`` comes to its handshake."""

    def test_that_are_wrapped_when_connected(
        self,
        server: KeepaliveServer,
        context: ssl.SSLContext,
        probe: TlsProbe,
        events: list[Stated],
    ) -> None:
        with context.wrap_socket(connect(server), server_hostname="127.0.0.1") as sock:
            (event,) = events
            assert isinstance(event, Handshaken)
            assert event.pair == pair_of(sock)
            assert event.protocol == "http/1.1"
            assert 0 < event.ended_at - event.started_at < 5
            assert probe.handshake_of(sock) is None

    def test_that_are_connected_when_wrapped(
        self,
        server: KeepaliveServer,
        context: ssl.SSLContext,
        probe: TlsProbe,
        events: list[Stated],
    ) -> None:
        with context.wrap_socket(socket.socket(), server_hostname="127.0.0.1") as sock:
            sock.connect(("127.0.0.1", server.port))
            assert [each.pair for each in events if isinstance(each, Handshaken)] == [pair_of(sock)]

    def test_that_are_told_to(
        self,
        server: KeepaliveServer,
        context: ssl.SSLContext,
        probe: TlsProbe,
        events: list[Stated],
    ) -> None:
        options: dict[str, Any] = {"do_handshake_on_connect": False}
        with context.wrap_socket(connect(server), server_hostname="127.0.0.1", **options) as sock:
            assert events == []
            sock.do_handshake()
            assert len(events) == 1
            sock.do_handshake()
            assert len(events) == 1

    def test_that_do_not_wait(
        self,
        server: KeepaliveServer,
        context: ssl.SSLContext,
        probe: TlsProbe,
        events: list[Stated],
    ) -> None:
        def flights() -> int:
            events.clear()
            plain = connect(server)
            plain.setblocking(False)
            options: dict[str, Any] = {"do_handshake_on_connect": False}
            with context.wrap_socket(plain, server_hostname="127.0.0.1", **options) as sock:
                times = 0
                while not events:
                    times += 1
                    try:
                        sock.do_handshake()
                    except ssl.SSLWantReadError:
                        select.select([sock], [], [], 5)
                assert len(events) == 1
            return times

        # A busy machine may let the server answer before the client has looked once.
        assert any(flights() > 1 for _ in range(20))

    def test_that_fail_state_nothing(
        self, server: KeepaliveServer, probe: TlsProbe, events: list[Stated]
    ) -> None:
        context, plain = ssl.create_default_context(), connect(server)
        with plain, pytest.raises(ssl.SSLCertVerificationError):
            context.wrap_socket(plain, server_hostname="127.0.0.1")
        assert events == []

    def test_that_are_no_tcp_state_nothing(
        self, context: ssl.SSLContext, probe: TlsProbe, events: list[Stated]
    ) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX)
        with ours, theirs:
            options: dict[str, Any] = {"do_handshake_on_connect": False}
            tls = context.wrap_socket(ours, server_hostname="127.0.0.1", **options)
            tls.setblocking(False)
            with tls, pytest.raises(ssl.SSLWantReadError):
                tls.do_handshake()
        assert events == []


class TestObjects:
    def test_are_remembered_for_who_asks(
        self,
        server: KeepaliveServer,
        context: ssl.SSLContext,
        probe: TlsProbe,
        events: list[Stated],
    ) -> None:
        async def main() -> None:
            _, writer = await asyncio.open_connection("127.0.0.1", server.port, ssl=context)
            ssl_object = writer.get_extra_info("ssl_object")
            handshake = probe.handshake_of(ssl_object)
            assert handshake is not None
            assert handshake.protocol == "http/1.1"
            assert 0 < handshake.ended_at - handshake.started_at < 5
            ssl_object.do_handshake()
            assert probe.handshake_of(ssl_object) is handshake
            writer.close()
            await writer.wait_closed()

        asyncio.run(main())
        assert events == []

    def test_are_not_kept_alive(self, context: ssl.SSLContext, probe: TlsProbe) -> None:
        ssl_object = context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname="x")
        with pytest.raises(ssl.SSLWantReadError):
            ssl_object.do_handshake()
        reference = weakref.ref(ssl_object)
        del ssl_object
        gc.collect()
        assert reference() is None

    @pytest.mark.parametrize("stranger", [None, 1, "x", object(), []])
    def test_of_others_are_not_known(self, probe: TlsProbe, stranger: object) -> None:
        assert probe.handshake_of(stranger) is None


class TestManners:
    def test_the_servers_side_is_not_measured(
        self,
        server: KeepaliveServer,
        context: ssl.SSLContext,
        probe: TlsProbe,
        events: list[Stated],
    ) -> None:
        """The server of these tests runs in this process, and makes its handshakes here."""
        with context.wrap_socket(connect(server), server_hostname="127.0.0.1") as sock:
            server.wait_for(lambda server: server.connections[0].handshaken)
            assert [each.pair for each in events if isinstance(each, Handshaken)] == [pair_of(sock)]

    def test_a_connection_tells_of_it(
        self, server: KeepaliveServer, context: ssl.SSLContext
    ) -> None:
        with measure() as seen:
            context.wrap_socket(connect(server), server_hostname="127.0.0.1").close()
        assert server.accepted == seen.count == 1
        assert seen.connections[0].handshake_seconds is not None
        assert seen.recording.notes == ()

    def test_what_was_there_is_put_back(self) -> None:
        owners = (ssl.SSLSocket, ssl.SSLObject)
        before = [inspect.getattr_static(owner, "do_handshake") for owner in owners]
        with measure():
            during = [inspect.getattr_static(owner, "do_handshake") for owner in owners]
        assert all(now is not then for now, then in zip(during, before, strict=True))
        assert [inspect.getattr_static(owner, "do_handshake") for owner in owners] == before

    def test_arguments_go_through(self, server: KeepaliveServer, context: ssl.SSLContext) -> None:
        options: dict[str, Any] = {"do_handshake_on_connect": False}
        with (
            measure(),
            context.wrap_socket(connect(server), server_hostname="127.0.0.1", **options) as sock,
        ):
            nonsense: dict[str, Any] = {"nonsense": True}
            with pytest.raises(TypeError):
                sock.do_handshake(**nonsense)
            sock.do_handshake(block=True)
            assert sock.version() is not None
