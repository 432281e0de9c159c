"""Judgement with all that a run has to say about it: limits held, and failures worded.

Rules
1. A marker wins over the default of the run, for the destinations that it is about.
2. The default of the run promises nothing of tests that make no connection.
3. Connections that escaped the observers break a promise only where the run is strict, and where
   it is certain that they were this process's.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable

from pytest_keepalive._collector import paused_collector
from pytest_keepalive._destination import parse_destination
from pytest_keepalive._left_open import left_open
from pytest_keepalive._limits import (
    ConnectionLimitExceeded,
    Limit,
    Violation,
    judge,
    judge_blindness,
    judge_left_open,
)
from pytest_keepalive._recording import Recording


def violations_of(
    recording: Recording,
    limits: Iterable[Limit],
    at_most_per_origin: int | None = None,
    strict: bool = False,
) -> tuple[Violation, ...]:
    """Find all promises that a recording breaks.

    Args:
        recording: Of the whole window.
        limits: Those of the test's markers.
        at_most_per_origin: The default of the run, in connections.
        strict: Whether connections that escaped the observers break a promise.
    """
    promised = tuple(limits)
    silence = _silence() if promised and not recording.connections else ()
    violations = [found for limit in promised for found in judge(recording, limit, silence)]
    if at_most_per_origin is not None:
        violations += _judge_default(recording, promised, at_most_per_origin)
    if strict and promised:
        violations += judge_blindness(recording)
    return tuple(violations)


def hold(recording: Recording, limits: Iterable[Limit], evidence: bool = True) -> None:
    """Fail when a limit is not kept.

    Args:
        recording: Of the whole window.
        limits: To hold it to.
        evidence: Whether the failure carries the evidence itself.

    Raises:
        ConnectionLimitExceeded: With all that was broken.
    """
    __tracebackhide__ = True
    promised = tuple(limits)
    violations = (*violations_of(recording, promised), *left_open_violations(recording, promised))
    if violations:
        raise ConnectionLimitExceeded(violations, evidence_text(recording) if evidence else "")


def left_open_violations(recording: Recording, limits: Iterable[Limit]) -> tuple[Violation, ...]:
    """Find the limits that are broken by what is open now, which the operating system tells.

    Args:
        recording: The connections that were established in its window are asked for.
        limits: Those without ``left_open_at_most`` are left out.
    """
    bounded = [limit for limit in limits if limit.left_open_at_most is not None]
    if not bounded:
        return ()
    remaining = left_open(recording.opened)
    found = (judge_left_open(remaining, limit) for limit in bounded)
    return tuple(violation for violation in found if violation is not None)


def evidence_text(recording: Recording, verbose: bool = False) -> str:
    """Write down what a recording shows.

    Args:
        recording: Any.
        verbose: Whether every connection gets its lines.
    """
    from pytest_keepalive._explanation import MOST_EXPLAINED, findings_of
    from pytest_keepalive._reports._evidence import evidence_of

    with paused_collector():
        text = evidence_of(recording, findings_of(recording), verbose)
    if recording.count > MOST_EXPLAINED:
        text += f"\n(only the first {MOST_EXPLAINED} connections were explained)"
    return text


def _judge_default(
    recording: Recording, promised: Iterable[Limit], at_most: int
) -> tuple[Violation, ...]:
    bounded = [limit.to for limit in promised if _bounds_connections(limit)]
    if None in bounded:
        return ()
    rest = recording.without(parse_destination(pattern) for pattern in bounded)
    return judge(rest, Limit(at_most=at_most, per_origin=True)) if rest.connections else ()


def _bounds_connections(limit: Limit) -> bool:
    bounds = (limit.exactly, limit.at_most, limit.opened_at_most)
    return any(bound is not None for bound in bounds)


def _silence() -> tuple[str, ...]:
    from pytest_keepalive._instruments import instruments
    from pytest_keepalive._surroundings import reasons_for_silence
    from pytest_keepalive._watch._witness import native_clients

    if instruments.unpatched:
        return ("with --keepalive-off only the transports of connection_counter are seen",)
    return reasons_for_silence(sys.modules, native_clients())
