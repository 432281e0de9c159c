"""Runs to report: each as a process would hand them over, with text that tries to break out."""

from __future__ import annotations

from dataclasses import replace

from pytest_keepalive._account import account_of
from pytest_keepalive._connection import Connection
from pytest_keepalive._events import Side
from pytest_keepalive._limits import Limit
from pytest_keepalive._origin import Origin
from pytest_keepalive._recording import Recording
from pytest_keepalive._reports._json import pack
from pytest_keepalive._summary import Place, RunSummary, TestSummary
from pytest_keepalive._verdict import violations_of

from ..facts import connection, exchange, opened, recording

EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\x1b[31m`|%0A::error::"
API = Origin("https", "api.example.com", 443)
WASTEFUL, THRIFTY, HOSTILE, SILENT = (
    "test_wasteful",
    "test_thrifty",
    f"test_hostile[{EVIL}]",
    "test_no",
)


class ReportedRun:
    """A run, as whoever collects it holds it."""

    def __init__(self) -> None:
        self.summary = RunSummary()
        self.details: dict[str, str] = {}

    def add(self, node: str, seen: Recording, *limits: Limit) -> None:
        violations = violations_of(seen, limits)
        account = account_of(node, seen, violations, Place("tests/test_api.py", 9), True, True)
        summary = TestSummary.from_dict(account["summary"])
        outcome = "failed" if violations else "passed"
        self.summary.add(node, replace(summary, outcome=outcome))
        if "details" in account:
            self.details[node] = pack(account["details"])


def small_run() -> ReportedRun:
    run = ReportedRun()
    run.add(WASTEFUL, recording(*map(_made_for_a_call, range(4))), Limit(exactly=1))
    run.add(THRIFTY, recording(connection(0, 10, origin=API), ended_at=12.0))
    hostile = [exchange(url=f"http://127.0.0.1:8080/{EVIL}", error=EVIL)]
    run.add(HOSTILE, recording(connection(0, hostile, client=EVIL, close_reason=EVIL)))
    run.add(SILENT, recording())
    return run


def large_run() -> ReportedRun:
    """Make a run of 10,000 tests with 100,000 connections."""
    one = ReportedRun()
    one.add("test", opened(10))
    large = ReportedRun()
    for number in range(10_000):
        large.summary.add(f"test_{number}", one.summary.tests["test"])
        large.details[f"test_{number}"] = one.details["test"]
    return large


def _made_for_a_call(index: int) -> Connection:
    """Make a connection that its client closes before the next one opens."""
    times = {"connect_seconds": 0.25, "handshake_seconds": 0.5, "closed_at": index + 0.2}
    return connection(index, 2, closed_by=Side.CLIENT, **times)
