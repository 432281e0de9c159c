"""Blind spots of which a server in this process proves whose they are.

Rules
1. What a server of this process accepted, and nobody saw being opened, was opened for a test of
   this process.
2. The kernel's count bounds it all the same: an arrival alone is no blind spot.
3. What this package connects for others, as a relay, was opened by nobody else.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import replace
from typing import Protocol

from pytest_keepalive._events import Outcome
from pytest_keepalive._origin import Address
from pytest_keepalive._own_connects import own_connects
from pytest_keepalive._recording import Recording


class Arrived(Protocol):
    """A connection that was accepted; see ``Arrival``."""

    @property
    def peer(self) -> Address | None:
        """The client's end; ``None`` where that is not of the internet."""

    @property
    def at(self) -> float:
        """When, in seconds."""


def prove(recording: Recording) -> Recording:
    """Make certain what the servers of this process prove."""
    # It is loaded where it was installed, and there is nothing to ask elsewhere.
    module = sys.modules.get("pytest_keepalive._probes._accepting")
    if module is None or all(spot.certain for spot in recording.blind_spots):
        return recording
    relayed = own_connects.ends()
    arrived = (each for each in tuple(module.arrivals) if each.peer not in relayed)
    return with_arrivals(recording, arrived)


def with_arrivals(recording: Recording, arrived: Iterable[Arrived]) -> Recording:
    """Make those blind spots certain that were accepted in this process.

    Args:
        recording: Any.
        arrived: What was accepted, ever.
    """
    unseen = _unseen(recording, arrived)
    if unseen <= 0:
        return recording
    spots = (each for spot in recording.blind_spots for each in spot.proved(unseen))
    return replace(recording, blind_spots=tuple(spots))


def _unseen(recording: Recording, arrived: Iterable[Arrived]) -> int:
    ends = {None, *(each.local for each in recording.attempts)}
    ends.update(each.local for each in recording.connections)
    inside = (each for each in arrived if each.at >= recording.started_at)
    strangers = sum(each.peer not in ends for each in inside)
    # Of some that were seen, nobody saw the client's end: they may be among the strangers.
    endless = (each for each in recording.attempts if each.local is None)
    return strangers - sum(each.outcome is not Outcome.FAILED for each in endless)
