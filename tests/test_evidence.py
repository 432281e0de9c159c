from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_keepalive import Connection, Recording
from pytest_keepalive._blind_spots import BlindSpot
from pytest_keepalive._call_site import CallSite
from pytest_keepalive._connection import Tally
from pytest_keepalive._events import ClosedBy, CloseTrigger, Outcome, Side
from pytest_keepalive._origin import Origin
from pytest_keepalive._recording import Unplaced
from pytest_keepalive._reports._evidence import evidence_of
from pytest_keepalive._reports._prose import printable

from . import facts
from .facts import opened


def lines_of(recording: Recording, verbose: bool = False) -> list[str]:
    return evidence_of(recording, verbose=verbose).splitlines()


def ended_cell(**fields: Any) -> str:
    return lines_of(facts.recording(facts.connection(**fields)))[2].split("  ")[-1]


def closing(trigger: CloseTrigger) -> ClosedBy:
    return ClosedBy(facts.pair(), 9.0, trigger)


def test_a_connection_is_one_line() -> None:
    assert evidence_of(opened(1, exchanges=3)) == (
        "1 connection; 3 exchanges, 2 of them reused a connection\n"
        "#   destination     client    call site             carried      ended\n"
        "#0  127.0.0.1:8080  requests  tests/test_api.py:41  3 exchanges  open"
    )


def test_equal_lines_are_folded() -> None:
    assert evidence_of(opened(10, closed_at=9.0, closed_by=Side.CLIENT)) == (
        "10 connections; 10 exchanges, 0 of them reused a connection\n"
        "#   destination     client    call site             carried     ended\n"
        "#0  127.0.0.1:8080  requests  tests/test_api.py:41  1 exchange  client closed\n"
        "    × 9, same line"
    )


def test_lines_that_differ_are_not_folded() -> None:
    recording = facts.recording(
        facts.connection(0, closed_at=9.0, closed_by=Side.CLIENT),
        facts.connection(1),
        facts.connection(2, closed_at=9.0, closed_by=Side.CLIENT),
    )
    shown = [line[:2] for line in lines_of(recording)[2:]]
    assert shown == ["#0", "  ", "#1"]


def test_verbose_unfolds_every_connection_and_shows_its_exchanges() -> None:
    first = facts.connection(
        0,
        [
            facts.exchange(0),
            facts.exchange(1, idle_before=0.25, status=None, error="TimeoutError"),
            facts.exchange(2, idle_before=None, status=None, call_site=None),
        ],
    )
    shown = lines_of(facts.recording(first, facts.connection(1), facts.connection(2)), verbose=True)
    assert shown[2:] == [
        "#0  127.0.0.1:8080  requests  tests/test_api.py:41  3 exchanges  open",
        "      0: GET http://127.0.0.1:8080/ 200, at tests/test_api.py:41",
        "      1: GET http://127.0.0.1:8080/ TimeoutError, after 0.250 s idle, "
        "at tests/test_api.py:41",
        "      2: GET http://127.0.0.1:8080/ no response",
        "#1  127.0.0.1:8080  requests  tests/test_api.py:41  1 exchange   open",
        "      0: GET http://127.0.0.1:8080/ 200, at tests/test_api.py:41",
        "#2  127.0.0.1:8080  requests  tests/test_api.py:41  1 exchange   open",
        "      0: GET http://127.0.0.1:8080/ 200, at tests/test_api.py:41",
    ]


def test_verbose_cuts_nothing() -> None:
    long = f"{'deep/' * 30}test_api.py"
    recording = opened(1, call_site=CallSite(long, 41, "test_api"))
    assert f"{long}:41" in evidence_of(recording, verbose=True)
    assert f"{long}:41" not in evidence_of(recording)


def test_what_is_too_long_loses_its_beginning() -> None:
    recording = opened(1, call_site=CallSite(f"{'deep/' * 30}test_api.py", 41, "test_api"))
    line = lines_of(recording)[2]
    assert 75 < len(line) <= 80
    assert "…" in line
    assert "/test_api.py:41  " in line


CLIENTS = st.sampled_from([None, "requests", "urllib.request", "http.client"])
CONNECTIONS = st.builds(
    facts.connection,
    st.integers(0, 200_000),
    st.integers(0, 3),
    client=CLIENTS,
    exchanges_seen=st.booleans(),
    opened_here=st.booleans(),
    origin=st.builds(
        Origin, st.sampled_from(["http", "tcp"]), st.text("ab-.", max_size=90), st.just(8080)
    ),
    call_site=st.none()
    | st.builds(CallSite, st.text("ab/", max_size=90), st.just(41), st.just("f")),
    closing=st.none() | st.sampled_from(CloseTrigger).map(closing),
)


@given(
    st.lists(CONNECTIONS, max_size=5),
    st.lists(st.text("ab \n", max_size=200), max_size=2),
    st.text("ab.:", max_size=200),
    st.integers(0, 7),
)
def test_everything_fits_the_width(
    connections: list[Connection], notes: list[str], host: str, failures: int
) -> None:
    recording = Recording(
        Tally(connections),
        Tally(
            facts.attempted(n, outcome=Outcome.FAILED, peer=(host, n), error="ECONNREFUSED")
            for n in range(failures)
        ),
        blind_spots=(BlindSpot(2, ("curl_cffi", "grpcio", "a child process")),),
        notes=tuple(notes),
    )
    assert [line for line in evidence_of(recording).split("\n") if len(line) > 80] == []


def test_even_the_longest_line_fits_the_width() -> None:
    exchanges = [facts.exchange(0)] * 100_000
    connection = facts.connection(
        100_000,
        exchanges,
        client="urllib.request",
        origin=Origin("http", "a-very-long-name.example.com", 8080),
        closing=closing(CloseTrigger.DROPPED),
    )
    line = lines_of(facts.recording(connection))[2]
    assert len(line) <= 80
    assert "urllib.request" in line
    assert line.endswith("100000 exchanges  dropped while idle")


@pytest.mark.parametrize(
    ("fields", "cell"),
    [
        ({}, "open"),
        ({"closed_at": 9.0, "closed_by": Side.CLIENT}, "client closed"),
        ({"closed_at": 9.0, "closed_by": Side.PEER}, "peer closed"),
        ({"closed_at": 9.0}, "closed"),
        ({"closed_at": 9.0, "closing": closing(CloseTrigger.EVICTED)}, "evicted"),
        ({"closing": closing(CloseTrigger.BODY_UNREAD)}, "body not read"),
        ({"closed_at": 9.0, "exchanges": [facts.exchange(will_close=True)]}, "server said close"),
        ({"closed_at": 9.0, "exchanges": []}, "closed"),
    ],
)
def test_why_a_connection_ended_is_told_in_a_few_words(fields: dict[str, Any], cell: str) -> None:
    assert ended_cell(**fields) == cell


@pytest.mark.parametrize("trigger", CloseTrigger)
def test_every_trigger_of_a_close_has_its_words(trigger: CloseTrigger) -> None:
    assert len(ended_cell(closing=closing(trigger))) >= 6


def test_a_connection_that_carried_nothing_says_so() -> None:
    assert "nothing" in lines_of(opened(1, exchanges=0))[2]


def test_what_was_not_seen_is_not_called_nothing() -> None:
    recording = opened(1, exchanges=0, exchanges_seen=False, client=None, call_site=None)
    assert lines_of(recording) == [
        "1 connection; exchanges not seen",
        "#   destination     client    call site  carried   ended",
        "#0  127.0.0.1:8080  not seen  not seen   not seen  open",
    ]
    silent = opened(1, exchanges=0, exchanges_seen=False, sent=0, received=0)
    assert "nothing" in lines_of(silent)[2]


def test_a_connection_without_a_known_scheme_is_shown_with_tcp() -> None:
    recording = opened(1, origin=Origin("tcp", "10.0.0.1", 6379))
    assert "tcp://10.0.0.1:6379" in lines_of(recording)[2]


def test_connections_opened_earlier_are_told_apart() -> None:
    recording = facts.recording(facts.connection(0, opened_here=False), facts.connection(1))
    assert lines_of(recording)[0] == (
        "2 connections, 1 opened earlier; 2 exchanges, 0 of them reused a connection"
    )


def test_failed_attempts_are_counted_by_destination_and_error() -> None:
    refused = facts.attempted(outcome=Outcome.FAILED, peer=("::1", 8080), error="ECONNREFUSED")
    silent = facts.attempted(outcome=Outcome.FAILED, peer=("10.0.0.1", 80))
    recording = Recording(attempts=Tally([refused, silent, refused, facts.attempted()]))
    assert lines_of(recording)[1:] == [
        "2 attempts to [::1]:8080 failed: ECONNREFUSED",
        "1 attempt to 10.0.0.1:80 failed",
    ]


def test_of_many_failed_attempts_the_most_frequent_are_shown() -> None:
    failed = [
        facts.attempted(n, outcome=Outcome.FAILED, peer=("10.0.0.1", port))
        for port in range(8)
        for n in range(port + 1)
    ]
    shown = lines_of(Recording(attempts=Tally(failed)))[1:]
    assert shown[0] == "8 attempts to 10.0.0.1:7 failed"
    assert len(shown) == 6
    assert shown[-1] == "... and 3 more kinds of failed attempts"


def test_blind_spots_and_notes_are_remarked_on() -> None:
    recording = facts.recording(
        facts.connection(), blind_spots=(BlindSpot(1, ("pycurl",)),), notes=("aiohttp: it broke",)
    )
    shown = lines_of(recording)
    assert shown[0] == "at least 1 connection; at least 1 exchange, 0 of them reused a connection"
    assert shown[-3:] == [
        "! 1 connection was opened that no observer saw (pycurl); run with",
        "  --keepalive-watch=kernel",
        "! aiohttp: it broke",
    ]


HOSTILE = "a\x1b[31mb\x07\u202ec"


def test_control_characters_are_made_visible() -> None:
    connection = facts.connection(
        exchanges=[facts.exchange(url=f"http://h/{HOSTILE}", call_site=CallSite(HOSTILE, 1, "f"))],
        origin=Origin("http", HOSTILE, 80),
        call_site=CallSite(HOSTILE, 1, "f"),
    )
    recording = facts.recording(
        connection,
        attempts=Tally([facts.attempted(outcome=Outcome.FAILED, peer=(HOSTILE, 1))]),
        notes=(HOSTILE,),
    )
    for verbose in (False, True):
        shown = evidence_of(recording, verbose=verbose)
        assert shown.replace("\n", "").isprintable()
        assert "a\\x1b[31mb\\x07\\u202ec" in shown


@given(st.text())
def test_printable_text_is_left_as_it_is(text: str) -> None:
    assert printable(text).isprintable()
    if text.isprintable():
        assert printable(text) == text


class TestWhatIsNotWhole:
    def unplaced(self, count: int) -> Recording:
        adopted = facts.adopted(client="pyreqwest")
        made = (facts.exchange(0, at=float(each)) for each in range(count))
        loose = (replace(each, connection_index=None) for each in made)
        unseen = facts.connection(0, exchanges=0, client=None, exchanges_seen=False)
        unplaced = Tally(Unplaced(each, adopted) for each in loose)
        return facts.recording(unseen, unplaced=unplaced)

    def test_an_exchange_without_a_connection_is_told_by_its_line(self) -> None:
        told = lines_of(self.unplaced(2))
        assert told[0].startswith("1 connection; at least 2 exchanges")
        assert told[-1] == "2 exchanges of pyreqwest at tests/test_api.py:41, connection not seen"

    def test_each_of_them_is_told_where_everything_is(self) -> None:
        told = lines_of(self.unplaced(2), verbose=True)
        assert sum("GET http://127.0.0.1:8080/ 200" in line for line in told) == 2
        assert "connection not seen" in told[-1]

    def test_a_connection_that_may_have_carried_more_says_so(self) -> None:
        partly = facts.connection(
            0,
            exchanges=2,
            client="pyreqwest",
            exchanges_seen=False,
            adoption=facts.adopted(client="pyreqwest", partly=True),
        )
        told = lines_of(facts.recording(partly))
        assert told[0].startswith("1 connection; at least 2 exchanges")
        assert "at least 2" in told[2]
        assert told[3].startswith("pyreqwest tells of no redirect that it follows")
