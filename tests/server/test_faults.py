"""Faults: each effect at each moment, beside what happens without it."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from typing import Any

import pytest

from pytest_keepalive._server import Effect, Fault, KeepaliveServer, Moment, Reply

from .raw_client import RawClient

BODY = b"x" * 1000
HEAD = b"Content-Length: 1000\r\n\r\n"


def _ends(client: RawClient) -> tuple[bytes, str]:
    """Read everything, and tell whether it ended with FIN or with RST."""
    received = b""
    try:
        while data := client.sock.recv(65536):
            received += data
    except ConnectionResetError:
        return received, "reset"
    return received, "eof"


def _reason_of(server: KeepaliveServer) -> str:
    server.wait_until_closed(1)
    assert server.connections[0].closed_by == "server"
    return server.connections[0].close_reason


def test_without_a_fault_the_connection_is_kept(server: KeepaliveServer, client: RawClient) -> None:
    server.reply("/fault", body=BODY)
    assert client.get("/fault").body == client.get("/fault").body == BODY
    assert server.open_connections


@pytest.mark.parametrize(("effect", "ending"), [("close", "eof"), ("half_close", "eof")])
@pytest.mark.parametrize("moment", ["on_request", "before_head", "after_response"])
def test_an_unannounced_close(
    server: KeepaliveServer, client: RawClient, effect: str, ending: str, moment: str
) -> None:
    faults: dict[str, Any] = {effect: moment}
    server.reply("/fault", body=BODY, **faults)
    client.ask("/fault")
    received, ended = _ends(client)
    assert ended == ending
    assert b"Connection" not in received
    assert received.endswith(HEAD + BODY if moment == "after_response" else b"")
    assert bool(received) is (moment == "after_response")
    client.close()
    words = f"{effect} {moment}".replace("_", " ")
    assert _reason_of(server) == f"fault: {words}"


@pytest.mark.parametrize("effect", ["close", "half_close"])
@pytest.mark.parametrize("count", [0, 1, 999, 1000])
def test_a_close_in_the_body_after_so_many_bytes(
    server: KeepaliveServer, client: RawClient, effect: str, count: int
) -> None:
    faults: dict[str, Any] = {effect: count}
    server.reply("/fault", body=BODY, **faults)
    client.ask("/fault")
    received, ended = _ends(client)
    assert received.endswith(HEAD + BODY[:count])
    assert ended == "eof"
    client.close()
    assert _reason_of(server).endswith(f"after {count} bytes of the body")


@pytest.mark.parametrize("moment", ["on_request", "before_head", 10, "after_response"])
def test_a_reset(server: KeepaliveServer, client: RawClient, moment: str | int) -> None:
    server.reply("/fault", body=BODY, reset=moment)
    client.ask("/fault")
    received, ended = _ends(client)
    assert ended == "reset"
    if isinstance(moment, int):
        assert received.endswith(HEAD + BODY[:moment]) or not received
    assert _reason_of(server).startswith("fault: reset ")


def test_a_fault_in_chunks_cuts_between_them(server: KeepaliveServer, client: RawClient) -> None:
    server.reply("/fault", body=["abc", "def"], close=4)
    client.ask("/fault")
    assert _ends(client)[0].endswith(b"\r\n\r\n3\r\nabc\r\n1\r\nd\r\n")


def test_a_fault_at_the_end_of_the_chunks_leaves_out_the_last_one(
    server: KeepaliveServer, client: RawClient
) -> None:
    server.reply("/fault", body=["abc", "def"], close=6)
    server.reply("/longer", body=["abc", "def"], close=600)
    client.ask("/fault")
    assert _ends(client)[0].endswith(b"3\r\nabc\r\n3\r\ndef\r\n")
    with RawClient(server) as other:
        other.ask("/longer")
        assert _ends(other)[0].endswith(b"3\r\nabc\r\n3\r\ndef\r\n")


def test_a_half_closed_connection_takes_further_requests_silently(
    server: KeepaliveServer, client: RawClient
) -> None:
    server.reply("/fault", half_close="after_response")
    assert client.get("/fault").status == 200
    client.ask("/next")
    assert client.at_eof()
    client.ask("/next")
    assert server.open_connections
    client.close()
    assert _reason_of(server) == "fault: half close after response"
    assert server.exchanges == ((0, 0),)


@pytest.mark.parametrize("moment", ["on_request", "before_head", 3, "after_response"])
def test_a_stall_lasts_until_the_client_leaves(
    server: KeepaliveServer, client: RawClient, moment: str | int
) -> None:
    server.reply("/fault", body=BODY, stall=moment)
    client.ask("/fault")
    server.wait_for_requests(1)
    client.sock.settimeout(0.03)
    received = b""
    with suppress(TimeoutError):
        while data := client.sock.recv(65536):
            received += data
        pytest.fail("the server closed")
    expected = {3: HEAD + b"xxx", "after_response": HEAD + BODY}.get(moment, b"")
    assert received.endswith(expected)
    assert server.open_connections
    client.ask("/more")
    client.close()
    server.wait_until_closed(1)
    assert server.connections[0].closed_by == "client"
    assert server.connections[0].close_reason.startswith("left, in a stall ")
    assert server.exchanges == ((0, 0),)


def test_a_delay_comes_before_the_head(server: KeepaliveServer, client: RawClient) -> None:
    server.reply("/slow", delay=0.05)
    begin = time.monotonic()
    assert client.get("/slow").status == 200
    assert 0.05 <= time.monotonic() - begin < 3


def test_a_delay_may_come_elsewhere(server: KeepaliveServer, client: RawClient) -> None:
    delay = Fault(Effect.DELAY, Moment.IN_BODY, after=1, seconds=0.03)
    server.reply("/slow", body="ab", faults=delay)
    begin = time.monotonic()
    client.ask("/slow")
    assert client.sock.recv(65536).endswith(b"\r\n\r\na")
    assert client.sock.recv(65536) == b"b"
    assert time.monotonic() - begin >= 0.03
    assert client.get().status == 200


def test_a_gate_may_hold_back_the_end_of_a_body(server: KeepaliveServer, client: RawClient) -> None:
    gate = threading.Event()
    held = Fault(Effect.HOLD, Moment.IN_BODY, after=6, gate=gate)
    server.reply("/stream", body=["[DONE]"], faults=[held])
    client.ask("/stream")
    assert client.sock.recv(65536).endswith(b"6\r\n[DONE]\r\n")
    gate.set()
    assert client.sock.recv(65536) == b"0\r\n\r\n"


def test_several_faults_strike_in_order(server: KeepaliveServer, client: RawClient) -> None:
    gate = threading.Event()
    faults = [Fault("reset", "in_body", after=3), Fault("hold", "in_body", after=1, gate=gate)]
    server.reply("/fault", body="abcd", delay=0.01, faults=faults)
    client.ask("/fault")
    assert client.sock.recv(65536).endswith(b"\r\n\r\na")
    gate.set()
    assert _ends(client)[1] == "reset"


def test_a_fault_of_a_function_s_reply_strikes_too(
    server: KeepaliveServer, client: RawClient
) -> None:
    server.route("/fault", lambda request: Reply(close="on_request"))
    client.ask("/fault", method="POST", body=b"read")
    assert _ends(client) == (b"", "eof")
    assert server.requests[0].body == b"read"


def test_faults_strike_connections_as_they_are_accepted(server: KeepaliveServer) -> None:
    gate = threading.Event()
    server.on_accept(
        Fault("close", "on_accept"),
        None,
        Fault("reset", "on_accept"),
        Fault("hold", "on_accept", gate=gate),
    )
    with RawClient(server) as client:
        assert _ends(client) == (b"", "eof")
    with RawClient(server) as client:
        assert client.get().status == 200
    # The reset may be there before the client's connect has returned.
    with pytest.raises(ConnectionResetError), RawClient(server) as client:
        client.sock.recv(1)
    with RawClient(server) as client:
        client.ask()
        server.wait_for_connections(4)
        gate.set()
        assert client.read().status == 200
    with RawClient(server) as client:
        assert client.get().status == 200
    assert server.exchanges == ((1, 0), (3, 0), (4, 0))
    assert server.connections[0].close_reason == "fault: close on accept"


@pytest.mark.parametrize(
    ("fault", "error", "message"),
    [
        ("close", TypeError, "on_accept takes Fault values or None, not 'close'"),
        (Fault("close"), ValueError, "does not strike on accept"),
        (Fault("hold", "on_accept"), ValueError, "give the hold a gate"),
    ],
)
def test_a_fault_that_cannot_strike_on_accept_is_refused(
    server: KeepaliveServer, fault: Fault, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        server.on_accept(Fault("close", "on_accept"), fault)
    with RawClient(server) as client:
        assert client.get().status == 200


def test_faults_say_what_they_do() -> None:
    assert repr(Fault("reset", "in_body", after=3)) == "<Fault reset after 3 bytes of the body>"
    assert str(Fault("delay", seconds=0.5)) == "delay of 0.5 s before head"
    assert str(Fault("half_close", "after_response")) == "half close after response"


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"effect": "explode"}, ValueError, "'explode' is not an effect; they are close, half"),
        ({"effect": "close", "moment": "late"}, ValueError, "'late' is not a moment; they are on"),
        ({"effect": "close", "after": 1}, ValueError, "after counts bytes in the body, not bef"),
        ({"effect": "close", "moment": "in_body", "after": -1}, ValueError, "0 or more"),
        ({"effect": "close", "after": "1"}, TypeError, "after must be a whole number"),
        ({"effect": "delay"}, ValueError, "seconds must be above zero"),
        ({"effect": "close", "seconds": 1}, ValueError, "seconds belong to a delay"),
        ({"effect": "hold", "gate": True}, TypeError, "gate must be a threading.Event"),
        ({"effect": "close", "gate": threading.Event()}, ValueError, "a gate belongs to a hold"),
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(
    arguments: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        Fault(**arguments)
