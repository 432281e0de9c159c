"""Programs in other languages, held to a marker in a run of pytest of its own.

The marker stands in no test of this folder: it would have every other test of the run measured.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.systems import node_programs, rust_programs

SUITE = """
import pytest

@pytest.mark.single_connection(requests=3)
def test_three_requests(run_client, keepalive_server):
    done = run_client([*{command!r}, {case!r}, keepalive_server.url, "3"])
    assert done.returncode == 0, done.stderr
    assert keepalive_server.accepted == {accepted}
"""


def rust_command() -> tuple[str, ...]:
    return (rust_programs.clients(),)


@pytest.fixture(scope="module", autouse=True)
def _built() -> None:
    """Build where cargo finds its home, which pytester hides."""
    rust_programs.clients()


@pytest.fixture
def outcome(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")

    def run(command: tuple[str, ...], case: str, accepted: int) -> str:
        pytester.makepyfile(SUITE.format(command=command, case=case, accepted=accepted))
        return str(pytester.runpytest_subprocess("-p", "keepalive").stdout)

    return run


@pytest.mark.parametrize(
    ("programs", "case"),
    [(node_programs.clients, "axios-shared"), (rust_command, "client")],
    ids=["node", "rust"],
)
def test_a_marker_holds_a_program_that_keeps_its_connection(
    outcome: Callable[..., str], programs: Callable[[], tuple[str, ...]], case: str
) -> None:
    assert "1 passed" in outcome(programs(), case, accepted=1)


@pytest.mark.parametrize(
    ("programs", "case"),
    [(node_programs.clients, "axios-each"), (rust_command, "get-each")],
    ids=["node", "rust"],
)
def test_a_marker_fails_a_program_that_opens_one_for_each_request(
    outcome: Callable[..., str], programs: Callable[[], tuple[str, ...]], case: str
) -> None:
    text = outcome(programs(), case, accepted=3)
    assert "opened 3 connections to http://127.0.0.1:" in text
    assert "1 failed" in text
