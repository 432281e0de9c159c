"""Groups F and G1: the peer was gone, or an exchange failed."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_keepalive import Cause, Origin
from pytest_keepalive._events import CloseTrigger, Ending, Side
from tests.diagnosis.story import PEER, Line, Story

SECURE = Origin("https", "127.0.0.1", 8080)


def lost(silence: float, pause: float = 9.0, origin: Origin | None = None, **answer: Any) -> Story:
    """Have the server close some time behind a response, and the client come after a pause."""
    story = Story()
    fields = {} if origin is None else {"origin": origin}
    line = story.open(0, **fields).get(0, took=1.0, **answer)
    line.drop(1.0 + pause, 1.0 + silence, silence if origin is None else 0.0)
    story.open(1.0 + pause, **fields).get(1.0 + pause)
    return story


# F1 server-idle-timeout


def test_a_server_that_closes_behind_a_pause() -> None:
    finding = lost(5.0, headers=(("server", "uvicorn"),)).finding
    assert finding.cause == Cause.SERVER_IDLE_TIMEOUT
    assert finding.evidence[0] == (
        "the server closed #0 after 5.0 s; the next request came after 9.0 s"
    )
    assert "--timeout-keep-alive" in finding.remedy


def test_a_server_that_closes_while_the_client_still_reads() -> None:
    story = Story()
    line = story.open(0).get(0, took=20.0)
    line.drop(30.0, 6.0, silence=5.0)
    story.open(30).get(30)
    assert story.causes == [Cause.SERVER_IDLE_TIMEOUT]


def test_nobody_can_tell_what_a_server_said_last_over_tls_while_the_client_reads() -> None:
    story = Story()
    line = story.open(0, SECURE).get(0, took=20.0)
    line.drop(30.0, 16.0, silence=0.0)
    story.open(30, SECURE).get(30)
    assert story.causes == [Cause.UNKNOWN]


def test_a_goodbye_over_tls_is_no_response() -> None:
    assert lost(5.0, origin=SECURE).causes == [Cause.SERVER_IDLE_TIMEOUT]


def test_a_reset_leaves_no_trace_of_when_it_came() -> None:
    story = Story()
    line = story.open(0).get(0)
    line.give_up(9, CloseTrigger.DROPPED)
    story.events[-1] = story.events[-1]._replace(by=Side.PEER)  # type: ignore[call-arg]
    story.open(9).get(9)
    assert story.causes == [Cause.UNKNOWN]


def test_a_client_that_hears_of_a_reset_at_once() -> None:
    story = Story()
    line = story.open(0).get(0)
    line.give_up(0.12, CloseTrigger.DROPPED)
    story.open(9).get(9)
    assert story.causes == [Cause.SERVER_HUNG_UP]


def test_a_system_that_tells_nothing_but_that_it_was_dropped() -> None:
    story = Story()
    line = story.open(0).get(0)
    line.give_up(9, CloseTrigger.DROPPED)
    story.events[-1] = story.events[-1]._replace(by=None)  # type: ignore[call-arg]
    story.open(9).get(9)
    assert story.causes == [Cause.SERVER_IDLE_TIMEOUT]


def test_a_request_that_was_sent_long_after_the_close() -> None:
    story = Story()
    line = story.open(0).get(0)
    line.fail(9, "RemoteDisconnected").give_up(9.1, CloseTrigger.FAILED)
    story.events[-1] = story.events[-1]._replace(by=Side.PEER, heard_at=5.0)  # type: ignore[call-arg]
    story.open(9.2).get(9.2)
    assert story.causes == [Cause.SERVER_IDLE_TIMEOUT]


@pytest.mark.parametrize(
    ("fin_at", "cause"), [(5.0, Cause.SERVER_IDLE_TIMEOUT), (0.12, Cause.SERVER_HUNG_UP)]
)
def test_an_event_loop_that_closes_first_and_then_tells(fin_at: float, cause: Cause) -> None:
    story = Story()
    line = story.open(0).get(0)
    line.close(fin_at, Side.PEER)
    line.give_up(fin_at + 0.001, CloseTrigger.DROPPED)
    story.open(9).get(9)
    assert story.causes == [cause]


@pytest.mark.parametrize(
    ("fin_at", "cause"), [(1.002, Cause.CLIENT_CLOSED), (0.12, Cause.SERVER_HUNG_UP)]
)
def test_who_wanted_the_close_counts_and_not_whose_fin_was_first(
    fin_at: float, cause: Cause
) -> None:
    story = Story()
    line = story.open(0).get(0, took=0.1)
    line.give_up(1.0, CloseTrigger.CLIENT_CLOSED)
    story.events.pop()
    line.close(1.01, Side.PEER, peer_closed_at=fin_at)
    story.open(1.1).get(1.1)
    assert story.causes == [cause]


# F3 server-hung-up


def test_a_server_that_closes_at_once() -> None:
    finding = lost(0.005).finding
    assert finding.cause == Cause.SERVER_HUNG_UP
    assert finding.evidence == (
        "GET http://127.0.0.1:8080/ (#0/0) was answered 200, and the server closed 5.0 ms later",
    )


def test_a_server_that_closes_at_once_while_the_client_still_reads() -> None:
    story = Story()
    line = story.open(0).get(0, took=20.0)
    line.drop(30.0, 0.1, silence=0.001)
    story.open(30).get(30)
    assert story.causes == [Cause.SERVER_HUNG_UP]


# F5 server-timeout-ignored


TOLD = (("keep-alive", "timeout=5"),)


def test_a_server_that_had_told_how_long_it_waits() -> None:
    finding = lost(5.0, headers=TOLD).finding
    assert finding.cause == Cause.SERVER_TIMEOUT_IGNORED
    assert finding.evidence == (
        "the server said Keep-Alive: timeout=5, and the next request came after 9.0 s",
    )


def test_a_server_that_waits_for_less_than_it_told() -> None:
    assert lost(2.0, pause=3.0, headers=TOLD).causes == [Cause.SERVER_IDLE_TIMEOUT]


def test_a_server_that_hangs_up_whatever_it_told() -> None:
    assert lost(0.001, headers=TOLD).causes == [Cause.SERVER_HUNG_UP]


# F2 reuse-race


def raced(index: int, error: str, took: float = 0.01, path: str = "/race") -> Story:
    story = Story()
    line = story.open(0)
    for number in range(index):
        line.get(number)
    line.fail(index, error, path, took).give_up(index + took, CloseTrigger.FAILED)
    story.open(index + took).get(index + took)
    return story


@pytest.mark.parametrize(
    "error", ["RemoteDisconnected", "RemoteProtocolError", "ServerDisconnectedError"]
)
def test_a_request_that_meets_the_servers_close(error: str) -> None:
    finding = raced(1, error).finding
    assert finding.cause == Cause.REUSE_RACE
    assert "after 900 ms idle" in finding.evidence[0]


def test_the_first_request_on_a_connection_races_with_nothing() -> None:
    assert raced(0, "RemoteDisconnected").causes == [Cause.UNKNOWN]


def test_a_server_that_thinks_for_long_had_the_request() -> None:
    assert raced(1, "RemoteDisconnected", took=30.0).causes == [Cause.UNKNOWN]


def test_an_error_that_says_nothing_of_the_peer() -> None:
    assert raced(1, "ValueError").causes == [Cause.UNKNOWN]


# F4 flow-lost


def forgotten(index: int, resent: int) -> Story:
    story = Story()
    line = story.open(0)
    for number in range(index):
        line.get(number)
    line.fail(300, "ReadTimeout", took=2.0).give_up(302, CloseTrigger.FAILED)
    story.events[-1] = story.events[-1]._replace(resent=resent)  # type: ignore[call-arg]
    story.open(302).get(302)
    return story


def test_a_request_that_is_never_acknowledged() -> None:
    finding = forgotten(1, resent=3).finding
    assert finding.cause == Cause.FLOW_LOST
    assert "sent again 3 times, and never acknowledged" in finding.evidence[0]


@pytest.mark.parametrize(("index", "resent"), [(1, 0), (0, 3)], ids=["acknowledged", "first"])
def test_a_request_that_times_out_otherwise(index: int, resent: int) -> None:
    assert forgotten(index, resent).causes == [Cause.TIMED_OUT_OR_CANCELLED]


# G1 retried


def test_the_same_request_again() -> None:
    finding = raced(0, "RemoteDisconnected", path="/").finding
    assert finding.cause == Cause.RETRIED
    assert finding.story == "a retry after RemoteDisconnected"


def test_another_request_is_no_retry() -> None:
    assert raced(0, "RemoteDisconnected", path="/other").causes == [Cause.UNKNOWN]


def test_a_request_that_could_not_be_sent_is_retried() -> None:
    story = Story()
    line = story.open(0).fail(0, "SSLError", ending=Ending.UNSENT)
    line.give_up(0.2, CloseTrigger.FAILED)
    story.open(1).get(1)
    assert story.causes == [Cause.RETRIED]


def test_the_connection_that_was_lost_last_is_replaced_first() -> None:
    story = Story()
    lines: list[Line] = [story.open(n / 10, peer=PEER) for n in range(2)]
    for number, line in enumerate(lines):
        line.get(number / 10, took=0.5, asked={"worker": number})
    lines[0].drop(9.0, 6.0)
    lines[1].give_up(2.0, CloseTrigger.CLIENT_CLOSED)
    story.open(9.0).get(9.0)
    story.open(10.0).get(10.0)
    assert story.causes == [
        Cause.CONCURRENT_REQUESTS,
        Cause.SERVER_IDLE_TIMEOUT,
        Cause.CLIENT_CLOSED,
    ]
