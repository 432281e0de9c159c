"""What the server tells about what it saw, and waiting for it."""

from __future__ import annotations

import re
import threading
from typing import Any

import pytest

from pytest_keepalive._server import KeepaliveServer

from .raw_client import RawClient


def test_a_request_is_recorded_as_it_was_sent(server: KeepaliveServer, client: RawClient) -> None:
    client.get("/path?a=1&b", "X-Case: Kept", "X-Twice: 1", "x-twice: 2", method="PUT", body=b"xy")
    (request,) = server.requests
    assert (request.connection_index, request.exchange_index) == (0, 0)
    assert (request.method, request.target, request.path) == ("PUT", "/path?a=1&b", "/path")
    assert (request.body, request.http_version, request.complete) == (b"xy", "1.1", True)
    assert request.peer == client.local
    assert request.headers == (
        ("Host", "test"),
        ("X-Case", "Kept"),
        ("X-Twice", "1"),
        ("x-twice", "2"),
        ("Content-Length", "2"),
    )
    assert (request.header("X-TWICE"), request.header("absent")) == ("1", None)


def test_reused_tells_the_first_exchange_from_the_others(
    server: KeepaliveServer, client: RawClient
) -> None:
    client.get()
    client.get()
    assert [request.reused for request in server.requests] == [False, True]


def test_times_are_in_order(server: KeepaliveServer, client: RawClient) -> None:
    client.get()
    client.close()
    server.wait_until_closed(1)
    (connection,) = server.connections
    assert connection.closed_at is not None
    assert connection.accepted_at <= connection.requests[0].received_at <= connection.closed_at


def test_a_connection_knows_its_requests_and_who_closed_it(
    server: KeepaliveServer, client: RawClient
) -> None:
    client.get("/1")
    client.get("/2")
    (connection,) = server.open_connections
    assert connection.is_open
    assert (connection.closed_at, connection.closed_by, connection.close_reason) == (None, None, "")
    client.close()
    server.wait_until_closed()
    (closed,) = server.connections
    assert [request.path for request in closed.requests] == ["/1", "/2"]
    assert (closed.index, closed.peer, closed.closed_by) == (0, client.local, "client")
    assert closed.close_reason == "left"
    assert closed.handshaken is None
    assert server.open_connections == ()


def test_a_connection_that_carried_nothing_is_counted(server: KeepaliveServer) -> None:
    RawClient(server).close()
    server.wait_until_closed(1)
    assert (server.accepted, server.exchanges) == (1, ())


def test_a_client_that_leaves_within_a_request_is_told_apart(
    server: KeepaliveServer, client: RawClient
) -> None:
    client.send(b"GET / HTTP/1.1\r\nHo")
    client.close()
    server.wait_until_closed(1)
    assert server.connections[0].close_reason == "left in the middle of a request"
    assert server.exchanges == ()


def test_a_client_that_leaves_within_its_body_leaves_an_incomplete_request(
    server: KeepaliveServer, client: RawClient
) -> None:
    client.ask("/", "Content-Length: 10", method="POST")
    client.send(b"half")
    client.close()
    server.wait_until_closed(1)
    (request,) = server.requests
    assert (request.complete, request.body) == (False, b"")
    assert server.connections[0].closed_by == "client"


def test_values_have_a_repr_worth_reading(server: KeepaliveServer, client: RawClient) -> None:
    client.get("/a?b", method="POST", body=b"xyz")
    port = client.local[1]
    assert repr(server.requests[0]) == (
        "<RecordedRequest POST /a?b: connection 0, exchange 0, 3 bytes>"
    )
    opened = f"<AcceptedConnection 0 from 127.0.0.1:{port}: 1 exchange, open>"
    assert repr(server.connections[0]) == opened
    assert repr(server) == f"<KeepaliveServer {server.url}: 1 accepted, 1 requests>"
    client.close()
    server.wait_until_closed()
    assert repr(server.connections[0]).endswith("1 exchange, closed by client (left)>")
    assert repr(KeepaliveServer()) == "<KeepaliveServer not started: 0 accepted, 0 requests>"


def test_values_are_frozen(server: KeepaliveServer, client: RawClient) -> None:
    client.get()
    values: tuple[Any, ...] = (server.requests[0], server.connections[0])
    for value in values:
        with pytest.raises(AttributeError):
            value.peer = ("", 0)


def test_reset_forgets_and_indices_start_again(server: KeepaliveServer) -> None:
    with RawClient(server) as client:
        client.get()
    server.wait_until_closed(1)
    server.reset()
    assert (server.accepted, len(server.connections), len(server.requests)) == (0, 0, 0)
    with RawClient(server) as client:
        client.get()
    assert server.exchanges == ((0, 0),)


def test_after_a_reset_an_open_connection_is_listed_when_it_carries_again(
    server: KeepaliveServer, client: RawClient
) -> None:
    client.get("/before")
    server.reset()
    assert server.accepted == 0
    client.get("/after")
    assert server.exchanges == ((0, 1),)
    (connection,) = server.connections
    assert [request.path for request in connection.requests] == ["/after"]
    client.close()
    server.wait_until_closed(1)


def test_after_a_reset_an_open_connection_that_only_closes_stays_forgotten(
    server: KeepaliveServer, client: RawClient
) -> None:
    client.get()
    server.reset()
    client.close()
    with RawClient(server) as other:
        other.get()
    server.wait_until_closed(1)
    assert [connection.index for connection in server.connections] == [0]
    assert server.connections[0].peer == other.local


def test_a_body_that_ends_after_a_reset_belongs_to_what_was_forgotten(
    server: KeepaliveServer, client: RawClient
) -> None:
    client.ask("/", "Content-Length: 2", method="POST")
    server.wait_for_requests(1)
    server.reset()
    client.send(b"xy")
    assert client.read().status == 200
    assert server.requests == ()


def test_equal_headers_are_kept_once(server: KeepaliveServer, client: RawClient) -> None:
    client.get()
    client.get()
    client.get("/", "X: 1")
    first, second, third = server.requests
    assert first.headers is second.headers
    assert third.headers != second.headers


def test_waiting_ends_as_soon_as_the_condition_holds(server: KeepaliveServer) -> None:
    def visit() -> None:
        with RawClient(server) as client:
            client.get("/seen")

    thread = threading.Thread(target=visit)
    thread.start()
    server.wait_for_connections(1)
    server.wait_for_requests(1)
    server.wait_for(lambda s: s.requests and s.requests[0].path == "/seen")
    server.wait_until_closed(1)
    thread.join()
    assert server.accepted == 1


@pytest.mark.parametrize(
    ("wait", "what"),
    [
        (lambda s: s.wait_for(lambda _: False, 0.01), "a condition on the server"),
        (lambda s: s.wait_for_connections(2, 0.01), "2 connections"),
        (lambda s: s.wait_for_requests(2, 0.01), "2 requests"),
        (lambda s: s.wait_until_closed(timeout=0.01), "1 connections to be closed"),
    ],
)
def test_waiting_in_vain_says_for_what_and_what_was_seen(
    server: KeepaliveServer, client: RawClient, wait: Any, what: str
) -> None:
    client.get()
    seen = "waited 0.01 s for {}; seen: 1 accepted, 0 closed, 1 requests"
    with pytest.raises(TimeoutError, match=re.escape(seen.format(what))):
        wait(server)
