"""The file of a baseline: loaded before a run, and at its end compared with or brought up to date.

Rules
1. A baseline that somebody relies on and that is not there is an error, not an empty one.
2. Only tests that passed say what a test does.
3. A file that would stay the same is not written.
4. Of updates at the same time none is lost: each one reads, merges and writes under a lock.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from pathlib import Path

from pytest_keepalive._amount import count_of
from pytest_keepalive._baseline import (
    Baseline,
    improvements,
    renamed,
    update,
)
from pytest_keepalive._baseline_text import parse_baseline, render_baseline
from pytest_keepalive._file_lock import held_lock
from pytest_keepalive._report_file import UnusableFile, check_replaceable, read_file, replace_file
from pytest_keepalive._summary import Figures, RunSummary

# As many as anybody reads.
_MOST_LINES = 20


class BaselineFile:
    """A baseline and its file.

    Args:
        path: Of the file.
        shown: The path as it is shown.
        command: What brings the file up to date.
    """

    def __init__(self, path: Path, shown: str, command: str) -> None:
        self.path, self.shown, self.command = path, shown, command
        self.text: str | None = None
        self.baseline = Baseline(name=shown)

    def load(self, updating: bool) -> None:
        """Read the file.

        Args:
            updating: Whether it will be written, so that it may be missing.

        Raises:
            UnusableFile: It is missing, or no baseline, or cannot be written.
        """
        if updating:
            check_replaceable(self.path)
        self.text = read_file(self.path)
        if self.text is None:
            if updating:
                return
            raise UnusableFile(
                self.path, f"there is no such baseline; make it with: {self.command}"
            )
        try:
            self.baseline = parse_baseline(self.text, self.shown)
        except ValueError as error:
            raise UnusableFile(self.path, str(error)) from None

    def compare(self, summary: RunSummary, gone: set[str]) -> list[str]:
        """Say what is different from the baseline without being worse, in lines.

        Args:
            summary: Of the run.
            gone: The tests that are there no more.
        """
        better = self._better(summary)
        new = self._new(summary)
        names = renamed(self.baseline, sorted(gone), new)
        lost = [f"{test} (now {names[test]}?)" if test in names else test for test in sorted(gone)]
        said = [
            *_listed("better than the baseline", better),
            *_listed("not in the baseline", list(new)),
            *_listed("in the baseline, but gone", lost),
        ]
        return [*said, f"take them over with: {self.command}"] if said else []

    def save(self, summary: RunSummary, gone: set[str]) -> list[str]:
        """Bring the file up to date, and say what changed, in lines.

        Args:
            summary: Of the run.
            gone: The tests that are there no more.

        Raises:
            UnusableFile: It cannot be written, or was broken in the meantime; it is unchanged.
        """
        if self.text is None and not summary.tests:
            return [f"no test ran, and {self.shown} was not made"]
        seen = {
            test: [run.origins for run in runs]
            for test, runs in summary.by_test()
            if all(run.outcome == "passed" for run in runs)
        }
        with held_lock(self.path):
            said = self._take_over(seen, gone)
        return [*said, *_left_out(summary, seen)]

    def _take_over(
        self, seen: Mapping[str, Iterable[Mapping[str, Figures]]], gone: set[str]
    ) -> list[str]:
        # Another run may have brought other tests up to date in the meantime.
        self.load(updating=True)
        made, changes = update(self.baseline, seen, sorted(gone & self.baseline.tests.keys()))
        if self.text is not None and made.tests == self.baseline.tests:
            return [f"{self.shown} is up to date"]
        replace_file(self.path, [render_baseline(made)], durable=True)
        return _listed(f"{self.shown} was written", list(changes)) or [
            f"{self.shown} was written: no test used a connection"
        ]

    def _better(self, summary: RunSummary) -> list[str]:
        better: list[str] = []
        for test, runs in summary.by_test():
            if all(run.outcome == "passed" for run in runs):
                # Better in each of its runs, or it only varies.
                found = (improvements(self.baseline, test, run.origins) for run in runs)
                better += sorted(found, key=len)[0]
        return better

    def _new(self, summary: RunSummary) -> dict[str, Mapping[str, Figures]]:
        return {
            test: runs[-1].origins
            for test, runs in summary.by_test()
            if test not in self.baseline.tests and runs[-1].origins
        }


def _left_out(summary: RunSummary, seen: Container[str]) -> list[str]:
    """Say what is not in the figures of a run, in lines."""
    said = []
    kept = sum(test not in seen for test, _ in summary.by_test())
    if kept:
        said.append(f"{count_of(kept, 'test')} did not pass, and changed nothing there")
    inexact = sum(not each.exact for each in summary.tests.values())
    if inexact:
        said.append(
            f"in {count_of(inexact, 'test')} connections were opened that no observer saw, "
            "and that are not in the figures"
        )
    return said


def _listed(title: str, lines: Sequence[str]) -> list[str]:
    if not lines:
        return []
    more = len(lines) - _MOST_LINES
    rest = [f"  ... and {more} more"] if more > 0 else []
    return [f"{title}:", *(f"  {line}" for line in lines[:_MOST_LINES]), *rest]
