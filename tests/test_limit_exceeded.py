"""The failure, which carries the violations and the evidence."""

from __future__ import annotations

import pickle

from pytest_keepalive import ConnectionLimitExceeded, Limit
from pytest_keepalive._limits import judge
from tests.facts import opened


def failure(evidence: str = "") -> ConnectionLimitExceeded:
    return ConnectionLimitExceeded(judge(opened(3), Limit(exactly=1, requests=1)), evidence)


def test_the_failure_is_an_assertion_error_that_reads_as_its_sentences() -> None:
    assert isinstance(failure(), AssertionError)
    assert str(failure()).splitlines() == [
        "opened 3 connections to http://127.0.0.1:8080, limit is 1",
        "made 3 requests to http://127.0.0.1:8080, expected exactly 1",
    ]


def test_the_failure_carries_its_evidence_below() -> None:
    assert str(failure("the table")).endswith("expected exactly 1\n\nthe table")


def test_the_failure_survives_pickling() -> None:
    error = ConnectionLimitExceeded(failure().violations, "the table", by_marker=True)
    twin = pickle.loads(pickle.dumps(error))
    assert str(twin) == str(error)
    assert (twin.violations, twin.evidence, twin.by_marker) == (
        error.violations,
        "the table",
        True,
    )
