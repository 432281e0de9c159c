"""Which reply answers which request."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from pytest_keepalive._server import KeepaliveServer, RecordedRequest, Reply

from .raw_client import RawClient


def test_a_route_answers_its_path_with_any_query_and_method(
    server: KeepaliveServer, client: RawClient
) -> None:
    server.route("/here", Reply(201, "made"))
    for target, method in (("/here", "GET"), ("/here?a=1", "POST"), ("/here", "DELETE")):
        assert client.get(target, method=method).status == 201
    assert client.get("/here/not").status == 200


def test_a_route_for_a_method_is_preferred(server: KeepaliveServer, client: RawClient) -> None:
    server.reply("/here", body="any")
    server.reply("/here", body="posted", method="post")
    assert client.get("/here", method="POST", body=b"").body == b"posted"
    assert client.get("/here").body == b"any"


def test_the_asterisk_answers_what_has_no_route(server: KeepaliveServer, client: RawClient) -> None:
    server.reply("*", 404, "no such thing")
    server.reply("*", 405, method="DELETE")
    server.reply("/here")
    statuses = [client.get(path).status for path in ("/here", "/there")]
    assert statuses == [200, 404]
    assert client.get("/there", method="DELETE").status == 405


def test_several_replies_are_used_in_turn_and_the_last_again(
    server: KeepaliveServer, client: RawClient
) -> None:
    server.route("/turn", [Reply(401), Reply(503), Reply(200)])
    assert [client.get("/turn").status for _ in range(4)] == [401, 503, 200, 200]


def test_a_later_route_takes_the_place_of_an_earlier_one(
    server: KeepaliveServer, client: RawClient
) -> None:
    server.route("/turn", [Reply(401), Reply(200)])
    client.get("/turn")
    server.reply("/turn", 418)
    assert client.get("/turn").status == 418


def test_a_function_answers_from_the_whole_request(
    server: KeepaliveServer, client: RawClient
) -> None:
    def greet(request: RecordedRequest) -> Reply:
        return Reply(body=request.body + b" on %d" % request.exchange_index)

    server.route("/greet", greet)
    server.route("/turn", [Reply(500), greet])
    assert client.get("/greet", method="POST", body=b"hello").body == b"hello on 0"
    assert client.get("/turn").status == 500
    assert client.get("/turn").body == b" on 2"


@pytest.mark.parametrize(
    ("handler", "text"),
    [
        (lambda request: 1 / 0, b"ZeroDivisionError: division by zero"),
        (lambda request: pytest.fail("outcome"), b"Failed: outcome"),
        (lambda request: "no reply", b"must give a Reply, not 'no reply'"),
    ],
)
def test_a_function_that_fails_is_answered_500_and_told_of(
    server: KeepaliveServer, client: RawClient, handler: Any, text: bytes
) -> None:
    server.route("/fail", handler)
    response = client.get("/fail")
    assert response.status == 500
    assert text in response.body
    assert len(server.errors) == 1
    assert client.get().status == 200


def test_a_hold_lasts_until_its_path_is_released(server: KeepaliveServer) -> None:
    server.reply("/held", hold=True)
    server.reply("/other", hold=True)
    with RawClient(server) as first, RawClient(server) as second:
        first.ask("/held")
        second.ask("/other")
        server.wait_for_requests(2)
        server.release("/held")
        assert first.read().status == 200
        second.sock.settimeout(0.05)
        with pytest.raises(TimeoutError):
            second.sock.recv(1)
        server.release()
        second.sock.settimeout(5)
        assert second.read().status == 200
        assert first.get("/held").status == 200


def test_a_hold_may_wait_for_an_event_of_the_test(server: KeepaliveServer) -> None:
    gate = threading.Event()
    server.reply("/held", hold=gate)
    with RawClient(server) as first, RawClient(server) as second:
        first.ask("/held")
        second.ask("/held")
        server.wait_for_requests(2)
        assert [len(connection.requests) for connection in server.open_connections] == [1, 1]
        gate.set()
        assert first.read().status == second.read().status == 200


def test_releasing_a_path_that_has_no_route_is_a_mistake(server: KeepaliveServer) -> None:
    with pytest.raises(ValueError, match="there is no route for '/none'"):
        server.release("/none")


@pytest.mark.parametrize(
    ("path", "replies", "method", "error", "message"),
    [
        ("here", Reply(), None, ValueError, "path must begin with '/' or be '\\*', not 'here'"),
        (None, Reply(), None, ValueError, "path must begin"),
        ("/here?a", Reply(), None, ValueError, "leave it out of '/here\\?a'"),
        ("/here", [], None, ValueError, "one reply at least"),
        ("/here", 200, None, TypeError, "Reply values or functions, not 200"),
        ("/here", Reply(), 1, TypeError, "method must be text, not 1"),
    ],
)
def test_a_route_that_makes_no_sense_is_refused(
    path: str, replies: Reply, method: str, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        KeepaliveServer().route(path, replies, method=method)
