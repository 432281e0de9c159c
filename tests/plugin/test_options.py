from __future__ import annotations

import pytest

from .conftest import Run

TWO = """
@pytest.mark.single_connection
def test_marked(keepalive_server):
    get(keepalive_server)
    get(keepalive_server)

def test_unmarked(keepalive_server):
    get(keepalive_server)
    get(keepalive_server)
"""


# off


@pytest.mark.parametrize(
    ("options", "ini"),
    [(("--keepalive-off",), ""), ((), "keepalive_off = true")],
    ids=["cli", "ini"],
)
def test_off_holds_no_test_to_its_markers(suite: Run, options: tuple[str, ...], ini: str) -> None:
    result = suite(
        TWO
        + """
def test_nothing_is_patched():
    assert not hasattr(http.client.HTTPConnection.endheaders, "__wrapped__")
""",
        *options,
        ini=ini,
    )
    result.assert_outcomes(passed=3)


def test_off_still_checks_the_markers(suite: Run) -> None:
    result = suite("@pytest.mark.connections(atmost=1)\ndef test(): pass", "--keepalive-off")
    assert result.ret == pytest.ExitCode.USAGE_ERROR


# at_most_per_origin


@pytest.mark.parametrize(
    ("options", "ini"),
    [(("--keepalive-at-most-per-origin=1",), ""), ((), "keepalive_at_most_per_origin = 1")],
    ids=["cli", "ini"],
)
def test_the_default_of_the_run_holds_every_test(
    suite: Run, options: tuple[str, ...], ini: str
) -> None:
    result = suite(
        """
        def test_two(keepalive_server):
            get(keepalive_server)
            get(keepalive_server)

        def test_one(keepalive_server):
            get(keepalive_server, times=2)

        def test_each_origin(make_keepalive_server):
            get(make_keepalive_server())
            get(make_keepalive_server())

        def test_none():
            pass

        @pytest.mark.connections(at_most=2)
        def test_with_a_marker(keepalive_server):
            get(keepalive_server)
            get(keepalive_server)
        """,
        *options,
        ini=ini,
    )
    result.assert_outcomes(passed=4, failed=1)
    result.stdout.fnmatch_lines(["opened 2 connections to *, limit is 1"])


def test_the_command_line_beats_the_ini_file(suite: Run) -> None:
    result = suite(
        TWO,
        "--keepalive-at-most-per-origin=2",
        "-k",
        "unmarked",
        ini="keepalive_at_most_per_origin = 1",
    )
    result.assert_outcomes(passed=1, deselected=1)


@pytest.mark.parametrize("value", ["-1", "one", "1.5", "٣"])
def test_a_number_that_is_none_is_a_usage_error(suite: Run, value: str) -> None:
    result = suite(TWO, f"--keepalive-at-most-per-origin={value}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        [f"ERROR: keepalive_at_most_per_origin: '{value}' is not a whole number, 0 or more"]
    )


@pytest.mark.parametrize("value", ["-1", "one", "1.5"])
def test_so_is_one_of_the_ini_file(suite: Run, value: str) -> None:
    result = suite(TWO, ini=f"keepalive_at_most_per_origin = {value}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: keepalive_at_most_per_origin: *'{value}'*"])


@pytest.mark.parametrize(
    ("table", "value"),
    [
        ("tool.pytest.ini_options", "1"),
        ("tool.pytest.ini_options", '"1"'),
        pytest.param(
            "tool.pytest",
            "1",
            marks=pytest.mark.skipif(pytest.version_tuple < (9,), reason="pytest 9 reads it"),
        ),
    ],
)
def test_a_number_may_stand_in_toml(
    suite: Run, pytester: pytest.Pytester, table: str, value: str
) -> None:
    path = pytester.makepyprojecttoml(f"[{table}]\nkeepalive_at_most_per_origin = {value}\n")
    result = suite(TWO, f"--config-file={path}", "-k", "unmarked")
    result.assert_outcomes(failed=1, deselected=1)


# ignore


def test_ignored_destinations_never_count(suite: Run) -> None:
    result = suite(
        """
        @pytest.mark.connections(exactly=0)
        def test_ignored(keepalive_server):
            get(keepalive_server)

        @pytest.mark.single_connection
        def test_nothing_else(keepalive_server):
            get(keepalive_server)
        """,
        ini="""
        keepalive_ignore =
            metadata.internal

            127.0.0.*
        """,
    )
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["nothing was measured: no connection was seen*"])


def test_an_ignored_destination_that_is_none_is_a_usage_error(suite: Run) -> None:
    result = suite(TWO, ini="keepalive_ignore = no host")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: keepalive_ignore: 'no host' is no host, URL or glob"])


# strict

BLIND = """
import subprocess
import sys

CONNECT = "import socket, sys; socket.create_connection(('127.0.0.1', int(sys.argv[1]))).close()"

@pytest.mark.single_connection
def test_blind(keepalive_server):
    get(keepalive_server)
    port = str(keepalive_server.port)
    subprocess.run([sys.executable, "-c", CONNECT, port], check=True)

@pytest.mark.single_connection
def test_exact(keepalive_server):
    get(keepalive_server)
"""


@pytest.mark.skipif("sys.platform != 'linux'", reason="only Linux counts")
@pytest.mark.parametrize(
    ("options", "ini", "failed"),
    [((), "", 0), (("--keepalive-strict",), "", 1), ((), "keepalive_strict = true", 1)],
    ids=["default", "cli", "ini"],
)
def test_strict_fails_tests_in_which_connections_escaped(
    suite: Run, options: tuple[str, ...], ini: str, failed: int
) -> None:
    result = suite(BLIND, *options, ini=ini)
    result.assert_outcomes(passed=2 - failed, failed=failed)
    if failed:
        result.stdout.fnmatch_lines(["*opened that no observer saw (a child process); run with *"])


@pytest.mark.parametrize("name", ["off", "strict"])
def test_a_switch_that_is_none_is_a_usage_error(suite: Run, name: str) -> None:
    result = suite(TWO, ini=f"keepalive_{name} = perhaps")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    output = "\n".join(result.stderr.lines + result.stdout.lines)
    assert f"keepalive_{name}" in output
    assert "perhaps" in output


def test_the_options_are_documented(suite: Run) -> None:
    result = suite("", "--help")
    result.stdout.fnmatch_lines(
        [
            "connections and their reuse:",
            "*--keepalive-off *",
            "*--keepalive-strict *",
            "*--keepalive-at-most-per-origin=N*",
            "*keepalive_off (bool):*",
            "*keepalive_strict (bool):*",
            "*keepalive_at_most_per_origin (*):*",
            "*keepalive_ignore (linelist):*",
        ]
    )
