"""http.client: how exchanges end, and the connections with them."""

from __future__ import annotations

import contextlib
import http.client
import socket
import sys
from typing import Any

import pytest

from pytest_keepalive import measure
from pytest_keepalive._connection import State
from pytest_keepalive._events import CloseTrigger, Ending, Side
from pytest_keepalive._server import Effect, Fault, KeepaliveServer, Moment
from tests.probes.agreement import assert_agreement
from tests.probes.bodies import BODY, CHUNKS
from tests.probes.http_client import get
from tests.probes.view import last, only

# Reading


def test_a_response_that_is_read_in_pieces_is_complete_at_its_end(
    server: KeepaliveServer, client: http.client.HTTPConnection
) -> None:
    server.reply("/", body=BODY)
    with measure() as seen:
        client.request("GET", "/")
        response = client.getresponse()
        while response.read(100_000):
            assert seen.recording is not None
        assert last(seen).ending is Ending.COMPLETE


@pytest.mark.parametrize("body", [BODY, CHUNKS], ids=["length", "chunked"])
def test_a_response_that_is_not_read_to_its_end_is_abandoned(
    server: KeepaliveServer, client: http.client.HTTPConnection, body: Any
) -> None:
    server.reply("/", body=body)
    with measure() as seen:
        client.request("GET", "/")
        response = client.getresponse()
        response.read(100_000)
        assert last(seen).ended_at is None
        assert only(seen).state is State.ACTIVE
        response.close()
    exchange = last(seen)
    assert exchange.ending is Ending.ABANDONED
    assert exchange.missing == (200_000 if body is BODY else None)
    assert exchange.error is None


def test_a_response_that_was_never_looked_at_ends_with_its_connection(
    server: KeepaliveServer, client: http.client.HTTPConnection
) -> None:
    server.reply("/", hold=True)
    with measure() as seen:
        client.request("GET", "/")
        server.wait_for_requests(1)
        client.close()
    assert seen.exchanges == len(server.requests) == 1
    assert last(seen).ending is Ending.ABANDONED
    assert last(seen).status is None
    assert only(seen).state is State.CLOSED


def test_a_response_that_was_garbage_was_abandoned(
    server: KeepaliveServer, client: http.client.HTTPConnection
) -> None:
    server.reply("/", body=BODY)
    with measure() as seen:
        client.request("GET", "/")
        client.getresponse()
        client.close()
    assert last(seen).ending is Ending.ABANDONED
    assert last(seen).missing == len(BODY)


# Going wrong


@pytest.mark.parametrize("moment", ["on_request", "before_head"])
@pytest.mark.parametrize("effect", ["close", "reset"])
def test_a_connection_that_fails_before_the_head_failed_its_exchange(
    server: KeepaliveServer, client: http.client.HTTPConnection, effect: str, moment: str
) -> None:
    server.reply("/", faults=Fault(Effect(effect), Moment(moment)))
    with measure() as seen:
        client.request("GET", "/")
        with pytest.raises(ConnectionError) as caught:
            client.getresponse()
    assert_agreement(seen, server)
    exchange = last(seen)
    assert exchange.ending is Ending.FAILED
    assert exchange.error == type(caught.value).__name__
    assert exchange.status is None
    connection = only(seen)
    assert connection.closing is not None
    assert connection.closing.trigger is CloseTrigger.FAILED
    if sys.platform == "linux":
        assert connection.closed_by is Side.PEER


def test_a_head_that_does_not_come_in_time_fails_its_exchange(
    server: KeepaliveServer, client: http.client.HTTPConnection
) -> None:
    server.reply("/", hold=True)
    client.timeout = 0.02
    with measure() as seen:
        client.request("GET", "/")
        with pytest.raises(TimeoutError):
            client.getresponse()
    assert_agreement(seen, server)
    assert (last(seen).ending, last(seen).error) == (Ending.FAILED, "TimeoutError")


def test_a_head_that_is_no_http_fails_its_exchange(client: http.client.HTTPConnection) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client.port = listener.getsockname()[1]
        with measure() as seen:
            client.request("GET", "/")
            accepted, _ = listener.accept()
            with accepted:
                accepted.sendall(b"SSH-2.0-OpenSSH_9.7\r\n")
                with pytest.raises(http.client.BadStatusLine):
                    client.getresponse()
    assert (last(seen).ending, last(seen).error) == (Ending.FAILED, "BadStatusLine")


def test_a_connection_refused_is_an_attempt_and_no_exchange(
    client: http.client.HTTPConnection,
) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        client.port = bound.getsockname()[1]
        with measure() as seen, pytest.raises(ConnectionRefusedError):
            client.request("GET", "/")
    assert (seen.count, len(seen.attempts), len(seen.exchanges)) == (0, 1, 0)
    assert seen.recording.notes == ()


def test_a_dropped_connection_is_followed_by_another(
    server: KeepaliveServer, client: http.client.HTTPConnection
) -> None:
    with measure() as seen:
        get(client)
        server.drop_idle()
        client.request("GET", "/")
        with pytest.raises(ConnectionError):
            client.getresponse()
        get(client)
    # The server never read the second request, which was sent to a connection it had closed.
    assert [len(each.exchanges) for each in seen.connections] == [2, 1]
    assert [each.ending for each in seen.exchanges] == [
        Ending.COMPLETE,
        Ending.FAILED,
        Ending.COMPLETE,
    ]
    assert seen.count == server.accepted == 2


def test_a_request_that_cannot_be_sent_is_no_exchange(
    server: KeepaliveServer, client: http.client.HTTPConnection
) -> None:
    with measure() as seen:
        get(client)
        sock = client.sock
        sock.shutdown(socket.SHUT_WR)
        with pytest.raises(BrokenPipeError):
            client.request("GET", "/second")
        assert only(seen).exchanges == 1
        unsent = only(seen).unsent
    assert_agreement(seen, server)
    assert unsent is not None
    assert unsent.url == f"{server.url}/second"
    assert (unsent.ending, unsent.error) == (Ending.UNSENT, "BrokenPipeError")


def test_an_upload_that_breaks_and_is_answered_all_the_same_is_an_exchange(
    server: KeepaliveServer, client: http.client.HTTPConnection
) -> None:
    server.reply("/", 413, "too much", read_body=False)
    with measure() as seen:
        # What urllib3 does: the server may have said why before it closed.
        with contextlib.suppress(ConnectionError):
            client.request("POST", "/", (b"x" * 65536 for _ in range(400)))
        try:
            response = client.getresponse()
        except ConnectionError:
            answered = False
        else:
            answered = True
            response.close()
    assert server.requests[0].path == "/"
    if answered:
        assert_agreement(seen, server)
        assert last(seen).status == 413


@pytest.mark.parametrize("first", [True, False], ids=["new-connection", "kept-connection"])
def test_a_request_that_broke_off_and_is_answered_is_an_exchange_after_all(
    server: KeepaliveServer, first: bool
) -> None:
    class Breaking(http.client.HTTPConnection):
        def send(self, data: Any) -> None:
            if data == b"body":
                # The server has read the head, and answers before it reads more.
                server.wait_for_requests(1 if first else 2)
                raise BrokenPipeError
            super().send(data)

    server.reply("/upload", 413, "too much", read_body=False)
    client = Breaking(server.host, server.port, timeout=5)
    with measure() as seen:
        if not first:
            get(client)
        with pytest.raises(BrokenPipeError):
            client.request("POST", "/upload", iter([b"body"]), {"Content-Length": "4"})
        assert seen.exchanges == (0 if first else 1)
        client.getresponse().read()
        client.close()
    assert_agreement(seen, server)
    assert (last(seen).method, last(seen).status) == ("POST", 413)
    assert last(seen).ending is Ending.COMPLETE


def test_an_error_of_the_user_between_the_steps_leaves_no_exchange(
    server: KeepaliveServer, client: http.client.HTTPConnection
) -> None:
    with measure() as seen:
        get(client)
        client.putrequest("GET", "/second")
        with pytest.raises(http.client.CannotSendRequest):
            client.putrequest("GET", "/third")
        client.close()
    assert_agreement(seen, server)
    assert [exchange.url for exchange in seen.exchanges] == [f"{server.url}/"]


# Closing


def test_a_close_by_the_user_is_told_with_its_line(
    server: KeepaliveServer, client: http.client.HTTPConnection
) -> None:
    with measure() as seen:
        get(client)
        client.close()
    closing = only(seen).closing
    assert closing is not None
    assert closing.trigger is CloseTrigger.CLIENT_CLOSED
    assert closing.call_site is not None
    assert closing.call_site.source == "client.close()"
    assert only(seen).close_reason == "the client was closed"


def test_closing_what_never_connected_is_no_close(client: http.client.HTTPConnection) -> None:
    with measure() as seen:
        client.close()
        client.close()
    assert seen.count == 0


def test_a_connection_object_may_connect_again(
    server: KeepaliveServer, client: http.client.HTTPConnection
) -> None:
    with measure() as seen:
        for _ in range(3):
            get(client)
            client.close()
    assert_agreement(seen, server)
    assert seen.count == 3
    # The object is the same: it is one client that reconnects.
    assert len({each.adoption.pool for each in seen.connections if each.adoption}) == 1
