"""HTTP/2: each stream is an exchange."""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
import threading
import time
from collections.abc import Iterator

import h2.events
import httpx
import pytest
from h2.errors import ErrorCodes

from pytest_keepalive._server import Fault, KeepaliveServer, RecordedRequest, Reply

from .http2_client import Http2Client
from .raw_client import RawClient


@pytest.fixture
def server() -> Iterator[KeepaliveServer]:
    with KeepaliveServer(http2=True) as server:
        yield server


@pytest.fixture
def client(server: KeepaliveServer) -> Iterator[Http2Client]:
    with Http2Client(server) as client:
        yield client


def test_each_stream_is_an_exchange(server: KeepaliveServer, client: Http2Client) -> None:
    server.reply("/a", 201, "made", {"X-Case": "Kept", "Connection": "x", "Keep-Alive": "y"})
    for _ in range(2):
        headers, body = client.read(client.ask("/a?b"))
        assert body == b"made"
        assert headers == {
            ":status": "201",
            "content-type": "text/plain; charset=utf-8",
            "x-case": "Kept",
            "content-length": "4",
        }
    assert server.exchanges == ((0, 0), (0, 1))
    request = server.requests[0]
    assert (request.http_version, request.path, request.target) == ("2", "/a", "/a?b")
    assert request.header(":authority") == "test"


def test_streams_go_on_beside_each_other(server: KeepaliveServer, client: Http2Client) -> None:
    server.reply("/held", hold=True)
    held = client.ask("/held")
    other = client.ask("/other")
    assert client.read(other)[1] == b"ok"
    server.wait_for_requests(2)
    server.release("/held")
    assert client.read(held)[1] == b"ok"
    assert server.exchanges == ((0, 0), (0, 1))


def test_over_tls_the_protocol_is_agreed_on() -> None:
    async def ask(server: KeepaliveServer) -> str:
        # Tasks, since threads write the streams of one connection of httpx in any order.
        async with httpx.AsyncClient(http2=True, verify=server.client_context()) as client:
            await asyncio.gather(*(client.get(server.url) for _ in range(8)))
            return (await client.get(server.url)).http_version

    with KeepaliveServer(tls=True, http2=True) as server:
        assert asyncio.run(ask(server)) == "HTTP/2"
        assert {request.http_version for request in server.requests} == {"2"}
        with httpx.Client(verify=server.client_context()) as client:
            assert client.get(server.url).http_version == "HTTP/1.1"
        with RawClient(server, server.client_context()) as raw:
            assert raw.get().status == 200


def test_a_server_without_http2_does_not_agree_to_it() -> None:
    server = KeepaliveServer(tls=True)
    with server, httpx.Client(http2=True, verify=server.client_context()) as client:
        assert client.get(server.url).http_version == "HTTP/1.1"


def test_http_1_is_still_spoken(server: KeepaliveServer) -> None:
    with RawClient(server) as client:
        client.send(b"P")
        client.send(b"UT / HTTP/1.1\r\nHost: test\r\nContent-Length: 0\r\n\r\n")
        assert client.read().status == 200
        assert client.get().status == 200
    RawClient(server).close()
    server.wait_until_closed(2)
    assert server.exchanges == ((0, 0), (0, 1))


@pytest.mark.parametrize(
    ("method", "status", "fields"),
    [
        ("HEAD", 200, {"content-type"}),
        ("GET", 204, {"content-type"}),
        ("GET", 304, {"content-type"}),
    ],
)
def test_what_has_no_body_ends_with_its_head(
    server: KeepaliveServer, client: Http2Client, method: str, status: int, fields: set[str]
) -> None:
    server.reply("/none", status)
    headers, body = client.read(client.ask("/none", method=method))
    assert (headers[":status"], body) == (str(status), b"")
    assert headers.keys() == {":status", *fields}


@pytest.mark.parametrize("framing", ["length", "chunked", "eof"])
def test_framing_is_that_of_the_protocol(
    server: KeepaliveServer, client: Http2Client, framing: str
) -> None:
    server.reply("/body", body="text", framing=framing)
    headers, body = client.read(client.ask("/body"))
    assert body == b"text"
    assert headers.get("content-length") == ("4" if framing == "length" else None)
    assert client.read(client.ask("/body"))[1] == b"text"


def test_a_large_body_waits_for_the_client_s_window(
    server: KeepaliveServer, client: Http2Client
) -> None:
    server.reply("/large", body=b"x" * 200_000)
    server.reply("/small")
    large = client.ask("/large")
    received = 0
    while received < 65_535:
        received += len(client.wait_for(h2.events.DataReceived, large).data)
    client.h2.increment_flow_control_window(1_000_000)
    small = client.ask("/small")
    assert client.read(small)[1] == b"ok"
    client.h2.increment_flow_control_window(1_000_000, large)
    client.flush()
    client.wait_for(h2.events.StreamEnded, large)


def test_bodies_of_requests_are_read(server: KeepaliveServer, client: Http2Client) -> None:
    server.route("/echo", Reply.echoing())
    server.route("/function", lambda request: Reply(body=request.body * 2))
    for path, expected in (("/echo", b"hello"), ("/function", b"hellohello")):
        stream = client.ask(path, method="POST", end=False)
        client.send(stream, b"hel", end=False)
        client.send(stream, b"lo")
        assert client.read(stream)[1] == expected
    assert [request.body for request in server.requests] == [b"hello", b"hello"]
    assert all(request.complete for request in server.requests)


def test_more_is_uploaded_than_a_window_holds() -> None:
    body = b"x" * 300_000
    with KeepaliveServer(tls=True, http2=True) as server:
        with httpx.Client(http2=True, verify=server.client_context()) as client:
            assert client.post(server.url, content=body).status_code == 200
        assert server.requests[0].body == body


def test_an_upload_may_be_rejected_unread(server: KeepaliveServer, client: Http2Client) -> None:
    server.reply("/upload", 413, read_body=False)
    stream = client.ask("/upload", method="POST", end=False)
    assert client.wait_for(h2.events.ResponseReceived, stream)
    assert client.wait_for(h2.events.StreamReset, stream).error_code == ErrorCodes.NO_ERROR
    assert client.read(client.ask("/"))[1] == b"ok"
    assert [request.complete for request in server.requests] == [False, True]


def test_what_still_comes_for_an_answered_stream_is_passed_over(
    server: KeepaliveServer, client: Http2Client
) -> None:
    server.reply("/upload", 413, read_body=False)
    stream = client.ask("/upload", method="POST", end=False)
    server.wait_for_requests(1)
    client.send(stream, b"late")
    assert client.wait_for(h2.events.ResponseReceived, stream)
    assert client.read(client.ask("/"))[1] == b"ok"


def test_pauses_and_delays_pass(server: KeepaliveServer, client: Http2Client) -> None:
    server.reply("/slow", body=["a", "b"], pause=0.03, delay=0.03)
    begin = time.monotonic()
    slow, fast = client.ask("/slow"), client.ask("/fast")
    assert client.read(fast)[1] == b"ok"
    assert client.read(slow)[1] == b"ab"
    assert time.monotonic() - begin >= 0.06


def test_a_function_that_streams_is_sent_piece_by_piece(
    server: KeepaliveServer, client: Http2Client
) -> None:
    gate = threading.Event()
    held = Fault("hold", "in_body", after=1, gate=gate)
    server.reply("/stream", body=lambda: iter([b"a", b"b"]), faults=held)
    stream = client.ask("/stream")
    assert client.wait_for(h2.events.DataReceived, stream).data == b"a"
    gate.set()
    assert client.wait_for(h2.events.DataReceived, stream).data == b"b"


def test_a_stall_stalls_its_stream_alone(server: KeepaliveServer, client: Http2Client) -> None:
    server.reply("/stall", stall="before_head")
    stream = client.ask("/stall")
    assert client.read(client.ask("/"))[1] == b"ok"
    client.h2.reset_stream(stream)
    client.flush()
    assert client.read(client.ask("/"))[1] == b"ok"
    assert server.count == 1


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


def test_so_many_streams_may_be_open_at_once() -> None:
    server = KeepaliveServer(http2=True, max_concurrent_streams=3)
    with server, Http2Client(server) as client:
        client.read(client.ask())
        assert client.h2.remote_settings.max_concurrent_streams == 3


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


def test_a_connect_request_is_told_that_this_is_no_proxy(
    server: KeepaliveServer, client: Http2Client
) -> None:
    stream = client.h2.get_next_available_stream_id()
    client.h2.send_headers(stream, [(":method", "CONNECT"), (":authority", "a:1")], True)
    client.flush()
    assert client.wait_for(h2.events.ResponseReceived, stream)
    assert server.requests[0].target == "a:1"


def test_a_function_that_fails_is_answered_500(
    server: KeepaliveServer, client: Http2Client
) -> None:
    def fail(request: RecordedRequest) -> Reply:
        raise LookupError(request.path)

    server.route("/fail", fail)
    headers, body = client.read(client.ask("/fail"))
    assert (headers[":status"], body) == ("500", b"LookupError: /fail")
    assert len(server.errors) == 1


def test_a_fault_of_a_function_s_reply_strikes_too(
    server: KeepaliveServer, client: Http2Client
) -> None:
    server.route("/fault", lambda request: Reply(close="on_request"))
    client.ask("/fault")
    assert client.at_eof()


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


def test_without_h2_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "pytest_keepalive._server._http2", raising=False)
    monkeypatch.setitem(sys.modules, "h2.config", None)
    with pytest.raises(ImportError, match=r"pip install pytest-keepalive\[http2\]"):
        KeepaliveServer(http2=True)
