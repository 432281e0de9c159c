"""Attempts that fail, that are under way, and that nobody knows the outcome of."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import selectors
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pytest_keepalive import measure
from pytest_keepalive._events import Attempted, Outcome
from pytest_keepalive._probes import _socket as _socket_probe
from pytest_keepalive._probes import _tcp_info
from pytest_keepalive._server import KeepaliveServer
from pytest_keepalive._view import View
from tests.probes.agreement import agreed
from tests.probes.needs import has_ipv6, on_linux
from tests.probes.view import only
from tests.sockets import address_of, drop

pytestmark = pytest.mark.usefixtures("_sockets_alone")


def failed(seen: View) -> list[Attempted]:
    return [attempt for attempt in seen.attempts if attempt.outcome is Outcome.FAILED]


def test_a_refused_connect_is_an_attempt_and_no_connection(refusing: tuple[str, int]) -> None:
    with measure() as seen, socket.socket() as client, pytest.raises(ConnectionRefusedError):
        client.connect(refusing)
    assert seen.count == 0
    (attempt,) = seen.attempts
    assert attempt.outcome is Outcome.FAILED
    assert attempt.error == "ECONNREFUSED"
    assert attempt.peer == refusing


@on_linux
def test_a_refused_connect_that_did_not_block_is_one_too(refusing: tuple[str, int]) -> None:
    with measure() as seen, socket.socket() as client:
        client.setblocking(False)
        assert client.connect_ex(refusing) == errno.EINPROGRESS
        assert failed(seen) == list(seen.attempts)
    assert seen.count == 0
    assert seen.attempts == 1
    # Why it failed is for the client to ask.
    assert seen.attempts[0].error is None


@on_linux
def test_the_clients_own_look_at_so_error_still_tells(refusing: tuple[str, int]) -> None:
    with measure() as seen, socket.socket() as client, selectors.DefaultSelector() as selector:
        client.setblocking(False)
        client.connect_ex(refusing)
        selector.register(client, selectors.EVENT_WRITE)
        assert selector.select(5)
        assert seen.count == 0
        assert seen.attempts == 1
        error = client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    assert error == errno.ECONNREFUSED


@on_linux
def test_the_clients_own_second_connect_still_tells(refusing: tuple[str, int]) -> None:
    codes = []
    for measuring in (contextlib.nullcontext(), measure()):
        with measuring, socket.socket() as client, selectors.DefaultSelector() as selector:
            client.setblocking(False)
            client.connect_ex(refusing)
            selector.register(client, selectors.EVENT_WRITE)
            assert selector.select(5)
            codes.append(client.connect_ex(refusing))
    assert codes[0] == codes[1] != 0


def test_a_name_that_cannot_be_resolved_is_an_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    with measure() as seen, socket.socket() as client, pytest.raises(socket.gaierror):
        client.connect(("no-such-host.invalid", 80))
    assert seen.count == 0
    assert [attempt.peer for attempt in failed(seen)] == [("no-such-host.invalid", 80)]


def test_a_connect_that_times_out_is_an_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, contextlib.ExitStack() as stack:
        # A queue of one that is full drops what comes.
        for _ in range(2):
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(full.getsockname())
        with measure() as seen, socket.socket() as client:
            client.settimeout(0.02)
            with pytest.raises(TimeoutError):
                client.connect(full.getsockname())
    assert seen.count == 0
    assert [attempt.error for attempt in failed(seen)] == ["TimeoutError"]


def test_an_attempt_under_way_is_pending_and_is_settled_when_it_is_closed() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, contextlib.ExitStack() as stack:
        for _ in range(2):
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(full.getsockname())
        with measure() as seen, socket.socket() as client:
            client.setblocking(False)
            client.connect_ex(full.getsockname())
            assert [attempt.outcome for attempt in seen.attempts] == [Outcome.PENDING]
            assert seen.count == 0
            client.close()
            assert [attempt.outcome for attempt in seen.attempts] == [Outcome.FAILED]
            assert seen.count == 0


@pytest.fixture
def undecided(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """Keep the outcome of a connect from us, as a network does; gives what lets it be told."""
    with monkeypatch.context() as patching:

        def unknown(sock: socket.socket) -> Any:
            raise OSError(errno.ENOTCONN, "not yet")

        patching.setattr(_socket_probe, "_getpeername", unknown)
        patching.setattr(_tcp_info, "_TCP_INFO", None)
        yield patching.undo


def begin(server: KeepaliveServer) -> socket.socket:
    client = socket.socket()
    client.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        client.connect(address_of(server))
    return client


def test_an_attempt_under_way_is_settled_by_whoever_looks(
    server: KeepaliveServer, undecided: Callable[[], None]
) -> None:
    with measure() as seen, begin(server):
        assert [attempt.outcome for attempt in seen.attempts] == [Outcome.PENDING]
        undecided()
        assert [attempt.outcome for attempt in seen.attempts] == [Outcome.ESTABLISHED]
    # Nobody knows how long it took.
    assert only(seen).connect_seconds is None


def test_an_attempt_under_way_is_settled_by_the_next_connect(
    server: KeepaliveServer, undecided: Callable[[], None]
) -> None:
    with measure() as seen, begin(server) as client:
        undecided()
        assert client.connect_ex(address_of(server)) in (0, errno.EISCONN)
    assert (seen.count, len(seen.attempts)) == (1, 1)
    assert only(seen).connect_seconds is not None


def test_an_attempt_under_way_is_settled_by_its_close(
    server: KeepaliveServer, undecided: Callable[[], None]
) -> None:
    with measure() as seen:
        client = begin(server)
        undecided()
        client.close()
    assert only(seen).closed_at is not None


def test_an_attempt_whose_outcome_nobody_ever_knew_failed(
    server: KeepaliveServer, undecided: Callable[[], None]
) -> None:
    with measure() as seen:
        begin(server).close()
    assert [attempt.outcome for attempt in seen.attempts] == [Outcome.FAILED]


def test_an_attempt_that_was_garbage_staysundecided(
    server: KeepaliveServer, undecided: Callable[[], None]
) -> None:
    with measure() as seen, pytest.warns(ResourceWarning):
        drop(begin(server))
    assert [attempt.outcome for attempt in seen.attempts] == [Outcome.PENDING]
    assert seen.count == 0


def test_a_socket_that_failed_may_connect_again(
    server: KeepaliveServer, refusing: tuple[str, int]
) -> None:
    with measure() as seen, socket.socket() as client:
        with pytest.raises(ConnectionRefusedError):
            client.connect(refusing)
        client.connect(address_of(server))
    assert (seen.count, len(failed(seen))) == (1, 1)


@on_linux
def test_a_socket_that_failed_without_blocking_may_connect_again(
    server: KeepaliveServer, refusing: tuple[str, int]
) -> None:
    with measure() as seen, socket.socket() as client, selectors.DefaultSelector() as selector:
        client.setblocking(False)
        selector.register(client, selectors.EVENT_WRITE)
        client.connect_ex(refusing)
        assert selector.select(5)
        assert client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == errno.ECONNREFUSED
        with contextlib.suppress(OSError):
            # Linux tells an aborted connect once, before it begins another one.
            client.connect(address_of(server))
        client.connect_ex(address_of(server))
        assert selector.select(5)
        server.wait_for_connections(1)
        assert seen.count == 1


def test_a_connect_on_a_connected_socket_is_no_second_one(server: KeepaliveServer) -> None:
    with measure() as seen, socket.socket() as client:
        client.connect(address_of(server))
        with pytest.raises(OSError, match="already connected") as caught:
            client.connect(address_of(server))
        assert caught.value.errno == errno.EISCONN
        assert client.connect_ex(address_of(server)) == errno.EISCONN
    assert (seen.count, len(seen.attempts)) == (1, 1)


def test_a_connect_on_a_socket_connected_before_anybody_looked_is_none(
    server: KeepaliveServer,
) -> None:
    client = socket.socket()
    client.connect(address_of(server))
    with client, measure() as seen:
        assert client.connect_ex(address_of(server)) == errno.EISCONN
        with pytest.raises(OSError, match="already connected"):
            client.connect(address_of(server))
    assert (seen.count, len(seen.attempts)) == (0, 0)


def test_a_connect_whose_socket_another_thread_closes_at_once_returns(
    server: KeepaliveServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(sock: socket.socket) -> Any:
        raise OSError(errno.EBADF, "Bad file descriptor")

    with measure() as seen:
        # The address is a resolved one from here on.
        socket.create_connection(address_of(server)).close()
        monkeypatch.setattr(_socket_probe, "_getsockname", gone)
        with socket.socket() as client:
            client.connect(address_of(server))
    assert seen.opened == 2
    assert seen.opened[1].local is None
    assert not seen.recording.notes
    server.wait_until_closed(2)
    assert server.accepted == 2


@pytest.mark.parametrize("address", ["nonsense", ("127.0.0.1",), ("127.0.0.1", "http"), None])
def test_a_connect_to_nonsense_fails_as_it_would(address: Any) -> None:
    errors: list[BaseException] = []
    for measuring in (contextlib.nullcontext(), measure()):
        with measuring as seen, socket.socket() as client:
            with pytest.raises((TypeError, OSError, ValueError)) as caught:
                client.connect(address)
            with pytest.raises((TypeError, OSError, ValueError)):
                client.connect_ex(address)
        errors.append(caught.value)
    assert str(errors[0]) == str(errors[1])
    assert seen is not None
    assert seen.count == 0


def test_a_connect_of_a_closed_socket_fails_as_it_would(server: KeepaliveServer) -> None:
    client = socket.socket()
    client.close()
    with measure() as seen, pytest.raises(OSError, match="Bad file descriptor"):
        client.connect(address_of(server))
    assert seen.count == 0


def test_a_stand_in_that_connects_nothing_makes_no_connection(
    monkeypatch: pytest.MonkeyPatch, server: KeepaliveServer
) -> None:
    with monkeypatch.context() as patching:
        patching.setattr(socket.socket, "connect", lambda sock, address: None)
        with measure() as seen, socket.socket() as client:
            client.connect(address_of(server))
    assert seen.count == 0
    assert server.accepted == 0


@has_ipv6
def test_the_losers_of_happy_eyeballs_are_attempts(server: KeepaliveServer) -> None:
    async def main() -> None:
        # The server listens on 127.0.0.1 alone: ::1 refuses.
        _, writer = await asyncio.open_connection(
            "localhost", server.port, happy_eyeballs_delay=0.25
        )
        writer.close()
        await writer.wait_closed()

    answers = [
        (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", server.port, 0, 0)),
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", server.port)),
    ]
    with pytest.MonkeyPatch.context() as patching:
        patching.setattr(socket, "getaddrinfo", lambda *_, **__: answers)
        with measure() as seen:
            asyncio.run(main())
    assert agreed(seen, server) == 1
    assert [(each.peer[0], each.outcome) for each in seen.attempts] == [
        ("::1", Outcome.FAILED),
        ("127.0.0.1", Outcome.ESTABLISHED),
    ]
    assert {each.asked_for for each in seen.attempts} == {"localhost"}


def test_the_loser_of_a_race_that_both_win_is_a_connection_that_carried_nothing(
    server: KeepaliveServer,
) -> None:
    with measure() as seen, socket.socket() as loser, socket.socket() as winner:
        for client in (loser, winner):
            client.setblocking(False)
            client.connect_ex(address_of(server))
        server.wait_for_connections(2)
        loser.close()
    assert agreed(seen, server) == 2
