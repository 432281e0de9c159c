"""What may have connected unseen by the watch of this process, and from when to when.

Rules
1. A ring of io_uring is suspect for as long as it is there, one from before the watch too.
2. A process that hides is suspect in the moment of its call, which is all that it hid.
"""

from __future__ import annotations

import os
from collections import deque
from time import perf_counter

from pytest_keepalive._watch._facts import Doubt, Suspicion
from pytest_keepalive._watch._io_uring import USES_IO_URING, Rings, holder_of

# A window has to know what is over since it began; hardly one begins more processes.
_REMEMBERED = 1000


class Suspects:
    """What hides from a watch that has just begun.

    Args:
        rings: Who has a ring; a test may look elsewhere than in ``/proc``.
    """

    def __init__(self, rings: Rings | None = None) -> None:
        self._rings = rings or Rings()
        self._over: deque[Suspicion] = deque(maxlen=_REMEMBERED)
        if holder_of(os.getpid()) is not None:
            mine = Suspicion(f"this process {USES_IO_URING}", perf_counter())
            self._rings.asked_for(os.getpid(), mine)

    def doubt(self, doubt: Doubt) -> None:
        """Take note of what the watch cannot see through."""
        suspicion = Suspicion(str(doubt), doubt.at)
        if doubt.stands:
            self._rings.asked_for(doubt.process, suspicion)
        else:
            self._over.append(suspicion._replace(until=doubt.at))

    def look(self) -> tuple[Suspicion, ...]:
        """Give what hides now, and what did before."""
        self._over.extend(self._rings.look())
        return (*self._over, *self._rings.held)
