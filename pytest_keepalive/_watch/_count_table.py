"""Memory in which the workers of a run count their connects, for each other to read.

Rules
1. A worker writes to its own row alone, and every number is stored at once.
2. Whoever reads the kernel's count reads what is done before it, and what is begun behind it: what
   the kernel had counted for the workers lies between the two (see ``_opens``).
3. The memory has no name that could stay behind. It is reached through the process that made it,
   and a token tells it from what has that address on another machine.
"""

from __future__ import annotations

import mmap
import os
import sys
from typing import NamedTuple

from pytest_keepalive._opens import LANES
from pytest_keepalive._watch._witness import reaped, reaped_by, running

ROWS = 1024
_LANES = len(LANES)
_TOKEN_BYTES = 16
_HANDED_OUT = _TOKEN_BYTES // 8
_BEGUN = _HANDED_OUT + 1
_DONE = _BEGUN + ROWS * _LANES
_SUSPECT = _DONE + ROWS * _LANES
_REAPED = _SUSPECT + ROWS
_PROCESS = _REAPED + ROWS
_WORDS = _PROCESS + ROWS


class Neighbours(NamedTuple):
    """What could be told of the other workers at some moment.

    Args:
        suspect: Whether one of them may connect without counting.
        reaped: For each row, a figure that changes when a child of its worker was waited for.
    """

    suspect: bool
    reaped: tuple[int, ...]


class RowAddress(NamedTuple):
    """What a worker is told, to find its row; plain data.

    Args:
        path: Where the memory is.
        token: What it begins with, in hexadecimal.
        row: Which row is the worker's.
    """

    path: str
    token: str
    row: int


class CountTable:
    """The memory, in the process that has the workers.

    Raises:
        OSError: The system does not give it.
    """

    def __init__(self) -> None:
        if sys.platform != "linux" or not hasattr(os, "memfd_create"):
            raise OSError("this system gives no memory without a name")
        self._descriptor = os.memfd_create("pytest-keepalive")
        os.ftruncate(self._descriptor, _WORDS * 8)
        os.pwrite(self._descriptor, os.urandom(_TOKEN_BYTES), 0)
        self._words = _map(self._descriptor)

    def admit(self) -> RowAddress | None:
        """Give a row away, ``None`` when there is none left."""
        row = self._words[_HANDED_OUT]
        if row == ROWS:
            return None
        # Until it counts what it opens, it may have opened anything.
        self._words[_SUSPECT + row] = True
        self._words[_HANDED_OUT] = row + 1
        return RowAddress(f"/proc/{os.getpid()}/fd/{self._descriptor}", _token(self._words), row)

    def dismiss(self, row: int) -> None:
        """Take the worker of a row for gone; what it counted stays."""
        for lane in range(row * _LANES, (row + 1) * _LANES):
            # It may have crashed in the midst of a connect.
            self._words[_DONE + lane] = self._words[_BEGUN + lane]
        self._words[_SUSPECT + row] = self._words[_PROCESS + row] = 0

    def close(self) -> None:
        """Let nobody in any more; the memory is gone with the last process that uses it."""
        os.close(self._descriptor)


class Row:
    """What a worker writes, and what it reads of the others.

    Args:
        address: Where.

    Raises:
        OSError: The memory cannot be reached, or is another one.
    """

    def __init__(self, address: RowAddress) -> None:
        self._words = _open(address.path)
        if _token(self._words) != address.token:
            raise OSError(f"{address.path} is not what it was")
        self._row = address.row
        self._words[_PROCESS + address.row] = os.getpid()

    @property
    def is_alone(self) -> bool:
        """Whether there is no other worker, and never was."""
        return self._words[_HANDED_OUT] == 1

    def counts(self, lane: int) -> memoryview:
        """Give the place for the counts of what connects: those begun, and those done.

        Args:
            lane: One of ``LANES``.
        """
        place, step = _BEGUN + self._row * _LANES + lane, _DONE - _BEGUN
        return self._words[place : place + 2 * step : step]

    def tell(self, suspect: bool) -> None:
        """Tell the others about this worker.

        Args:
            suspect: Whether it may connect without counting.
        """
        self._words[_REAPED + self._row] = reaped()
        self._words[_SUSPECT + self._row] = suspect

    def done(self) -> int:
        """Give how many connects of all workers the kernel must have counted."""
        return sum(self._each(_DONE, _LANES))

    def begun(self) -> tuple[int, int]:
        """Give how many it may have counted, and how many of these are this worker's."""
        counts, mine = self._each(_BEGUN, _LANES), self._row * _LANES
        return sum(counts), sum(counts[mine : mine + _LANES])

    def neighbours(self) -> Neighbours:
        """Give what can be told of the others now."""
        suspects = self._each(_SUSPECT)
        suspects[self._row] = 0
        return Neighbours(any(suspects), tuple(self._each(_REAPED)))

    def others_could(self, since: Neighbours) -> bool:
        """Tell whether another worker may have connected without counting.

        Args:
            since: What could be told at the moment from which on it is asked for.
        """
        now = self.neighbours()
        if since.suspect or now.suspect or len(now.reaped) > len(since.reaped):
            return True
        processes = self._each(_PROCESS)
        processes[self._row] = 0
        return any(
            process and (running(process) or reaped_by(process) != before)
            for process, before in zip(processes, since.reaped, strict=False)
        )

    def _each(self, first: int, of_a_row: int = 1) -> list[int]:
        return self._words[first : first + self._words[_HANDED_OUT] * of_a_row].tolist()


def _token(words: memoryview) -> str:
    return words[:_HANDED_OUT].tobytes().hex()


def _map(descriptor: int) -> memoryview:
    return memoryview(mmap.mmap(descriptor, _WORDS * 8)).cast("Q")


def _open(path: str) -> memoryview:
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        return _map(descriptor)
    except ValueError as error:
        # It is too short, and so another file.
        raise OSError(str(error)) from None
    finally:
        os.close(descriptor)
