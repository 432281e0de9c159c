"""What the server answers when nobody told it anything."""

from __future__ import annotations

import pytest

from pytest_keepalive._server import KeepaliveServer

from .raw_client import RawClient


def test_any_path_is_answered_200_ok_and_the_connection_is_kept(
    server: KeepaliveServer, client: RawClient
) -> None:
    for path in ("/", "/anything", "/with?query=1"):
        response = client.get(path)
        assert (response.status, response.reason, response.body) == (200, "OK", b"ok")
        assert response.header("Content-Length") == "2"
        assert response.header("Content-Type") == "text/plain; charset=utf-8"
        assert response.header("Connection") is None
    assert server.exchanges == ((0, 0), (0, 1), (0, 2))


def test_two_connections_are_counted_as_two(server: KeepaliveServer) -> None:
    with RawClient(server) as first, RawClient(server) as second:
        first.get()
        second.get()
        first.get()
    assert server.exchanges == ((0, 0), (1, 0), (0, 1))
    assert server.count == server.accepted == len(server.connections) == 2


def test_head_and_body_come_in_one_segment(client: RawClient) -> None:
    client.ask()
    segment = client.sock.recv(65536)
    assert segment == (
        b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 2\r\n\r\nok"
    )


def test_pipelined_requests_are_answered_in_order(
    server: KeepaliveServer, client: RawClient
) -> None:
    server.reply("/1", body="one")
    server.reply("/2", body="two")
    client.send(b"".join(b"GET /%d HTTP/1.1\r\nHost: test\r\n\r\n" % n for n in (1, 2, 3)))
    assert [client.read().body for _ in range(3)] == [b"one", b"two", b"ok"]
    assert server.exchanges == ((0, 0), (0, 1), (0, 2))


def test_a_request_may_come_in_pieces(server: KeepaliveServer, client: RawClient) -> None:
    for byte in b"GET / HTTP/1.1\r\nHost: test\r\n\r\n":
        client.send(bytes([byte]))
    assert client.read().status == 200
    assert server.exchanges == ((0, 0),)


def test_a_head_request_gets_the_fields_and_no_body(client: RawClient) -> None:
    client.ask(method="HEAD")
    client.ask()
    head = client.read("HEAD")
    assert (head.header("Content-Length"), head.body) == ("2", b"")
    assert client.read().body == b"ok"


@pytest.mark.parametrize("status", [204, 304])
def test_a_status_without_a_body_has_no_length_either(
    server: KeepaliveServer, client: RawClient, status: int
) -> None:
    server.reply("/none", status, body="ignored")
    client.ask("/none")
    client.ask("/")
    response = client.read()
    assert (response.status, response.header("Content-Length"), response.body) == (
        status,
        None,
        b"",
    )
    assert client.read().body == b"ok"


def test_a_client_that_says_close_is_obeyed(server: KeepaliveServer, client: RawClient) -> None:
    response = client.get("/", "Connection: close")
    assert response.header("Connection") == "close"
    assert client.at_eof()
    server.wait_until_closed(1)
    connection = server.connections[0]
    assert (connection.closed_by, connection.close_reason) == (
        "server",
        "client did not ask to keep alive",
    )


def test_an_http_1_0_client_is_closed_on_unless_it_asks(server: KeepaliveServer) -> None:
    with RawClient(server) as client:
        assert client.get(version="1.0").header("Connection") == "close"
        assert client.at_eof()
    with RawClient(server) as client:
        response = client.get("/", "Connection: keep-alive", version="1.0")
        assert response.header("Connection") == "keep-alive"
        assert client.get("/", "Connection: Keep-Alive", version="1.0").status == 200
    assert server.exchanges == ((0, 0), (1, 0), (1, 1))


def test_an_absolute_target_is_routed_by_its_path(
    server: KeepaliveServer, client: RawClient
) -> None:
    server.reply("/here", body="found")
    assert client.get("http://example.test/here?q").body == b"found"
    assert client.get("http://example.test").status == 200
    assert [request.path for request in server.requests] == ["/here", "/"]


def test_the_asterisk_target_is_answered(server: KeepaliveServer, client: RawClient) -> None:
    assert client.get("*", method="OPTIONS").status == 200
    assert server.requests[0].path == "*"


def test_a_connect_request_is_told_that_this_is_no_proxy(
    server: KeepaliveServer, client: RawClient
) -> None:
    client.ask("example.test:443", method="CONNECT")
    assert client.read().status == 405
    assert client.at_eof()


def test_an_offer_to_upgrade_is_passed_over(server: KeepaliveServer, client: RawClient) -> None:
    fields = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c")
    assert client.get("/", *fields).status == 200
    assert client.get("/", *fields).status == 200
    assert server.count == 1


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/3.0\r\nHost: test\r\n\r\n", 505),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: test\r\nX: " + b"x" * 300_000, 431),
    ],
)
def test_what_is_not_http_1_is_refused_and_is_no_exchange(
    server: KeepaliveServer, client: RawClient, data: bytes, status: int
) -> None:
    client.send(data)
    assert client.read().status == status
    assert client.at_eof()
    client.close()
    server.wait_until_closed(1)
    assert server.exchanges == ()
    assert server.connections[0].closed_by == "server"
    assert server.connections[0].close_reason.startswith("broken request: ")


def test_a_broken_body_is_refused(server: KeepaliveServer, client: RawClient) -> None:
    client.ask("/", "Transfer-Encoding: chunked", method="POST")
    client.send(b"not a size\r\n")
    assert client.read().status == 400
    assert [request.complete for request in server.requests] == [False]
