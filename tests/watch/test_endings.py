from __future__ import annotations

import pytest

from pytest_keepalive._events import Outcome
from pytest_keepalive._watch._endings import verdict_on_missing, verdict_on_wiped
from pytest_keepalive._watch._witness import Endings

BEFORE = Endings(attempts_failed=10, connections_reset=20)


def after(failed: int, reset: int) -> Endings:
    return Endings(10 + failed, 20 + reset)


@pytest.mark.parametrize(
    ("failed", "reset", "wiped", "verdict"),
    [
        (2, 0, 2, Outcome.FAILED),
        (0, 0, 1, Outcome.FAILED),  # nothing was sent, so nothing could fail
        (0, 2, 2, Outcome.ESTABLISHED),
        (2, 1, 2, Outcome.FAILED),
        (1, 1, 2, None),
    ],
)
def test_obituaries_without_ends(
    failed: int, reset: int, wiped: int, verdict: Outcome | None
) -> None:
    assert verdict_on_wiped(BEFORE, after(failed, reset), wiped) is verdict


@pytest.mark.parametrize(
    ("failed", "reset", "missing", "verdict"),
    [
        (0, 0, 5, Outcome.ESTABLISHED),
        (0, 3, None, Outcome.ESTABLISHED),
        (1, 0, 1, Outcome.FAILED),
        (1, 0, 2, None),
        (1, 1, 1, None),
        (1, 0, None, None),
    ],
)
def test_sockets_of_which_nothing_is_found(
    failed: int, reset: int, missing: int | None, verdict: Outcome | None
) -> None:
    assert verdict_on_missing(BEFORE, after(failed, reset), missing) is verdict


def test_without_counts_nothing_is_decided() -> None:
    assert verdict_on_wiped(None, BEFORE, 1) is None
    assert verdict_on_missing(BEFORE, None, 1) is None
