from __future__ import annotations

import pytest

from pytest_keepalive._blind_spots import BlindSpot, Sight

START = Sight(witnessed=100, attributed=10, natives=(), children=1)


@pytest.mark.parametrize(
    ("end", "spots"),
    [
        (Sight(103, 13, ("pycurl",), 1), ()),
        (Sight(105, 13, ("pycurl",), 1), (BlindSpot(2, ("pycurl",)),)),
        (Sight(105, 13, (), 2), (BlindSpot(2, ("a child process",)),)),
        (Sight(104, 13, ("grpcio",), 2), (BlindSpot(1, ("grpcio", "a child process")),)),
        (Sight(103, 14, ("pycurl",), 2), ()),
        (Sight(None, 13, ("pycurl",), 2), ()),
    ],
    ids=["all-seen", "native", "child", "both", "more-than-witnessed", "no-witness"],
)
def test_what_escaped_is_a_blind_spot_where_this_process_could_have_done_it(
    end: Sight, spots: tuple[BlindSpot, ...]
) -> None:
    assert end.blind_spots_since(START) == spots


def test_what_another_process_opened_is_no_blind_spot() -> None:
    assert Sight(200, 10, (), 1).blind_spots_since(START) == ()


def test_where_nothing_is_patched_any_client_of_the_process_is_suspect() -> None:
    (spot,) = START._replace(witnessed=103, patched=False).blind_spots_since(START)
    assert spot.opens == 3
    assert spot.remedy == "run without --keepalive-off"


def test_without_a_witness_at_the_start_nothing_is_claimed() -> None:
    start = START._replace(witnessed=None)
    assert Sight(200, 10, ("pycurl",), 2).blind_spots_since(start) == ()


# What other workers of the run connect meanwhile


@pytest.mark.parametrize(
    ("before", "after", "spots"),
    [
        # What connects at the start may be among the three that the kernel counted since; what
        # does at the end may not be among the two that are accounted for.
        (1, 0, (BlindSpot(2, ("pycurl",)),)),
        (0, 1, (BlindSpot(3, ("pycurl",)),)),
        (2, 1, (BlindSpot(1, ("pycurl",)),)),
        (3, 0, (BlindSpot(3, ("pycurl",), certain=False),)),
        (3, 2, (BlindSpot(5, ("pycurl",), certain=False),)),
    ],
)
def test_what_is_connecting_at_either_end_may_be_what_nobody_saw(
    before: int, after: int, spots: tuple[BlindSpot, ...]
) -> None:
    start = START._replace(doubtful=before)
    end = Sight(105, 12, ("pycurl",), 1, doubtful=after)
    assert end.blind_spots_since(start) == spots


def test_a_doubt_alone_is_no_certain_blind_spot() -> None:
    end = Sight(103, 13, ("pycurl",), 1, doubtful=1)
    assert end.blind_spots_since(START) == (BlindSpot(1, ("pycurl",), certain=False),)


@pytest.mark.parametrize(
    ("opens", "text"),
    [
        (
            1,
            "perhaps 1 connection was opened that no observer saw (pycurl), unless another worker "
            "opened it; run with --keepalive-watch=kernel",
        ),
        (
            2,
            "perhaps 2 connections were opened that no observer saw (pycurl), unless another "
            "worker opened them; run with --keepalive-watch=kernel",
        ),
    ],
)
def test_an_uncertain_blind_spot_says_who_else_it_may_have_been(opens: int, text: str) -> None:
    assert str(BlindSpot(opens, ("pycurl",), certain=False)) == text


def test_what_is_proved_of_a_blind_spot_is_told_apart_from_the_rest() -> None:
    spot = BlindSpot(3, ("pycurl",), certain=False)
    assert spot.proved(1) == (BlindSpot(1, ("pycurl",)), BlindSpot(2, ("pycurl",), certain=False))
    assert spot.proved(3) == spot.proved(4) == (BlindSpot(3, ("pycurl",)),)
