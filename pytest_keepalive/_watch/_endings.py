"""What the kernel's counts of bad endings say of a socket that nothing else tells of (pure).

Rules
1. Without a failed attempt in the meantime every attempt became a connection; without a reset
   no connection was wiped. These two are certain.
2. With as many failed attempts as there are sockets to explain, they are taken for those: a
   refused attempt is common, and a client that resets its own connections is not.
3. What is left stays undecided, and counts as a connection.
"""

from __future__ import annotations

from pytest_keepalive._events import Outcome
from pytest_keepalive._watch._witness import Endings


def verdict_on_wiped(before: Endings | None, now: Endings | None, wiped: int) -> Outcome | None:
    """Judge obituaries without ends: of failed attempts, or of resets from this side.

    Args:
        before: The counts at the last time when nothing was undecided.
        now: The counts.
        wiped: How many such obituaries there are.
    """
    if before is None or now is None:
        return None
    if now.connections_reset == before.connections_reset:
        return Outcome.FAILED
    failed = now.attempts_failed - before.attempts_failed
    if not failed:
        return Outcome.ESTABLISHED
    return Outcome.FAILED if failed >= wiped else None


def verdict_on_missing(
    before: Endings | None, now: Endings | None, missing: int | None
) -> Outcome | None:
    """Judge sockets of which nothing is found.

    Args:
        before: The counts at the last time when nothing was undecided.
        now: The counts.
        missing: How many they are; ``None`` when established ones may be among them for want
            of what was lost.
    """
    if before is None or now is None:
        return None
    failed = now.attempts_failed - before.attempts_failed
    if not failed:
        return Outcome.ESTABLISHED
    if missing is None or now.connections_reset != before.connections_reset:
        return None
    return Outcome.FAILED if failed >= missing else None
