from __future__ import annotations

import pickle

import pytest

from pytest_keepalive import Recording
from pytest_keepalive._blind_spots import BlindSpot
from pytest_keepalive._connection import Tally
from pytest_keepalive._destination import parse_destination
from pytest_keepalive._events import Outcome
from pytest_keepalive._origin import Origin

from . import facts

OTHER_PEER = ("10.0.0.2", 443)
OTHER = Origin("https", "other.example.com", 443)


def two_origins() -> Recording:
    return facts.recording(
        facts.connection(0, 2, opened_here=False),
        facts.connection(1, 1, origin=OTHER, peer=OTHER_PEER),
        facts.connection(2, 0),
        attempts=Tally(
            [
                facts.attempted(1),
                facts.attempted(2, peer=OTHER_PEER, asked_for="other.example.com"),
                facts.attempted(3, outcome=Outcome.FAILED, peer=("10.0.0.3", 80)),
            ]
        ),
    )


def test_a_recording_counts_its_connections_and_exchanges() -> None:
    recording = two_origins()
    assert recording.count == 3
    assert recording.opened == 2
    assert recording.exchanges == 3
    assert recording.reused == 1
    assert recording.attempts == 3


def test_an_empty_recording_is_empty_and_exact() -> None:
    recording = Recording()
    assert recording.count == 0
    assert recording.exchanges == ()
    assert recording.exact
    assert recording.per_origin() == {}


def test_exchanges_are_in_the_order_in_which_they_began() -> None:
    recording = facts.recording(
        facts.connection(0, [facts.exchange(0, 0, at=1.0), facts.exchange(1, 0, at=3.0)]),
        facts.connection(1, [facts.exchange(0, 1, at=2.0)]),
    )
    assert [each.connection_index for each in recording.exchanges] == [0, 1, 0]


def test_a_recording_of_one_destination_has_its_connections_and_attempts() -> None:
    part = two_origins().to("other.example.com")
    assert [each.index for each in part.connections] == [1]
    assert [each.attempt for each in part.attempts] == [2]
    assert two_origins().to(parse_destination("*")).connections == 3
    assert two_origins().to("nowhere.example.com").count == 0


def test_what_is_no_destination_is_refused() -> None:
    with pytest.raises(ValueError, match="is no host, URL or glob"):
        two_origins().to("no host")


def test_ignored_destinations_are_left_out() -> None:
    rest = two_origins().without([parse_destination("other.example.com")])
    assert [each.index for each in rest.connections] == [0, 2]
    assert [each.attempt for each in rest.attempts] == [1, 3]


def test_with_nothing_ignored_a_recording_is_itself() -> None:
    recording = two_origins()
    assert recording.without(iter(())) is recording


def test_the_used_connections_are_those_that_carried_something() -> None:
    assert [each.index for each in two_origins().used().connections] == [0, 1]


def test_each_origin_has_a_recording_of_its_own() -> None:
    parts = two_origins().per_origin()
    assert list(parts) == [facts.ORIGIN, OTHER]
    assert [each.index for each in parts[facts.ORIGIN].connections] == [0, 2]
    assert [each.attempt for each in parts[facts.ORIGIN].attempts] == [1]
    assert [each.attempt for each in parts[OTHER].attempts] == [2]


def test_exchanges_are_seen_only_when_those_of_every_connection_are() -> None:
    assert two_origins().exchanges_seen
    unseen = facts.connection(3, 0, exchanges_seen=False)
    assert not facts.recording(facts.connection(0), unseen).exchanges_seen


def test_with_a_blind_spot_a_recording_is_not_exact() -> None:
    recording = facts.recording(blind_spots=(BlindSpot(1, ("pycurl",)),))
    assert not recording.exact
    assert not recording.to("anything").exact


def test_the_repr_of_a_recording_is_worth_reading() -> None:
    assert repr(two_origins()) == "<Recording 3 connections 2 opened 3 exchanges 1 reused>"
    blind = facts.recording(facts.connection(), blind_spots=(BlindSpot(1, ("pycurl",)),))
    assert repr(blind) == "<Recording 1 connection 1 opened 1 exchange 0 reused not exact>"


def test_a_recording_survives_pickling() -> None:
    recording = two_origins()
    assert recording.exchanges == 3
    assert pickle.loads(pickle.dumps(recording)) == recording


@pytest.mark.parametrize(
    ("spot", "text"),
    [
        (
            BlindSpot(1, ("pycurl",)),
            "1 connection was opened that no observer saw (pycurl); "
            "run with --keepalive-watch=kernel",
        ),
        (
            BlindSpot(2, ("grpcio", "a child process"), "use run_client"),
            "2 connections were opened that no observer saw (grpcio, a child process); "
            "use run_client",
        ),
    ],
)
def test_a_blind_spot_says_what_escaped_and_what_to_do(spot: BlindSpot, text: str) -> None:
    assert str(spot) == text
