"""The program that a supervisor started, and all that came of it, wherever it went.

Rules
1. A supervisor adopts orphans (PR_SET_CHILD_SUBREAPER), so everything that a program started
   descends from the supervisor for as long as it lives, in whatever session or group it is.
2. What dies is reaped at once; the end of the program itself is told.
3. A predecessor that was killed may have reaped the program, and taken its status along.
"""

from __future__ import annotations

import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from pytest_keepalive._watch._ring import Ring

# The C module under ``signal``, which makes enumerations for some milliseconds first.
_signal = __import__("_signal")

_PATIENCE_SECONDS = 2.0
_PAUSE_SECONDS = 0.002


class Offspring:
    """The descendants of this process.

    Args:
        ring: Where the number of the program is kept, for a successor.
        on_exit: Called with the wait status of the program, ``None`` where it was lost.
        spared: Children of this process that are none of the program's.
    """

    def __init__(
        self, ring: Ring, on_exit: Callable[[int | None], object], spared: set[int]
    ) -> None:
        self._ring = ring
        self._on_exit = on_exit
        self._spared = spared
        self._held_back: list[int | None] | None = None
        self.wake_up, writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        _signal.signal(_signal.SIGCHLD, _take_note)
        _signal.set_wakeup_fd(writing, warn_on_full_buffer=False)

    @property
    def any_left(self) -> bool:
        """Whether this process has children, dead ones that were not reaped included."""
        return _can_wait(os.P_ALL, 0)

    @property
    def foreign_program(self) -> int:
        """The number of the program if it is there and no child of this process, else 0."""
        program = self._ring.program
        return 0 if not program or _can_wait(os.P_PID, program) else program

    def woken(self) -> None:
        """Do what is due when ``wake_up`` is readable."""
        os.read(self.wake_up, 4096)
        self.reap()

    def reap(self) -> None:
        """Wait for what is dead."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            if pid == self._ring.program:
                self.program_ended(status)

    def program_ended(self, status: int | None) -> None:
        """Tell that the program has ended, unless that was told."""
        if not self._ring.program:
            return
        if self._held_back is not None:
            self._held_back.append(status)
            return
        self._on_exit(status)
        self._ring.program = 0

    def kill(self, alone: Callable[[], bool]) -> None:
        """Kill the program with all that came of it, and tell its end when nothing is left.

        Args:
            alone: Whether nothing is left, as far as the caller can tell.
        """
        self._held_back = []
        if self._ring.program:
            _kill(-self._ring.program)
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while time.monotonic() < deadline:
            # One walk proves nothing: a child changes parents when its parent dies.
            for pid in self._descendants():
                _kill(pid)
            self.reap()
            # Who is dying is under no filter any more, and still a child until it is reaped.
            if alone() and not self._descendants():
                break
            time.sleep(_PAUSE_SECONDS)
        ended, self._held_back = self._held_back, None
        for status in ended:
            self.program_ended(status)

    def _descendants(self) -> list[int]:
        return [pid for pid in descendants(os.getpid()) if pid not in self._spared]


def descendants(pid: int) -> list[int]:
    """Give the processes that descend from one, as far as one walk can tell."""
    found = []
    for child in _children(pid):
        found += [child, *descendants(child)]
    return found


def _children(pid: int) -> list[int]:
    children: list[int] = []
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children", "rb") as file:
                children += map(int, file.read().split())
    except OSError:
        return children
    return children


def _can_wait(kind: int, pid: int) -> bool:
    try:
        os.waitid(kind, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def _kill(pid: int) -> None:
    try:
        os.kill(pid, _signal.SIGKILL)
    except OSError:
        return


def _take_note(number: int, frame: FrameType | None) -> None:
    """Stand for a handler: what counts is the byte in the wake-up descriptor."""
