from __future__ import annotations

import pytest

from pytest_keepalive._blind_spots import BlindSpot
from pytest_keepalive._call_site import CallSite
from pytest_keepalive._origin import Origin
from pytest_keepalive._reports._terminal import summary_lines, totals_lines
from pytest_keepalive._summary import RunSummary

from ..facts import connection, opened, recording
from .runs import ReportedRun, small_run


def test_the_summary_tells_totals_cost_and_the_worst_lines() -> None:
    text = "\n".join(summary_lines(small_run().summary, 100))
    assert "3 tests used 6 connections for 19 exchanges, 13 (68 %) of them reused one" in text
    assert "1 test breaks a limit" in text
    assert "3 connections avoidable, 2250.0 ms in handshakes" in text
    assert "at tests/test_api.py:41" in text
    assert "https://api.example.com  1 connection, 10 exchanges, 9 reused" in text


def test_what_has_no_proof_is_listed_and_not_called_avoidable() -> None:
    run = ReportedRun()
    run.add("a", opened(3))
    text = "\n".join(summary_lines(run.summary, 100))
    assert "no connection is known to be avoidable" in text
    assert "2 × unknown at tests/test_api.py:41" in text
    assert run.summary.tests["a"].avoidable == 0


def test_no_text_can_move_the_cursor() -> None:
    run = ReportedRun()
    run.add("a", opened(2, call_site=CallSite("\x1b[2J.py", 1, "f")))
    assert not any("\x1b" in line for line in summary_lines(run.summary, 80))


@pytest.mark.parametrize("width", [1, 20, 40, 80])
def test_it_can_be_told_in_a_window_of_any_width(width: int) -> None:
    text = "\n".join(summary_lines(small_run().summary, width))
    assert "https://api.example.com  1 connection, 10 exchanges, 9 reused" in text
    assert "1 test breaks a limit" in text


def test_a_run_without_connections_says_so() -> None:
    text = "\n".join(summary_lines(RunSummary(), 80))
    assert text == "no test used a connection"


def test_what_was_not_seen_makes_every_figure_a_least() -> None:
    run = ReportedRun()
    run.add("a", recording(connection(), blind_spots=(BlindSpot(2, ("pycurl",)),)))
    text = " ".join(" ".join(totals_lines(run.summary, 80)).split())
    assert "in 1 test connections were opened that no observer saw" in text
    assert "all figures are at least" in text


def test_long_lists_are_cut() -> None:
    run = ReportedRun()
    for number in range(30):
        origin = Origin("http", f"host{number}", 80)
        site = CallSite("a.py", number + 1, "f")
        run.add(f"test_{number}", opened(2, origin=origin, call_site=site))
    lines = list(summary_lines(run.summary, 80))
    assert len(lines) < 25
    assert "  ... and 25 more lines" in lines
    assert "  ... and 20 more origins" in lines
