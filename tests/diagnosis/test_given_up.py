"""Group D: the client closed the connection behind a response."""

from __future__ import annotations

import pytest

from pytest_keepalive import Cause
from pytest_keepalive._events import CloseTrigger, Ending
from tests.diagnosis.story import CLOSE_SITE, Story


def left(
    content_type: str = "text/plain",
    missing: int | None = None,
    trigger: CloseTrigger = CloseTrigger.BODY_UNREAD,
    http_version: str = "HTTP/1.1",
) -> Story:
    """Leave a response before its end, and make another request."""
    story = Story()
    line = story.open(0)
    number = line.ask(0)
    headers = (("content-type", content_type),)
    line.answer(number, 0.1, headers=headers, http_version=http_version)
    line.end(number, 0.2, Ending.ABANDONED, missing=missing)
    line.give_up(0.2, trigger)
    story.open(1).get(1)
    return story


# D1 body-not-read, D2 stream-not-finished


def test_a_response_that_is_closed_before_its_end() -> None:
    finding = left(missing=1_900_000).finding
    assert finding.cause == Cause.BODY_NOT_READ
    assert finding.evidence == (
        "the response of GET http://127.0.0.1:8080/ (#0/0) was closed before its end, "
        "1900000 bytes unread",
    )
    assert finding.remedy == "read response.content before response.close()"


@pytest.mark.parametrize("content_type", ["text/event-stream", "application/x-ndjson"])
def test_a_stream_that_is_closed_before_its_end(content_type: str) -> None:
    assert left(content_type).causes == [Cause.STREAM_NOT_FINISHED]


def test_a_stream_of_http_2_that_is_given_up_leaves_the_connection_open() -> None:
    story = left(trigger=CloseTrigger.CLIENT_CLOSED, http_version="HTTP/2")
    assert story.causes == [Cause.CLIENT_CLOSED]


def test_a_connection_that_was_kept_behind_it_was_lost_otherwise() -> None:
    assert left(trigger=CloseTrigger.EXPIRED).causes == [Cause.CLIENT_IDLE_EXPIRY]


# D3 timed-out-or-cancelled


@pytest.mark.parametrize("error", ["ReadTimeout", "TimeoutError", "CancelledError", "timeout"])
def test_an_exchange_that_was_interrupted(error: str) -> None:
    story = Story()
    story.open(0).fail(0, error, took=0.5).give_up(0.5, CloseTrigger.FAILED, error)
    story.open(1).get(1)
    finding = story.finding
    assert finding.cause == Cause.TIMED_OUT_OR_CANCELLED
    assert finding.evidence == (
        f"GET http://127.0.0.1:8080/ (#0/0) ended with {error} after 500 ms",
    )


def test_a_timeout_is_not_made_a_retry_by_a_second_try() -> None:
    story = Story()
    story.open(0).fail(0, "ReadTimeout").give_up(0.5, CloseTrigger.FAILED)
    story.open(1).get(1)
    assert story.causes == [Cause.TIMED_OUT_OR_CANCELLED]


def test_an_interrupted_exchange_whose_request_said_close() -> None:
    story = Story()
    story.open(0).fail(0, "ReadTimeout", closing=True).give_up(0.5, CloseTrigger.FAILED)
    story.open(1).get(1)
    assert story.causes == [Cause.TIMED_OUT_OR_CANCELLED]


# D6 client-idle-expiry


def test_the_clients_own_timer() -> None:
    story = Story()
    detail = "idle 5.2 s, keepalive_expiry 5.0 s"
    story.open(0, client="httpx").get(0).give_up(5.3, CloseTrigger.EXPIRED, detail)
    story.open(5.3, client="httpx").get(5.3)
    finding = story.finding
    assert finding.cause == Cause.CLIENT_IDLE_EXPIRY
    assert finding.evidence == (f"#0: {detail}",)
    assert finding.remedy == "raise Limits(keepalive_expiry=...)"


# D8 upload-not-finished


@pytest.mark.parametrize(
    ("detail", "cause"),
    [
        ("the request was not sent to its end", Cause.UPLOAD_NOT_FINISHED),
        ("bytes came behind the response", Cause.UNKNOWN),
    ],
)
def test_a_response_that_comes_before_the_request_is_sent(detail: str, cause: Cause) -> None:
    story = Story()
    story.open(0).get(0).give_up(0.2, CloseTrigger.FAILED, detail)
    story.open(1).get(1)
    assert story.causes == [cause]


# D9 client-closed


def test_a_connection_that_its_client_closed() -> None:
    story = Story()
    story.open(0).get(0).give_up(0.5, CloseTrigger.CLIENT_CLOSED, site=CLOSE_SITE)
    story.open(1).get(1)
    finding = story.finding
    assert finding.cause == Cause.CLIENT_CLOSED
    assert finding.call_site == CLOSE_SITE


def test_a_connection_that_its_client_closes_later_explains_nothing() -> None:
    story = Story()
    story.open(0).get(0).give_up(5.0, CloseTrigger.CLIENT_CLOSED)
    story.open(1).get(1)
    assert story.causes == [Cause.UNKNOWN]
