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
