"""The order of decision, and what holds for every recording."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_keepalive import Cause, Origin, Recording
from pytest_keepalive._diagnosis import diagnose
from pytest_keepalive._events import CloseTrigger, Ending, Side
from pytest_keepalive._origin import Address
from tests import facts
from tests.diagnosis.story import CLOSE_SITE, ORIGIN, PEER, Line, Story

OTHER = Origin("http", "other", 80)
OTHER_PEER = ("192.0.2.9", 80)
SAID = CloseTrigger.SERVER_SAID_CLOSE


# Exactly one finding for each connection beyond the first to its origin


def beyond_the_first(recording: Recording) -> list[int]:
    """Give the indexes of the connections that must be explained."""
    seen: Counter[Origin] = Counter()
    indexes = []
    for each in recording.connections:
        seen[each.origin] += 1
        if seen[each.origin] > 1 and each.opened_here:
            indexes.append(each.index)
    return indexes


TIMES = st.floats(0, 20).map(lambda time: round(time, 2))
HEADS = st.fixed_dictionaries(
    {
        "status": st.sampled_from([200, 302, 401, 413]),
        "will_close": st.sampled_from([True, False, None]),
        "framed": st.sampled_from([True, False, None]),
        "http_version": st.sampled_from(["HTTP/1.0", "HTTP/1.1", "HTTP/2"]),
        "headers": st.sampled_from(
            [
                (),
                (("location", "http://other/"),),
                (("keep-alive", "timeout=1, max=2"),),
                (("www-authenticate", "NTLM"),),
                (("content-type", "text/event-stream"), ("server", "nginx")),
            ]
        ),
    }
)
ASKED = st.fixed_dictionaries(
    {
        "closing": st.booleans(),
        "expecting": st.booleans(),
        "has_body": st.sampled_from([True, False, None]),
        "worker": st.integers(0, 2),
    }
)
ERRORS = st.sampled_from(["ReadTimeout", "RemoteDisconnected", "ConnectionNotAvailable", "Oops"])


@st.composite
def lives(draw: st.DrawFn, story: Story) -> None:
    """Add a connection with anything that may happen to one."""
    at = draw(TIMES)
    origin, peer = draw(st.sampled_from([(ORIGIN, PEER), (OTHER, OTHER_PEER), (OTHER, PEER)]))
    line = open_line(draw, story, at, origin, peer)
    for _ in range(draw(st.integers(0, 3))):
        at += draw(TIMES) / 10
        add_exchange(draw, line, at)
    closed_at = at + draw(TIMES)
    if draw(st.booleans()):
        line.give_up(
            closed_at, draw(st.sampled_from(CloseTrigger)), draw(st.sampled_from(["", "x"]))
        )
    elif draw(st.booleans()):
        fin_at = draw(st.none() | TIMES)
        fields = {"peer_closed_at": fin_at, "silence": fin_at, "resent": draw(st.integers(0, 2))}
        line.close(closed_at, draw(st.sampled_from([Side.PEER, Side.CLIENT, None])), **fields)


def open_line(draw: st.DrawFn, story: Story, at: float, origin: Origin, peer: Address) -> Line:
    if draw(st.booleans()) and draw(st.booleans()):
        return story.open_unknown(at, origin, peer)
    return story.open(
        at,
        origin,
        peer,
        handshake=draw(st.sampled_from([0.0, 0.1])),
        client=draw(st.sampled_from(["requests", "httpx", "urllib.request", "niquests"])),
        pool=draw(st.integers(0, 3)),
        owner=draw(st.integers(0, 2)),
        thread=draw(st.integers(0, 2)),
        loop=draw(st.integers(0, 2)),
        pool_key=draw(st.sampled_from([(), (("ssl", "a"),), (("ssl", "b"), ("proxy", "p"))])),
    )


def add_exchange(draw: st.DrawFn, line: Line, at: float) -> None:
    number = line.ask(at, **draw(ASKED))
    if draw(st.booleans()):
        head = draw(HEADS)
        line.answer(number, at + 0.1, head.pop("status"), **head)
    if draw(st.booleans()):
        ending = draw(st.sampled_from(Ending))
        error = draw(ERRORS) if ending in (Ending.FAILED, Ending.UNSENT) else None
        line.end(number, at + draw(TIMES) / 5, ending, error=error)


@settings(max_examples=150)
@given(st.data(), st.integers(0, 7))
def test_whatever_happens_each_has_exactly_one_finding(data: st.DataObject, count: int) -> None:
    story = Story()
    for _ in range(count):
        data.draw(lives(story))
    recording = story.recording
    findings = diagnose(recording)
    found = [finding.connection.index for finding in findings]
    assert len(found) == len(set(found))
    needed = beyond_the_first(recording)
    assert [index for index in found if index in needed] == needed
    of_origins = {Cause.HOST_ALIAS, Cause.REDIRECTED_ELSEWHERE}
    assert all(
        finding.cause in of_origins
        for finding in findings
        if finding.connection.index not in needed
    )
    for finding in findings:
        assert finding.evidence
        assert finding.remedy
        assert finding.story
        assert finding.predecessor is not None
        assert finding.predecessor is not finding.connection


def test_a_recording_without_connections_has_no_findings() -> None:
    assert diagnose(facts.recording()) == ()


def test_other_origins_are_never_blamed() -> None:
    story = Story()
    story.open(0).get(0)
    story.open(1, OTHER, OTHER_PEER, pool=2).get(1)
    assert story.causes == []


def test_a_connection_that_was_there_before_needs_no_explanation() -> None:
    recording = facts.recording(
        facts.connection(0), facts.connection(1, opened_here=False, opened_at=None)
    )
    assert diagnose(recording) == ()


def test_the_first_ones_only_when_there_are_too_many() -> None:
    story = Story()
    for number in range(5):
        story.open(number, pool=100 + number, owner=200 + number).get(number)
    assert len(diagnose(story.recording, most=2)) == 2


# The order of decision


def test_who_uses_it_comes_before_how_the_one_before_was_lost() -> None:
    story = Story()
    story.open(0).get(0, will_close=True).give_up(0.2, SAID)
    story.open(1, pool=2, owner=12).get(1)
    assert story.causes == [Cause.CLIENT_PER_REQUEST]


def test_an_event_loop_comes_before_a_client_object() -> None:
    story = Story()
    story.open(0, loop=1).get(0)
    story.open(1, pool=2, owner=12, loop=2).get(1)
    assert story.causes == [Cause.CLIENT_PER_EVENT_LOOP]


def test_what_the_client_asked_comes_before_what_the_server_said() -> None:
    story = Story()
    line = story.open(0).get(0, asked={"closing": True}, will_close=True, framed=False)
    line.give_up(0.2, SAID)
    story.open(1).get(1)
    assert story.causes == [Cause.CLIENT_ASKED_TO_CLOSE]


def test_what_was_announced_comes_before_what_was_left_unread() -> None:
    story = Story()
    line = story.open(0).get(0, ending=Ending.ABANDONED, will_close=True)
    line.give_up(0.2, CloseTrigger.BODY_UNREAD)
    story.open(1).get(1)
    assert story.causes == [Cause.SERVER_ASKED_TO_CLOSE]


def test_a_lost_connection_comes_before_concurrency() -> None:
    story = Story()
    story.open(0).get(0, will_close=True).give_up(0.2, SAID)
    story.open(1).ask(1, worker=1)
    story.open(2).get(2, asked={"worker": 2})
    assert story.causes == [Cause.SERVER_ASKED_TO_CLOSE, Cause.CONCURRENT_REQUESTS]


def test_a_held_response_comes_before_a_lost_connection() -> None:
    story = Story()
    story.open(0).get(0, took=5.0, asked={"worker": 2}, will_close=True).give_up(5.1, SAID)
    line = story.open(1)
    line.answer(line.ask(1), 1.1)
    story.open(6).get(6)
    assert story.causes == [Cause.CONCURRENT_REQUESTS, Cause.RESPONSE_NOT_RELEASED]


# Unknown


def test_without_proof_the_timeline_is_told() -> None:
    story = Story()
    story.open(1.0).get(1.0).get(2.0).close(2.5, Side.CLIENT)
    story.open(3.0).get(3.0)
    finding = story.finding
    assert finding.cause == Cause.UNKNOWN
    assert finding.evidence == (
        "-2.000 s connect of #0, which carried 2 exchanges",
        "-1.000 s GET http://127.0.0.1:8080/: 200, complete, until -0.900 s",
        "-0.500 s the client closed it; connect of #1 at 0",
    )
    assert "-vv" in finding.remedy
    assert not finding.legitimate


def test_a_connection_that_was_not_closed_is_said_to_be_open() -> None:
    story = Story()
    story.open(0).get(0)
    story.open(3).get(3)
    assert story.finding.evidence[-1] == "#0 was not closed; connect of #1 at 0"


def test_exchanges_that_nobody_saw_are_said_to_be_unseen() -> None:
    story = Story()
    story.open_unknown(0)
    story.open_unknown(1)
    assert story.finding.evidence[0].endswith("which carried exchanges that were not seen")


def test_a_finding_has_a_repr_worth_reading() -> None:
    story = Story()
    story.open(0).get(0).give_up(0.5, CloseTrigger.CLIENT_CLOSED, site=CLOSE_SITE)
    story.open(1).get(1)
    assert repr(story.finding).startswith("<Finding client-closed <Connection #1 ")


# Ten thousand connections


def a_client_each(story: Story, number: int) -> None:
    line = story.open(number, pool=10 + 2 * number, owner=11 + 2 * number).get(number)
    line.give_up(number + 0.5, CloseTrigger.CLIENT_CLOSED, site=CLOSE_SITE)


def a_thread_each(story: Story, number: int) -> None:
    story.open(number, pool=10 + 2 * number, owner=11 + 2 * number, thread=number).get(number)


def said_close(story: Story, number: int) -> None:
    story.open(number).get(number, will_close=True).give_up(number + 0.5, SAID)


def all_at_once(story: Story, number: int) -> None:
    line = story.open(number / 1e6)
    exchange = line.ask(number / 1e6, worker=number)
    line.end(exchange, 9.0)


def held_for_good(story: Story, number: int) -> None:
    line = story.open(number)
    line.answer(line.ask(number), number + 0.1)


def left_idle(story: Story, number: int) -> None:
    story.open(number).get(number)


def never_adopted(story: Story, number: int) -> None:
    story.open_unknown(number)


def thrown_away(story: Story, number: int) -> None:
    line = story.open(number).get(number)
    line.give_up(number + 0.5, CloseTrigger.EVICTED)


def an_origin_each(story: Story, number: int) -> None:
    origin = Origin("http", f"host{number // 2}", 80)
    story.open(number, origin, (f"10.0.{number // 512}.{number // 2 % 256}", 80)).get(number)


def with_many_exchanges(story: Story, number: int) -> None:
    line = story.open(number)
    for index in range(3):
        line.get(number + index / 5, took=0.01, will_close=index == 2)
    line.give_up(number + 0.9, SAID)


@contextmanager
def untraced() -> Iterator[None]:
    """Keep coverage out: it takes longer than what it watches."""
    tracer = sys.gettrace()
    sys.settrace(None)
    try:
        yield
    finally:
        sys.settrace(tracer)


@pytest.mark.parametrize(
    "shape",
    [
        a_client_each,
        a_thread_each,
        said_close,
        all_at_once,
        held_for_good,
        left_idle,
        never_adopted,
        thrown_away,
        an_origin_each,
        with_many_exchanges,
    ],
)
def test_ten_thousand_connections_are_diagnosed_within_a_second(
    shape: Callable[[Story, int], Any],
) -> None:
    story = Story()
    for number in range(10_000):
        shape(story, number)
    recording = story.recording
    with untraced():
        began = time.process_time()
        findings = diagnose(recording)
        took = time.process_time() - began
    assert len(findings) == (5_000 if shape is an_origin_each else 9_999)
    assert took < 1.0
