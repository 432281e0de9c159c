"""Requests with a body: read, refused, asked for, or answered too early."""

from __future__ import annotations

from contextlib import suppress

import pytest

from pytest_keepalive._server import KeepaliveServer, Reply

from .raw_client import RawClient

EXPECT = "Expect: 100-continue"
LENGTH = "Content-Length: 5"


def test_a_body_is_read_before_the_answer(server: KeepaliveServer, client: RawClient) -> None:
    client.ask("/", LENGTH, method="POST")
    server.wait_for_requests(1)
    assert not server.requests[0].complete
    client.send(b"hello")
    assert client.read().status == 200
    assert (server.requests[0].complete, server.requests[0].body) == (True, b"hello")
    assert server.connections[0].requests == server.requests


def test_an_upload_may_be_rejected_unread(server: KeepaliveServer, client: RawClient) -> None:
    server.reply("/upload", 413, "too large", read_body=False)
    client.ask("/upload", "Content-Length: 1000000", method="POST")
    response = client.read()
    assert (response.status, response.header("Connection")) == (413, "close")
    client.send(b"x" * 100_000)
    assert client.at_eof()
    client.close()
    server.wait_until_closed(1)
    assert server.connections[0].closed_by == "server"
    assert server.connections[0].close_reason == "request body left unread"
    assert [(request.complete, request.body) for request in server.requests] == [(False, b"")]


def test_what_has_no_body_is_not_rejected_for_it(
    server: KeepaliveServer, client: RawClient
) -> None:
    server.reply("/upload", 401, read_body=False)
    assert client.get("/upload").header("Connection") is None
    assert client.get("/upload", "Content-Length: 0", method="POST").status == 401
    assert server.exchanges == ((0, 0), (0, 1))


def test_a_rejected_upload_may_end_in_a_reset(server: KeepaliveServer, client: RawClient) -> None:
    server.reply("/upload", 413, read_body=False, reset="after_response")
    client.ask("/upload", LENGTH, method="POST")
    with pytest.raises(ConnectionResetError):
        client.read_to_end()


def test_an_upload_may_be_answered_early_and_still_be_read(
    server: KeepaliveServer, client: RawClient
) -> None:
    server.reply("/upload", read_body=False, keep_alive=True)
    client.ask("/upload", LENGTH, method="POST")
    assert client.read().header("Connection") is None
    assert not server.requests[0].complete
    client.send(b"hello")
    assert client.get("/next").status == 200
    assert [request.body for request in server.requests] == [b"hello", b""]
    assert server.exchanges == ((0, 0), (0, 1))


def test_a_connection_with_an_upload_going_on_is_not_idle(
    server: KeepaliveServer, client: RawClient
) -> None:
    server.reply("/upload", read_body=False, keep_alive=True)
    client.ask("/upload", LENGTH, method="POST")
    client.read()
    assert server.drop_idle() == 0
    client.send(b"hello")
    assert client.at_eof()
    server.wait_until_closed()
    assert server.connections[0].close_reason == "dropped while idle"
    assert server.requests[0].complete


def test_who_waits_for_100_gets_it(server: KeepaliveServer, client: RawClient) -> None:
    server.route("/upload", Reply.echoing())
    client.ask("/upload", EXPECT, LENGTH, method="POST")
    assert client.sock.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
    client.send(b"hel")
    client.send(b"lo")
    assert client.read().body == b"hello"
    assert client.get().status == 200


def test_who_does_not_wait_for_100_does_not_get_it(
    server: KeepaliveServer, client: RawClient
) -> None:
    client.ask("/upload", EXPECT, method="POST", body=b"hello")
    assert client.sock.recv(65536).startswith(b"HTTP/1.1 200 OK")


def test_100_may_never_come(server: KeepaliveServer, client: RawClient) -> None:
    server.reply("/upload", says_continue=False)
    client.ask("/upload", EXPECT, LENGTH, method="POST")
    client.sock.settimeout(0.03)
    with pytest.raises(TimeoutError):
        client.sock.recv(1)
    client.sock.settimeout(5)
    client.send(b"hello")
    assert client.sock.recv(65536).startswith(b"HTTP/1.1 200 OK")


def test_an_expectation_may_be_refused_and_the_connection_closed(
    server: KeepaliveServer, client: RawClient
) -> None:
    server.reply("/upload", 417, read_body=False)
    client.ask("/upload", EXPECT, LENGTH, method="POST")
    response = client.read()
    assert (response.status, response.header("Connection")) == (417, "close")
    assert client.at_eof()


def test_an_expectation_may_be_refused_and_the_connection_kept(
    server: KeepaliveServer, client: RawClient
) -> None:
    server.reply("/upload", 417, read_body=False, keep_alive=True)
    client.ask("/upload", EXPECT, LENGTH, method="POST")
    assert client.read().status == 417
    assert client.get("/next").status == 200
    assert [request.complete for request in server.requests] == [False, True]


def test_a_refused_body_that_came_all_the_same_is_read(
    server: KeepaliveServer, client: RawClient
) -> None:
    server.reply("/upload", 417, read_body=False, keep_alive=True)
    client.ask("/upload", EXPECT, method="POST", body=b"hello")
    assert client.read().status == 417
    assert client.get("/next").status == 200
    assert server.requests[0].body == b"hello"


def test_a_client_that_will_not_stop_sending_is_left_in_the_end(
    server: KeepaliveServer, client: RawClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pytest_keepalive._server._wire._LINGER_SECONDS", 0.03)
    server.reply("/upload", 413, read_body=False)
    client.ask("/upload", "Content-Length: 1000000", method="POST")
    assert client.read().status == 413
    with suppress(ConnectionError):
        while True:
            client.send(b"x" * 1000)
    server.wait_until_closed(1)
    assert server.connections[0].closed_by == "server"


def test_uploads_may_end_in_another_order_than_they_began(server: KeepaliveServer) -> None:
    with RawClient(server) as first, RawClient(server) as second:
        first.ask("/1", LENGTH, method="POST")
        server.wait_for_requests(1)
        second.ask("/2", method="POST", body=b"world")
        assert second.read().status == 200
        first.send(b"hello")
        assert first.read().status == 200
    assert [request.body for request in server.requests] == [b"hello", b"world"]
