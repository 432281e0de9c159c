"""Who closes a connection when nothing went wrong, and whether it was announced."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from pytest_keepalive._server import KeepaliveServer, Reply

from .raw_client import RawClient


@contextmanager
def _visit(server: KeepaliveServer) -> Iterator[RawClient]:
    with server, RawClient(server) as client:
        yield client


def _closing_of(server: KeepaliveServer) -> tuple[str | None, str]:
    server.wait_until_closed(1)
    return server.connections[0].closed_by, server.connections[0].close_reason


def test_a_reply_may_say_close(server: KeepaliveServer, client: RawClient) -> None:
    server.reply("/last", keep_alive=False)
    assert client.get("/").header("Connection") is None
    assert client.get("/last").header("Connection") == "close"
    assert client.at_eof()
    assert _closing_of(server) == ("server", "said Connection: close")


def test_a_close_written_by_hand_is_kept_too(server: KeepaliveServer, client: RawClient) -> None:
    server.reply("/last", headers=[("connection", "x, Close")])
    assert client.get("/last").headers.get_all("Connection") == ["x, Close"]
    assert client.at_eof()


def test_a_reply_may_keep_what_the_client_wanted_closed(
    server: KeepaliveServer, client: RawClient
) -> None:
    server.reply("/kept", keep_alive=True)
    for _ in range(2):
        assert client.get("/kept", "Connection: close").header("Connection") is None
    assert server.exchanges == ((0, 0), (0, 1))


def test_an_http_1_0_server_closes_without_a_word() -> None:
    server = KeepaliveServer(http_version="1.0")
    with _visit(server) as client:
        response = client.get("/", "Connection: keep-alive")
        assert (response.version, response.header("Connection")) == (10, None)
        assert client.at_eof()
        assert _closing_of(server) == ("server", "HTTP/1.0")


def test_an_http_1_0_server_may_keep_alive_by_saying_so() -> None:
    server = KeepaliveServer(http_version="1.0")
    server.reply("/kept", keep_alive=True)
    server.reply("/own", headers={"Connection": "keep-alive"})
    with _visit(server) as client:
        assert client.get("/kept").header("Connection") == "keep-alive"
        assert client.get("/own").headers.get_all("Connection") == ["keep-alive"]
        assert client.get("/").header("Connection") is None
        assert client.at_eof()


def test_one_reply_may_be_http_1_0(server: KeepaliveServer, client: RawClient) -> None:
    server.reply("/old", http_version="1.0", framing="chunked")
    assert client.get("/").version == 11
    response = client.get("/old")
    assert (response.version, response.body) == (10, b"ok")
    assert response.header("Transfer-Encoding") is None
    assert _closing_of(server) == ("server", "end of a body without framing")


def test_the_last_request_that_a_limit_allows_is_told() -> None:
    server = KeepaliveServer(requests_per_connection=2)
    with _visit(server) as client:
        assert client.get().header("Connection") is None
        assert client.get().header("Connection") == "close"
        assert client.at_eof()
        assert _closing_of(server) == ("server", "limit of 2 requests")


def test_the_last_request_that_a_limit_allows_may_not_be_told() -> None:
    server = KeepaliveServer(requests_per_connection=2, announce_close=False)
    server.reply("/last", keep_alive=False)
    with _visit(server) as client:
        assert [client.get().header("Connection") for _ in range(2)] == [None, None]
        assert client.at_eof()
        with RawClient(server) as other:
            assert other.get("/last").header("Connection") == "close"


def test_each_connection_has_a_limit_of_its_own() -> None:
    server = KeepaliveServer(requests_per_connection=2)
    with server:
        for _ in range(2):
            with RawClient(server) as client:
                client.get()
                client.get()
                assert client.at_eof()
    assert server.exchanges == ((0, 0), (0, 1), (1, 0), (1, 1))


def test_an_idle_connection_is_closed_after_the_timeout() -> None:
    server = KeepaliveServer(idle_timeout=0.05)
    with _visit(server) as client:
        assert client.get().header("Keep-Alive") is None
        begin = time.monotonic()
        assert client.at_eof()
        assert 0.04 < time.monotonic() - begin < 3
        assert _closing_of(server) == ("server", "idle for 0.05 s")


def test_a_connection_that_asks_in_time_is_kept() -> None:
    server = KeepaliveServer(idle_timeout=30)
    with _visit(server) as client:
        client.get()
        client.get()
        assert server.exchanges == ((0, 0), (0, 1))
        assert server.open_connections


def test_a_connection_that_never_asked_is_idle_too() -> None:
    server = KeepaliveServer(idle_timeout=0.02)
    with _visit(server) as client:
        assert client.at_eof()
        assert _closing_of(server) == ("server", "idle for 0.02 s")


def test_a_request_that_takes_long_is_not_idle() -> None:
    server = KeepaliveServer(idle_timeout=0.03)
    server.reply("/slow", delay=0.1)
    with _visit(server) as client:
        client.ask("/slow", "Content-Length: 1", method="POST")
        with pytest.raises(TimeoutError):
            server.wait_until_closed(1, timeout=0.08)
        client.send(b"x")
        assert client.read().status == 200


def test_timeout_and_limit_can_be_announced() -> None:
    server = KeepaliveServer(idle_timeout=7.9, requests_per_connection=3, announce_keep_alive=True)
    with _visit(server) as client:
        values = [client.get().header("Keep-Alive") for _ in range(3)]
        assert values == ["timeout=7, max=2", "timeout=7, max=1", None]


@pytest.mark.parametrize(
    ("server", "value"),
    [
        (KeepaliveServer(idle_timeout=5, announce_keep_alive=True), "timeout=5"),
        (KeepaliveServer(requests_per_connection=9, announce_keep_alive=True), "max=8"),
        (KeepaliveServer(announce_keep_alive=True), None),
        (KeepaliveServer(idle_timeout=5, requests_per_connection=9), None),
    ],
)
def test_only_what_holds_is_announced(server: KeepaliveServer, value: str | None) -> None:
    with _visit(server) as client:
        assert client.get().header("Keep-Alive") == value


def test_a_promise_may_be_written_by_hand(server: KeepaliveServer, client: RawClient) -> None:
    server.reply("/promise", headers={"Keep-Alive": "timeout=1"})
    assert client.get("/promise").header("Keep-Alive") == "timeout=1"


def test_idle_connections_are_dropped_on_demand(server: KeepaliveServer) -> None:
    with RawClient(server) as used, RawClient(server) as unused:
        used.get()
        server.wait_for_connections(2)
        assert server.drop_idle() == 2
        assert used.at_eof()
        assert unused.at_eof()
        assert {c.close_reason for c in server.connections} == {"dropped while idle"}
        with RawClient(server) as later:
            assert later.get().status == 200
            assert later.get().status == 200


def test_a_busy_connection_is_dropped_once_its_exchange_ends(server: KeepaliveServer) -> None:
    server.reply("/held", hold=True)
    with RawClient(server) as busy:
        busy.ask("/held")
        server.wait_for_requests(1)
        assert server.drop_idle() == 0
        server.release("/held")
        assert busy.read().header("Connection") is None
        assert busy.at_eof()
        assert _closing_of(server) == ("server", "dropped while idle")


def test_a_request_that_crosses_the_drop_is_lost(server: KeepaliveServer) -> None:
    server.route("/race", [Reply(), Reply(close="before_head")])
    with RawClient(server) as client:
        assert client.get("/race").status == 200
        client.ask("/race")
        assert client.at_eof()
    assert server.exchanges == ((0, 0), (0, 1))
