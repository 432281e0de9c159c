"""The count of the connects that somebody makes or sees, where other processes may read it.

Rules
1. A connect is begun before the system call, and done behind it: the kernel counts it in between.
2. What was begun and sent nothing is taken back, and was never done.
"""

from __future__ import annotations

from typing import Protocol

BEGUN, DONE = 0, 1
# What connects in a process: Python's sockets, libuv, and the relays of this package.
LANES = SOCKETS, LIBUV, RELAYS = range(3)


class Counts(Protocol):
    """Two numbers, by ``BEGUN`` and ``DONE``."""

    def __getitem__(self, which: int, /) -> int: ...

    def __setitem__(self, which: int, count: int, /) -> None: ...


class Counting:
    """What counts connects.

    Args:
        counts: Where; by default, where nobody else reads.
    """

    def __init__(self, counts: Counts | None = None) -> None:
        self._counts = counts or [0, 0]
        self._before = self._counts[BEGUN]

    @property
    def opens(self) -> int:
        """How many connects it knows of, those that the kernel counts as active opens."""
        return self._counts[BEGUN] - self._before

    def count_ended(self, sent: bool) -> None:
        """Count that a connect has returned.

        Args:
            sent: Whether it sent a SYN, so that the kernel has counted it.
        """
        if sent:
            self._counts[DONE] += 1
        else:
            self._counts[BEGUN] -= 1

    def count_in(self, counts: Counts) -> None:
        """Count on in another place.

        Args:
            counts: Where.
        """
        self._before = counts[BEGUN] - self.opens
        self._counts = counts

    def count_alone(self) -> None:
        """Leave the place to the parent, in a forked child, and count on elsewhere."""
        self._counts = [self._counts[BEGUN], self._counts[DONE]]
