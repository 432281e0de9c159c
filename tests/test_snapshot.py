from __future__ import annotations

from typing import Any

import pytest

from pytest_keepalive._blind_spots import BlindSpot
from pytest_keepalive._connection import Connection, State
from pytest_keepalive._events import (
    CloseTrigger,
    Ending,
    Event,
    Handshaken,
    Outcome,
    Settled,
    Side,
    Trouble,
)
from pytest_keepalive._ledger import Ledger
from pytest_keepalive._recording import Recording
from pytest_keepalive._snapshot import recording_of

from .facts import (
    ORIGIN,
    PEER,
    SITE,
    adopted,
    answered,
    attempted,
    closed,
    closed_by,
    ended,
    local,
    pair,
    requested,
)

ELSEWHERE = type(SITE)("tests/conftest.py", 7, "warm_pool")


def taken(*events: Event) -> Recording:
    ledger = Ledger()
    ledger.apply(events)
    return recording_of(ledger, 0.0, 100.0)


def only(*events: Event) -> Connection:
    (connection,) = taken(*events).connections
    return connection


def test_a_connection_shows_what_was_seen_of_it() -> None:
    connection = only(
        attempted(at=1.0, asked_for="api.example.com", thread=7, call_site=ELSEWHERE),
        Handshaken(pair(), 1.5, 1.75),
        adopted(),
        requested(),
        answered(),
        ended(),
        closed_by(trigger=CloseTrigger.EXPIRED, detail="idle 5.2 s"),
        closed(at=9.0, by=Side.CLIENT, sent=10, received=20),
    )
    assert connection.index == 0
    assert connection.origin == ORIGIN
    assert (connection.local, connection.peer) == (local(), PEER)
    assert connection.client == "requests"
    assert connection.call_site == SITE
    assert connection.exchanges == 1
    assert connection.opened_at == 1.5
    assert connection.connect_seconds == 0.5
    assert connection.handshake_seconds == 0.25
    assert connection.closed_at == 9.0
    assert connection.closed_by is Side.CLIENT
    assert connection.close_reason == "its idle time had run out (idle 5.2 s)"
    assert connection.asked_for == "api.example.com"
    assert connection.thread == 7
    assert (connection.sent, connection.received) == (10, 20)
    assert connection.opened_here
    assert connection.exchanges_seen
    assert connection.observer == "socket"
    assert connection.adoption == adopted()
    assert connection.state is State.CLOSED


def test_a_connection_that_no_client_probe_saw_is_plain_tcp() -> None:
    connection = only(attempted())
    assert connection.origin == "tcp://127.0.0.1:8080"
    assert connection.client is None
    assert connection.call_site == SITE
    assert not connection.exchanges_seen
    assert connection.state is State.NEW


def test_its_origin_is_the_name_that_was_resolved() -> None:
    assert only(attempted(asked_for="api.example.com")).origin == "tcp://api.example.com:8080"


def test_a_connection_nobody_saw_being_made_leaves_open_what_was_not_seen() -> None:
    connection = only(adopted(), requested())
    assert not connection.opened_here
    assert connection.opened_at is None
    assert connection.connect_seconds is None
    assert connection.asked_for is None
    assert connection.observer == "probe"
    assert connection.thread == 0


def test_without_an_exchange_the_call_site_is_the_adoption() -> None:
    assert only(attempted(call_site=ELSEWHERE), adopted(call_site=SITE)).call_site == SITE


def test_when_the_end_of_a_connect_was_not_seen_its_length_is_unknown() -> None:
    pending = attempted(at=1.0, outcome=Outcome.PENDING)
    connection = only(pending, Settled(1, 5.0, False, Outcome.ESTABLISHED))
    assert connection.connect_seconds is None
    assert connection.opened_at == 1.0


def test_an_exchange_shows_what_was_seen_of_it() -> None:
    connection = only(
        attempted(),
        requested(10, at=2.0, closing=True, expecting=True, has_body=True),
        answered(10, 3.0, will_close=True, framed=True, headers=(("connection", "close"),)),
        ended(10, 4.0, Ending.ABANDONED, error="TimeoutError", missing=17),
    )
    (exchange,) = connection.exchanges
    assert (exchange.index, exchange.connection_index) == (0, 0)
    assert (exchange.method, exchange.url) == ("GET", f"{ORIGIN}/")
    assert (exchange.status, exchange.http_version) == (200, "HTTP/1.1")
    assert (exchange.started_at, exchange.head_at, exchange.ended_at) == (2.0, 3.0, 4.0)
    assert exchange.ending is Ending.ABANDONED
    assert (exchange.error, exchange.missing) == ("TimeoutError", 17)
    assert exchange.closing
    assert exchange.expecting
    assert exchange.has_body
    assert exchange.will_close
    assert exchange.framed
    assert exchange.header("connection") == "close"
    assert exchange.call_site == SITE


def test_an_exchange_under_way_leaves_open_what_has_not_come() -> None:
    (exchange,) = only(attempted(), requested()).exchanges
    assert exchange.status is None
    assert exchange.http_version is None
    assert exchange.head_at is None
    assert exchange.ended_at is None
    assert exchange.ending is None
    assert exchange.headers == ()


def test_a_request_that_could_not_be_sent_is_shown_apart() -> None:
    connection = only(
        attempted(), requested(10), ended(10, 4.0, Ending.UNSENT, error="BrokenPipeError")
    )
    assert connection.exchanges == 0
    assert connection.unsent is not None
    assert connection.unsent.error == "BrokenPipeError"


@pytest.mark.parametrize(
    ("events", "reason"),
    [
        ((), None),
        ((closed(by=Side.PEER),), "the peer closed it"),
        ((closed(by=Side.CLIENT),), "the client closed it"),
        ((closed(by=None),), "it was closed"),
        (
            (requested(), answered(will_close=True), closed(by=Side.PEER)),
            "the response does not allow reuse",
        ),
        ((requested(), answered(will_close=False), closed(by=Side.PEER)), "the peer closed it"),
        ((requested(), closed(by=Side.PEER)), "the peer closed it"),
        ((closed_by(trigger=CloseTrigger.EVICTED),), "the pool was full"),
        (
            (closed_by(trigger=CloseTrigger.DROPPED), closed(by=Side.PEER)),
            "the peer had closed it while idle",
        ),
    ],
)
def test_why_a_connection_ended_is_told_in_words(
    events: tuple[Event, ...], reason: str | None
) -> None:
    assert only(attempted(), *events).close_reason == reason


def test_connections_are_numbered_in_their_order_and_only_those_that_count() -> None:
    recording = taken(
        attempted(1, port=50001),
        attempted(2, outcome=Outcome.FAILED, port=50002),
        attempted(3, outcome=Outcome.PENDING, port=50003),
        attempted(4, port=50004),
        requested(port=50004),
    )
    assert [each.local for each in recording.connections] == [local(50001), local(50004)]
    assert [each.index for each in recording.connections] == [0, 1]
    assert recording.connections[1].exchanges[0].connection_index == 1


def test_what_nobody_saw_being_made_was_there_before_all_others() -> None:
    connections = taken(
        attempted(at=5.0),
        requested(1, at=5.5),
        requested(2, at=6.0, port=50001),
    ).connections
    assert [each.opened_here for each in connections] == [False, True]
    assert [each.local for each in connections] == [local(50001), local()]


def test_attempts_are_all_that_were_made_in_their_order() -> None:
    recording = taken(
        attempted(1, at=3.0, port=50001),
        attempted(2, at=1.0, outcome=Outcome.FAILED, port=50002),
        attempted(3, at=2.0, outcome=Outcome.PENDING, port=50003),
        requested(port=50009),
    )
    assert [attempt.attempt for attempt in recording.attempts] == [2, 3, 1]


def test_an_attempt_that_was_pending_and_failed_is_one_attempt() -> None:
    recording = taken(attempted(1, outcome=Outcome.PENDING), Settled(1, 5.0, True, Outcome.FAILED))
    assert recording.connections == ()
    assert [attempt.outcome for attempt in recording.attempts] == [Outcome.FAILED]


def test_a_recording_knows_its_window_its_blind_spots_and_its_troubles() -> None:
    ledger = Ledger()
    ledger.apply([Trouble("aiohttp", "its probe failed")])
    spots = (BlindSpot(2, ("pycurl",)),)
    recording = recording_of(ledger, 3.0, 4.0, spots)
    assert (recording.started_at, recording.ended_at) == (3.0, 4.0)
    assert recording.blind_spots == spots
    assert recording.notes == ("aiohttp: its probe failed",)


def test_taking_a_recording_changes_nothing() -> None:
    ledger = Ledger()
    ledger.apply([attempted(), adopted(), requested()])
    first: Any = recording_of(ledger, 0.0, 1.0)
    assert recording_of(ledger, 0.0, 1.0) == first
