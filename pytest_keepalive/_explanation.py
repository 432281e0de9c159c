"""The findings of a recording, found once however often they are told.

Rules
1. A failure tells them in its account and in its evidence: those of the recording that was asked
   about last are remembered, and the recording is not kept alive for it.
2. Beyond some number, explaining takes longer than anybody reads.
3. A single connection has nothing to explain: most tests make one, and load no diagnosis for it.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

from pytest_keepalive._collector import paused_collector
from pytest_keepalive._connection import Tally
from pytest_keepalive._recording import Recording

if TYPE_CHECKING:
    from pytest_keepalive._diagnosis import Finding

MOST_EXPLAINED = 10_000
_FEWEST = 2


class Explanation:
    """Findings, and the recording that they are of.

    Args:
        recording: Any.
    """

    latest: Explanation | None = None

    def __init__(self, recording: Recording) -> None:
        from pytest_keepalive._diagnosis import diagnose

        self._recording = weakref.ref(recording)
        with paused_collector():
            self.findings = diagnose(recording, MOST_EXPLAINED)

    def is_of(self, recording: Recording) -> bool:
        """Tell whether the findings are those of a recording."""
        return self._recording() is recording


def findings_of(recording: Recording) -> Tally[Finding]:
    """Explain the connections of a recording, the first 10,000 of those that need it.

    Args:
        recording: Any.
    """
    if len(recording.connections) < _FEWEST:
        return Tally()
    latest = Explanation.latest
    if latest is None or not latest.is_of(recording):
        latest = Explanation.latest = Explanation(recording)
    return latest.findings
