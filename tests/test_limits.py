"""How a limit is broken, and in which words."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_keepalive import Limit, Recording, Violation
from pytest_keepalive._blind_spots import BlindSpot
from pytest_keepalive._connection import Tally
from pytest_keepalive._destination import parse_destination
from pytest_keepalive._limits import Broken, judge, judge_blindness, judge_left_open, limit_from
from pytest_keepalive._origin import Origin
from pytest_keepalive._recording import Unplaced
from pytest_keepalive._reports._evidence import evidence_of
from tests import facts
from tests.facts import opened

OTHER = Origin("https", "other.example.com", 443)
NOTHING = Recording()


def sentences(recording: Recording, **keywords: Any) -> list[str]:
    return [violation.sentence for violation in judge(recording, limit_from(keywords))]


def broken(recording: Recording, **keywords: Any) -> list[Broken]:
    return [violation.broken for violation in judge(recording, limit_from(keywords))]


def two_origins(first: int = 2, second: int = 1) -> Recording:
    return facts.recording(
        *(facts.connection(index) for index in range(first)),
        *(
            facts.connection(first + index, origin=OTHER, peer=("10.0.0.2", 443))
            for index in range(second)
        ),
    )


# exactly


@pytest.mark.parametrize(("count", "kept"), [(1, False), (2, True), (3, False)])
def test_exactly_means_neither_more_nor_fewer(count: int, kept: bool) -> None:
    assert (broken(opened(count), exactly=2) == []) is kept


def test_too_many_connections_are_told_in_one_sentence() -> None:
    assert sentences(opened(10), exactly=1) == [
        "opened 10 connections to http://127.0.0.1:8080, limit is 1"
    ]


def test_too_few_connections_are_told_in_one_sentence() -> None:
    assert sentences(opened(1), exactly=2) == [
        "opened 1 connection to http://127.0.0.1:8080, expected exactly 2"
    ]


def test_a_connection_that_was_opened_earlier_and_used_counts() -> None:
    warm = facts.recording(facts.connection(opened_here=False))
    assert broken(warm, exactly=1) == []
    assert broken(warm, exactly=0) == [Broken.COUNT]


def test_connections_of_both_kinds_are_told_apart() -> None:
    recording = facts.recording(facts.connection(0, opened_here=False), facts.connection(1))
    assert sentences(recording, exactly=1) == [
        "used 2 connections (1 opened here) to http://127.0.0.1:8080, limit is 1"
    ]


def test_exactly_none_at_all_is_kept_by_a_test_that_makes_none() -> None:
    assert broken(NOTHING, exactly=0) == []
    assert broken(opened(1), exactly=0) == [Broken.COUNT]


# at_most


@pytest.mark.parametrize(("count", "kept"), [(1, True), (2, True), (3, False)])
def test_at_most_allows_fewer(count: int, kept: bool) -> None:
    assert (broken(opened(count), at_most=2) == []) is kept


def test_of_two_bounds_the_lower_one_is_told() -> None:
    assert sentences(opened(4), exactly=3, at_most=2) == [
        "opened 4 connections to http://127.0.0.1:8080, limit is 2"
    ]


# opened_at_most


def test_opened_at_most_leaves_out_connections_that_were_opened_earlier() -> None:
    recording = facts.recording(facts.connection(0, opened_here=False), facts.connection(1))
    assert broken(recording, opened_at_most=1) == []
    assert sentences(recording, opened_at_most=0) == [
        "opened 1 connection to http://127.0.0.1:8080, opened_at_most is 0"
    ]


# requests


@pytest.mark.parametrize(("made", "kept"), [(2, False), (3, True), (4, False)])
def test_requests_are_counted_exactly(made: int, kept: bool) -> None:
    assert (broken(opened(1, exchanges=made), requests=3) == []) is kept


def test_a_wrong_number_of_requests_is_told_in_one_sentence() -> None:
    assert sentences(opened(2, exchanges=2), requests=3) == [
        "made 4 requests to http://127.0.0.1:8080, expected exactly 3"
    ]


def test_no_number_of_requests_is_promised_for_connections_whose_exchanges_were_not_seen() -> None:
    recording = facts.recording(
        facts.connection(0), facts.connection(1, 0, exchanges_seen=False), facts.connection(2)
    )
    for keywords in ({"requests": 2}, {"min_reuse": 0.0}):
        assert sentences(recording, **keywords) == [
            "the exchanges of 1 connection to http://127.0.0.1:8080 were not seen, so requests "
            "and min_reuse cannot be checked"
        ]
    assert broken(recording, at_most=3) == []


def test_nor_where_there_may_have_been_more_of_them_or_nobody_saw_on_which_they_were() -> None:
    more = facts.recording(facts.connection(0, 2, exchanges_seen=False))
    unplaced = Tally([Unplaced(facts.exchange(), facts.adopted())])
    loose = facts.recording(facts.connection(0), unplaced=unplaced)
    checked = "so requests and min_reuse cannot be checked"
    assert sentences(more, requests=2) == [
        f"not all exchanges of 1 connection to http://127.0.0.1:8080 were seen, {checked}"
    ]
    assert sentences(loose, requests=2) == [
        f"the connections of 1 exchange to http://127.0.0.1:8080 were not seen, {checked}"
    ]


# min_reuse


@pytest.mark.parametrize(
    ("connections", "each", "least", "kept"),
    [
        (1, 4, 0.75, True),
        (1, 4, 0.76, False),
        (2, 2, 0.5, True),
        (2, 1, 0.1, False),
        (2, 1, 0, True),
        (1, 1, 1, False),
    ],
)
def test_min_reuse_is_the_part_of_exchanges_that_were_not_the_first(
    connections: int, each: int, least: float, kept: bool
) -> None:
    assert (broken(opened(connections, exchanges=each), min_reuse=least) == []) is kept


def test_too_little_reuse_is_told_in_one_sentence() -> None:
    assert sentences(opened(2, exchanges=3), min_reuse=0.9) == [
        "reused connections for 4 of 6 exchanges (0.67) to http://127.0.0.1:8080, min_reuse is 0.9"
    ]


def test_connections_without_any_exchange_have_no_reuse_to_speak_of() -> None:
    assert broken(opened(2, exchanges=0), min_reuse=0.5) == []


# to


def test_to_holds_one_destination_to_the_limit_and_no_other() -> None:
    assert broken(two_origins(2, 1), exactly=1, to="other.example.com") == []
    assert sentences(two_origins(2, 1), exactly=1, to="127.0.0.1") == [
        "opened 2 connections to http://127.0.0.1:8080, limit is 1"
    ]


def test_several_origins_are_named() -> None:
    assert sentences(two_origins(2, 1), at_most=1) == [
        "opened 3 connections to 2 origins (http://127.0.0.1:8080, https://other.example.com), "
        "limit is 1"
    ]


def test_of_many_origins_the_first_ones_are_named() -> None:
    recording = facts.recording(
        *(facts.connection(index, origin=Origin("http", f"h{index}", 80)) for index in range(5))
    )
    assert sentences(recording, at_most=1) == [
        "opened 5 connections to 5 origins (http://h0, http://h1, http://h2, ...), limit is 1"
    ]


# per_origin


def test_per_origin_holds_each_origin_to_the_limit() -> None:
    assert broken(two_origins(1, 1), exactly=1, per_origin=True) == []
    assert broken(two_origins(1, 1), exactly=1) == [Broken.COUNT]
    assert sentences(two_origins(2, 3), at_most=1, per_origin=True) == [
        "opened 2 connections to http://127.0.0.1:8080, limit is 1",
        "opened 3 connections to https://other.example.com, limit is 1",
    ]


# used_only


def test_used_only_leaves_out_connections_that_carried_nothing() -> None:
    recording = facts.recording(facts.connection(0, 1), facts.connection(1, 0))
    assert broken(recording, exactly=1, used_only=True) == []
    assert sentences(recording, exactly=1) == [
        "opened 2 connections to http://127.0.0.1:8080, limit is 1 (1 of them carried nothing)"
    ]


def test_used_only_with_nothing_used_is_not_kept() -> None:
    assert sentences(opened(1, exchanges=0), exactly=1, used_only=True) == [
        "nothing was measured: no connection carried anything"
    ]
    assert sentences(opened(1, exchanges=0), exactly=1, used_only=True, to="127.0.0.1") == [
        "nothing was measured: no connection to 127.0.0.1 carried anything"
    ]


def test_a_connection_whose_exchanges_were_not_seen_may_have_been_used() -> None:
    recording = facts.recording(facts.connection(0, 0, exchanges_seen=False))
    assert broken(recording, exactly=1, used_only=True) == []


# Nothing passes vacuously.


def test_what_was_left_out_is_told_where_nothing_else_was_seen() -> None:
    ignored = opened(2).without([parse_destination("127.0.0.1")])
    (violation,) = judge(ignored, Limit(exactly=1))
    assert violation.sentence == (
        "nothing was measured: no connection was seen, only 2 connections to destinations that "
        "never count (keepalive_ignore)"
    )
    assert "; 2 ignored" in evidence_of(ignored)


@pytest.mark.parametrize(
    "keywords",
    [
        {"exactly": 1},
        {"at_most": 1},
        {"opened_at_most": 1},
        {"requests": 1},
        {"min_reuse": 0.5},
        {"exactly": 1, "per_origin": True},
        {"exactly": 1, "used_only": True},
        {"exactly": 1, "to": "127.0.0.1"},
    ],
    ids=str,
)
def test_a_promise_is_not_kept_by_a_window_in_which_nothing_was_measured(
    keywords: dict[str, Any],
) -> None:
    assert broken(NOTHING, **keywords) == [Broken.NOTHING_MEASURED]


@pytest.mark.parametrize(
    "keywords",
    [{"exactly": 0}, {"at_most": 0}, {"opened_at_most": 0}, {"requests": 0}, {"min_reuse": 0}, {}],
    ids=str,
)
def test_a_promise_of_nothing_is_kept_by_nothing(keywords: dict[str, Any]) -> None:
    assert broken(NOTHING, **keywords) == []


def test_what_may_be_behind_the_silence_is_told() -> None:
    silence = ("respx is loaded", "no client library was imported")
    (violation,) = judge(NOTHING, Limit(exactly=1), silence)
    assert violation == Violation(
        Broken.NOTHING_MEASURED,
        "nothing was measured: no connection was seen "
        "(respx is loaded; no client library was imported)",
        0,
        1,
        "anywhere",
    )


def test_where_the_connections_went_elsewhere_that_is_told() -> None:
    assert sentences(opened(2), exactly=1, to="api.example.com") == [
        "nothing was measured: no connection to api.example.com was seen, "
        "only 2 connections to http://127.0.0.1:8080"
    ]


# Nothing that was merely sampled is promised.


@pytest.mark.parametrize(
    "keywords",
    [{"exactly": 1}, {"at_most": 9}, {"opened_at_most": 9}, {"requests": 1}, {"min_reuse": 0}],
    ids=str,
)
def test_a_bound_cannot_be_kept_where_nobody_watched(keywords: dict[str, Any]) -> None:
    sampled = facts.recording(facts.connection(), unmeasurable=("the watch is refused",))
    (violation,) = judge(sampled, limit_from(keywords))
    assert violation.broken is Broken.NOT_SEEN
    assert violation.sentence == (
        "cannot be measured here: the watch is refused (seen: at least 1 connection, sampled)"
    )


def test_what_is_left_open_can_be_told_though_nobody_watched() -> None:
    sampled = facts.recording(facts.connection(), unmeasurable=("the watch is refused",))
    assert judge(sampled, Limit(left_open_at_most=1)) == ()


# left_open_at_most


def test_connections_left_open_are_held_to_their_limit() -> None:
    left = two_origins(1, 1).connections
    assert judge_left_open(left, Limit(left_open_at_most=2)) is None
    assert judge_left_open((), Limit(left_open_at_most=0)) is None
    violation = judge_left_open(left, Limit(left_open_at_most=1))
    assert violation is not None
    assert violation.broken is Broken.LEFT_OPEN
    assert (violation.observed, violation.allowed) == (2, 1)
    assert violation.sentence == (
        "left 2 connections to 2 origins (http://127.0.0.1:8080, https://other.example.com) open, "
        "limit is 1"
    )


def test_connections_left_open_are_counted_by_destination_and_origin() -> None:
    left = two_origins(2, 1).connections
    assert judge_left_open(left, Limit(left_open_at_most=1, to="other.example.com")) is None
    violation = judge_left_open(left, Limit(left_open_at_most=1, per_origin=True))
    assert str(violation) == "left 2 connections to http://127.0.0.1:8080 open, limit is 1"
    assert judge_left_open(left, Limit(left_open_at_most=2, per_origin=True)) is None


def test_a_limit_of_something_else_says_nothing_of_what_is_left_open() -> None:
    assert judge_left_open(two_origins().connections, Limit(exactly=1)) is None


# Blindness


def test_each_blind_spot_breaks_a_strict_promise() -> None:
    blind = facts.recording(facts.connection(), blind_spots=(BlindSpot(2, ("pycurl",)),))
    (violation,) = judge_blindness(blind)
    assert violation.broken is Broken.BLIND
    assert violation.sentence.startswith("2 connections were opened that no observer saw")
    assert judge_blindness(opened(1)) == ()


def test_a_blind_spot_that_may_be_another_workers_breaks_nothing() -> None:
    spot = BlindSpot(2, ("pycurl",), certain=False)
    doubtful = facts.recording(facts.connection(), blind_spots=(spot,))
    assert judge_blindness(doubtful) == ()
    assert not doubtful.exact
