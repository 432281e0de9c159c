from __future__ import annotations

import sys
from xml.etree import ElementTree

import pytest

from .conftest import Run


def test_a_broken_limit_is_an_ordinary_failure_to_xfail(suite: Run) -> None:
    result = suite(
        """
        from pytest_keepalive import ConnectionLimitExceeded

        @pytest.mark.xfail(strict=True, raises=ConnectionLimitExceeded)
        @pytest.mark.single_connection
        def test_expected(keepalive_server):
            get(keepalive_server)
            get(keepalive_server)

        @pytest.mark.xfail(strict=True)
        @pytest.mark.single_connection
        def test_unexpectedly_kept(keepalive_server):
            get(keepalive_server)

        @pytest.mark.xfail(raises=ZeroDivisionError)
        @pytest.mark.single_connection
        def test_another_error(keepalive_server):
            get(keepalive_server)
            get(keepalive_server)
        """
    )
    result.assert_outcomes(xfailed=1, failed=2)
    result.stdout.fnmatch_lines(["*XPASS(strict)*"])


def test_a_test_that_skips_itself_is_held_to_nothing(suite: Run) -> None:
    result = suite(
        """
        @pytest.mark.single_connection
        def test_skips():
            pytest.skip("not today")

        @pytest.mark.single_connection
        def test_expects_to_fail():
            pytest.xfail("not yet")

        @pytest.mark.skip
        @pytest.mark.single_connection
        def test_is_skipped():
            pass
        """
    )
    result.assert_outcomes(skipped=2, xfailed=1)


def test_a_test_that_fails_by_itself_keeps_its_error_and_gets_the_evidence(suite: Run) -> None:
    result = suite(
        """
        @pytest.mark.single_connection
        def test_asserts(keepalive_server):
            get(keepalive_server)
            get(keepalive_server)
            assert 1 == 2

        @pytest.mark.single_connection
        def test_is_told_to(keepalive_server):
            get(keepalive_server)
            pytest.fail("told to")

        def test_has_no_marker(keepalive_server):
            get(keepalive_server)
            assert 1 == 2
        """
    )
    result.assert_outcomes(failed=3)
    result.stdout.fnmatch_lines(
        [
            "*_ test_asserts _*",
            "E *assert 1 == 2",
            "*Captured keepalive call*",
            "2 connections; 2 exchanges, *",
            "*_ test_is_told_to _*",
            "E *Failed: told to",
            "*Captured keepalive call*",
            "1 connection; 1 exchange, *",
            "*_ test_has_no_marker _*",
        ]
    )
    assert sum("Captured keepalive call" in line for line in result.stdout.lines) == 2
    result.stdout.no_fnmatch_line("*limit is 1*")


def test_a_test_that_fails_while_it_is_set_up_is_not_measured(suite: Run) -> None:
    result = suite(
        """
        @pytest.fixture
        def broken():
            1 / 0

        @pytest.mark.single_connection
        def test_never_ran(broken):
            pass
        """
    )
    result.assert_outcomes(errors=1)
    result.stdout.no_fnmatch_line("*nothing was measured*")


def test_reruns_hold_the_test_each_time(suite: Run) -> None:
    pytest.importorskip("pytest_rerunfailures")
    result = suite(
        """
        runs = []

        @pytest.mark.single_connection
        def test_second_time(keepalive_server):
            runs.append(1)
            for _ in range(3 - len(runs)):
                get(keepalive_server)

        @pytest.mark.single_connection
        def test_never(keepalive_server):
            get(keepalive_server)
            get(keepalive_server)
        """,
        "--reruns=2",
        plugins=("pytest_rerunfailures",),
    )
    outcomes = result.parseoutcomes()
    assert (outcomes["passed"], outcomes["failed"], outcomes["rerun"]) == (1, 1, 3)


def test_junit_shows_an_ordinary_failure(suite: Run, pytester: pytest.Pytester) -> None:
    suite(
        """
        @pytest.mark.single_connection
        def test_too_many(keepalive_server):
            get(keepalive_server)
            get(keepalive_server)
        """,
        "--junit-xml=junit.xml",
    )
    case = ElementTree.parse(pytester.path / "junit.xml").getroot().find(".//testcase")
    assert case is not None
    failure = case.find("failure")
    assert failure is not None
    assert failure.get("message", "").endswith(", limit is 1")
    assert "opened 2 connections to http://127.0.0.1:" in failure.get("message", "")


def test_workers_report_ordinary_failures(suite: Run) -> None:
    pytest.importorskip("xdist")
    result = suite(
        """
        @pytest.mark.single_connection
        def test_kept(keepalive_server):
            get(keepalive_server)

        @pytest.mark.single_connection
        def test_too_many(keepalive_server):
            get(keepalive_server)
            get(keepalive_server)

        @pytest.mark.connections(left_open_at_most=0)
        def test_leaks(keepalive_server):
            leak(keepalive_server)

        def test_counted(keepalive_server, connection_counter):
            get(keepalive_server)
            connection_counter.assert_single(requests=2)
        """,
        "-n2",
        plugins=("xdist",),
    )
    result.assert_outcomes(passed=2, failed=2, errors=1)
    result.stdout.fnmatch_lines_random(
        [
            "opened 2 connections to http://127.0.0.1:*, limit is 1",
            "left 1 connection to http://127.0.0.1:* open, limit is 0",
            "E *made 1 request to http://127.0.0.1:*, expected exactly 2",
        ]
    )
    result.stdout.no_fnmatch_line("*INTERNALERROR*")


# The plugin leaves the run alone.


def test_a_run_that_is_interrupted_puts_everything_back(suite: Run) -> None:
    from pytest_keepalive._instruments import instruments

    with pytest.raises(KeyboardInterrupt):
        suite(
            """
            @pytest.mark.single_connection
            def test_interrupted(keepalive_server):
                raise KeyboardInterrupt
            """
        )
    assert not instruments.installed


def test_a_doctest_is_left_alone(suite: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(documented='"""\n>>> 1 + 1\n2\n"""')
    result = suite(
        """
        @pytest.mark.single_connection
        def test_one(keepalive_server):
            get(keepalive_server)
        """,
        "--doctest-modules",
    )
    result.assert_outcomes(passed=2)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="needs the traceback of 3.11")
def test_the_traceback_of_an_assertion_in_the_test_ends_in_the_test(suite: Run) -> None:
    result = suite(
        """
        def test_counted(keepalive_server, connection_counter):
            get(keepalive_server)
            get(keepalive_server)
            connection_counter.assert_single()
        """
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            ">       connection_counter.assert_single()",
            "E *opened 2 connections to http://127.0.0.1:*, limit is 1",
            "test_suite.py:6: *",
            "*Captured keepalive call*",
        ]
    )
    result.stdout.no_fnmatch_line("*_view.py*")
    result.stdout.no_fnmatch_line("*_verdict.py*")
