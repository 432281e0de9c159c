"""What is said of a test to whoever collects the run: plain data, with words where asked for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from pytest_keepalive._collector import paused_collector
from pytest_keepalive._limits import Violation
from pytest_keepalive._recording import Recording
from pytest_keepalive._summary import Place, TestSummary, broken_of, figures_of, waste_of


def account_of(
    test: str,
    recording: Recording,
    violations: Iterable[Violation],
    place: Place,
    explain: bool,
    details: bool,
) -> dict[str, Any]:
    """Give an account of one run of a test.

    Args:
        test: Its id.
        recording: What was seen.
        violations: The promises that it broke.
        place: Of the test.
        explain: Whether avoidable connections are told apart.
        details: Whether each connection is told.
    """
    from pytest_keepalive._explanation import findings_of

    broken = tuple(violations)
    with paused_collector():
        told = explain or broken
        findings = tuple(findings_of(recording)) if told else ()
        summary = TestSummary(
            test,
            figures_of(recording),
            waste_of(findings),
            broken_of(broken, findings, place),
            recording.exact,
            causes=Counter(str(each.cause) for each in findings),
        )
        account: dict[str, Any] = {"summary": summary.as_dict()}
        if details and (recording.connections or recording.attempts or not recording.exact):
            from pytest_keepalive._reports._details import details_of

            account["details"] = details_of(recording, findings)
    return account
