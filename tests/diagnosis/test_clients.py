"""Group A: the client object, its thread and its event loop."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_keepalive import Cause
from pytest_keepalive._call_site import CallSite
from pytest_keepalive._diagnosis import diagnose
from pytest_keepalive._events import CloseTrigger, Side
from pytest_keepalive._ledger import Ledger
from pytest_keepalive._snapshot import recording_of
from tests.diagnosis.story import CLOSE_SITE, ORIGIN, REQUEST_SITE, Story

ELSEWHERE = CallSite("sdk/other.py", 7, "other")


def clients(story: Story, count: int, **fields: Any) -> None:
    """Make a client for each request."""
    for number in range(count):
        line = story.open(number, pool=100 + number, owner=200 + number, **fields).get(number)
        line.give_up(number + 0.5, CloseTrigger.CLIENT_CLOSED, site=CLOSE_SITE)


# A1 client-per-request


def test_another_client_object_for_each_request() -> None:
    story = Story()
    clients(story, 3)
    assert story.causes == [Cause.CLIENT_PER_REQUEST] * 2
    first = story.findings[0]
    assert first.story == "a new requests.Session for each call"
    assert first.evidence == (
        "3 clients made 3 requests to http://127.0.0.1:8080",
        "that of #0 was closed at sdk/client.py:52",
    )
    assert first.call_site == REQUEST_SITE
    assert "requests.Session" in first.remedy


def test_one_client_object_for_all_requests() -> None:
    story = Story()
    story.open(0).get(0).get(1).get(2)
    assert story.causes == []


def test_a_second_client_beside_one_that_is_used_on() -> None:
    story = Story()
    story.open(0).get(0).get(1)
    story.open(2, pool=2, owner=12, client="httpx").get(2)
    assert story.finding.cause == Cause.CLIENT_PER_REQUEST
    assert story.finding.story == "a new httpx.Client beside a requests.Session"


def test_what_happens_to_a_client_is_not_another_clients_doing() -> None:
    story = Story()
    mine = story.open(0).get(0, will_close=True).give_up(0.2, CloseTrigger.SERVER_SAID_CLOSE)
    assert mine
    story.open(1, pool=2, owner=12).get(1)
    story.open(2).get(2)
    assert story.causes == [Cause.CLIENT_PER_REQUEST, Cause.SERVER_ASKED_TO_CLOSE]
    assert story.findings[1].predecessor == story.recording.connections[0]


def test_sessions_that_share_a_connector_are_one_client() -> None:
    story = Story()
    story.open(0, pool=5, owner=1).get(0, will_close=True).give_up(
        0.2, CloseTrigger.SERVER_SAID_CLOSE
    )
    story.open(1, pool=5, owner=2).get(1)
    assert story.causes == [Cause.SERVER_ASKED_TO_CLOSE]


# A2 client-per-thread


def test_a_client_for_each_thread_that_is_used_again_there() -> None:
    story = Story()
    for number in range(3):
        story.open(number, pool=100 + number, owner=200 + number, thread=number).get(number).get(9)
    assert story.causes == [Cause.CLIENT_PER_THREAD] * 2
    assert story.findings[0].evidence == (
        "3 threads used 3 of them for 6 requests to http://127.0.0.1:8080, each its own",
    )


def test_a_client_for_each_thread_that_nobody_closes() -> None:
    story = Story()
    for number in range(3):
        story.open(number, pool=100 + number, owner=200 + number, thread=number).get(number)
    assert story.causes == [Cause.CLIENT_PER_THREAD] * 2


def test_a_client_for_each_call_in_threads_is_not_one_for_each_thread() -> None:
    story = Story()
    for number in range(3):
        line = story.open(number, pool=100 + number, owner=200 + number, thread=number)
        line.get(number).give_up(number + 0.5, CloseTrigger.CLIENT_CLOSED, site=CLOSE_SITE)
    assert story.causes == [Cause.CLIENT_PER_REQUEST] * 2


def test_two_clients_in_one_thread_are_not_one_for_each_thread() -> None:
    story = Story()
    for number, thread in enumerate((1, 2, 2)):
        story.open(number, pool=100 + number, owner=200 + number, thread=thread).get(number)
    assert story.causes == [Cause.CLIENT_PER_REQUEST] * 2


def test_threads_are_counted_for_each_origin() -> None:
    story = Story()
    story.open(0, type(ORIGIN)("http", "tokens", 80), ("127.0.0.2", 80), pool=1, thread=7).get(0)
    for number in range(2):
        fields = {"pool": 100 + number, "owner": 200 + number, "thread": 7 + number}
        story.open(number + 1, **fields).get(number + 1)
    assert story.causes == [Cause.CLIENT_PER_THREAD]


# A3 client-per-event-loop


@pytest.mark.parametrize("pools", [(1, 1), (1, 2)], ids=["one client", "a client each"])
def test_another_event_loop(pools: tuple[int, int]) -> None:
    story = Story()
    for number, pool in enumerate(pools):
        story.open(number, client="httpx", pool=pool, owner=0, loop=number + 1).get(number)
    assert story.finding.cause == Cause.CLIENT_PER_EVENT_LOOP
    assert story.finding.story == "a new event loop for each call"


def test_a_client_without_a_loop_is_in_no_other_loop() -> None:
    story = Story()
    story.open(0, loop=0).get(0, will_close=True).give_up(0.2, CloseTrigger.SERVER_SAID_CLOSE)
    story.open(1, loop=0).get(1)
    assert story.causes == [Cause.SERVER_ASKED_TO_CLOSE]


def test_what_a_loop_did_itself_comes_before_what_another_loop_did() -> None:
    story = Story()
    story.open(0, loop=1).get(0, will_close=True).give_up(0.2, CloseTrigger.SERVER_SAID_CLOSE)
    story.open(1, loop=2).get(1)
    story.open(2, loop=1).get(2)
    assert story.causes == [Cause.CLIENT_PER_EVENT_LOOP, Cause.SERVER_ASKED_TO_CLOSE]


# A4 forked-after-use


def forked(inherited: bool) -> Story:
    story = Story()
    line = story.open(0)
    events, story.events = story.events[1:], []
    line.get(0).drop(1.0, 0.5)
    story.events = [*events, *story.events]
    story.open(1).get(1)
    return story


@pytest.mark.parametrize("in_child", [True, False])
def test_a_connection_of_the_parent_process(in_child: bool) -> None:
    ledger = Ledger(forked=in_child)
    ledger.apply(forked(in_child).events)
    (finding,) = diagnose(recording_of(ledger, 0.0, 9.0))
    assert (finding.cause == Cause.FORKED_AFTER_USE) is in_child


# A5 client-never-keeps-alive


def test_a_library_that_always_says_close() -> None:
    story = Story()
    for number in range(3):
        line = story.open(number, client="urllib.request", pool=10 + number, owner=0)
        line.get(number, asked={"closing": True}, will_close=True)
    assert story.causes == [Cause.CLIENT_NEVER_KEEPS_ALIVE] * 2


def test_a_client_that_could_keep_it_is_told_apart() -> None:
    story = Story()
    story.open(0).get(0, asked={"closing": True}, will_close=True)
    story.open(1, pool=2, owner=12).get(1, asked={"closing": True}, will_close=True)
    assert story.causes == [Cause.CLIENT_PER_REQUEST]


# G6 channel-per-call


def channel(story: Story, at: float, by: Side, site: CallSite = REQUEST_SITE) -> None:
    line = story.open_unknown(at, site=site)
    line.close(at + 0.5, by, sent=20, received=30)


def test_an_unknown_client_opens_and_closes_at_the_same_line() -> None:
    story = Story()
    for number in range(3):
        channel(story, number, Side.CLIENT)
    assert story.causes == [Cause.CHANNEL_PER_CALL] * 2
    assert story.findings[0].evidence == (
        "#0 was opened there too, and its client closed it first, after 0.490 s, "
        "20 bytes out and 30 in",
    )


def test_an_unknown_client_whose_server_closes_may_have_been_told_to() -> None:
    story = Story()
    for number in range(2):
        channel(story, number, Side.PEER)
    assert story.causes == [Cause.UNKNOWN]


def test_another_line_is_another_client() -> None:
    story = Story()
    channel(story, 0, Side.CLIENT)
    channel(story, 1, Side.CLIENT, ELSEWHERE)
    assert story.causes == [Cause.UNKNOWN]


def test_a_channel_that_is_still_open_is_none_for_each_call() -> None:
    story = Story()
    story.open_unknown(0)
    story.open_unknown(1)
    assert story.causes == [Cause.UNKNOWN]
