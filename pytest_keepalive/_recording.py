"""What happened in a window, as one immutable value."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import NamedTuple

from pytest_keepalive._amount import count_of
from pytest_keepalive._blind_spots import BlindSpot
from pytest_keepalive._connection import Connection, Exchange, Tally
from pytest_keepalive._destination import Destination, parse_destination
from pytest_keepalive._events import Adopted, Attempted
from pytest_keepalive._origin import Origin


class Unplaced(NamedTuple):
    """An exchange of which nobody saw the connection.

    Args:
        exchange: What its client told.
        adoption: Whose its connection would be.
    """

    exchange: Exchange
    adoption: Adopted


@dataclass(frozen=True, repr=False)
class Recording:
    """Everything that was seen in a window.

    Args:
        connections: Those that count: established in the window, or used in it.
        attempts: Every connect of the window, failed ones too.
        started_at: When the window began, in seconds of ``time.perf_counter``.
        ended_at: When it ended, or when this was taken.
        blind_spots: What could not be seen.
        notes: What a reader should know besides, a sentence each.
        doubts: Why there may have been more connections than were seen, a sentence each.
        left_out: How many connections went to destinations that were left out.
        unmeasurable: Those of the doubts for which nobody watched at all: the counts are
            samples then, and "at least" what they say.
        unplaced: The exchanges that some of the connections carried, and nobody saw which.
    """

    connections: Tally[Connection] = field(default_factory=Tally)
    attempts: Tally[Attempted] = field(default_factory=Tally)
    started_at: float = 0.0
    ended_at: float = 0.0
    blind_spots: tuple[BlindSpot, ...] = ()
    notes: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    unmeasurable: tuple[str, ...] = ()
    left_out: int = 0
    unplaced: Tally[Unplaced] = field(default_factory=Tally)

    @property
    def count(self) -> int:
        """How many connections count."""
        return len(self.connections)

    @cached_property
    def exchanges(self) -> Tally[Exchange]:
        """The exchanges of all connections, in the order in which they began."""
        carried = [exchange for each in self.connections for exchange in each.exchanges]
        carried += (each.exchange for each in self.unplaced)
        return Tally(sorted(carried, key=lambda exchange: exchange.started_at))

    @cached_property
    def opened(self) -> Tally[Connection]:
        """The connections that were established in the window."""
        return Tally(each for each in self.connections if each.opened_here)

    @cached_property
    def reused(self) -> Tally[Exchange]:
        """The exchanges that were not the first on their connection."""
        return Tally(exchange for exchange in self.exchanges if exchange.reused)

    @property
    def exact(self) -> bool:
        """Whether nothing escaped the observers, as far as the kernel tells."""
        return not self.blind_spots and not self.doubts

    @property
    def exchanges_seen(self) -> bool:
        """Whether the exchanges of every connection were watched."""
        return not self.unplaced and all(each.exchanges_seen for each in self.connections)

    def to(self, pattern: str | Destination) -> Recording:
        """Keep what went to a destination.

        Args:
            pattern: ``host``, ``host:port``, a URL, or a glob.

        Raises:
            ValueError: The pattern is none of these.
        """
        wanted = pattern if isinstance(pattern, Destination) else parse_destination(pattern)
        return replace(
            self,
            connections=Tally(each for each in self.connections if wanted.matches(each)),
            attempts=Tally(each for each in self.attempts if wanted.matches_attempt(each)),
            unplaced=Tally(each for each in self.unplaced if wanted.matches_url(each.exchange.url)),
        )

    def without(self, ignored: Iterable[Destination]) -> Recording:
        """Leave out what went to some destinations."""
        unwanted = tuple(ignored)
        if not unwanted:
            return self
        kept = [
            each
            for each in self.connections
            if not any(pattern.matches(each) for pattern in unwanted)
        ]
        return replace(
            self,
            connections=Tally(kept),
            left_out=self.left_out + self.count - len(kept),
            attempts=Tally(
                each
                for each in self.attempts
                if not any(pattern.matches_attempt(each) for pattern in unwanted)
            ),
            unplaced=Tally(
                each
                for each in self.unplaced
                if not any(pattern.matches_url(each.exchange.url) for pattern in unwanted)
            ),
        )

    def used(self) -> Recording:
        """Leave out the connections that carried nothing."""
        carried = Tally(each for each in self.connections if not each.carried_nothing)
        return replace(self, connections=carried)

    def per_origin(self) -> dict[Origin, Recording]:
        """Give a recording for each origin, in the order in which they were first used."""
        groups: dict[Origin, list[Connection]] = {}
        for each in self.connections:
            groups.setdefault(each.origin, []).append(each)
        return {
            origin: replace(
                self,
                connections=Tally(group),
                attempts=Tally(_attempts_towards(group, self.attempts)),
                unplaced=Tally(each for each in self.unplaced if _concerns(group, each)),
            )
            for origin, group in groups.items()
        }

    def __repr__(self) -> str:
        exact = "" if self.exact else " not exact"
        return (
            f"<Recording {count_of(self.count, 'connection')} {len(self.opened)} opened "
            f"{count_of(len(self.exchanges), 'exchange')} {len(self.reused)} reused{exact}>"
        )


def _attempts_towards(group: list[Connection], attempts: Iterable[Attempted]) -> list[Attempted]:
    peers = {each.peer for each in group}
    return [attempt for attempt in attempts if attempt.peer in peers]


def _concerns(group: list[Connection], unplaced: Unplaced) -> bool:
    """Tell whether one of some connections may have carried an exchange."""
    origin = unplaced.adoption.origin
    return any(each.origin == origin or each.peer[1] == origin.port for each in group)
