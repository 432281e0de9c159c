"""What a run that does not use the plugin has of it: nothing."""

from __future__ import annotations

import subprocess
import sys

import pytest

from .conftest import Run

# What other plugins may have imported is their affair: this is about us alone.
IMPORTS = """
import sys
import pytest
before = set(sys.modules)
import pytest_keepalive.plugin
unwanted = {
    "aiohttp", "asyncio", "botocore", "h11", "http.client", "httpcore", "httpx", "niquests",
    "psutil", "requests", "socket", "ssl", "urllib3", "urllib.request",
}
print(sorted(unwanted & (set(sys.modules) - before)))
"""


def test_importing_the_plugin_imports_no_client_and_nothing_heavy() -> None:
    done = subprocess.run(
        [sys.executable, "-c", IMPORTS], capture_output=True, text=True, timeout=60
    )
    assert done.stderr == ""
    assert done.stdout == "[]\n"


def test_a_run_that_does_not_use_us_has_nothing_patched(suite: Run) -> None:
    result = suite(
        """
        import socket
        import sys

        def test_unpatched(keepalive_server):
            assert not hasattr(socket.socket.connect, "__wrapped__")
            assert not hasattr(socket.getaddrinfo, "__wrapped__")
            assert not hasattr(http.client.HTTPConnection.endheaders, "__wrapped__")
            assert not any("keepalive" in repr(finder) for finder in sys.meta_path)
            get(keepalive_server)
        """
    )
    result.assert_outcomes(passed=1)


def test_a_run_in_which_one_test_uses_us_is_patched(suite: Run) -> None:
    result = suite(
        """
        import socket

        def test_patched():
            assert hasattr(socket.socket.connect, "__wrapped__")

        @pytest.mark.single_connection
        def test_marked(keepalive_server):
            get(keepalive_server)
        """
    )
    result.assert_outcomes(passed=2)


REWRITING = """
import pytest

pytest.register_assert_rewrite("pytest_keepalive._recorder", "pytest_keepalive._server", "others")
"""
LOADERS = """
import sys
import others
import pytest

def loader_of(name):
    return type(sys.modules[name].__loader__).__name__

def finders():
    return [finder for finder in sys.meta_path if "_own_modules" in repr(finder)]

@pytest.mark.usefixtures({fixture!r})
def test_loaders():
    assert loader_of("pytest_keepalive.{module}") == "SourceFileLoader"
    assert loader_of("others") == "AssertionRewritingHook"
    assert len(finders()) == {finders}
"""


@pytest.mark.parametrize(
    ("fixture", "module", "finders"),
    [("connection_counter", "_recorder", 1), ("make_keepalive_server", "_server", 0)],
)
def test_our_modules_are_imported_as_they_were_compiled(
    pytester: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
    fixture: str,
    module: str,
    finders: int,
) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makeconftest(REWRITING)
    pytester.makepyfile(LOADERS.format(fixture=fixture, module=module, finders=finders))
    pytester.makepyfile(others="")
    result = pytester.runpytest_subprocess("-p", "keepalive", "-W", "error")
    result.assert_outcomes(passed=1)


def test_nothing_is_left_behind_that_finds_our_modules(suite: Run) -> None:
    before = list(sys.meta_path)
    suite(
        """
        def test_used(connection_counter, keepalive_server):
            get(keepalive_server)
        """
    ).assert_outcomes(passed=1)
    assert sys.meta_path == before


def test_a_deselected_test_does_not_use_us(suite: Run) -> None:
    result = suite(
        """
        def test_unpatched():
            assert not hasattr(http.client.HTTPConnection.endheaders, "__wrapped__")

        @pytest.mark.single_connection
        def test_marked(keepalive_server):
            get(keepalive_server)
        """,
        "-k",
        "unpatched",
    )
    result.assert_outcomes(passed=1, deselected=1)


def test_collecting_only_measures_nothing(suite: Run) -> None:
    result = suite(
        """
        @pytest.mark.single_connection
        def test_marked():
            pass
        """,
        "--collect-only",
    )
    assert result.ret == 0


SUITE = """
import pytest

@pytest.mark.single_connection
def test_marked():
    pass

def test_counter(connection_counter):
    assert connection_counter.count == 0
"""


def test_the_plugin_is_found_by_its_name(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makepyfile(SUITE)
    result = pytester.runpytest_subprocess("-p", "keepalive", "--strict-markers")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["nothing was measured: *"])


def test_the_plugin_can_be_left_out(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(SUITE)
    others = ("anyio", "asyncio", "pytest_httpx", "randomly", "respx", "timeout", "trio", "xdist")
    left_out = [argument for name in ("keepalive", *others) for argument in ("-p", f"no:{name}")]
    result = pytester.runpytest_subprocess(*left_out, "-Wignore")
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*fixture 'connection_counter' not found*"])
