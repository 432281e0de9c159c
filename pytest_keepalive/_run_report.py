"""The end of a run: what its tests said of themselves is collected, and told in each form.

Rules
1. There is one of these in a run: in the process that the user started, never in a worker.
2. It holds figures and packed texts only, however many connections there were.
3. What can be known to fail at the end fails before the tests run.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_keepalive._options import (
    BASELINE_INPUT,
    GONE_OUTPUT,
    Settings,
    handed_back,
    settings_key,
)
from pytest_keepalive._report_file import (
    UnusableFile,
    append_to,
    check_distinct,
    check_writable,
    replace_file,
)
from pytest_keepalive._summary import RunSummary, TestSummary

if TYPE_CHECKING:
    from pytest_keepalive._baseline_file import BaselineFile
    from pytest_keepalive._reports._packed import PackedDetails

_NAME = "keepalive-report"
_LETTER, _WORD = "V", ("VIOLATION", {"red": True})


class RunReport:
    """The hooks that collect what tests say of themselves, and report it.

    Args:
        config: Of the run.
        settings: What it was asked for.
    """

    def __init__(self, config: pytest.Config, settings: Settings) -> None:
        self._config = config
        self._settings = settings
        self._summary = RunSummary()
        self._details: PackedDetails | None = None
        self.kept: BaselineFile | None = None
        self.gone: set[str] = set()
        self._said: list[str] = []
        self._problems: list[str] = []

    def check(self) -> None:
        """Make sure of all files before the tests run.

        Raises:
            pytest.UsageError: One cannot be read or written; the text names it and says why.
        """
        settings = self._settings
        reports = [path for path in (settings.html, settings.json) if path is not None]
        try:
            check_distinct([*reports, *([settings.baseline] if settings.baseline else [])])
            for path in reports:
                check_writable(path)
            if settings.baseline is not None:
                from pytest_keepalive._baseline_file import BaselineFile

                shown = self._shown(settings.baseline)
                self.kept = BaselineFile(settings.baseline, shown, self._command())
                self.kept.load(settings.update)
        except UnusableFile as error:
            raise pytest.UsageError(f"keepalive: {error}") from None

    def equip(self, workerinput: dict[str, Any]) -> None:
        """Give a worker what it holds its tests to; it may run on another machine."""
        if self.kept is not None:
            kept = self.kept
            workerinput[BASELINE_INPUT] = [kept.text, kept.shown, self._settings.update]

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take in what a test says of itself; the last run counts."""
        account = getattr(report, "keepalive", None)
        node = getattr(report, "keepalive_node", report.nodeid)
        if account is not None:
            self._summary.add(node, TestSummary.from_dict(account["summary"]))
            if "details" in account:
                self._take_details(node, account["details"])
        if report.failed:
            # Its teardown failed, or it is said so late: of subtests, when the terminal was told.
            self._summary.fail(node)

    def pytest_report_teststatus(self, report: pytest.TestReport) -> tuple[str, str, Any] | None:
        """Show broken limits by a letter and a word of their own."""
        account = getattr(report, "keepalive", None)
        if account is not None and report.failed and account["summary"]["broken"]:
            return "failed" if report.when == "call" else "error", _LETTER, _WORD
        return None

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: object) -> None:
        """Take in which tests a worker found to be gone."""
        self.gone.update(handed_back(node, GONE_OUTPUT) or ())

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write all files."""
        for write in (self._write_json, self._write_html, self._write_github):
            self._try(write)
        self._try(self._use_baseline)
        if self._config.hook.pytest_keepalive_report.get_hookimpls():
            self._config.hook.pytest_keepalive_report(config=self._config, summary=self._plain())
        if self._problems and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.USAGE_ERROR

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Tell what happened, where it was asked for or something is wrong."""
        from pytest_keepalive._reports._prose import printable
        from pytest_keepalive._reports._terminal import summary_lines, totals_lines

        write, width = terminalreporter.write_line, terminalreporter._tw.fullwidth
        wordy = self._settings.summary
        if wordy or self._said or self._problems or self._summary.broken:
            terminalreporter.ensure_newline()
            terminalreporter.section("keep-alive", "-")
            for line in (summary_lines if wordy else totals_lines)(self._summary, width):
                write(line)
        for line in self._said:
            write(printable(line))
        for line in self._problems:
            write(printable(line), red=True)
        self._annotate(write)

    def _take_details(self, node: str, details: str) -> None:
        if self._details is None:
            from pytest_keepalive._reports._packed import PackedDetails

            self._details = PackedDetails()
        self._details.add(node, details)

    def _contents(self) -> tuple[RunSummary, dict[str, str], str]:
        details = {} if self._details is None else self._details.pack()
        return self._summary, details, _version()

    def _shown(self, path: Path) -> str:
        try:
            return str(path.relative_to(self._config.invocation_params.dir))
        except ValueError:
            return str(path)

    def _command(self) -> str:
        words = ["pytest", "--keepalive-update"]
        named = self._config.getoption("keepalive_baseline", None)
        if named:
            # A path that stands alone may have pytest take another folder for the root.
            words.append(f"--keepalive-baseline={named}")
        return shlex.join(words)

    def _use_baseline(self) -> None:
        if self.kept is not None:
            use = self.kept.save if self._settings.update else self.kept.compare
            self._said += use(self._summary, self.gone | self._without_file())

    def _without_file(self) -> set[str]:
        kept, root = self.kept, self._config.rootpath
        # Seen from another folder, the files of a baseline are not missing but elsewhere.
        if kept is None or root.resolve() not in kept.path.resolve().parents:
            return set()
        from pytest_keepalive._baseline import file_of, vanished

        files = {file_of(test) for test in kept.baseline.tests}
        missing = {file for file in files if not (root / file).exists()}
        if missing == files and self._config.inipath is None:
            # Without an ini file, pytest takes another root where a path is among the options.
            return set()
        return set(vanished(kept.baseline, (), missing))

    def _try(self, write: Callable[[], None]) -> None:
        try:
            write()
        except UnusableFile as error:
            self._problems.append(f"keepalive: {error}")

    def _write_json(self) -> None:
        if self._settings.json is not None:
            from pytest_keepalive._reports._json import json_report

            replace_file(self._settings.json, json_report(*self._contents()))

    def _write_html(self) -> None:
        if self._settings.html is not None:
            from pytest_keepalive._reports._html import html_report

            replace_file(self._settings.html, html_report(*self._contents()))

    def _write_github(self) -> None:
        path = os.environ.get("GITHUB_STEP_SUMMARY")
        if path and self._summary.tests:
            from pytest_keepalive._reports._github import markdown

            try:
                append_to(Path(path), markdown(self._summary, self._from_repository))
            except UnusableFile as error:
                # Nobody asked for it on the command line: no reason to fail a build.
                self._said.append(f"no summary for GitHub: {error}")

    def _annotate(self, write: Callable[[str], None]) -> None:
        if os.environ.get("GITHUB_STEP_SUMMARY") or os.environ.get("GITHUB_ACTIONS") == "true":
            from pytest_keepalive._reports._github import annotated

            for line in annotated(self._summary.broken, self._from_repository):
                write(line)

    def _from_repository(self, path: str) -> str:
        from pytest_keepalive._repository import from_repository, repository_of

        root = self._config.rootpath
        return from_repository(path, root, repository_of(root, os.environ))

    def _plain(self) -> dict[str, Any]:
        from pytest_keepalive._reports._json import run_head, test_head

        tests = [test_head(node, each) for node, each in self._summary.tests.items()]
        return {**run_head(self._summary, _version()), "tests": tests}


def report_of(config: pytest.Config) -> RunReport:
    """Give the report of a run, made when it is first asked for."""
    found = config.pluginmanager.get_plugin(_NAME)
    if isinstance(found, RunReport):
        return found
    report = RunReport(config, config.stash[settings_key])
    config.pluginmanager.register(report, _NAME)
    return report


@cache
def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("pytest-keepalive")
    except PackageNotFoundError:
        return "unknown"
