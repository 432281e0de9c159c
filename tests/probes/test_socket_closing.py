"""How a connection ended, by whom, and with which socket."""

from __future__ import annotations

import os
import socket
import ssl

import pytest

from pytest_keepalive import measure
from pytest_keepalive._events import Side
from pytest_keepalive._server import Effect, Fault, KeepaliveServer, Moment
from tests.probes.agreement import agreed
from tests.probes.needs import on_linux
from tests.probes.view import only
from tests.sockets import GET, address_of, connect, drop

pytestmark = pytest.mark.usefixtures("_sockets_alone")


def ask(client: socket.socket) -> None:
    client.sendall(GET)
    assert client.recv(4096).endswith(b"ok")


@on_linux
def test_the_client_closes_first(server: KeepaliveServer) -> None:
    with measure() as seen:
        client = connect(server)
        ask(client)
        client.close()
    connection = only(seen)
    assert connection.closed_by is Side.CLIENT
    assert connection.close_reason == "the client closed it"
    assert connection.sent == len(GET)
    assert connection.received is not None
    assert connection.received > 2
    server.wait_until_closed()
    assert server.connections[0].closed_by == "client"


@on_linux
def test_the_server_closes_first(server: KeepaliveServer) -> None:
    with measure() as seen, connect(server) as client:
        ask(client)
        server.drop_idle()
        assert client.recv(1) == b""
    connection = only(seen)
    assert connection.closed_by is Side.PEER
    assert connection.close_reason == "the peer closed it"
    assert connection.sent == len(GET)
    assert server.connections[0].closed_by == "server"


@on_linux
def test_the_server_closes_a_connection_that_carried_nothing(server: KeepaliveServer) -> None:
    with measure() as seen, connect(server) as client:
        server.wait_for_connections(1)
        server.drop_idle()
        assert client.recv(1) == b""
    assert (only(seen).sent, only(seen).received) == (0, 0)
    assert only(seen).carried_nothing


@on_linux
def test_the_server_resets(server: KeepaliveServer) -> None:
    server.reply("/", reset="before_head")
    with measure() as seen, connect(server) as client:
        client.sendall(GET)
        with pytest.raises(ConnectionResetError):
            client.recv(1)
    assert only(seen).closed_by is Side.PEER


def connect_and_read(client: socket.socket, server: KeepaliveServer) -> None:
    client.connect(address_of(server))
    client.recv(1)


@on_linux
def test_a_reset_right_after_the_accept_was_a_connection(server: KeepaliveServer) -> None:
    server.on_accept(Fault(Effect.RESET, Moment.ON_ACCEPT))
    with measure() as seen, socket.socket() as client:
        client.settimeout(5)
        # The reset may come before connect has returned, or behind it.
        with pytest.raises(ConnectionResetError):
            connect_and_read(client, server)
    assert agreed(seen, server) == 1
    assert only(seen).closed_by is Side.PEER


@on_linux
def test_the_client_shuts_down_first(server: KeepaliveServer) -> None:
    with measure() as seen, connect(server) as client:
        ask(client)
        client.shutdown(socket.SHUT_WR)
        assert client.recv(1) == b""
    assert only(seen).closed_by is Side.CLIENT


@on_linux
def test_the_client_shuts_down_last(server: KeepaliveServer) -> None:
    with measure() as seen, connect(server) as client:
        ask(client)
        server.drop_idle()
        assert client.recv(1) == b""
        client.shutdown(socket.SHUT_RDWR)
    assert only(seen).closed_by is Side.PEER


@on_linux
def test_to_read_no_more_is_not_to_close(server: KeepaliveServer) -> None:
    with measure() as seen, connect(server) as client:
        ask(client)
        client.shutdown(socket.SHUT_RD)
        server.drop_idle()
        server.wait_until_closed()
    assert only(seen).closed_by is Side.PEER


def test_a_connection_is_open_until_its_last_file_is_closed(server: KeepaliveServer) -> None:
    with measure() as seen:
        client = connect(server)
        file = client.makefile("rb")
        client.close()
        assert only(seen).closed_at is None
        file.close()
        assert only(seen).closed_at is not None


def test_a_socket_that_was_garbage_was_closed_by_nobody_knows_whom(
    server: KeepaliveServer,
) -> None:
    with measure() as seen, pytest.warns(ResourceWarning):
        drop(connect(server))
    connection = only(seen)
    assert connection.closed_at is not None
    assert connection.closed_by is None
    assert connection.close_reason == "it was closed"


def test_a_detached_socket_goes_on_under_its_descriptor(server: KeepaliveServer) -> None:
    with measure() as seen:
        descriptor = connect(server).detach()
        assert only(seen).closed_at is None
        with socket.socket(fileno=descriptor) as heir:
            heir.settimeout(5)
            ask(heir)
        assert only(seen).closed_at is not None
    assert agreed(seen, server) == 1


def test_detaching_what_never_connected_is_no_business_of_ours() -> None:
    with measure() as seen, socket.socket() as client:
        socket.socket(fileno=client.detach()).close()
    assert seen.count == 0


def test_tls_over_a_socket_is_the_same_connection() -> None:
    with KeepaliveServer(tls=True) as server:
        context = server.client_context()
        with measure() as seen:
            client = context.wrap_socket(connect(server), server_hostname="localhost")
            ask(client)
            assert only(seen).closed_at is None
            client.close()
            assert only(seen).closed_at is not None
    assert agreed(seen, server) == 1
    assert only(seen).handshake_seconds is not None


def test_tls_that_connects_itself_is_one_connection() -> None:
    with KeepaliveServer(tls=True) as server:
        context = server.client_context()
        with measure() as seen:
            client = context.wrap_socket(socket.socket(), server_hostname="localhost")
            client.connect(address_of(server))
            ask(client)
            client.close()
    assert agreed(seen, server) == 1
    assert only(seen).closed_at is not None


def test_a_tls_handshake_that_fails_is_a_connection_that_ended() -> None:
    with KeepaliveServer(tls=True) as server:
        with measure() as seen, connect(server) as plain, pytest.raises(ssl.SSLError):
            ssl.create_default_context().wrap_socket(plain, server_hostname="localhost")
        server.wait_for_connections(1)
    assert agreed(seen, server) == 1
    assert only(seen).closed_at is not None


def test_descriptors_that_are_used_again_are_told_apart(server: KeepaliveServer) -> None:
    with measure() as seen:
        for number in range(5):
            with connect(server) as client:
                # The server takes descriptors of this process, too.
                server.wait_for_connections(number + 1)
                descriptor = client.fileno()
        with connect(server) as client:
            assert client.fileno() == descriptor
            assert [each.closed_at is None for each in seen.connections] == [False] * 5 + [True]
    assert seen.count == 6


def test_a_descriptor_that_was_closed_behind_our_back_ends_its_connection(
    server: KeepaliveServer,
) -> None:
    with measure() as seen:
        first = connect(server)
        server.wait_for_connections(1)
        os.close(first.fileno())
        with connect(server) as second:
            assert second.fileno() == first.fileno()
            assert [each.closed_at is None for each in seen.connections] == [False, True]
            first.detach()
            assert [each.closed_at is None for each in seen.connections] == [False, True]
        assert [each.closed_at is None for each in seen.connections] == [False, False]
    assert seen.connections[0].closed_by is None


def test_closing_another_socket_with_the_descriptor_of_an_old_one_ends_nothing(
    server: KeepaliveServer,
) -> None:
    with measure() as seen:
        first = connect(server)
        server.wait_for_connections(1)
        descriptor = first.detach()
        os.close(descriptor)
        with socket.create_server(("127.0.0.1", 0)) as other:
            assert other.fileno() == descriptor
        assert only(seen).closed_at is None
