"""urllib3: how exchanges end that are streamed, and those that go wrong."""

from __future__ import annotations

import io
import socket
from typing import Any

import pytest
import urllib3
from urllib3 import PoolManager
from urllib3.util import Retry

from pytest_keepalive import measure
from pytest_keepalive._connection import State
from pytest_keepalive._events import CloseTrigger, Ending
from pytest_keepalive._server import Effect, Fault, KeepaliveServer, Moment, Reply
from tests.probes.agreement import assert_agreement
from tests.probes.bodies import BODY, CHUNKS
from tests.probes.view import last, only, triggers

# Streaming


@pytest.mark.parametrize("body", [BODY, CHUNKS], ids=["length", "chunked"])
def test_a_stream_that_was_read_to_its_end_gives_its_connection_back(
    server: KeepaliveServer, pool: PoolManager, body: Any
) -> None:
    server.reply("/", body=body)
    with measure() as seen:
        for _ in range(3):
            response = pool.request("GET", server.url, preload_content=False)
            assert sum(map(len, response.stream(65536))) > 290_000
    assert_agreement(seen, server)
    assert seen.count == 1
    assert [exchange.ending for exchange in seen.exchanges] == [Ending.COMPLETE] * 3
    assert triggers(seen) == [None]


@pytest.mark.parametrize("body", [BODY, CHUNKS], ids=["length", "chunked"])
def test_a_stream_that_was_read_in_part_and_closed_is_abandoned(
    server: KeepaliveServer, pool: PoolManager, body: Any
) -> None:
    server.reply("/", body=body)
    with measure() as seen:
        for _ in range(2):
            response = pool.request("GET", server.url, preload_content=False)
            assert response.read(10_000)
            response.close()
            response.release_conn()
    assert_agreement(seen, server)
    assert seen.count == 2
    assert triggers(seen) == [CloseTrigger.BODY_UNREAD] * 2
    assert [exchange.ending for exchange in seen.exchanges] == [Ending.ABANDONED] * 2
    assert last(seen).error is None
    if body is BODY:
        assert last(seen).missing is not None
        assert last(seen).missing > 200_000  # type: ignore[operator] # just checked


@pytest.mark.parametrize("body", [BODY, CHUNKS], ids=["length", "chunked"])
def test_a_stream_whose_reader_stopped_is_abandoned(
    server: KeepaliveServer, pool: PoolManager, body: Any
) -> None:
    server.reply("/", body=body)
    with measure() as seen:
        response = pool.request("GET", server.url, preload_content=False)
        stream: Any = response.stream(10_000)
        next(stream)
        stream.close()
        response.close()
    assert last(seen).ending is Ending.ABANDONED
    assert last(seen).error is None
    assert triggers(seen) == [CloseTrigger.BODY_UNREAD]


def test_a_stream_that_was_drained_keeps_its_connection(
    server: KeepaliveServer, pool: PoolManager
) -> None:
    server.reply("/", body=BODY)
    with measure() as seen:
        for _ in range(2):
            response = pool.request("GET", server.url, preload_content=False)
            response.read(10)
            response.drain_conn()
            response.release_conn()
    assert_agreement(seen, server)
    assert seen.count == 1
    assert last(seen).ending is Ending.COMPLETE


def test_a_stream_that_is_kept_keeps_its_connection_in_use(
    server: KeepaliveServer, pool: PoolManager
) -> None:
    server.reply("/", body=BODY)
    with measure() as seen:
        kept = [pool.request("GET", server.url, preload_content=False) for _ in range(3)]
        assert [each.state for each in seen.connections] == [State.ACTIVE] * 3
        for response in kept:
            response.close()
    assert_agreement(seen, server)
    assert seen.count == 3


# Going wrong


def test_a_head_that_does_not_come_in_time_fails_its_exchange(
    server: KeepaliveServer, pool: PoolManager
) -> None:
    server.route("/", [Reply(hold=True), Reply()])
    with measure() as seen:
        with pytest.raises(urllib3.exceptions.ReadTimeoutError):
            pool.request("GET", server.url, timeout=0.02, retries=False)
        pool.request("GET", server.url)
    assert_agreement(seen, server)
    assert seen.count == 2
    first, second = seen.exchanges
    assert (first.ending, first.error) == (Ending.FAILED, "TimeoutError")
    assert second.ending is Ending.COMPLETE
    assert triggers(seen) == [CloseTrigger.FAILED, None]


def test_a_body_that_does_not_come_in_time_fails_its_exchange(
    server: KeepaliveServer, pool: PoolManager
) -> None:
    server.reply("/", body=BODY, stall=1000)
    with measure() as seen:
        response = pool.request("GET", server.url, timeout=0.5, preload_content=False)
        with pytest.raises(urllib3.exceptions.ReadTimeoutError):
            response.read()
    assert last(seen).ending is Ending.FAILED
    # urllib3 1.26 does not tell its own error from the one behind it.
    assert last(seen).error in ("TimeoutError", "ReadTimeoutError")
    assert triggers(seen) == [CloseTrigger.FAILED]


@pytest.mark.parametrize("body", [BODY, CHUNKS], ids=["length", "chunked"])
def test_a_body_that_ends_early_fails_its_exchange(
    server: KeepaliveServer, pool: PoolManager, body: Any
) -> None:
    server.reply("/", body=body, close=1000)
    with measure() as seen:
        response = pool.request("GET", server.url, preload_content=False)
        with pytest.raises(urllib3.exceptions.ProtocolError):
            response.read()
    assert last(seen).ending is Ending.FAILED
    # Of a chunk without a size http.client notices first that it is no number.
    assert last(seen).error == ("IncompleteRead" if body is BODY else "ValueError")
    assert triggers(seen) == [CloseTrigger.FAILED]


def test_an_error_that_the_user_is_handling_is_not_that_of_the_exchange(
    server: KeepaliveServer, pool: PoolManager
) -> None:
    server.reply("/", body=BODY)
    server.reply("/close", keep_alive=False)
    with measure() as seen:
        try:
            raise ConnectionResetError
        except ConnectionResetError:
            pool.request("GET", server.url_for("/close"))
            response = pool.request("GET", server.url, preload_content=False)
            response.read(10)
            response.close()
    assert triggers(seen) == [CloseTrigger.SERVER_SAID_CLOSE, CloseTrigger.BODY_UNREAD]
    assert (last(seen).ending, last(seen).error) == (Ending.ABANDONED, None)


def test_a_retry_is_an_exchange_of_its_own(server: KeepaliveServer, pool: PoolManager) -> None:
    server.route("/", [Reply(503), Reply(503), Reply()])
    with measure() as seen:
        retry = Retry(3, status_forcelist=[503], backoff_factor=0)
        assert pool.request("GET", server.url, retries=retry).status == 200
    assert_agreement(seen, server)
    assert [exchange.status for exchange in seen.exchanges] == [503, 503, 200]
    assert seen.count == 1


@pytest.mark.parametrize("effect", ["close", "reset"])
def test_a_retry_after_a_lost_connection_connects_again(
    server: KeepaliveServer, pool: PoolManager, effect: str
) -> None:
    fault = Fault(Effect(effect), Moment.BEFORE_HEAD)
    server.route("/", [Reply(), Reply(faults=fault), Reply()])
    with measure() as seen:
        for _ in range(2):
            pool.request("GET", server.url, retries=Retry(2, backoff_factor=0))
    assert_agreement(seen, server)
    assert [exchange.ending for exchange in seen.exchanges] == [
        Ending.COMPLETE,
        Ending.FAILED,
        Ending.COMPLETE,
    ]
    assert triggers(seen) == [CloseTrigger.FAILED, None]
    assert seen.count == 2


def test_redirects_stay_on_the_connection_where_they_can(
    server: KeepaliveServer, pool: PoolManager
) -> None:
    with KeepaliveServer() as other:
        server.route("/old", Reply.redirect("/new"))
        server.route("/away", Reply.redirect(other.url_for("/there?token=secret")))
        with measure() as seen:
            pool.request("GET", server.url_for("/old"))
            pool.request("GET", server.url_for("/away"))
        assert other.accepted == 1
    assert [each.exchanges for each in seen.connections] == [3, 1]
    assert [exchange.status for exchange in seen.exchanges] == [302, 200, 302, 200]
    assert seen.exchanges[2].header("location") == f"{other.url}/there?token=..."


def test_a_refused_connection_is_an_attempt(pool: PoolManager) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
        with measure() as seen, pytest.raises(urllib3.exceptions.MaxRetryError):
            pool.request("GET", f"http://127.0.0.1:{port}", retries=Retry(2, backoff_factor=0))
    assert (seen.count, len(seen.attempts), len(seen.exchanges)) == (0, 3, 0)
    assert seen.recording.notes == ()


def test_an_upload_that_the_server_refuses_early_is_an_exchange(
    server: KeepaliveServer, pool: PoolManager
) -> None:
    server.reply("/", 413, "too much", read_body=False)
    with measure() as seen:
        # What comes of it is a race of the answer with the reset behind it.
        try:
            pool.request("POST", server.url, body=b"x" * 30_000_000, retries=False)
        except (urllib3.exceptions.HTTPError, OSError):
            answered = False
        else:
            answered = True
    assert server.accepted == seen.count == 1
    assert seen.recording.notes == ()
    if answered:
        assert_agreement(seen, server)
        assert last(seen).status == 413
    assert all(exchange.ended_at is not None for exchange in seen.exchanges)


def test_a_body_that_cannot_be_sent_ends_its_exchange(
    server: KeepaliveServer, pool: PoolManager
) -> None:
    class Broken(io.BytesIO):
        def read(self, *_: Any) -> bytes:
            raise LookupError("the user's own")

    with measure() as seen, pytest.raises(LookupError, match="the user's own"):
        pool.request("POST", server.url, body=Broken(b"x"), headers={"Content-Length": "7"})
    assert seen.count == 1
    assert all(exchange.ended_at is not None for exchange in seen.exchanges)
    assert only(seen).state is State.CLOSED
    assert triggers(seen) == [CloseTrigger.FAILED]
