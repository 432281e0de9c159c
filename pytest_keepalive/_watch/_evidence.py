"""What a ring tells of one program, while it runs and afterwards.

Rules
1. A doubt about a process that hides is dispelled when the kernel's own count of active opens
   has no room for a connection that was not seen. A ring of io_uring is not: nobody can tell
   which of its connects failed, or were made by whom.
2. Everything is asked for anew when somebody looks: what was pending or open may have become
   something, and processes that outlived the program may have connected.
"""

from __future__ import annotations

import weakref

from pytest_keepalive._watch._client_run import Seen
from pytest_keepalive._watch._outcomes import Outcomes
from pytest_keepalive._watch._ring import Ring
from pytest_keepalive._watch._trace import look_again, trace_since
from pytest_keepalive._watch._witness import Witness


class Evidence:
    """What a ring tells of one program, while it runs and afterwards.

    Args:
        ring: Where its connects are recorded.
        run: The runner that tells them from others in that ring; ``None`` when the ring is this
            program's alone.

    Attributes:
        seconds_between: How long to wait between listening, in seconds.
    """

    def __init__(self, ring: Ring, run: int | None) -> None:
        self.run = run
        self._ring = ring
        self._position = ring.count
        self._outcomes = Outcomes(ring)
        self._witness = Witness()
        self._opens_before = self._witness.opens()
        self._seen = Seen()
        self._lost = 0
        self.seconds_between = self._outcomes.seconds_between
        own_ring = ring if run is None else None
        self.close = weakref.finalize(self, _close, self._outcomes, self._witness, own_ring)

    def listen(self) -> None:
        """Take in what the kernel tells of sockets that are gone."""
        self._outcomes.listen()

    def seen(self, patience: float = 0.0) -> Seen:
        """Tell what is known now.

        Args:
            patience: How long to wait for what is due from the kernel, in seconds.
        """
        before = look_again(self._ring, self._seen.connects, self._outcomes)
        trace = trace_since(
            self._ring, self._position, self._outcomes, run=self.run, patience=patience
        )
        self._position = trace.position
        self._lost += trace.lost
        self._seen = Seen(before + trace.connects, self._seen.doubts + trace.doubts)
        return Seen(self._seen.connects, self._seen.doubts, self._why_not())

    def _why_not(self) -> tuple[str, ...]:
        certain = self._accounted_for()
        reasons = [str(doubt) for doubt in self._seen.doubts if doubt.stands or not certain]
        if self._lost:
            reasons.append(f"{self._lost} records of connects were overwritten before being read")
        unclear = sum(connect.outcome is None for connect in self._seen.connects)
        if unclear:
            reasons.append(f"the kernel does not tell whether {unclear} connects succeeded")
        if self._ring.mishap:
            reasons.append(f"the supervisor had a mishap: {self._ring.mishap}")
        return tuple(dict.fromkeys(reasons))

    def _accounted_for(self) -> bool:
        """Tell whether every active open of this time was seen, whoever made it."""
        opens = self._witness.opens()
        if opens is None or self._opens_before is None:
            return False
        recorded = sum(connect.went_out for connect in self._seen.connects)
        return opens - self._opens_before <= recorded


def _close(outcomes: Outcomes, witness: Witness, ring: Ring | None) -> None:
    outcomes.close()
    witness.close()
    if ring is not None:
        ring.close()
