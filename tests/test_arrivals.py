"""Blind spots that a server of the process proves."""

from __future__ import annotations

import pytest

from pytest_keepalive._arrivals import prove, with_arrivals
from pytest_keepalive._blind_spots import BlindSpot
from pytest_keepalive._connection import Tally
from pytest_keepalive._events import Outcome
from pytest_keepalive._probes import _accepting
from pytest_keepalive._probes._accepting import Arrival
from pytest_keepalive._recording import Recording
from pytest_keepalive._server import KeepaliveServer
from pytest_keepalive._server._upstream import connect_upstream

from . import facts

PERHAPS = BlindSpot(2, ("pycurl",), certain=False)


def recording(*spots: BlindSpot) -> Recording:
    attempts = Tally([facts.attempted(1, 1.0, port=50000)])
    return facts.recording(attempts=attempts, started_at=1.0, blind_spots=spots or (PERHAPS,))


def test_what_came_and_was_not_seen_to_be_opened_is_certain() -> None:
    arrived = [Arrival(facts.local(50001), 2.0), Arrival(facts.local(50002), 2.0)]
    assert with_arrivals(recording(), arrived).blind_spots == (BlindSpot(2, ("pycurl",)),)


def test_what_did_not_come_stays_uncertain() -> None:
    spots = with_arrivals(recording(), [Arrival(facts.local(50001), 2.0)]).blind_spots
    assert [(spot.opens, spot.certain) for spot in spots] == [(1, True), (1, False)]


@pytest.mark.parametrize(
    "arrival",
    [
        Arrival(facts.local(50000), 2.0),
        Arrival(facts.local(50001), 0.5),
        Arrival("", 2.0),
    ],
    ids=["seen", "before", "unix"],
)
def test_anything_else_that_came_proves_nothing(arrival: Arrival) -> None:
    assert with_arrivals(recording(), [arrival]).blind_spots == (PERHAPS,)


def test_an_attempt_whose_own_end_nobody_saw_may_be_what_came() -> None:
    endless = facts.attempted(2, 1.5, local=None)
    refused = facts.attempted(3, 1.5, local=None, outcome=Outcome.FAILED)
    seen = recording()
    for attempt, certain in ((endless, False), (refused, True)):
        more = facts.recording(
            attempts=Tally([attempt]), started_at=1.0, blind_spots=seen.blind_spots
        )
        found = with_arrivals(more, [Arrival(facts.local(50001), 2.0)]).blind_spots
        assert found[0].certain is certain


def test_what_a_relay_of_this_package_connected_proves_nothing(
    monkeypatch: pytest.MonkeyPatch, server: KeepaliveServer
) -> None:
    relayed = connect_upstream(server.host, server.port)
    arrival = Arrival(relayed.getsockname(), 2.0)
    relayed.close()
    monkeypatch.setattr(_accepting, "arrivals", [arrival])
    assert prove(recording()).blind_spots == (PERHAPS,)


def test_an_arrival_alone_is_no_blind_spot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_accepting, "arrivals", [Arrival(facts.local(50001), 2.0)])
    exact = facts.recording(started_at=1.0)
    assert prove(exact) is exact
    (spot, _) = prove(recording()).blind_spots
    assert spot.certain
