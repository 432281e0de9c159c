"""Readings of the kernel's count, told apart from what other workers of the run open meanwhile.

Rules
1. A reading begins a window at a moment in which nobody connects, where there is one soon.
2. What a window is to be accused of is read again for a while: what another worker connects, and
   counts a moment later, was seen.
3. What another worker may have opened unseen is no certain blind spot of this one.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from time import sleep
from typing import TYPE_CHECKING

from pytest_keepalive._blind_spots import BlindSpot, Sight
from pytest_keepalive._watch._witness import Witness

if TYPE_CHECKING:
    from pytest_keepalive._watch._count_table import Neighbours, Row

# By number: a test may stop the clock. What lies in between is in seconds.
_ATTEMPTS, _BETWEEN_ATTEMPTS = 20, 0.0001
_DOUBTS, _BETWEEN_DOUBTS = 50, 0.001


class Readings:
    """Takes the readings of this process.

    Args:
        see: Gives what this process accounts for, behind a reading of the kernel's count.
        row: Where it counts its connects for other workers, ``None`` where it does not.
        crowded: Whether there may be others of which it cannot tell what they open.
    """

    def __init__(
        self, see: Callable[[int | None], Sight], row: Row | None = None, crowded: bool = False
    ) -> None:
        self._witness = Witness()
        self._see = see
        self._row = row
        self._crowded = crowded

    def look(self) -> Sight:
        """Take a reading, to compare later ones with."""
        neighbours = None if self._row is None else self._row.neighbours()
        sight = self._read(neighbours)
        for _ in range(_ATTEMPTS):
            if not sight.doubtful:
                break
            sleep(_BETWEEN_ATTEMPTS)
            sight = min(self._read(neighbours), sight, key=lambda each: each.doubtful)
        return sight

    def blind_spots_since(self, start: Sight) -> tuple[BlindSpot, ...]:
        """Tell what escaped the observers since a reading."""
        spots = self._read().blind_spots_since(start)
        if self._row is not None and not self._row.is_alone:
            spots = self._confirmed(spots, start)
        if spots and self._others_could(start):
            return tuple(replace(spot, certain=False) for spot in spots)
        return spots

    def go_alone(self) -> None:
        """Leave the row to the parent, in a forked child."""
        self._row, self._crowded = None, self._row is not None or self._crowded

    def close(self) -> None:
        """Take no more readings."""
        self._witness.close()

    def _read(self, neighbours: Neighbours | None = None) -> Sight:
        row = self._row
        if row is None:
            return self._see(self._witness.opens())
        done = row.done()
        sight = self._see(self._witness.opens())
        begun, own = row.begun()
        row.tell(suspect=_may_connect_uncounted(sight))
        attributed, doubtful = sight.attributed + begun - own, begun - done
        return sight._replace(attributed=attributed, doubtful=doubtful, neighbours=neighbours)

    def _confirmed(self, spots: tuple[BlindSpot, ...], start: Sight) -> tuple[BlindSpot, ...]:
        for _ in range(_DOUBTS):
            if not spots:
                break
            sleep(_BETWEEN_DOUBTS)
            spots = min(self._read().blind_spots_since(start), spots, key=_weight)
        return spots

    def _others_could(self, start: Sight) -> bool:
        if self._row is None or start.neighbours is None:
            return self._crowded
        return self._row.others_could(start.neighbours)


def _may_connect_uncounted(sight: Sight) -> bool:
    # Behind each test, pytest-socket puts back the connect that it found before us.
    unpatched = not sight.patched or "pytest_socket" in sys.modules
    return bool(sight.natives) or sight.by_kernel or unpatched


def _weight(spots: tuple[BlindSpot, ...]) -> list[tuple[int, bool]]:
    return [(spot.opens, not spot.certain) for spot in spots]
