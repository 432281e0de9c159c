"""The keywords of markers, and the limits that they make together."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_keepalive import Limit
from pytest_keepalive._limits import judge, limit_from, merge
from tests.facts import opened


def test_keywords_make_a_limit() -> None:
    keywords = {
        "exactly": 1,
        "at_most": 2,
        "opened_at_most": 3,
        "requests": 4,
        "min_reuse": 0.5,
        "left_open_at_most": 0,
        "per_origin": True,
        "used_only": True,
        "to": "api.example.com",
    }
    assert limit_from(keywords) == Limit(1, 2, 3, 4, 0.5, 0, True, True, "api.example.com")


def test_none_is_the_same_as_nothing_said() -> None:
    assert limit_from(dict.fromkeys(Limit.__dataclass_fields__)) == Limit()


@pytest.mark.parametrize(
    "name", ["exactly", "at_most", "opened_at_most", "requests", "left_open_at_most"]
)
@pytest.mark.parametrize("value", [-1, 1.0, 1.5, "1", True, [1]], ids=repr)
def test_a_number_must_be_whole_and_not_negative(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=rf"^{name} must be a whole number, 0 or more, not "):
        limit_from({name: value})


@pytest.mark.parametrize("value", [-0.1, 1.1, "0.5", True, float("nan"), float("inf")], ids=repr)
def test_a_part_must_lie_between_0_and_1(value: object) -> None:
    with pytest.raises(ValueError, match=r"^min_reuse must be a number from 0 to 1, not "):
        limit_from({"min_reuse": value})


@pytest.mark.parametrize("value", [0, 0.0, 0.5, 1, 1.0])
def test_a_part_may_be_any_number_between(value: float) -> None:
    assert limit_from({"min_reuse": value}).min_reuse == value


@pytest.mark.parametrize("name", ["per_origin", "used_only"])
@pytest.mark.parametrize("value", [0, 1, "yes"], ids=repr)
def test_a_switch_must_be_true_or_false(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=rf"^{name} must be True or False, not "):
        limit_from({name: value})


@pytest.mark.parametrize("value", ["no host", 8080, "", ["127.0.0.1"]], ids=repr)
def test_a_destination_must_be_one(value: object) -> None:
    with pytest.raises(ValueError, match=r"^to: .* is no host, URL or glob"):
        limit_from({"to": value})


def test_an_unknown_keyword_is_named_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="unknown argument 'atmost'; known are exactly, at_most,"):
        limit_from({"atmost": 1})


# Several markers


def test_for_the_same_destination_the_closest_marker_wins_key_by_key() -> None:
    closest, farther = {"at_most": 2}, {"at_most": 5, "requests": 7}
    assert merge((closest, farther)) == (Limit(at_most=2, requests=7),)


def test_none_lifts_what_a_farther_marker_promises() -> None:
    assert merge([{"at_most": None}, {"at_most": 5, "requests": 7}]) == (Limit(requests=7),)


def test_markers_for_different_destinations_add_up() -> None:
    layers: list[dict[str, object]] = [
        {"exactly": 1, "to": "a.example"},
        {"at_most": 5},
        {"requests": 3, "to": "a.example"},
    ]
    assert merge(layers) == (Limit(exactly=1, requests=3, to="a.example"), Limit(at_most=5))


def test_no_markers_promise_nothing() -> None:
    assert merge([]) == ()


KEYWORDS = st.fixed_dictionaries(
    {},
    optional={
        "exactly": st.none() | st.integers(0, 5),
        "at_most": st.none() | st.integers(0, 5),
        "requests": st.none() | st.integers(0, 9),
        "to": st.none() | st.sampled_from(["127.0.0.1", "other.example.com"]),
    },
)


@given(st.lists(KEYWORDS, max_size=4))
def test_a_layer_that_was_merged_once_adds_nothing_when_it_comes_again(
    layers: list[dict[str, Any]],
) -> None:
    assert merge([*layers, *layers]) == merge(layers)


@given(KEYWORDS, st.integers(0, 4), st.integers(1, 3))
def test_every_violation_says_what_was_seen_and_what_was_promised(
    keywords: dict[str, Any], connections: int, exchanges: int
) -> None:
    recording = opened(connections, exchanges=exchanges)
    for violation in judge(recording, limit_from(keywords)):
        assert violation.observed != violation.allowed
        assert str(violation) == violation.sentence
        assert violation.target
        assert not violation.sentence.endswith(".")
