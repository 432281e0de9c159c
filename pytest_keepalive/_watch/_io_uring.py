"""The rings of io_uring that watched processes have: through one a process connects unseen.

Rules
1. The filter sees that a ring is asked for, and nothing of what is done with it. So its process
   is suspect from that moment on, until it has been seen without a ring.
2. A ring is there for as long as its descriptor is open or its memory is mapped: the mapping
   alone keeps it at work (io_uring_setup(2), IORING_SETUP_SQPOLL).
3. A forked child has the rings of its parent. It is found while its parent is there.
4. A process that lets nobody look is taken to have its ring until it ends.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from time import perf_counter
from typing import NamedTuple

from pytest_keepalive._watch._facts import Suspicion
from pytest_keepalive._watch._offspring import descendants

USES_IO_URING = "uses io_uring, whose connects no filter sees"
_RING = "anon_inode:[io_uring]"
_DEAD = ("Z", "X")


class Holder(NamedTuple):
    """A process that may have a ring.

    Args:
        process: Its number.
        born: When it was started, in the kernel's ticks: numbers are given anew.
    """

    process: int
    born: int


def holder_of(process: int) -> Holder | None:
    """Tell who has a number now, ``None`` when it is nobody or a process without a ring."""
    try:
        with open(f"/proc/{process}/stat", "rb") as file:
            # PID (NAME) STATE ...; the name may hold anything (proc_pid_stat(5)).
            state, *fields = file.read().rpartition(b")")[2].decode().split()
    except OSError:
        return None
    return Holder(process, int(fields[18])) if state not in _DEAD and _has_ring(process) else None


def _has_ring(process: int) -> bool:
    try:
        return any(name == _RING for name in _open_files(process)) or _is_mapped(process)
    except PermissionError:
        return True
    except OSError:
        return False


def _open_files(process: int) -> Iterator[str]:
    folder = f"/proc/{process}/fd"
    for descriptor in os.listdir(folder):
        try:
            yield os.readlink(f"{folder}/{descriptor}")
        except FileNotFoundError:
            continue


def _is_mapped(process: int) -> bool:
    with open(f"/proc/{process}/maps", "rb") as file:
        return _RING.encode() in file.read()


class Rings:
    """The processes that may have a ring, and those that had one.

    Args:
        look: Tells who has the number of a process and a ring.
        below: Gives the descendants of a process.
    """

    def __init__(
        self,
        look: Callable[[int], Holder | None] = holder_of,
        below: Callable[[int], list[int]] = descendants,
    ) -> None:
        self._look = look
        self._below = below
        self._asked: list[tuple[int, Suspicion]] = []
        self._held: dict[Holder, Suspicion] = {}

    def asked_for(self, process: int, suspicion: Suspicion) -> None:
        """Take note that a process asks for a ring.

        Args:
            process: Its number.
            suspicion: From when on it is suspect.
        """
        self._asked.append((process, suspicion))

    @property
    def held(self) -> tuple[Suspicion, ...]:
        """Those that are there, as far as was looked."""
        return tuple(self._held.values())

    def look(self) -> tuple[Suspicion, ...]:
        """Look who has a ring now, and give what is over since this was asked last."""
        before, self._held = self._held, {}
        asked, self._asked = self._asked, []
        for holder, suspicion in before.items():
            self._keep(holder.process, suspicion, holder)
        for process, suspicion in asked:
            self._keep(process, suspicion)
        suspicions = dict.fromkeys([*before.values(), *(each for _, each in asked)])
        kept, now = set(self._held.values()), perf_counter()
        return tuple(each._replace(until=now) for each in suspicions if each not in kept)

    def _keep(self, process: int, suspicion: Suspicion, known: Holder | None = None) -> None:
        """Keep a suspicion while its process, or a child of that, has a ring."""
        found = self._look(process)
        if known is None or found == known:
            self._hold(found, suspicion)
        for child in self._below(process):
            self._hold(self._look(child), suspicion)

    def _hold(self, holder: Holder | None, suspicion: Suspicion) -> None:
        if holder is not None:
            self._held.setdefault(holder, suspicion)
