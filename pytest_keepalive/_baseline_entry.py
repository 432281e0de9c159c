"""One entry of a baseline: what a test did towards one origin, in figures that may be ranges."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import NamedTuple

from pytest_keepalive._amount import count_of
from pytest_keepalive._summary import Figures

FIELDS = ("connections", "exchanges", "reused")


class Span(NamedTuple):
    """A figure, or the range of one that varies.

    Args:
        low: The least that was seen.
        high: The most that was seen.
    """

    low: int
    high: int

    def widened(self, other: Span) -> Span:
        """Take in another one."""
        return Span(min(self.low, other.low), max(self.high, other.high))

    @property
    def plain(self) -> int | list[int]:
        """As it is written in JSON."""
        return self.low if self.low == self.high else [self.low, self.high]

    def __str__(self) -> str:
        return str(self.low) if self.low == self.high else f"{self.low} to {self.high}"


class Entry(NamedTuple):
    """What one test did towards one origin.

    Args:
        connections: How many counted.
        exchanges: How many they carried.
        reused: How many of these were not the first on their connection.
    """

    connections: Span
    exchanges: Span
    reused: Span

    @property
    def first(self) -> int:
        """The most exchanges that were the first on their connection."""
        return self.exchanges.high - self.reused.low

    @property
    def varies(self) -> bool:
        """Whether any figure is a range."""
        return any(span.low != span.high for span in self)

    def widened(self, other: Entry) -> Entry:
        """Take in another one."""
        return Entry(*(mine.widened(theirs) for mine, theirs in zip(self, other, strict=True)))

    def worse(self, other: Entry) -> bool:
        """Tell whether another entry is worse than this one (rule 2)."""
        return other.connections.high > self.connections.high or other.first > self.first

    def better(self, figures: Figures) -> bool:
        """Tell whether figures are better than all that was seen."""
        # Fewer exchanges need fewer connections; only the connections tell.
        return figures.connections < self.connections.low

    def __str__(self) -> str:
        carried = f"{self.exchanges} exchange{'' if str(self.exchanges) == '1' else 's'}"
        return f"{count_of_span(self.connections)}, {carried}, {self.reused} reused"


def entries_of(figures: Mapping[str, Figures]) -> dict[str, Entry]:
    """Make entries of what one run of a test did."""
    return {
        origin: Entry(*(Span(number, number) for number in seen[:3]))
        for origin, seen in figures.items()
    }


def count_of_span(span: Span) -> str:
    """Write how many connections."""
    return count_of(span.low, "connection") if span.low == span.high else f"{span} connections"


def line_of(origin: str, entry: Entry) -> str:
    """Write an entry as it stands in the file."""
    plain = {name: span.plain for name, span in zip(FIELDS, entry, strict=True)}
    return f"{json.dumps(origin)}: {json.dumps(plain)}"
