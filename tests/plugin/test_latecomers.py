"""Runs in which no collected test uses us, and one does so yet when its fixtures are there."""

from __future__ import annotations

import pytest

from .conftest import Run

FIXTURES = """
@pytest.fixture
def marked(request):
    request.applymarker(pytest.mark.single_connection)

@pytest.fixture
def wrongly_marked(request):
    request.node.add_marker(pytest.mark.connections(at_most=-1))

@pytest.fixture(scope="class")
def marked_class(request):
    request.node.add_marker(pytest.mark.connections(at_most=1))
"""


def test_a_marker_that_a_fixture_adds_is_held(suite: Run) -> None:
    result = suite(
        FIXTURES
        + """
def test_one(marked, keepalive_server):
    get(keepalive_server, times=3)

def test_two(marked, keepalive_server):
    get(keepalive_server)
    get(keepalive_server)

class TestMarked:
    def test_two_in_a_class(self, marked_class, keepalive_server):
        get(keepalive_server)
        get(keepalive_server)

    def test_one_in_a_class(self, keepalive_server):
        get(keepalive_server)

    def test_two_again(self, keepalive_server):
        get(keepalive_server)
        get(keepalive_server)

def test_unmarked(keepalive_server):
    get(keepalive_server)
    get(keepalive_server)
"""
    )
    result.assert_outcomes(passed=3, failed=3)
    result.stdout.fnmatch_lines(
        [
            "*_ test_two _*",
            "opened 2 connections to http://127.0.0.1:*, limit is 1",
            "*Captured keepalive call*",
            "    × 1, same line",
            "VIOLATION test_suite.py::test_two - opened 2 connections to *",
        ]
    )


def test_a_fixture_that_adds_a_wrong_marker_is_a_clear_error(suite: Run) -> None:
    result = suite(
        FIXTURES
        + """
def test_wrong(wrongly_marked):
    raise AssertionError("it runs")

def test_next(marked, keepalive_server):
    get(keepalive_server)
"""
    )
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(
        [
            "*_ ERROR at setup of test_wrong _*",
            "test_suite.py::test_wrong: @pytest.mark.connections: at_most must be a *",
        ]
    )
    result.stdout.no_fnmatch_line("*INTERNALERROR*")
    result.stdout.no_fnmatch_line("*it runs*")


def test_a_marker_that_comes_when_nothing_is_measured_does_not_pass(suite: Run) -> None:
    result = suite(
        """
        def test_too_late(request, keepalive_server):
            get(keepalive_server)
            request.node.add_marker(pytest.mark.single_connection)
        """
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["a marker of pytest-keepalive was added while this test ran, *"])


def test_nothing_is_held_when_the_plugin_is_off(suite: Run) -> None:
    result = suite(
        FIXTURES
        + """
def test_none(marked):
    pass

def test_wrong(wrongly_marked):
    pass
""",
        "--keepalive-off",
    )
    result.assert_outcomes(passed=2)


def test_a_fixture_that_fails_keeps_its_own_error(suite: Run) -> None:
    result = suite(
        """
        @pytest.fixture
        def broken(request):
            request.applymarker(pytest.mark.single_connection)
            raise ZeroDivisionError("mine")

        def test_broken(broken):
            pass
        """
    )
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["E *ZeroDivisionError: mine"])
    result.stdout.no_fnmatch_line("*keep-alive*")


def test_nothing_is_patched_before_the_first_marker(suite: Run) -> None:
    result = suite(
        FIXTURES
        + """
def patched():
    return hasattr(http.client.HTTPConnection.endheaders, "__wrapped__")

def test_before():
    assert not patched()

def test_marked(marked, keepalive_server):
    assert patched()
    get(keepalive_server)
"""
    )
    result.assert_outcomes(passed=2)


def test_a_worker_holds_a_marker_that_a_fixture_adds(suite: Run) -> None:
    pytest.importorskip("xdist")
    result = suite(
        FIXTURES
        + """
def test_one(marked, keepalive_server):
    get(keepalive_server)

def test_two(marked, keepalive_server):
    get(keepalive_server)
    get(keepalive_server)
""",
        "-n1",
        plugins=("xdist",),
    )
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        ["opened 2 connections to *, limit is 1", "2 tests used 3 connections for 3 exchanges, *"]
    )


# The counter, asked for by its name


def test_a_counter_that_nobody_announced_shows_its_evidence(suite: Run) -> None:
    result = suite(
        """
        def test_counted(request, keepalive_server):
            counter = request.getfixturevalue("connection_counter")
            get(keepalive_server)
            get(keepalive_server)
            assert counter.count == 1
        """
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["E *assert 2 == 1", "*Captured keepalive call*", "2 connections; 2 exchanges, *"]
    )
