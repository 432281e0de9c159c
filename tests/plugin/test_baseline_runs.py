from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from .conftest import Run

# The first line tells how many connections each test opens; the last run decides.
SUITE = """
TIMES = {times}

@pytest.mark.parametrize("word", ["a b", "b"])
def test_listed(keepalive_server, word):
    for _ in range(TIMES):
        get(keepalive_server, times=2)

def test_idle():
    pass
"""
A, B = "test_suite.py::test_listed[a b]", "test_suite.py::test_listed[b]"


@pytest.fixture(autouse=True)
def _outside_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CI", "GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def baseline(pytester: pytest.Pytester) -> Path:
    return pytester.path / ".keepalive.json"


def entries(baseline: Path) -> Any:
    return json.loads(baseline.read_text("utf-8"))["tests"]


def source(times: int) -> str:
    return SUITE.format(times=times)


def test_an_update_writes_an_entry_for_each_test_that_opened_a_connection(
    suite: Run, baseline: Path
) -> None:
    suite(source(1), "--keepalive-update").assert_outcomes(passed=3)
    figures = {"http://127.0.0.1:*": {"connections": 1, "exchanges": 2, "reused": 1}}
    assert entries(baseline) == {A: figures, B: figures}


def test_a_later_run_passes_while_nothing_is_worse(suite: Run, baseline: Path) -> None:
    suite(source(1), "--keepalive-update")
    before = baseline.read_bytes()
    result = suite(source(1))
    result.assert_outcomes(passed=3)
    assert "keep-alive" not in result.stdout.str()
    assert baseline.read_bytes() == before


def test_a_regression_fails_in_the_call_with_findings_and_the_line(suite: Run) -> None:
    suite(source(1), "--keepalive-update")
    result = suite(source(3))
    result.assert_outcomes(passed=1, failed=2)
    result.stdout.fnmatch_lines(
        [
            "test_suite.py VV.*",
            "used 3 connections to http://127.0.0.1:*, baseline is 1 (.keepalive.json:4: "
            '"http://127.0.0.1:*": {"connections": 1, "exchanges": 2, "reused": 1})',
            "*2 connections: client-per-request*",
            "VIOLATION test_suite.py::test_listed*",
        ]
    )


def test_an_improvement_is_listed_with_the_command_that_takes_it_over(
    suite: Run, baseline: Path
) -> None:
    suite(source(3), "--keepalive-update")
    result = suite(source(1))
    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(
        [
            "better than the baseline:",
            f"  {A.replace('[', '[[]')}: used 1 connection to http://127.0.0.1:[*], baseline is 3",
            "take them over with: pytest --keepalive-update",
        ]
    )
    suite(source(1), "--keepalive-update")
    assert entries(baseline)[A]["http://127.0.0.1:*"]["connections"] == 1
    suite(source(3)).assert_outcomes(passed=1, failed=2)


def test_a_count_that_rises_is_widened_to_and_said(suite: Run, baseline: Path) -> None:
    suite(source(1), "--keepalive-update")
    result = suite(source(3), "--keepalive-update")
    result.stdout.fnmatch_lines(["*varies, widened to 1 to 3 connections*was 1 connection*"])
    assert entries(baseline)[B]["http://127.0.0.1:*"]["connections"] == [1, 3]
    for times in (1, 2, 3):
        suite(source(times)).assert_outcomes(passed=3)
    suite(source(4)).assert_outcomes(passed=1, failed=2)


def test_a_test_that_failed_keeps_its_entry(suite: Run, baseline: Path) -> None:
    suite(source(2), "--keepalive-update")
    before = baseline.read_bytes()
    result = suite(
        source(1).replace("def test_idle", "    assert False\n\ndef test_idle"),
        "--keepalive-update",
    )
    result.assert_outcomes(passed=1, failed=2)
    assert baseline.read_bytes() == before
    result.stdout.fnmatch_lines(["2 tests did not pass, and changed nothing there"])


def test_a_test_whose_teardown_failed_keeps_its_entry(suite: Run, baseline: Path) -> None:
    torn = """
@pytest.fixture
def torn():
    yield
    assert TIMES == 2
"""
    tests = source(2).replace("keepalive_server, word", "keepalive_server, word, torn") + torn
    suite(tests, "--keepalive-update").assert_outcomes(passed=3)
    before = baseline.read_bytes()
    worse = tests.replace("TIMES = 2", "TIMES = 1")
    options = ("--keepalive-update", "--keepalive-json=a.json")
    result = suite(worse, *options)
    result.assert_outcomes(passed=3, errors=2)
    assert baseline.read_bytes() == before
    result.stdout.fnmatch_lines(["2 tests did not pass, and changed nothing there"])
    report = json.loads((baseline.parent / "a.json").read_text("utf-8"))
    assert sorted(each["outcome"] for each in report["tests"]) == ["failed", "failed", "passed"]


@pytest.mark.skipif(pytest.version_tuple < (9,), reason="this pytest has no subtests")
def test_a_test_of_which_a_part_failed_has_no_entry(suite: Run, baseline: Path) -> None:
    result = suite(
        """
        def test_parts(keepalive_server, subtests):
            for part in range(2):
                with subtests.test(part=part):
                    get(keepalive_server)
                    assert part
        """,
        "--keepalive-update",
    )
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert entries(baseline) == {}
    result.stdout.fnmatch_lines(["1 test did not pass, and changed nothing there"])


def test_new_vanished_and_renamed_tests_are_told_and_fail_nothing(suite: Run) -> None:
    suite(source(1) + "def test_old(keepalive_server): get(keepalive_server)", "--keepalive-update")
    result = suite(source(1) + "def test_new(keepalive_server): get(keepalive_server)")
    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines(
        [
            "not in the baseline:",
            "  test_suite.py::test_new",
            "in the baseline, but gone:",
            "  test_suite.py::test_old (now test_suite.py::test_new?)",
        ]
    )


def test_an_update_drops_tests_that_vanished(suite: Run, baseline: Path) -> None:
    suite(source(1) + "def test_old(keepalive_server): get(keepalive_server)", "--keepalive-update")
    result = suite(source(1), "--keepalive-update")
    result.stdout.fnmatch_lines(["  test_suite.py::test_old: dropped, the test is gone"])
    assert set(entries(baseline)) == {A, B}


@pytest.mark.parametrize(
    ("ini", "options"),
    [("", ("--keepalive-baseline=b.json",)), ("keepalive_baseline = b.json", ())],
)
def test_the_file_has_the_name_that_was_given(
    suite: Run, pytester: pytest.Pytester, ini: str, options: tuple[str, ...]
) -> None:
    suite(source(1), "--keepalive-update", *options, ini=ini)
    assert set(entries(pytester.path / "b.json")) == {A, B}
    suite(source(2), *options, ini=ini).assert_outcomes(passed=1, failed=2)


@pytest.mark.parametrize("workers", [(), ("-n2", "-p", "xdist.plugin")], ids=["alone", "workers"])
def test_tests_of_two_projects_are_not_taken_for_each_other(
    suite: Run, pytester: pytest.Pytester, workers: tuple[str, ...]
) -> None:
    if workers:
        pytest.importorskip("xdist")
    for project, times in (("one", 1), ("two", 2)):
        folder = pytester.mkdir(project)
        (folder / "pytest.ini").write_text("[pytest]\n")
        (folder / f"test_{project}.py").touch()
        below = folder / "api"
        below.mkdir()
        (below / "__init__.py").touch()
        (below / "test_same.py").write_text(
            f"import sys; sys.path.append({str(pytester.path)!r})\n"
            f"from clients import *\n{source(times)}"
        )
        (folder / "__init__.py").touch()
    options = ("-p", "keepalive", *workers, "one", "two")
    files = ("--keepalive-update", "--keepalive-json=a.json")
    pytester.runpytest_subprocess(*options, *files).assert_outcomes(passed=6)
    report = json.loads((pytester.path / "a.json").read_text("utf-8"))
    assert report["total"]["connections"] == 2 * 1 + 2 * 2
    tests = entries(pytester.path / "one" / ".keepalive.json")
    assert sorted(tests) == sorted(
        f"{folder}api/test_same.py::test_listed[{word}]"
        for folder in ("", "../two/")
        for word in ("a b", "b")
    )
    pytester.runpytest_subprocess(*options).assert_outcomes(passed=6)


def test_in_ci_only_the_command_line_updates(
    suite: Run, baseline: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", "true")
    for ini in ("keepalive_update = true", "addopts = --keepalive-update"):
        suite(source(1), ini=ini).assert_outcomes(passed=3)
        assert not baseline.exists()
    suite(source(1), "--keepalive-update").assert_outcomes(passed=3)
    assert baseline.exists()


def test_outside_ci_the_ini_file_updates_too(suite: Run, baseline: Path) -> None:
    suite(source(1), ini="keepalive_update = true")
    assert baseline.exists()


def test_an_expected_failure_stays_one(suite: Run) -> None:
    text = source(1) + (
        "@pytest.mark.xfail(strict=True)\n"
        "def test_expected(keepalive_server):\n"
        "    for _ in range(TIMES): get(keepalive_server)\n"
    )
    suite(text.replace("@pytest.mark.xfail(strict=True)\n", ""), "--keepalive-update")
    suite(text.replace("TIMES = 1", "TIMES = 2")).assert_outcomes(passed=1, failed=2, xfailed=1)


# Bad input


def refused(result: pytest.RunResult, *said: str) -> None:
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "passed" not in result.stdout.str()
    for words in said:
        assert words in result.stderr.str()


def test_a_missing_baseline_is_told_with_the_command_that_makes_it(suite: Run) -> None:
    refused(
        suite(source(1), "--keepalive-baseline=b.json"),
        "b.json: there is no such baseline; make it with: "
        "pytest --keepalive-update --keepalive-baseline=b.json",
    )


@pytest.mark.parametrize("name", ["b c.json", "$HOME;ls.json", "-b.json"])
def test_the_command_can_be_given_to_a_shell_as_it_is(suite: Run, name: str) -> None:
    result = suite(source(1), f"--keepalive-baseline={name}")
    command = result.stderr.str().partition("make it with: ")[2].strip()
    program, *options = shlex.split(command)
    assert program == "pytest"
    suite(source(1), *options).assert_outcomes(passed=3)
    suite(source(1), f"--keepalive-baseline={name}").assert_outcomes(passed=3)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "is not JSON"),
        ('{"schema_version": 99, "tests": {}}', "a newer one wrote it"),
        ("{\n<<<<<<< ours\n", "line 2 is a conflict marker; resolve the merge first"),
        ('{"schema_version": 1, "tests": {"a": {}, "a": {}}}', "'a' stands there twice"),
        ("[" * 100_000, "nested without end"),
        ("", "line 1 is not JSON"),
    ],
    ids=["broken", "newer", "conflict", "double", "deep", "empty"],
)
@pytest.mark.parametrize("options", [(), ("--keepalive-update",)], ids=["compare", "update"])
def test_a_bad_baseline_ends_the_run_before_it_begins(
    suite: Run, baseline: Path, text: str, reason: str, options: tuple[str, ...]
) -> None:
    baseline.write_text(text)
    refused(suite(source(1), *options), str(baseline), reason)
    assert baseline.read_text() == text


@pytest.mark.parametrize("option", ["--keepalive-json", "--keepalive-html"])
def test_a_report_in_the_place_of_the_baseline_is_refused(
    suite: Run, baseline: Path, option: str
) -> None:
    suite(source(1), "--keepalive-update")
    before = baseline.read_bytes()
    refused(suite(source(1), f"{option}=./.keepalive.json"), f"{baseline}: is named by two options")
    assert baseline.read_bytes() == before


def test_a_read_only_baseline_is_compared_with_and_not_updated(suite: Run, baseline: Path) -> None:
    suite(source(1), "--keepalive-update")
    baseline.chmod(0o444)
    suite(source(1)).assert_outcomes(passed=3)
    refused(suite(source(1), "--keepalive-update"), f"{baseline}: is read-only")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
@pytest.mark.parametrize("options", [(), ("--keepalive-update",)], ids=["compare", "update"])
def test_a_device_is_no_baseline(suite: Run, options: tuple[str, ...]) -> None:
    refused(suite(source(1), "--keepalive-baseline=/dev/full", *options), "/dev/full: is ")


def test_nothing_is_asked_of_the_files_when_switched_off(suite: Run, baseline: Path) -> None:
    baseline.write_text("{")
    suite(source(1), "--keepalive-off").assert_outcomes(passed=3)


@pytest.mark.parametrize("option", ["--collect-only", "--fixtures", "--markers", "--help"])
def test_nothing_is_asked_of_the_files_when_no_test_runs(
    suite: Run, baseline: Path, option: str
) -> None:
    baseline.write_text("{")
    assert suite(source(1), option).ret == pytest.ExitCode.OK
