from __future__ import annotations

import pytest

from .conftest import Run


def test_markers_pass_and_fail_by_what_happened(suite: Run) -> None:
    result = suite(
        """
        @pytest.mark.single_connection
        def test_one(keepalive_server):
            get(keepalive_server, times=10)

        @pytest.mark.single_connection(requests=10, to="127.0.0.1")
        def test_ten_requests(keepalive_server):
            get(keepalive_server, times=10)

        @pytest.mark.connections(at_most=2, min_reuse=0.5, used_only=True, per_origin=True)
        def test_some(keepalive_server):
            get(keepalive_server, times=2)

        @pytest.mark.single_connection
        def test_too_many(keepalive_server):
            for _ in range(10):
                get(keepalive_server)

        @pytest.mark.single_connection(requests=9)
        def test_wrong_number(keepalive_server):
            get(keepalive_server, times=10)

        @pytest.mark.connections(min_reuse=0.6)
        def test_too_little_reuse(keepalive_server):
            get(keepalive_server, times=2)

        @pytest.mark.connections(opened_at_most=0)
        def test_opened(keepalive_server):
            get(keepalive_server)
        """
    )
    result.assert_outcomes(passed=3, failed=4)
    result.stdout.fnmatch_lines(
        [
            "*_ test_too_many _*",
            "opened 10 connections to http://127.0.0.1:*, limit is 1",
            "*Captured keepalive call*",
            "10 connections; 10 exchanges, 0 of them reused a connection",
            "#0  127.0.0.1:*  http.client  clients.py:10 *1 exchange *client closed",
            "    × 9, same line",
            "*_ test_wrong_number _*",
            "made 10 requests to http://127.0.0.1:*, expected exactly 9",
            "*_ test_too_little_reuse _*",
            "reused connections for 1 of 2 exchanges (0.50) to *, min_reuse is 0.6",
            "*_ test_opened _*",
            "opened 1 connection to *, opened_at_most is 0",
        ]
    )
    # One sentence, and no traceback through the plugin.
    result.stdout.no_fnmatch_line("*_session.py*")
    result.stdout.no_fnmatch_line("*ConnectionLimitExceeded(*")


def test_a_very_verbose_run_unfolds_the_lines(suite: Run) -> None:
    result = suite(
        """
        @pytest.mark.single_connection
        def test_too_many(keepalive_server):
            for _ in range(3):
                get(keepalive_server)
        """,
        "-vv",
    )
    result.stdout.fnmatch_lines(["#0 *", "* 0: GET http://*/ 200, at *", "#1 *", "* 0: *", "#2 *"])
    result.stdout.no_fnmatch_line("*same line*")


def test_the_evidence_fits_80_columns(suite: Run) -> None:
    result = suite(
        """
        def make_requests_with_a_rather_long_name_of_its_own(server):
            get(server, "/a/rather/long/path/of/some/resource?with=a&query=too")

        @pytest.mark.single_connection
        def test_too_many(keepalive_server):
            for _ in range(3):
                make_requests_with_a_rather_long_name_of_its_own(keepalive_server)
        """
    )
    lines = result.stdout.lines
    begin = next(n for n, line in enumerate(lines) if "Captured keepalive call" in line)
    end = next(n for n, line in enumerate(lines) if "short test summary" in line)
    assert end - begin > 3
    assert [line for line in lines[begin:end] if len(line) > 80] == []


def test_the_sentence_is_the_message_of_the_summary_and_stands_at_the_test(suite: Run) -> None:
    result = suite(
        """
        @pytest.mark.single_connection
        def test_too_many(keepalive_server):
            get(keepalive_server)
            get(keepalive_server)
        """,
        "--tb=line",
    )
    result.stdout.fnmatch_lines(["*test_suite.py:3: *opened 2 connections to http://*"])


def test_the_summary_has_the_sentence_and_not_the_name_of_a_class(suite: Run) -> None:
    result = suite(
        """
        @pytest.mark.single_connection
        def test_two(keepalive_server):
            get(keepalive_server)
            get(keepalive_server)
        """
    )
    result.stdout.fnmatch_lines(["VIOLATION test_suite.py::test_two - opened 2 connections to *"])


def test_markers_are_inherited_and_the_closest_wins_key_by_key(suite: Run) -> None:
    result = suite(
        """
        pytestmark = pytest.mark.connections(at_most=2)

        def test_of_the_module(keepalive_server):
            for _ in range(3):
                get(keepalive_server)

        @pytest.mark.connections(at_most=3)
        class TestClass:
            def test_of_the_class(self, keepalive_server):
                for _ in range(3):
                    get(keepalive_server)

            @pytest.mark.connections(requests=4)
            def test_of_its_own(self, keepalive_server):
                for _ in range(4):
                    get(keepalive_server)

            @pytest.mark.connections(at_most=None)
            def test_lifted(self, keepalive_server):
                for _ in range(5):
                    get(keepalive_server)

            @pytest.mark.connections(at_most=1, to="elsewhere.example.com")
            @pytest.mark.connections(at_most=9)
            def test_of_another_destination(self, keepalive_server):
                for _ in range(3):
                    get(keepalive_server)
        """
    )
    result.assert_outcomes(passed=2, failed=3)
    result.stdout.fnmatch_lines(
        [
            "opened 3 connections to *, limit is 2",
            "opened 4 connections to *, limit is 3",
            "nothing was measured: no connection to elsewhere.example.com was seen, *",
        ]
    )


def test_parametrized_tests_have_markers_of_their_own(suite: Run) -> None:
    result = suite(
        """
        @pytest.mark.parametrize(
            "times",
            [
                pytest.param(1, marks=pytest.mark.single_connection),
                pytest.param(2, marks=pytest.mark.single_connection),
                pytest.param(2, marks=pytest.mark.connections(exactly=2)),
                2,
            ],
        )
        def test_times(keepalive_server, times):
            for _ in range(times):
                get(keepalive_server)
        """
    )
    result.assert_outcomes(passed=3, failed=1)
    result.stdout.fnmatch_lines(["*_ test_times[[]2_0] _*"])


def test_markers_that_a_plugin_adds_are_held(suite: Run, pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        marking="""
        import pytest

        def pytest_collection_modifyitems(items):
            for item in items:
                item.add_marker(pytest.mark.single_connection)
        """
    )
    pytester.syspathinsert()
    result = suite(
        """
        def test_two(keepalive_server):
            get(keepalive_server)
            get(keepalive_server)
        """,
        plugins=("marking",),
    )
    result.assert_outcomes(failed=1)


def test_a_marker_that_is_added_while_the_test_runs_is_held(suite: Run) -> None:
    result = suite(
        """
        def test_two(keepalive_server, request, connection_counter):
            request.node.add_marker(pytest.mark.single_connection)
            get(keepalive_server)
            get(keepalive_server)

        def test_wrong(keepalive_server, request, connection_counter):
            request.node.add_marker(pytest.mark.connections(to=["a list"]))
        """
    )
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(
        [
            "opened 2 connections to *, limit is 1",
            "test_suite.py::test_wrong: @pytest.mark.connections: to: * is no host, URL or glob*",
        ]
    )


def test_unittest_classes_are_held(suite: Run) -> None:
    result = suite(
        """
        import unittest

        @pytest.mark.single_connection
        class TestOld(unittest.TestCase):
            @pytest.fixture(autouse=True)
            def _server(self, keepalive_server):
                self.server = keepalive_server

            def test_one(self):
                get(self.server)

            def test_two(self):
                get(self.server)
                get(self.server)

            def test_its_own_error(self):
                get(self.server)
                get(self.server)
                self.assertEqual(1, 2)

            def test_skipped(self):
                self.skipTest("not today")

            @unittest.expectedFailure
            def test_expected(self):
                get(self.server)
                self.fail("as expected")
        """
    )
    result.assert_outcomes(passed=1, failed=2, skipped=1, xfailed=1)
    # A test that failed by itself keeps its own error, and carries the evidence.
    result.stdout.fnmatch_lines(
        [
            "*_ TestOld.test_its_own_error _*",
            "*AssertionError: 1 != 2",
            "*Captured keepalive call*",
            "*_ TestOld.test_two _*",
            "opened 2 connections to *, limit is 1",
        ]
    )


# Bad arguments

WRONG = """
@pytest.mark.connections(at_most=-1)
def test_negative():
    pass

@pytest.mark.connections(requests=1.5)
def test_no_integer():
    pass

@pytest.mark.connections(min_reuse=2)
def test_no_part():
    pass

@pytest.mark.connections(to="no host")
def test_no_destination():
    pass

@pytest.mark.connections(atmost=1)
def test_unknown():
    pass

@pytest.mark.connections(1)
def test_without_keyword():
    pass

@pytest.mark.single_connection(exactly=2)
def test_implied():
    pass

@pytest.mark.connections(per_origin="yes")
class TestMany:
    def test_first(self):
        pass

    def test_second(self):
        pass
"""
COMPLAINTS = [
    "ERROR: test_suite.py::test_negative: @pytest.mark.connections: at_most must be a whole "
    "number, 0 or more, not -1",
    "test_suite.py::test_no_integer: @pytest.mark.connections: requests must be a whole number, *",
    "test_suite.py::test_no_part: @pytest.mark.connections: min_reuse must be a number *",
    "test_suite.py::test_no_destination: @pytest.mark.connections: to: 'no host' is no host, *",
    "test_suite.py::test_unknown: @pytest.mark.connections: unknown argument 'atmost'; known are *",
    "test_suite.py::test_without_keyword: @pytest.mark.connections: all arguments are keywords, "
    "but 1 came without one",
    "test_suite.py::test_implied: @pytest.mark.single_connection: exactly is what the marker *",
    "test_suite.py::TestMany::test_first: @pytest.mark.connections: per_origin must be True or *",
    "test_suite.py::TestMany::test_second: *",
]


def test_bad_arguments_are_a_usage_error_that_names_tests_and_arguments(suite: Run) -> None:
    result = suite(WRONG)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(COMPLAINTS)


def test_bad_arguments_are_complained_of_when_collecting_only(suite: Run) -> None:
    result = suite(WRONG, "--collect-only")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(COMPLAINTS[:1])


def test_bad_arguments_are_a_clear_error_in_workers_too(
    suite: Run, pytester: pytest.Pytester
) -> None:
    pytest.importorskip("xdist")
    result = suite(WRONG, "-n2", plugins=("xdist",))
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    output = result.stdout.lines + result.stderr.lines
    assert any(
        "test_negative: @pytest.mark.connections: at_most must be" in line for line in output
    )
    assert not any("INTERNALERROR" in line for line in output)


def test_the_markers_are_documented(suite: Run) -> None:
    result = suite("", "--markers")
    result.stdout.fnmatch_lines(
        [
            "@pytest.mark.single_connection(requests=None, to=None): *",
            "@pytest.mark.connections(exactly=None, at_most=None, opened_at_most=None, *",
        ]
    )
