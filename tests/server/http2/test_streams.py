"""HTTP/2: each stream is an exchange."""

from __future__ import annotations

import asyncio
import sys
import threading
import time

import h2.events
import httpx
import pytest
from h2.errors import ErrorCodes

from pytest_keepalive._server import Fault, KeepaliveServer, RecordedRequest, Reply

from ..raw_client import RawClient
from .client import Http2Client


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


def test_so_many_streams_may_be_open_at_once() -> None:
    server = KeepaliveServer(http2=True, max_concurrent_streams=3)
    with server, Http2Client(server) as client:
        client.read(client.ask())
        assert client.h2.remote_settings.max_concurrent_streams == 3


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


def test_without_h2_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "pytest_keepalive._server._http2", raising=False)
    monkeypatch.setitem(sys.modules, "h2.config", None)
    with pytest.raises(ImportError, match=r"pip install pytest-keepalive\[http2\]"):
        KeepaliveServer(http2=True)
