"""Group C: the connections there were in use."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_keepalive import Cause
from pytest_keepalive._call_site import CallSite
from pytest_keepalive._events import CloseTrigger, Ending
from tests.diagnosis.story import REQUEST_SITE, Line, Story

H2 = "HTTP/2"


def long_one(line: Line, at: float, until: float, worker: int = 2, **answer: Any) -> Line:
    number = line.ask(at, worker=worker)
    line.answer(number, at + 0.1, **answer)
    line.end(number, until)
    return line


# C1 concurrent-requests


def test_requests_that_overlap() -> None:
    story = Story()
    for number in range(3):
        long_one(story.open(number / 10), number / 10, 9.0, worker=number)
    assert story.causes == [Cause.CONCURRENT_REQUESTS] * 2
    first, second = story.findings
    assert first.legitimate
    assert first.story == "up to 3 requests at once"
    assert first.evidence[0] == "#0 was in use just then, #0 for GET at sdk/client.py:41"
    assert second.evidence[0].startswith("#1 and 1 other were in use just then")


def test_a_connection_that_lay_idle_is_no_excuse() -> None:
    story = Story()
    story.open(0).get(0)
    story.open(1).get(1)
    assert story.causes == [Cause.UNKNOWN]


def test_one_idle_connection_among_many_is_no_excuse() -> None:
    story = Story()
    long_one(story.open(0), 0, 9)
    story.open(0.01).get(0.01)
    story.open(5).get(5)
    assert story.causes == [Cause.CONCURRENT_REQUESTS, Cause.UNKNOWN]


def test_a_connection_that_is_being_made_is_in_use() -> None:
    story = Story()
    story.open(0.0, took=0.5).get(0.5, asked={"worker": 1})
    story.open(0.1, took=0.1).get(0.2, asked={"worker": 2})
    assert story.causes == [Cause.CONCURRENT_REQUESTS]


def test_whoever_connects_faster_is_in_use_all_the_same() -> None:
    story = Story()
    story.open(0.1, took=0.1).get(0.1, asked={"worker": 1})
    story.open(0.0, took=0.5).get(0.0, asked={"worker": 2})
    assert story.causes == [Cause.CONCURRENT_REQUESTS]


def test_a_connection_that_somebody_else_takes_first() -> None:
    story = Story()
    line = story.open(0).get(0)
    long_one(line, 1.002, 2.0, worker=2)
    story.open(1.001, took=0.01).get(1.001, asked={"worker": 3})
    assert story.causes == [Cause.CONCURRENT_REQUESTS]


@pytest.mark.parametrize(
    ("worker", "gap", "cause"),
    [(2, 0.001, Cause.CONCURRENT_REQUESTS), (3, 0.001, Cause.UNKNOWN), (2, 0.5, Cause.UNKNOWN)],
    ids=["another thread", "the same thread", "much later"],
)
def test_a_connection_that_was_taken_and_not_begun_to_be_used(
    worker: int, gap: float, cause: Cause
) -> None:
    story = Story()
    line = story.open(0).get(0)
    story.open(1, took=0.01).get(1, asked={"worker": 3})
    long_one(line, 1.01 + gap, 2.0, worker=worker)
    assert story.causes == [cause]


@pytest.mark.parametrize(
    ("worker", "gap", "cause"),
    [(2, 0.001, Cause.CONCURRENT_REQUESTS), (1, 0.001, Cause.UNKNOWN), (2, 0.5, Cause.UNKNOWN)],
    ids=["another thread", "the same thread", "long ago"],
)
def test_a_connection_that_is_just_being_put_back(worker: int, gap: float, cause: Cause) -> None:
    story = Story()
    story.open(0).get(0, took=1.0, asked={"worker": 1})
    story.open(1.0 + gap).get(1.0 + gap, asked={"worker": worker})
    assert story.causes == [cause]


def test_more_at_once_than_before_is_concurrency_and_not_less_than_before() -> None:
    story = Story()
    for number in range(2):
        line = long_one(story.open(number / 10), number / 10, 1.0, worker=number)
        line.give_up(1.5, CloseTrigger.EXPIRED, "idle 0.5 s, keepalive_expiry 0.5 s")
    for number in range(3):
        long_one(story.open(2 + number / 10), 2 + number / 10, 9.0, worker=number)
    assert story.causes == [
        Cause.CONCURRENT_REQUESTS,
        Cause.CLIENT_IDLE_EXPIRY,
        Cause.CLIENT_IDLE_EXPIRY,
        Cause.CONCURRENT_REQUESTS,
    ]


def test_threads_against_a_server_that_says_close_are_no_excuse_for_it() -> None:
    story = Story()
    for number in range(6):
        at = number // 2 + number % 2 / 10
        number_of = story.open(at)
        exchange = number_of.ask(at, worker=number % 2)
        number_of.answer(exchange, at + 0.3, will_close=True)
        number_of.end(exchange, at + 0.5)
        number_of.give_up(at + 0.5, CloseTrigger.SERVER_SAID_CLOSE)
    assert story.causes == [Cause.CONCURRENT_REQUESTS, *[Cause.SERVER_ASKED_TO_CLOSE] * 4]


def test_a_worker_that_has_had_its_response_is_not_concurrent_with_itself() -> None:
    story = Story()
    line = story.open(0)
    number = line.ask(0, worker=1)
    line.answer(number, 0.1, will_close=True)
    # The rest of the upload is still being given up when the next request begins.
    story.open(0.2).get(0.2, asked={"worker": 1})
    line.end(number, 0.3)
    line.give_up(0.3, CloseTrigger.SERVER_SAID_CLOSE)
    assert story.causes == [Cause.SERVER_ASKED_TO_CLOSE]


# C2 response-not-released


def held(line: Line, at: float, worker: int = 1, path: str = "/held") -> Line:
    line.answer(line.ask(at, path, worker=worker), at + 0.1)
    return line


def test_a_response_that_nobody_reads_to_its_end() -> None:
    story = Story()
    held(story.open(0), 0)
    story.open(1).get(1)
    finding = story.finding
    assert finding.cause == Cause.RESPONSE_NOT_RELEASED
    assert finding.call_site == REQUEST_SITE
    assert finding.evidence == (
        "the response of GET http://127.0.0.1:8080/held on #0 had come 900 ms before and was not "
        "read to its end",
    )


def test_a_response_that_another_thread_reads_is_not_held() -> None:
    story = Story()
    held(story.open(0), 0, worker=2)
    story.open(1).get(1)
    assert story.causes == [Cause.CONCURRENT_REQUESTS]


def test_a_response_that_is_read_in_the_end_was_not_held() -> None:
    story = Story()
    long_one(story.open(0), 0, 5.0, worker=1)
    story.open(1).get(1)
    assert story.causes == [Cause.CONCURRENT_REQUESTS]


def test_a_response_that_has_not_come_is_not_held() -> None:
    story = Story()
    story.open(0).ask(0)
    story.open(1).get(1)
    assert story.causes == [Cause.CONCURRENT_REQUESTS]


def test_every_response_that_is_held_costs_a_connection() -> None:
    story = Story()
    for number in range(3):
        held(story.open(number), number)
    story.open(4).get(4)
    assert story.causes == [Cause.RESPONSE_NOT_RELEASED] * 3


def test_a_response_that_is_let_go_later_was_held_until_then() -> None:
    story = Story()
    line = story.open(0)
    number = line.ask(0)
    line.answer(number, 0.1)
    story.open(1).get(1)
    line.end(number, 5.0, Ending.ABANDONED)
    assert story.causes == [Cause.RESPONSE_NOT_RELEASED]


# C3 started-together


def shared(story: Story, at: float) -> Line:
    pool = {"pool_name": "httpcore.ConnectionPool", "client": "httpx"}
    return story.open(at, handshake=0.1, **pool).get(at, http_version=H2)


def test_two_connections_before_either_was_ready() -> None:
    story = Story()
    shared(story, 0)
    shared(story, 0.05)
    assert story.finding.cause == Cause.STARTED_TOGETHER
    assert story.finding.evidence == (
        "#1 was asked for 60 ms before #0 was ready and had agreed on HTTP/2",
    )


def test_http_2_needs_no_second_connection_once_the_first_is_ready() -> None:
    story = Story()
    long_one(shared(story, 0), 0.5, 9.0, http_version=H2)
    shared(story, 1)
    assert story.causes == [Cause.UNKNOWN]


def test_once_one_connection_is_ready_nobody_waits_for_the_next_one() -> None:
    story = Story()
    long_one(shared(story, 0), 0.5, 9.0, http_version=H2)
    shared(story, 1)
    shared(story, 1.05)
    assert story.causes == [Cause.UNKNOWN, Cause.UNKNOWN]


def test_a_pool_that_lends_even_http_2_to_one_request_at_a_time() -> None:
    story = Story()
    pool = {"pool_name": "urllib3.HTTPSConnectionPool", "client": "niquests"}
    first = story.open(0, handshake=0.1, **pool).get(0, http_version=H2)
    long_one(first, 0.5, 9.0, http_version=H2)
    story.open(1, handshake=0.1, **pool).get(1, http_version=H2)
    assert story.finding.cause == Cause.CONCURRENT_REQUESTS
    assert story.finding.evidence[1] == (
        "legitimate: niquests lends a connection to one request at a time, HTTP/2 or not"
    )


def test_http_1_1_may_well_start_together() -> None:
    story = Story()
    story.open(0, handshake=0.1).get(0, asked={"worker": 1})
    story.open(0.05, handshake=0.1).get(0.05, asked={"worker": 2})
    assert story.causes == [Cause.CONCURRENT_REQUESTS]


# D4 pool-full, D5 keepalive-limit, and what becomes of them


def burst(story: Story, evicting: int) -> list[Line]:
    """Make three requests at once, and give the connections that are kept."""
    lines = [long_one(story.open(n / 10), n / 10, 0.5, worker=n) for n in range(3)]
    for line in lines[:evicting]:
        line.give_up(0.5, CloseTrigger.EVICTED, site=REQUEST_SITE)
    return lines[evicting:]


def test_a_connection_that_the_pool_had_no_room_for() -> None:
    story = Story()
    # The two that were kept are used again, and a third is needed.
    for number, line in enumerate(burst(story, evicting=1)):
        long_one(line, 2 + number / 10, 3.0, worker=number)
    story.open(2.2).get(2.2, asked={"worker": 5})
    assert story.causes == [
        Cause.CONCURRENT_REQUESTS,
        Cause.CONCURRENT_REQUESTS,
        Cause.POOL_FULL,
    ]


def test_httpx_has_a_limit_of_idle_ones() -> None:
    story = Story()
    line = long_one(story.open(0, client="httpx"), 0, 1.0)
    line.give_up(1.0, CloseTrigger.EVICTED, "2 in the pool, 2 idle, max_keepalive_connections 1")
    story.open(2, client="httpx").get(2)
    assert story.finding.cause == Cause.KEEPALIVE_LIMIT
    assert story.finding.evidence == (
        "#0 came back to a full pool and was closed",
        "2 in the pool, 2 idle, max_keepalive_connections 1",
    )


def test_what_was_thrown_away_would_have_been_lost_to_a_pause_too() -> None:
    story = Story()
    (kept,) = burst(story, evicting=2)
    kept.drop(9.0, 5.5)
    story.open(9.0).get(9.0, took=1.0, asked={"worker": 1})
    story.open(9.1).get(9.1, took=1.0, asked={"worker": 2})
    assert story.causes[2:] == [Cause.SERVER_IDLE_TIMEOUT, Cause.CONCURRENT_REQUESTS]


def test_the_line_of_the_request_is_the_users() -> None:
    story = Story()
    site = CallSite("sdk/other.py", 3, "f")
    long_one(story.open(0), 0, 9.0)
    story.open(1, site=site).get(1, asked={"call_site": site})
    assert story.finding.call_site == site
