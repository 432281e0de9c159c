"""HTTP/2: who ends a connection, and with what words."""

from __future__ import annotations

import socket
import struct
import time

import h2.events
import httpx
import pytest
from h2.errors import ErrorCodes

from pytest_keepalive._server import KeepaliveServer

from .client import Http2Client


@pytest.mark.parametrize("moment", ["on_request", "before_head", 1, "after_response"])
def test_a_close_ends_the_connection(
    server: KeepaliveServer, client: Http2Client, moment: str | int
) -> None:
    server.reply("/close", close=moment)
    client.ask("/close")
    assert client.at_eof()
    server.wait_until_closed(1)
    assert server.connections[0].closed_by == "server"
    assert server.connections[0].close_reason.startswith("fault: close ")


def test_a_reset_resets_the_connection(server: KeepaliveServer, client: Http2Client) -> None:
    server.reply("/reset", reset="before_head")
    client.ask("/reset")
    with pytest.raises(ConnectionResetError):
        client.at_eof()


def test_goaway_follows_the_last_stream_that_the_limit_allows() -> None:
    server = KeepaliveServer(http2=True, requests_per_connection=2)
    with server, Http2Client(server) as client:
        assert client.read(client.ask())[1] == b"ok"
        last = client.ask()
        assert client.read(last)[1] == b"ok"
        goaway = client.wait_for(h2.events.ConnectionTerminated)
        assert (goaway.error_code, goaway.last_stream_id) == (ErrorCodes.NO_ERROR, last)
        assert client.at_eof()
        server.wait_until_closed(1)
    assert server.connections[0].close_reason == "limit of 2 requests"


def test_the_limit_may_close_without_goaway() -> None:
    server = KeepaliveServer(http2=True, requests_per_connection=1, announce_close=False)
    with server, Http2Client(server) as client:
        assert client.read(client.ask())[1] == b"ok"
        with pytest.raises(AssertionError, match="closed before ConnectionTerminated"):
            client.wait_for(h2.events.ConnectionTerminated)


def test_a_stream_beyond_the_limit_is_refused_and_no_exchange() -> None:
    server = KeepaliveServer(http2=True, requests_per_connection=1)
    server.reply("/held", hold=True)
    with server, Http2Client(server) as client:
        held = client.ask("/held")
        beyond = client.ask("/beyond", method="POST", end=False, flush=False)
        client.send(beyond, b"not read")
        refusal = client.wait_for(h2.events.StreamReset, beyond)
        assert refusal.error_code == ErrorCodes.REFUSED_STREAM
        server.release()
        assert client.read(held)[1] == b"ok"
        assert server.exchanges == ((0, 0),)


def test_a_client_comes_back_after_goaway() -> None:
    server = KeepaliveServer(tls=True, http2=True, requests_per_connection=2)
    with server, httpx.Client(http2=True, verify=server.client_context()) as client:
        for _ in range(4):
            assert client.get(server.url).status_code == 200
            assert client.get(server.url).status_code == 200
            server.wait_until_closed()
    assert set(server.exchanges) == {(c, e) for c in range(4) for e in range(2)}


def test_a_reply_that_closes_is_followed_by_goaway(
    server: KeepaliveServer, client: Http2Client
) -> None:
    server.reply("/last", keep_alive=False)
    client.read(client.ask("/last"))
    assert client.wait_for(h2.events.ConnectionTerminated)
    server.wait_until_closed(1)
    assert server.connections[0].close_reason == "said GOAWAY"


def test_an_idle_connection_gets_goaway() -> None:
    server = KeepaliveServer(http2=True, idle_timeout=0.03)
    server.reply("/slow", delay=0.06)
    with server, Http2Client(server) as client:
        assert client.read(client.ask("/slow"))[1] == b"ok"
        assert client.wait_for(h2.events.ConnectionTerminated)
        assert client.at_eof()
        server.wait_until_closed(1)
    assert server.connections[0].close_reason == "idle for 0.03 s"


def test_idle_connections_are_dropped_with_goaway(
    server: KeepaliveServer, client: Http2Client
) -> None:
    client.read(client.ask())
    assert server.drop_idle() == 1
    assert client.wait_for(h2.events.ConnectionTerminated)


def test_a_client_that_leaves_is_the_one_who_closed(
    server: KeepaliveServer, client: Http2Client
) -> None:
    server.reply("/stall", stall="before_head")
    client.read(client.ask())
    client.ask("/stall")
    server.wait_for_requests(2)
    client.raw.close()
    server.wait_until_closed(1)
    connection = server.connections[0]
    assert (connection.closed_by, connection.close_reason) == ("client", "left")


def test_a_client_that_resets_while_idle_is_the_one_who_closed(server: KeepaliveServer) -> None:
    with Http2Client(server) as client:
        client.read(client.ask())
        client.raw.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    server.wait_until_closed(1)
    assert server.connections[0].closed_by == "client"
    assert "reset" in server.connections[0].close_reason


def test_a_client_may_say_goaway(server: KeepaliveServer, client: Http2Client) -> None:
    client.read(client.ask())
    client.h2.close_connection()
    client.flush()
    server.wait_until_closed(1)
    assert server.connections[0].close_reason == "left (GOAWAY)"


def test_what_is_not_http_2_is_refused(server: KeepaliveServer, client: Http2Client) -> None:
    client.read(client.ask())
    client.raw.send(b"\0\0\4\0\0\0\0\0\0abcd")
    assert client.wait_for(h2.events.ConnectionTerminated).error_code == ErrorCodes.PROTOCOL_ERROR
    client.raw.close()
    server.wait_until_closed(1)
    assert server.connections[0].closed_by == "server"
    assert server.connections[0].close_reason.startswith("broken request: ")


@pytest.mark.parametrize("path", ["/stall", "/hold", "/delay"])
def test_closing_ends_whatever_is_going_on(path: str) -> None:
    server = KeepaliveServer(http2=True)
    server.reply("/stall", stall="before_head")
    server.reply("/hold", hold=True)
    server.reply("/delay", delay=60)
    with server, Http2Client(server) as client:
        client.ask(path)
        server.wait_for_requests(1)
        begin = time.monotonic()
        server.close()
        assert time.monotonic() - begin < 1
    assert server.connections[0].close_reason == "the server was closed"
