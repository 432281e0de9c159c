"""A run of some tests says nothing of the others: they are not gone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .conftest import Run

THREE = """
import os

def test_one(keepalive_server):
    get(keepalive_server)

def test_two(keepalive_server):
    get(keepalive_server)
    assert not os.environ.get("FAIL")

class TestThree:
    FAIL
    def test_three(self, keepalive_server):
        get(keepalive_server)
"""
ALL = {f"test_suite.py::{name}" for name in ("test_one", "test_two", "TestThree::test_three")}
# As a plugin that runs a part of the tests on each of several machines.
SHARD = """
from clients import *

def pytest_collection_modifyitems(items):
    items[:] = items[:1]
"""


def source(inside: str = "") -> str:
    return THREE.replace("FAIL\n", f"{inside}\n")


@pytest.fixture
def baseline(pytester: pytest.Pytester, suite: Run, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("CI", raising=False)
    suite(source(), "--keepalive-update").assert_outcomes(passed=3)
    return pytester.path / ".keepalive.json"


def entries(baseline: Path) -> set[str]:
    return set(json.loads(baseline.read_text("utf-8"))["tests"])


def updated(suite: Run, baseline: Path, *options: str, inside: str = "") -> set[str]:
    said = suite(source(inside), *options).stdout.str()
    assert "gone" not in said
    suite(source(inside), "--keepalive-update", *options)
    return entries(baseline)


@pytest.mark.parametrize(
    "options",
    [
        ("-k", "one"),
        ("test_suite.py::test_one",),
        ("--deselect", "test_suite.py::test_one"),
        ("-k", "nothing is called so"),
    ],
)
def test_tests_that_were_not_asked_for_keep_their_entries(
    suite: Run, baseline: Path, options: tuple[str, ...]
) -> None:
    assert updated(suite, baseline, *options) == ALL


def test_tests_that_did_not_fail_last_time_keep_their_entries(
    suite: Run, baseline: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAIL", "1")
    suite(source()).assert_outcomes(passed=2, failed=1)
    suite(source(), "--lf").assert_outcomes(failed=1)
    assert updated(suite, baseline, "--lf") == ALL


def test_tests_that_a_plugin_leaves_out_keep_their_entries(
    suite: Run, baseline: Path, pytester: pytest.Pytester
) -> None:
    pytester.makeconftest(SHARD)
    suite(source()).assert_outcomes(passed=1)
    assert updated(suite, baseline) == ALL


def test_tests_that_could_not_be_collected_keep_their_entries(suite: Run, baseline: Path) -> None:
    options = ("--continue-on-collection-errors",)
    # Its class cannot be collected, for want of the argument.
    broken = "@pytest.mark.parametrize('word', [1])\n    def test_wrong(self): pass"
    suite(source(broken), *options).assert_outcomes(passed=2, errors=1)
    assert updated(suite, baseline, *options, inside=broken) == ALL


def test_a_baseline_of_another_folder_loses_no_entry(
    suite: Run, baseline: Path, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = pytester.mkdir("other")
    (folder / "pytest.ini").write_text("[pytest]\n")
    (folder / "test_there.py").write_text("def test_there(): pass\n")
    monkeypatch.chdir(folder)
    result = pytester.runpytest_inprocess(
        "-p", "keepalive", "--keepalive-update", "--keepalive-baseline=../.keepalive.json"
    )
    result.assert_outcomes(passed=1)
    assert entries(baseline) == ALL


def test_a_baseline_whose_path_changed_the_root_loses_no_entry(
    suite: Run, baseline: Path, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it stands behind a space, pytest looks for the root above it."""
    for name in ("tox.ini", "test_suite.py"):
        (pytester.path / name).unlink()
    folder = pytester.mkdir("project")
    (folder / "pytest.ini").write_text("[pytest]\n")
    (folder / "test_there.py").write_text("def test_there(): pass\n")
    monkeypatch.chdir(folder)
    options = ("-p", "keepalive", "--keepalive-baseline", "../.keepalive.json")
    result = pytester.runpytest_inprocess(*options, "--keepalive-update")
    result.assert_outcomes(passed=1)
    assert f"rootdir: {pytester.path}\n" in result.stdout.str()
    assert entries(baseline) == ALL


def test_a_test_that_is_gone_is_told_of_even_when_others_are_deselected(
    suite: Run, baseline: Path
) -> None:
    gone = source().replace("test_one", "test_first")
    result = suite(gone, "-k", "three")
    result.stdout.fnmatch_lines(["in the baseline, but gone:", "  test_suite.py::test_one"])
    suite(gone, "--keepalive-update", "-k", "three")
    assert entries(baseline) == ALL - {"test_suite.py::test_one"}


def test_the_tests_of_a_file_that_has_none_any_more_are_gone(suite: Run, baseline: Path) -> None:
    result = suite("x = 1", "--continue-on-collection-errors")
    result.stdout.fnmatch_lines(["in the baseline, but gone:", "  test_suite.py::test_one"])
    suite("x = 1", "--keepalive-update")
    assert entries(baseline) == set()


@pytest.mark.parametrize("line", ["pytest.skip('x', allow_module_level=True)", "import no_such"])
def test_the_tests_of_a_file_that_was_left_out_are_not_gone(
    suite: Run, baseline: Path, line: str
) -> None:
    for option in ("--continue-on-collection-errors", "--keepalive-update"):
        assert "but gone" not in suite(line, option).stdout.str()
    assert entries(baseline) == ALL
