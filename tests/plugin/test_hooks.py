"""What other plugins add: probes of their own clients, and reporters."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from pytest_keepalive import probing

from .conftest import Run

EXAMPLE = Path(__file__).parents[2] / "examples" / "third_party_probe"


@pytest.fixture
def example(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTHONPATH", str(EXAMPLE.parents[1]))
    for source in EXAMPLE.glob("*.py"):
        shutil.copy(source, pytester.path)
    return pytester


def run(example: pytest.Pytester, *options: str) -> pytest.RunResult:
    command = (sys.executable, "-m", "pytest", "-p", "pytest_keepalive.plugin", *options)
    return example.run(*command, timeout=60)


def test_the_probe_of_another_plugin_counts_the_exchanges_of_its_client(
    example: pytest.Pytester,
) -> None:
    result = run(example)
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["toy report: 3 of 5 reused"])


def test_without_the_probe_its_client_is_not_known(example: pytest.Pytester) -> None:
    test = example.path / "test_third_party_probe.py"
    test.write_text(test.read_text("utf-8").replace('["toy_probe"]', "[]"), "utf-8")
    result = run(example)
    result.assert_outcomes(passed=1, failed=1)
    assert "toy report" not in result.stdout.str()


def test_a_plugin_is_told_of_each_test_that_was_measured(
    suite: Run, pytester: pytest.Pytester
) -> None:
    pytester.makeconftest(
        """
        def pytest_keepalive_test_measured(item, recording):
            with open("told.txt", "a") as file:
                file.write(f"{item.name} {recording.count}\\n")
        """
    )
    suite(
        """
        @pytest.mark.single_connection
        def test_one(keepalive_server): get(keepalive_server)

        def test_two(keepalive_server): get(keepalive_server); get(keepalive_server)
        """
    )
    assert (pytester.path / "told.txt").read_text() == "test_one 1\ntest_two 2\n"


REPORTER = """
def pytest_keepalive_report(config, summary):
    with open("told.txt", "a") as file:
        wasted = [each["cause"] for each in summary["wasted"]]
        print(summary["total"]["connections"], len(summary["tests"]), *wasted, file=file)
"""


@pytest.mark.parametrize("options", [(), ("-n2",)], ids=["alone", "workers"])
def test_a_reporter_is_told_once_of_every_test_without_a_marker(
    suite: Run, pytester: pytest.Pytester, options: tuple[str, ...]
) -> None:
    plugins = ("xdist.plugin",) if options else ()
    if options:
        pytest.importorskip("xdist")
    pytester.makeconftest(REPORTER)
    result = suite(
        """
        def test_one(keepalive_server): get(keepalive_server)

        def test_two(keepalive_server): get(keepalive_server); get(keepalive_server)
        """,
        *options,
        plugins=plugins,
    )
    result.assert_outcomes(passed=2)
    assert "keep-alive" not in result.stdout.str()
    assert (pytester.path / "told.txt").read_text() == "3 2 client-per-request\n"


def test_an_unknown_hook_of_ours_is_refused(suite: Run, pytester: pytest.Pytester) -> None:
    pytester.makeconftest("def pytest_keepalive_nonsense(): pass")
    assert suite("def test(): pass").ret != pytest.ExitCode.OK


def test_what_a_probe_is_made_of_is_public() -> None:
    assert sorted(probing.__all__) == probing.__all__
    assert all(getattr(probing, name).__doc__ or name in ("Sink",) for name in probing.__all__)
