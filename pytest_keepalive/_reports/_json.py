"""The JSON report: everything that was seen, as ``keepalive.schema.json`` describes it.

Rules
1. A process writes down the details of its tests itself, packed, and hands on a text: whoever
   collects the tests of a run never holds their connections as objects.
2. Times are seconds since the test's window began, rounded to microseconds.
3. What is written is ASCII without ``<``, ``>`` and ``&``: it can stand in a page as it is.
"""

from __future__ import annotations

import json
import zlib
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from pytest_keepalive._summary import Figures, RunSummary, TestSummary

if TYPE_CHECKING:
    from pytest_keepalive._connection import Connection, Exchange
    from pytest_keepalive._diagnosis import Finding
    from pytest_keepalive._events import Attempted
    from pytest_keepalive._recording import Recording

SCHEMA_VERSION = 1
SCHEMA = "keepalive.schema.json"
_UNSAFE = {ord(char): f"\\u{ord(char):04x}" for char in "<>&"}
# A level that packs what repeats, and hardly costs anything.
_LEVEL = 1
_ENCODER = json.JSONEncoder(separators=(",", ":"))


def dumps(data: Any) -> str:
    """Write plain data as JSON (rule 3)."""
    return _ENCODER.encode(data).translate(_UNSAFE)


def pack(details: Mapping[str, Any]) -> str:
    """Write details down so that they travel (rule 1)."""
    return b64encode(zlib.compress(dumps(details).encode("ascii"), _LEVEL)).decode("ascii")


def unpack(packed: str) -> str:
    """Give the JSON text of what was packed."""
    return zlib.decompress(b64decode(packed)).decode("ascii")


def details_of(recording: Recording, findings: Iterable[Finding]) -> dict[str, Any]:
    """Give what a recording shows, as plain data.

    Args:
        recording: Of one test.
        findings: Of the same test.
    """
    start = recording.started_at
    return {
        "seconds": _since(start, recording.ended_at),
        "connections": [_connection(each, start) for each in recording.connections],
        "findings": [_finding(each) for each in findings],
        "blind_spots": [str(spot) for spot in recording.blind_spots],
        "doubts": list(recording.doubts),
        "notes": list(recording.notes),
        "left_out": recording.left_out,
        "failed_attempts": [_attempt(each, start) for each in failed_attempts(recording)],
        "unplaced": [_exchange(each.exchange, start) for each in recording.unplaced],
    }


def failed_attempts(recording: Recording) -> Iterator[Attempted]:
    """Give the connects that did not become connections."""
    from pytest_keepalive._events import Outcome

    return (each for each in recording.attempts if each.outcome is Outcome.FAILED)


def figures_as_dict(figures: Figures) -> dict[str, int]:
    """Give figures by their names."""
    return figures._asdict()


def test_head(node: str, summary: TestSummary) -> dict[str, Any]:
    """Give what a test did, without its connections."""
    return {
        "node": node,
        "test": summary.test,
        "outcome": summary.outcome,
        "exact": summary.exact,
        "avoidable": summary.avoidable,
        "total": figures_as_dict(summary.total),
        "origins": {origin: figures_as_dict(each) for origin, each in summary.origins.items()},
        "broken": [each._asdict() for each in summary.broken],
        "wasted": [each._asdict() for each in summary.wasted],
        "causes": dict(summary.causes),
    }


def run_head(summary: RunSummary, version: str) -> dict[str, Any]:
    """Give what a run did, without its tests."""
    return {
        "schema_version": SCHEMA_VERSION,
        "pytest_keepalive": version,
        "total": figures_as_dict(summary.total),
        "origins": {origin: figures_as_dict(each) for origin, each in summary.origins.items()},
        "wasted": [each._asdict() for each in summary.wasted],
    }


def json_report(summary: RunSummary, details: Mapping[str, str], version: str) -> Iterator[str]:
    """Write the report, in parts.

    Args:
        summary: Of the run.
        details: What ``pack`` gave for each test, by node id.
        version: Of this package.
    """
    yield f'{dumps(run_head(summary, version))[:-1]},"tests":['
    separator = "\n"
    for node, each in summary.tests.items():
        head = dumps(test_head(node, each))
        more = unpack(details[node])[1:-1] if node in details else ""
        yield f"{separator}{head[:-1]},{more}}}" if more else f"{separator}{head}"
        separator = ",\n"
    yield "\n]}\n"


def _connection(connection: Connection, start: float) -> dict[str, Any]:
    return {
        "index": connection.index,
        "origin": connection.origin,
        "local": _address(connection.local),
        "peer": _address(connection.peer),
        "client": connection.client,
        "call_site": connection.call_site,
        "state": str(connection.state),
        "opened_here": connection.opened_here,
        "exchanges_seen": connection.exchanges_seen,
        "opened_at": _since(start, connection.opened_at),
        "closed_at": _since(start, connection.closed_at),
        "closed_by": connection.closed_by and str(connection.closed_by),
        "close_reason": connection.close_reason,
        "connect_seconds": _rounded(connection.connect_seconds),
        "handshake_seconds": _rounded(connection.handshake_seconds),
        "observer": connection.observer,
        "exchanges": [_exchange(each, start) for each in connection.exchanges],
    }


def _exchange(exchange: Exchange, start: float) -> dict[str, Any]:
    return {
        "index": exchange.index,
        "method": exchange.method,
        "url": exchange.url,
        "status": exchange.status,
        "http_version": exchange.http_version,
        "reused": exchange.reused,
        "idle_before": _rounded(exchange.idle_before),
        "call_site": exchange.call_site,
        "started_at": _since(start, exchange.started_at),
        "head_at": _since(start, exchange.head_at),
        "ended_at": _since(start, exchange.ended_at),
        "ending": exchange.ending and str(exchange.ending),
        "error": exchange.error,
    }


def _attempt(attempt: Attempted, start: float) -> dict[str, Any]:
    return {
        "peer": _address(attempt.peer),
        "asked_for": attempt.asked_for,
        "error": attempt.error,
        "started_at": _since(start, attempt.started_at),
        "ended_at": _since(start, attempt.ended_at),
        "call_site": attempt.call_site,
    }


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "cause": str(finding.cause),
        "connection": finding.connection.index,
        "predecessor": finding.predecessor and finding.predecessor.index,
        "story": finding.story,
        "call_site": finding.call_site,
        "evidence": list(finding.evidence),
        "remedy": finding.remedy,
        "legitimate": finding.legitimate,
    }


def _address(address: tuple[str, int] | None) -> list[str | int] | None:
    return None if address is None else list(address)


def _since(start: float, time: float | None) -> float | None:
    return None if time is None else round(time - start, 6)


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 6)
