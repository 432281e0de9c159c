from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from .conftest import Run

TWO = """
@pytest.mark.single_connection
def test_broken(keepalive_server):
    get(keepalive_server, "/?token=secret-value")
    get(keepalive_server, times=2)

def test_whole(keepalive_server):
    get(keepalive_server, times=3)

def test_idle():
    pass
"""


@pytest.fixture(autouse=True)
def _outside_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CI", "GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY"):
        monkeypatch.delenv(name, raising=False)


def test_the_summary_tells_of_all_tests(suite: Run) -> None:
    result = suite(TWO, "--keepalive-summary")
    result.stdout.fnmatch_lines(
        [
            "*keep-alive*",
            "2 tests used 3 connections for 6 exchanges, 3 (50 %) of them reused one",
            "1 test breaks a limit",
            "1 connection avoidable, * ms in handshakes",
            "  1 × client-per-request at clients.py:10",
        ]
    )


def test_a_run_that_breaks_no_limit_is_silent(suite: Run) -> None:
    result = suite(TWO, "-k", "whole or idle")
    assert "connection" not in result.stdout.str()


def test_a_broken_limit_has_a_letter_and_a_word_of_its_own(suite: Run) -> None:
    suite(TWO).stdout.fnmatch_lines(["test_suite.py V..*", "VIOLATION test_suite.py::test_broken*"])
    suite(TWO, "-v").stdout.fnmatch_lines(["*::test_broken VIOLATION*", "*::test_whole PASSED*"])


def test_a_failure_of_the_test_itself_is_an_ordinary_one(suite: Run) -> None:
    result = suite(TWO + "def test_wrong(keepalive_server): get(keepalive_server); assert 0", "-v")
    result.stdout.fnmatch_lines(["*::test_wrong FAILED*"])


def test_what_is_left_open_is_a_violation_too(suite: Run) -> None:
    result = suite(
        """
        kept = []

        @pytest.mark.connections(left_open_at_most=0)
        def test_leaks(keepalive_server):
            kept.append(Client(keepalive_server))
            kept[0].get()

        def test_after():
            kept.pop().close()
        """
    )
    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(["test_suite.py .V.*", "1 test breaks a limit"])


def test_the_json_report_holds_all_and_no_secret(suite: Run, pytester: pytest.Pytester) -> None:
    suite(TWO, "--keepalive-json=out/report.json")
    text = (pytester.path / "out" / "report.json").read_text("utf-8")
    assert "secret-value" not in text
    report = json.loads(text)
    assert report["total"] == {"connections": 3, "exchanges": 6, "reused": 3, "opened": 3}
    tests = {each["node"]: each for each in report["tests"]}
    assert [each["outcome"] for each in tests.values()] == ["failed", "passed", "passed"]
    broken = tests["test_suite.py::test_broken"]
    assert len(broken["connections"]) == 2
    assert broken["connections"][0]["exchanges"][0]["url"].endswith("/?token=...")
    assert broken["findings"][0]["cause"] == "client-per-request"


def test_what_is_really_written_is_what_the_schema_says(
    suite: Run, pytester: pytest.Pytester
) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    suite(
        TWO
        + """
import socket

def test_refused(keepalive_server):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()
    with pytest.raises(OSError):
        socket.create_connection(address)
    get(keepalive_server)
""",
        "--keepalive-json=a.json",
    )
    report = json.loads((pytester.path / "a.json").read_text("utf-8"))
    text = files("pytest_keepalive._reports").joinpath("keepalive.schema.json").read_text("utf-8")
    jsonschema.validate(report, json.loads(text))
    (refused,) = (each for each in report["tests"] if each["node"].endswith("test_refused"))
    (attempt,) = refused["failed_attempts"]
    assert attempt["peer"][0] == "127.0.0.1"
    assert attempt["error"] == "ECONNREFUSED"


def test_a_report_is_written_where_the_ini_file_says(suite: Run, pytester: pytest.Pytester) -> None:
    suite(TWO, ini="keepalive_html = a.html\nkeepalive_json = a.json")
    assert (pytester.path / "a.html").read_text("utf-8").startswith("<!doctype html>")
    assert (pytester.path / "a.json").exists()


def test_the_command_line_beats_the_ini_file(suite: Run, pytester: pytest.Pytester) -> None:
    suite(TWO, "--keepalive-json=b.json", ini="keepalive_json = a.json")
    assert (pytester.path / "b.json").exists()
    assert not (pytester.path / "a.json").exists()


@pytest.mark.parametrize("option", ["--keepalive-json", "--keepalive-html"])
def test_a_folder_is_refused_before_the_tests_run(
    suite: Run, pytester: pytest.Pytester, option: str
) -> None:
    result = suite(TWO, f"{option}={pytester.path}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*{pytester.path}: is a folder"])


def test_two_reports_in_one_file_are_refused(suite: Run, pytester: pytest.Pytester) -> None:
    result = suite(TWO, "--keepalive-json=a", "--keepalive-html=b/../a")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*a: is named by two options, and can hold only one of them"])
    assert not (pytester.path / "a").exists()


@pytest.mark.skipif(not Path("/dev/null").exists(), reason="there is no /dev/null")
def test_a_device_takes_as_many_reports_as_there_are(suite: Run) -> None:
    options = ("--keepalive-json=/dev/null", "--keepalive-html=/dev/null")
    assert suite(TWO, *options, "-k", "whole").ret == pytest.ExitCode.OK


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_full_disk_is_told_at_the_end_and_fails_the_run(suite: Run) -> None:
    result = suite(TWO, "--keepalive-json=/dev/full", "-k", "whole")
    result.assert_outcomes(passed=1, deselected=2)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stdout.fnmatch_lines(["keepalive: /dev/full: no space left on device"])


def test_junit_properties_are_opt_in(suite: Run, pytester: pytest.Pytester) -> None:
    suite(TWO, "--junitxml=plain.xml")
    suite(TWO, "--junitxml=told.xml", "--keepalive-junit")
    assert not list(ElementTree.parse(pytester.path / "plain.xml").iter("property"))
    told = {
        case.get("name"): {each.get("name"): each.get("value") for each in case.iter("property")}
        for case in ElementTree.parse(pytester.path / "told.xml").iter("testcase")
    }
    assert told["test_broken"]["keepalive.connections"] == "2"
    assert told["test_whole"]["keepalive.reused"] == "2"
    assert told["test_idle"] == {}


def test_github_gets_annotations_and_a_summary(
    suite: Run, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = pytester.path / "summary.md"
    path.write_text("# Before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(path))
    result = suite(TWO)
    result.stdout.fnmatch_lines(
        ["::error file=clients.py,line=10,title=keep-alive::test_suite.py::test_broken: opened 2*"]
    )
    text = path.read_text("utf-8")
    assert text.startswith("# Before\n## Connections\n")
    assert "| `test_suite.py::test_broken` |" in text


def test_what_github_shows_is_named_from_the_root_of_the_repository(
    suite: Run, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = pytester.path / "summary.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(path))
    monkeypatch.setenv("GITHUB_WORKSPACE", str(pytester.path.parent))
    inside = pytester.mkdir("inside")
    named = f"{pytester.path.name}/clients.py"
    for folder in (pytester.path, inside):
        monkeypatch.chdir(folder)
        result = suite(TWO, f"--rootdir={pytester.path}", str(pytester.path / "test_suite.py"))
        result.stdout.fnmatch_lines([f"::error file={named},line=10,*"])
        assert f"`{named}:10`" in path.read_text("utf-8")
        path.unlink()
    (pytester.path / ".git").mkdir()
    result = suite(TWO, f"--rootdir={pytester.path}", str(pytester.path / "test_suite.py"))
    result.stdout.fnmatch_lines(["::error file=clients.py,line=10,*"])


def test_an_expected_failure_is_no_news(
    suite: Run, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    result = suite(f"{TWO.replace('@', '@pytest.mark.xfail(strict=True)' + chr(10) + '@', 1)}")
    result.assert_outcomes(passed=2, xfailed=1)
    assert "keep-alive" not in result.stdout.str()
    suite(TWO.replace("@", "@pytest.mark.xfail\n@", 1), "--keepalive-json=a.json")
    report: Any = json.loads((pytester.path / "a.json").read_text("utf-8"))
    assert [each["outcome"] for each in report["tests"]] == ["xfailed", "passed", "passed"]
    assert report["tests"][0]["broken"]


def test_a_summary_that_github_cannot_take_fails_no_build(
    suite: Run, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(pytester.path))
    result = suite(TWO, "-k", "whole", "--keepalive-summary")
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["no summary for GitHub: *is a directory"])


def test_nothing_is_annotated_elsewhere(suite: Run) -> None:
    assert "::error" not in suite(TWO).stdout.str()


# Other plugins


def test_the_last_of_several_runs_counts(suite: Run, pytester: pytest.Pytester) -> None:
    pytest.importorskip("pytest_rerunfailures")
    result = suite(
        """
        runs = []

        @pytest.mark.single_connection
        def test_settles(keepalive_server):
            runs.append(1)
            for _ in range(4 - len(runs)):
                get(keepalive_server)
        """,
        "--reruns=3",
        "--keepalive-json=a.json",
        "--keepalive-summary",
        plugins=("pytest_rerunfailures",),
    )
    result.assert_outcomes(passed=1)
    report = json.loads((pytester.path / "a.json").read_text("utf-8"))
    assert report["total"]["connections"] == 1
    assert len(report["tests"]) == 1
    assert not report["tests"][0]["broken"]
    result.stdout.fnmatch_lines(["1 test used 1 connection for 1 exchange*"])


def test_repetitions_share_an_entry_of_the_baseline(suite: Run, pytester: pytest.Pytester) -> None:
    pytest.importorskip("pytest_repeat")
    source = """
        runs = []

        @pytest.mark.parametrize("word", ["a-b"])
        def test_again(keepalive_server, word):
            runs.append(1)
            for _ in runs:
                get(keepalive_server)
        """
    suite(source, "--count=3", "--keepalive-update", plugins=("pytest_repeat",))
    tests = json.loads((pytester.path / ".keepalive.json").read_text("utf-8"))["tests"]
    assert list(tests) == ["test_suite.py::test_again[a-b]"]
    (entry,) = tests["test_suite.py::test_again[a-b]"].values()
    assert entry["connections"] == [1, 3]
    suite(source).assert_outcomes(passed=1)


def test_the_order_of_the_tests_does_not_matter(suite: Run, pytester: pytest.Pytester) -> None:
    pytest.importorskip("pytest_randomly")
    path = pytester.path / ".keepalive.json"
    written = set()
    for seed in (1, 2, 3):
        options = ("--keepalive-update", "-p", "pytest_randomly", f"--randomly-seed={seed}")
        suite(TWO, *options).assert_outcomes(passed=2, failed=1)
        written.add(path.read_text("utf-8"))
        path.unlink()
    assert len(written) == 1
