"""Groups D7, D10, E and G2: what was said in a head before the close."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_keepalive import Cause
from pytest_keepalive._events import CloseTrigger, Ending, Side
from tests.diagnosis.story import Line, Story

SAID = CloseTrigger.SERVER_SAID_CLOSE
LONG_AGO, AT_ONCE = 5.0, 0.01


def closed_behind(line: Line, at: float, trigger: CloseTrigger = SAID, detail: str = "") -> Line:
    return line.give_up(at, trigger, detail)


def dropped_behind(line: Line, last_ended: float, silence: float) -> Line:
    return line.drop(last_ended + silence + 1.0, last_ended + silence, silence)


def story_of(
    asked: dict[str, Any] | None = None,
    trigger: CloseTrigger = SAID,
    detail: str = "",
    **answer: Any,
) -> Story:
    """Make one exchange, close the connection behind it, and make another one."""
    story = Story()
    story.open(0).get(0, asked=asked, **answer).give_up(0.2, trigger, detail)
    story.open(1).get(1, "/next")
    return story


# D7 client-asked-to-close


def test_a_request_that_says_close() -> None:
    finding = story_of({"closing": True}, will_close=True).finding
    assert finding.cause == Cause.CLIENT_ASKED_TO_CLOSE
    assert finding.evidence == ("GET http://127.0.0.1:8080/ (#0/0) says Connection: close",)


def test_a_client_that_keeps_nothing() -> None:
    finding = story_of(trigger=CloseTrigger.KEEPALIVE_OFF, detail="force_close=True").finding
    assert finding.cause == Cause.CLIENT_ASKED_TO_CLOSE
    assert finding.evidence == ("force_close=True",)


@pytest.mark.parametrize(
    ("silence", "cause"),
    [(AT_ONCE, Cause.CLIENT_ASKED_TO_CLOSE), (LONG_AGO, Cause.SERVER_IDLE_TIMEOUT)],
)
def test_a_server_may_heed_a_request_for_a_close_or_not(silence: float, cause: Cause) -> None:
    story = Story()
    line = story.open(0).get(0, asked={"closing": True})
    dropped_behind(line, 0.1, silence)
    story.open(9).get(9)
    assert story.causes == [cause]


# E1 server-asked-to-close, E2 http-1.0, E3 no-framing


def test_a_response_that_says_close() -> None:
    headers = (("connection", "close"), ("server", "Werkzeug/3.1.9"))
    finding = story_of(will_close=True, headers=headers).finding
    assert finding.cause == Cause.SERVER_ASKED_TO_CLOSE
    assert finding.evidence == (
        "GET http://127.0.0.1:8080/ (#0/0) was answered 200 with Connection: close",
        "the server calls itself Werkzeug/3.1.9",
    )
    assert "Werkzeug" in finding.remedy


def test_a_response_of_http_1_0() -> None:
    finding = story_of(http_version="HTTP/1.0", will_close=True).finding
    assert finding.cause == Cause.HTTP_1_0
    assert finding.evidence[0].endswith("was answered with HTTP/1.0 and no keep-alive")


def test_a_client_that_keeps_no_http_1_0_connection() -> None:
    headers = (("connection", "keep-alive"),)
    story = story_of(http_version="HTTP/1.0", headers=headers, trigger=CloseTrigger.KEEPALIVE_OFF)
    assert story.finding.cause == Cause.HTTP_1_0
    assert story.finding.story == "the client keeps no HTTP/1.0 connection"


def test_http_1_0_that_says_close_says_so() -> None:
    headers = (("connection", "close"),)
    story = story_of(http_version="HTTP/1.0", will_close=True, headers=headers)
    assert story.causes == [Cause.SERVER_ASKED_TO_CLOSE]


def test_a_body_without_a_length() -> None:
    assert story_of(framed=False, will_close=True).causes == [Cause.NO_FRAMING]


def test_a_body_without_a_length_of_a_server_that_says_close() -> None:
    headers = (("connection", "close"),)
    story = story_of(framed=False, will_close=True, headers=headers)
    assert story.causes == [Cause.SERVER_ASKED_TO_CLOSE]


def test_switched_protocols_are_nobodys_fault() -> None:
    assert story_of(status=101, will_close=True).causes == [Cause.UNKNOWN]


# E4 request-limit


def limited(ends: list[tuple[int, str]], said: bool = True, path: str = "/") -> Story:
    """Make connections that end behind some exchange, whose path is given."""
    story = Story()
    for number, (index, last) in enumerate(ends):
        at = 10.0 * number
        line = story.open(at)
        for exchange in range(index):
            line.get(at + exchange, path)
        line.get(at + index, last, will_close=said)
        if said:
            closed_behind(line, at + index + 0.1)
        else:
            dropped_behind(line, at + index + 0.1, AT_ONCE)
    story.open(99).get(99)
    return story


@pytest.mark.parametrize("said", [True, False], ids=["announced", "unsaid"])
def test_the_same_number_of_requests_on_each_connection(said: bool) -> None:
    story = limited([(2, "/"), (2, "/"), (2, "/")], said)
    assert story.causes == [Cause.REQUEST_LIMIT] * 3
    assert story.findings[0].story == "the server allows 3 requests a connection"
    assert story.findings[0].evidence == ("the server closed 3 connections after 3 requests each",)


@pytest.mark.parametrize(
    ("said", "cause"), [(True, Cause.SERVER_ASKED_TO_CLOSE), (False, Cause.SERVER_HUNG_UP)]
)
@pytest.mark.parametrize(
    "ends",
    [
        [(2, "/")],
        [(2, "/"), (1, "/")],
        [(0, "/"), (0, "/")],
        [(1, "/logout"), (1, "/logout")],
    ],
    ids=["once", "different numbers", "each request", "always the same request"],
)
def test_what_is_no_limit(ends: list[tuple[int, str]], said: bool, cause: Cause) -> None:
    assert limited(ends, said).causes == [cause] * len(ends)


def test_different_requests_at_the_same_place_are_counted() -> None:
    story = limited([(1, "/a"), (1, "/b")], path="/c")
    assert story.causes == [Cause.REQUEST_LIMIT] * 2


def test_an_idle_timeout_behind_the_same_number_of_requests_is_no_limit() -> None:
    story = Story()
    for number in range(3):
        line = story.open(10 * number).get(10 * number).get(10 * number + 1)
        dropped_behind(line, 10 * number + 1.1, LONG_AGO)
    assert story.causes == [Cause.SERVER_IDLE_TIMEOUT] * 2


def test_a_server_that_counts_down() -> None:
    story = Story()
    line = story.open(0).get(0, headers=(("keep-alive", "timeout=5, max=2"),)).get(1)
    line.get(2, will_close=True)
    closed_behind(line, 2.1)
    story.open(3).get(3)
    finding = story.finding
    assert finding.cause == Cause.REQUEST_LIMIT
    assert "Keep-Alive: max" in finding.evidence[0]


# E5 upload-rejected, D10 expect-continue


UPLOAD = {"has_body": True, "method": "POST"}
EXPECTING = {**UPLOAD, "expecting": True}


def test_an_upload_that_is_refused() -> None:
    finding = story_of(UPLOAD, status=413, will_close=True).finding
    assert finding.cause == Cause.UPLOAD_REJECTED
    assert finding.story == "an upload answered 413"


def test_an_upload_that_is_refused_and_broken_off() -> None:
    story = Story()
    line = story.open(0)
    number = line.ask(0, **UPLOAD)
    line.answer(number, 0.1, 413)
    line.end(number, 0.2, Ending.FAILED, error="BrokenPipeError")
    line.give_up(0.2, CloseTrigger.FAILED)
    story.open(1).get(1, "/next")
    assert story.causes == [Cause.UPLOAD_REJECTED]


def test_a_request_without_a_body_is_no_upload() -> None:
    assert story_of(status=413, will_close=True).causes == [Cause.SERVER_ASKED_TO_CLOSE]


def test_a_server_that_closes_behind_everything_refuses_no_uploads() -> None:
    story = Story()
    story.open(0).get(0, asked=UPLOAD, status=404, will_close=True).give_up(0.2, SAID)
    story.open(1).get(1, will_close=True).give_up(1.2, SAID)
    story.open(2).get(2)
    assert story.causes == [Cause.SERVER_ASKED_TO_CLOSE] * 2


@pytest.mark.parametrize("asked", [UPLOAD, EXPECTING], ids=["upload", "expect"])
def test_an_answer_that_was_not_followed_by_a_close(asked: dict[str, Any]) -> None:
    story = Story()
    line = story.open(0).get(0, asked=asked, status=404)
    dropped_behind(line, 0.1, LONG_AGO)
    story.open(9).get(9)
    assert story.causes == [Cause.SERVER_IDLE_TIMEOUT]


def test_an_expectation_that_is_refused() -> None:
    finding = story_of(EXPECTING, status=417, will_close=True).finding
    assert finding.cause == Cause.EXPECT_CONTINUE


def test_an_expectation_that_is_met() -> None:
    story = story_of(EXPECTING, status=200, will_close=True)
    assert story.causes == [Cause.SERVER_ASKED_TO_CLOSE]


# E6 goaway


GOAWAY = "GOAWAY NO_ERROR, last stream 3"


def test_a_server_that_sends_goaway() -> None:
    story = story_of(http_version="HTTP/2", detail=GOAWAY)
    assert story.finding.cause == Cause.GOAWAY
    assert story.finding.evidence == (f"{GOAWAY}, after 1 exchange on #0",)


def test_a_request_that_met_the_goaway_changes_nothing() -> None:
    story = Story()
    line = story.open(0).get(0, http_version="HTTP/2")
    line.fail(1, "ConnectionNotAvailable", ending=Ending.UNSENT).give_up(1.1, SAID, GOAWAY)
    story.open(1.2).get(1.2, http_version="HTTP/2")
    assert story.causes == [Cause.GOAWAY]


def test_a_close_over_http_2_may_have_been_a_goaway_that_its_client_never_read() -> None:
    story = Story()
    for start in (0.0, 2.0, 4.0):
        line = story.open(start)
        for number in range(2):
            line.get(start + number / 2, http_version="HTTP/2")
        line.drop(start + 1.5, start + 0.605)
    assert story.causes == [Cause.UNKNOWN, Cause.UNKNOWN]


# G2 connection-bound-auth


def challenged(scheme: str, will_close: bool = True) -> Story:
    headers = (("www-authenticate", scheme),)
    return story_of(status=401, headers=headers, will_close=will_close)


@pytest.mark.parametrize("scheme", ["NTLM", "Negotiate", "Basic, NTLM"])
def test_an_authentication_of_a_connection(scheme: str) -> None:
    assert challenged(scheme).causes == [Cause.CONNECTION_BOUND_AUTH]


def test_a_proxy_asks_with_a_field_of_its_own() -> None:
    story = story_of(status=407, headers=(("proxy-authenticate", "NTLM"),), will_close=True)
    assert story.causes == [Cause.CONNECTION_BOUND_AUTH]


def test_an_authentication_of_requests_breaks_nothing() -> None:
    assert challenged("Digest").causes == [Cause.SERVER_ASKED_TO_CLOSE]


def test_a_challenge_whose_connection_was_kept() -> None:
    story = Story()
    line = story.open(0).get(0, status=401, headers=(("www-authenticate", "NTLM"),))
    dropped_behind(line, 0.1, LONG_AGO)
    story.open(9).get(9)
    assert story.causes == [Cause.SERVER_IDLE_TIMEOUT]


def test_a_client_that_closes_first_is_told_by_its_trigger() -> None:
    story = Story()
    story.open(0).get(0, will_close=True).close(0.2, Side.CLIENT)
    story.open(1).get(1)
    assert story.causes == [Cause.SERVER_ASKED_TO_CLOSE]
