from __future__ import annotations

import re

import pytest

from pytest_keepalive import ConnectionLimitExceeded, Limit, Recording, _explanation
from pytest_keepalive._blind_spots import BlindSpot
from pytest_keepalive._limits import Broken
from pytest_keepalive._measure import Measurement
from pytest_keepalive._origin import Origin
from pytest_keepalive._verdict import evidence_text, hold, violations_of

from . import facts
from .facts import opened

BLIND = facts.recording(facts.connection(), blind_spots=(BlindSpot(2, ("pycurl",)),))
ELSEWHERE = facts.recording(facts.connection(0, origin=Origin("http", "other", 80)))


def test_all_limits_are_held() -> None:
    found = violations_of(opened(3), [Limit(exactly=1), Limit(requests=1), Limit(at_most=3)])
    assert [violation.broken for violation in found] == [Broken.COUNT, Broken.REQUESTS]


def test_a_vacuous_window_is_explained_by_what_is_loaded() -> None:
    (violation,) = violations_of(Recording(), [Limit(exactly=1)])
    assert re.fullmatch(r"nothing was measured: no connection was seen \(.+\)", violation.sentence)


def test_where_nothing_is_patched_that_is_behind_the_silence() -> None:
    with Measurement(patch=False):
        (violation,) = violations_of(Recording(), [Limit(exactly=1)])
    assert "with --keepalive-off only the transports" in violation.sentence


def test_of_very_many_connections_the_first_are_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_explanation, "MOST_EXPLAINED", 2)
    assert evidence_text(opened(3)).endswith("(only the first 2 connections were explained)")
    assert "were explained" not in evidence_text(opened(2))


# The default of the run


def test_the_default_of_the_run_is_about_each_origin() -> None:
    (violation,) = violations_of(opened(3), [], at_most_per_origin=2)
    assert violation.sentence == "opened 3 connections to http://127.0.0.1:8080, limit is 2"
    assert violations_of(opened(2), [], at_most_per_origin=2) == ()


def test_the_default_of_the_run_promises_nothing_of_tests_without_connections() -> None:
    assert violations_of(Recording(), [], at_most_per_origin=2) == ()


@pytest.mark.parametrize("limit", [Limit(exactly=3), Limit(at_most=9), Limit(opened_at_most=3)])
def test_a_marker_wins_over_the_default_of_the_run(limit: Limit) -> None:
    assert violations_of(opened(3), [limit], at_most_per_origin=2) == ()


def test_a_marker_that_bounds_no_connections_leaves_the_default_in_force() -> None:
    found = violations_of(opened(3), [Limit(requests=3)], at_most_per_origin=2)
    assert [violation.broken for violation in found] == [Broken.COUNT]


def test_a_marker_wins_for_the_destinations_that_it_is_about() -> None:
    elsewhere = [
        facts.connection(index, origin=Origin("http", "other", 80), peer=("192.0.2.1", 80))
        for index in (3, 4, 5)
    ]
    both = facts.recording(*opened(3).connections, *elsewhere)
    limit = Limit(at_most=3, to="127.0.0.1")
    (violation,) = violations_of(both, [limit], at_most_per_origin=2)
    assert violation.target == "http://other"
    assert violations_of(both, [limit, Limit(at_most=3, to="other")], at_most_per_origin=2) == ()
    assert violations_of(opened(3), [limit], at_most_per_origin=2) == ()


def test_a_default_of_zero_is_one() -> None:
    assert len(violations_of(opened(1), [], at_most_per_origin=0)) == 1


# Blindness


def test_blindness_breaks_a_promise_only_where_the_run_is_strict() -> None:
    assert violations_of(BLIND, [Limit(exactly=1)]) == ()
    found = violations_of(BLIND, [Limit(exactly=1)], strict=True)
    assert [violation.broken for violation in found] == [Broken.BLIND]
    assert violations_of(opened(1), [Limit(exactly=1)], strict=True) == ()


def test_a_test_that_promises_nothing_may_be_blind() -> None:
    assert violations_of(BLIND, [], strict=True) == ()


# Holding


def test_a_limit_that_is_kept_raises_nothing() -> None:
    hold(opened(1), [Limit(exactly=1)])


def test_a_limit_that_is_broken_raises_with_the_evidence() -> None:
    with pytest.raises(ConnectionLimitExceeded) as caught:
        hold(opened(2), [Limit(exactly=1)])
    assert caught.value.evidence == evidence_text(opened(2))
    assert not caught.value.by_marker


def test_the_evidence_may_be_left_to_another() -> None:
    with pytest.raises(ConnectionLimitExceeded) as caught:
        hold(opened(2), [Limit(exactly=1)], evidence=False)
    assert caught.value.evidence == ""


def test_connections_that_are_not_open_are_not_left_open() -> None:
    hold(opened(2), [Limit(left_open_at_most=0)])
