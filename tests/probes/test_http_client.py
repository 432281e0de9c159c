"""http.client: what is an exchange, and what it tells."""

from __future__ import annotations

import http.client
import threading

import pytest

from pytest_keepalive import measure
from pytest_keepalive._connection import State
from pytest_keepalive._events import CloseTrigger, Ending
from pytest_keepalive._server import KeepaliveServer, Reply
from tests.probes.agreement import assert_agreement
from tests.probes.bodies import BODY, CHUNKS
from tests.probes.http_client import get
from tests.probes.view import last, only

# Counting


def test_a_kept_connection_carries_every_exchange(
    server: KeepaliveServer, client: http.client.HTTPConnection
) -> None:
    with measure() as seen:
        for path in ("/a", "/b?token=secret&page=2", "/c"):
            get(client, path)
        assert only(seen).state is State.IDLE
    assert_agreement(seen, server)
    assert server.exchanges == ((0, 0), (0, 1), (0, 2))
    connection = only(seen)
    assert connection.client == "http.client"
    assert connection.origin == server.url
    assert [exchange.url for exchange in connection.exchanges] == [
        f"{server.url}/a",
        f"{server.url}/b?token=...&page=...",
        f"{server.url}/c",
    ]
    assert [exchange.reused for exchange in connection.exchanges] == [False, True, True]
    assert connection.adoption is not None
    assert connection.adoption.pool_name == "HTTPConnection"
    assert connection.adoption.pool > 0


def test_an_exchange_tells_its_times_and_its_answer(
    server: KeepaliveServer, client: http.client.HTTPConnection
) -> None:
    server.reply("/", 201, "made")
    with measure() as seen:
        for _ in range(2):
            get(client)
    first, second = seen.exchanges
    for exchange in (first, second):
        assert exchange.head_at is not None
        assert exchange.ended_at is not None
        assert exchange.started_at < exchange.head_at <= exchange.ended_at
        assert (exchange.method, exchange.status) == ("GET", 201)
        assert exchange.http_version == "HTTP/1.1"
        assert exchange.ending is Ending.COMPLETE
        assert exchange.error is None
        assert exchange.framed
        assert not exchange.will_close
        assert not exchange.closing
    # The request that connects began before the connect.
    connection = only(seen)
    assert connection.opened_at is not None
    assert first.started_at < connection.opened_at
    assert first.idle_before is None
    assert first.ended_at is not None
    assert second.idle_before == pytest.approx(second.started_at - first.ended_at)


def test_the_call_site_is_the_line_that_made_the_request(
    server: KeepaliveServer, client: http.client.HTTPConnection
) -> None:
    with measure() as seen:
        client.request("GET", "/")
        client.getresponse().read()
    assert last(seen).call_site is not None
    assert last(seen).call_site.source == 'client.request("GET", "/")'  # type: ignore[union-attr]
    assert only(seen).call_site == last(seen).call_site


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"])
def test_every_method_is_an_exchange(
    server: KeepaliveServer, client: http.client.HTTPConnection, method: str
) -> None:
    body = b"hello" if method in ("POST", "PUT") else None
    with measure() as seen:
        for _ in range(2):
            client.request(method, "/", body)
            client.getresponse().read()
    assert_agreement(seen, server)
    assert [exchange.ending for exchange in seen.exchanges] == [Ending.COMPLETE] * 2
    assert last(seen).has_body is (body is not None)


REPLIES = {
    "length": Reply(body=BODY),
    "empty": Reply(body=b""),
    "no content": Reply(204, b""),
    "not modified": Reply(304, b""),
    "chunked": Reply(body=CHUNKS),
    "chunked, empty": Reply(body=[]),
    "error": Reply(500, "oops"),
    "not found": Reply(404, b""),
}


@pytest.mark.parametrize("reply", REPLIES.values(), ids=REPLIES)
def test_a_response_that_was_read_is_complete_and_keeps_its_connection(
    server: KeepaliveServer, client: http.client.HTTPConnection, reply: Reply
) -> None:
    server.route("/", reply)
    with measure() as seen:
        for _ in range(3):
            get(client)
    assert_agreement(seen, server)
    assert seen.count == 1
    assert [exchange.ending for exchange in seen.exchanges] == [Ending.COMPLETE] * 3
    assert {exchange.status for exchange in seen.exchanges} == {reply.status}


CLOSING = {
    "close": (Reply(body=BODY, keep_alive=False), "HTTP/1.1", True),
    "close, empty": (Reply(body=b"", keep_alive=False), "HTTP/1.1", True),
    "HTTP/1.0": (Reply(http_version="1.0"), "HTTP/1.0", True),
    "no framing": (Reply(framing="eof"), "HTTP/1.1", False),
}


@pytest.mark.parametrize(("reply", "version", "framed"), CLOSING.values(), ids=CLOSING)
def test_a_response_that_forbids_reuse_ends_its_connection(
    server: KeepaliveServer,
    client: http.client.HTTPConnection,
    reply: Reply,
    version: str,
    framed: bool,
) -> None:
    server.route("/", reply)
    with measure() as seen:
        for _ in range(3):
            get(client)
    assert_agreement(seen, server)
    assert seen.count == 3
    for connection in seen.connections:
        (exchange,) = connection.exchanges
        assert exchange.will_close
        assert exchange.framed is framed
        assert exchange.http_version == version
        assert exchange.ending is Ending.COMPLETE
        assert connection.closing is not None
        assert connection.closing.trigger is CloseTrigger.SERVER_SAID_CLOSE
        assert connection.closed_at is not None


def test_http_1_0_with_keep_alive_keeps_its_connection(
    server: KeepaliveServer, client: http.client.HTTPConnection
) -> None:
    server.reply("/", http_version="1.0", keep_alive=True)
    with measure() as seen:
        for _ in range(3):
            get(client)
    assert_agreement(seen, server)
    assert seen.count == 1
    assert not last(seen).will_close


@pytest.mark.parametrize("value", ["close", "Close", "TE, close"])
def test_a_request_may_ask_for_the_close(
    server: KeepaliveServer, client: http.client.HTTPConnection, value: str
) -> None:
    with measure() as seen:
        for _ in range(2):
            get(client, Connection=value)
    assert_agreement(seen, server)
    assert seen.count == 2
    assert [exchange.closing for exchange in seen.exchanges] == [True, True]


def test_a_field_that_merely_mentions_a_close_asks_for_none(
    server: KeepaliveServer, client: http.client.HTTPConnection
) -> None:
    with measure() as seen:
        get(client, **{"X-Connection": "close", "Content-Type": "close; length=7"})
    assert not last(seen).closing
    assert not last(seen).has_body
    assert not last(seen).expecting


def test_a_request_may_expect_a_continue(
    server: KeepaliveServer, client: http.client.HTTPConnection
) -> None:
    with measure() as seen:
        client.request("PUT", "/", b"hello", {"Expect": "100-continue"})
        client.getresponse().read()
    assert_agreement(seen, server)
    assert last(seen).expecting
    assert last(seen).has_body


def test_a_body_in_chunks_is_a_body(
    server: KeepaliveServer, client: http.client.HTTPConnection
) -> None:
    with measure() as seen:
        client.request("POST", "/", iter([b"a", b"b"]))
        client.getresponse().read()
        client.request("POST", "/", b"")
        client.getresponse().read()
    assert_agreement(seen, server)
    assert [exchange.has_body for exchange in seen.exchanges] == [True, False]


def test_a_large_upload_that_looks_like_requests_is_one_exchange(
    server: KeepaliveServer, client: http.client.HTTPConnection
) -> None:
    with measure() as seen:
        for _ in range(2):
            client.request("POST", "/", b"GET / HTTP/1.1\r\n\r\n" * 20_000)
            client.getresponse().read()
    assert_agreement(seen, server)
    assert seen.exchanges == 2


def test_requests_may_be_made_step_by_step(
    server: KeepaliveServer, client: http.client.HTTPConnection
) -> None:
    with measure() as seen:
        for _ in range(2):
            client.putrequest("POST", "/steps")
            client.putheader("Content-Length", "4")
            client.endheaders()
            client.send(b"body")
            client.getresponse().read()
    assert_agreement(seen, server)
    assert last(seen).has_body


def test_many_threads_with_a_connection_each_are_told_apart(server: KeepaliveServer) -> None:
    started = threading.Barrier(6)

    def work() -> None:
        client = http.client.HTTPConnection(server.host, server.port)
        started.wait(5)
        for _ in range(5):
            get(client)
        client.close()

    with measure() as seen:
        threads = [threading.Thread(target=work) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert_agreement(seen, server)
    assert (seen.count, len(seen.exchanges)) == (6, 30)
    assert len({each.adoption.thread for each in seen.connections if each.adoption}) == 6


# Windows


def test_an_exchange_begun_before_the_window_is_not_in_it(
    server: KeepaliveServer, client: http.client.HTTPConnection
) -> None:
    with measure() as whole:
        client.request("GET", "/")
        with measure() as seen:
            client.getresponse().read()
            get(client)
    assert [exchange.index for exchange in seen.exchanges] == [1]
    assert_agreement(whole, server)


def test_a_response_that_is_read_after_the_window_leaves_its_exchange_open(
    server: KeepaliveServer, client: http.client.HTTPConnection
) -> None:
    server.reply("/", body=BODY)
    with measure() as seen:
        client.request("GET", "/")
        response = client.getresponse()
    response.read()
    assert last(seen).status == 200
    assert last(seen).ended_at is None
    assert only(seen).state is State.ACTIVE
