"""The same totals, one summary and one set of files, however many processes run the tests."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from .conftest import CLIENTS

pytest.importorskip("xdist")
SUITE = """
import os
from clients import *

@pytest.mark.single_connection
def test_kept(keepalive_server):
    get(keepalive_server, times=3)

@pytest.mark.single_connection
def test_broken(keepalive_server):
    get(keepalive_server)
    get(keepalive_server)

@pytest.mark.xdist_group("one")
@pytest.mark.parametrize("number", range(4))
def test_grouped(keepalive_server, number):
    for _ in range(number + 1):
        get(keepalive_server)

def test_crashes(keepalive_server):
    get(keepalive_server)
    if os.environ.get("CRASH"):
        os._exit(1)
"""
TOTAL = {"connections": 14, "exchanges": 16, "reused": 2, "opened": 14}


@pytest.fixture
def workspace(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    for name in ("CI", "GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    pytester.makepyfile(clients=CLIENTS, test_suite=SUITE)
    pytester.makeini("[pytest]\nmarkers =\n    xdist_group(name): for those who do not have it\n")
    return pytester


def run(workspace: pytest.Pytester, *options: str) -> pytest.RunResult:
    command = (sys.executable, "-m", "pytest", "-p", "pytest_keepalive.plugin", *options)
    return workspace.run(*command, timeout=120)


def report(workspace: pytest.Pytester) -> Any:
    return json.loads((workspace.path / "report.json").read_text("utf-8"))


def test_workers_make_one_summary_one_baseline_and_one_report(workspace: pytest.Pytester) -> None:
    files = ("--keepalive-json=report.json", "--keepalive-update", "--keepalive-summary")
    run(workspace, "-p", "no:xdist", *files).assert_outcomes(passed=6, failed=1)
    alone = (workspace.path / ".keepalive.json").read_text("utf-8")
    assert report(workspace)["total"] == TOTAL
    (workspace.path / ".keepalive.json").unlink()

    workers = ("-p", "xdist.plugin", "-n2", "--dist=loadgroup")
    result = run(workspace, *workers, *files)
    result.assert_outcomes(passed=6, failed=1)
    assert report(workspace)["total"] == TOTAL
    assert (workspace.path / ".keepalive.json").read_text("utf-8") == alone
    text = result.stdout.str()
    assert text.count("7 tests used 14 connections for 16 exchanges") == 1
    assert "VIOLATION test_suite.py::test_broken" in text


def test_workers_hold_their_tests_to_the_baseline_of_the_controller(
    workspace: pytest.Pytester,
) -> None:
    figures = {"connections": 2, "exchanges": 2, "reused": 0}
    tests = {
        f"test_suite.py::test_grouped[{number}]": {"http://127.0.0.1:*": figures}
        for number in range(5)
    }
    (workspace.path / ".keepalive.json").write_text(
        json.dumps({"schema_version": 1, "tests": tests})
    )
    result = run(workspace, "-p", "xdist.plugin", "-n2", "--dist=loadgroup")
    result.assert_outcomes(passed=4, failed=3)
    result.stdout.fnmatch_lines(
        [
            "better than the baseline:",
            "  test_suite.py::test_grouped[[]0]: used 1 connection to *",
            "not in the baseline:",
            "  test_suite.py::test_kept",
            "in the baseline, but gone:",
            "  test_suite.py::test_grouped[[]4]*",
        ]
    )


def test_a_worker_elsewhere_needs_no_copy_of_the_baseline(
    workspace: pytest.Pytester, tmp_path: Path
) -> None:
    (workspace.path / "test_suite.py").write_text(
        "from clients import *\ndef test_plain(keepalive_server):\n"
        "    get(keepalive_server)\n    get(keepalive_server)\n"
    )
    # pytest-xdist copies no file whose name begins with a dot.
    options = ("-p", "xdist.plugin", "-W", "ignore", "-d", f"--rsyncdir={workspace.path}")
    elsewhere = (*options, f"--tx=popen//chdir={tmp_path}", str(workspace.path))
    run(workspace, *elsewhere, "--keepalive-update").assert_outcomes(passed=1)
    baseline = workspace.path / ".keepalive.json"
    text = baseline.read_text("utf-8")
    baseline.write_text(text.replace('"connections": 2', '"connections": 1'))
    result = run(workspace, *elsewhere)
    result.stdout.fnmatch_lines(["used 2 connections to *, baseline is 1 (.keepalive.json:4: *"])
    assert not list(tmp_path.rglob(".keepalive.json"))


def test_a_worker_that_crashed_takes_only_its_own_test_with_it(
    workspace: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRASH", "1")
    result = run(
        workspace, "-p", "xdist.plugin", "-n2", "--keepalive-json=report.json", "--keepalive-update"
    )
    result.assert_outcomes(passed=5, failed=2)
    nodes = {each["node"] for each in report(workspace)["tests"]}
    assert len(nodes) == 6
    assert "test_suite.py::test_crashes" not in nodes
    assert report(workspace)["total"]["connections"] == 13
    tests = json.loads((workspace.path / ".keepalive.json").read_text("utf-8"))["tests"]
    assert len(tests) == 5


def test_bad_input_ends_the_run_before_a_worker_begins(workspace: pytest.Pytester) -> None:
    result = run(workspace, "-p", "xdist.plugin", "-n2", f"--keepalive-html={workspace.path}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "is a folder" in result.stderr.str()
