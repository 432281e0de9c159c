"""The baseline: what each test did when somebody last agreed to it, and what got worse since.

Rules
1. One entry a test and origin, sorted, each on its own line, with its test where that has only
   one: branches merge, of a conflict both sides can be kept, and diffs are read.
2. Worse is: more connections to an origin, or more exchanges that did not reuse one. Fewer
   exchanges that reuse as well as ever are not worse.
3. A test without an entry is new, and held to nothing; an origin without one, in a test that
   has entries, was used zero times.
4. An update takes better figures over and widens to worse ones: a test whose figures vary gets
   a range once it has been seen to rise, which from then on only ever widens.
5. An update keeps the entries of tests that did not pass or did not run.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from pytest_keepalive._amount import count_of
from pytest_keepalive._baseline_entry import Entry, Span, entries_of, line_of
from pytest_keepalive._limits import Broken, Violation
from pytest_keepalive._summary import Figures


@dataclass(frozen=True)
class Baseline:
    """The entries of a baseline.

    Args:
        tests: For each test and origin.
        name: Of the file, as it is shown.
        lines: Where each test and origin stands in the file, from 1; a test has the origin ``""``.
    """

    tests: Mapping[str, Mapping[str, Entry]] = field(default_factory=dict)
    name: str = ""
    lines: Mapping[tuple[str, str], int] = field(default_factory=dict)

    def quoted(self, test: str, origin: str) -> str:
        """Quote the line of an entry, or the one of its test where there is no entry."""
        entry = self.tests[test].get(origin)
        text = json.dumps(test) if entry is None else line_of(origin, entry)
        number = self.lines.get((test, "" if entry is None else origin))
        return f"{self.name}:{number}: {text}" if number else f"{self.name}: {text}"


class Update(NamedTuple):
    """A new baseline.

    Args:
        baseline: To be saved.
        changes: What is different from the old one, a sentence each.
    """

    baseline: Baseline
    changes: tuple[str, ...]


def regressions(
    baseline: Baseline, test: str, figures: Mapping[str, Figures]
) -> tuple[Violation, ...]:
    """Find what a test does worse than its baseline.

    Args:
        baseline: Of the suite.
        test: Its id.
        figures: What it did, for each origin.
    """
    entries = baseline.tests.get(test)
    if entries is None:
        return ()
    found = (
        _regression(baseline, test, origin, entries.get(origin), seen)
        for origin, seen in figures.items()
    )
    return tuple(violation for violation in found if violation is not None)


def improvements(baseline: Baseline, test: str, figures: Mapping[str, Figures]) -> list[str]:
    """Say what a test does better than its baseline, a sentence each."""
    return [
        f"{test}: {_used(figures.get(origin, Figures()).connections)} to {origin}, "
        f"baseline is {entry.connections}"
        for origin, entry in baseline.tests.get(test, {}).items()
        if entry.better(figures.get(origin, Figures()))
    ]


def vanished(baseline: Baseline, collected: Iterable[str], files: Iterable[str]) -> list[str]:
    """Give the tests with entries that are there no more.

    Args:
        baseline: Of the suite.
        collected: The ids of the tests that are there.
        files: The files of which every test was collected, and those that are gone.
    """
    present, whole = set(collected), set(files)
    return sorted(test for test in baseline.tests if test not in present and file_of(test) in whole)


def file_of(test: str) -> str:
    """Give the file in a test's id."""
    return test.partition("::")[0]


def renamed(
    baseline: Baseline, gone: Iterable[str], new: Mapping[str, Mapping[str, Figures]]
) -> dict[str, str]:
    """Guess under which names vanished tests go on.

    It is the test of the same name in another file, or else the one with the same figures, where
    there is one such test and no more.

    Args:
        baseline: Of the suite.
        gone: The tests that vanished.
        new: The figures of the tests without entries.
    """
    old = {test: _shape(baseline.tests[test]) for test in gone}
    came = {test: _shape(entries_of(figures)) for test, figures in new.items()}
    moved = _paired(*({test: test.partition("::")[2] for test in tests} for tests in (old, came)))
    for test, name in moved.items():
        del old[test], came[name]
    return {**moved, **_paired(old, came)}


def update(
    baseline: Baseline,
    seen: Mapping[str, Iterable[Mapping[str, Figures]]],
    gone: Iterable[str] = (),
) -> Update:
    """Bring a baseline up to date (rules 4 and 5).

    Args:
        baseline: The old one.
        seen: What each test did that passed, in each of its runs.
        gone: The tests that vanished.
    """
    tests: dict[str, Mapping[str, Entry]] = dict(baseline.tests)
    changes: list[str] = []
    for test, runs in seen.items():
        old = baseline.tests.get(test, {})
        now = _entries_of_runs(runs)
        tests[test] = {
            origin: _updated(old.get(origin), now.get(origin)) for origin in {**old, **now}
        }
        tests[test] = {origin: entry for origin, entry in tests[test].items() if any(entry[0])}
        changes += _changes(test, old, tests[test])
    for test in gone:
        changes.append(f"{test}: dropped, the test is gone")
        del tests[test]
    kept = {test: entries for test, entries in tests.items() if entries}
    return Update(Baseline(kept, baseline.name), tuple(changes))


def _paired(old: Mapping[str, str], came: Mapping[str, str]) -> dict[str, str]:
    """Pair the tests of which a trait is that of one test on either side."""
    olds, cames = (Counter(traits.values()) for traits in (old, came))
    only = {trait: test for test, trait in came.items() if olds[trait] == cames[trait] == 1}
    return {test: only[trait] for test, trait in old.items() if trait in only}


def _regression(
    baseline: Baseline, test: str, origin: str, entry: Entry | None, seen: Figures
) -> Violation | None:
    quoted = baseline.quoted(test, origin)
    if entry is None:
        sentence = f"{_used(seen.connections)} to {origin}, baseline has none ({quoted})"
        return Violation(Broken.BASELINE, sentence, seen.connections, 0, origin)
    most = entry.connections.high
    if seen.connections > most:
        allowed = entry.connections
        sentence = f"{_used(seen.connections)} to {origin}, baseline is {allowed} ({quoted})"
        return Violation(Broken.BASELINE, sentence, seen.connections, most, origin)
    if seen.first > entry.first:
        sentence = (
            f"reused connections for {seen.reused} of {count_of(seen.exchanges, 'exchange')} to "
            f"{origin}, baseline is {entry.reused} of {entry.exchanges} ({quoted})"
        )
        return Violation(Broken.BASELINE, sentence, seen.reused, entry.reused.low, origin)
    return None


def _used(connections: int) -> str:
    return f"used {count_of(connections, 'connection')}"


def _updated(old: Entry | None, now: Entry | None) -> Entry:
    if old is None or now is None:
        nothing = Entry(*(Span(0, 0),) * 3)
        return now or (old.widened(nothing) if old is not None and old.varies else nothing)
    return old.widened(now) if old.varies or old.worse(now) else now


def _changes(test: str, old: Mapping[str, Entry], now: Mapping[str, Entry]) -> Iterator[str]:
    for origin in sorted({**old, **now}):
        before, after = old.get(origin), now.get(origin)
        if before == after:
            continue
        if before is None:
            yield f"{test}: {origin} is new, {after}"
        elif after is None:
            yield f"{test}: {origin} is not used any more, was {before}"
        else:
            now_is = "varies, widened to" if after.varies else "is now"
            yield f"{test}: {origin} {now_is} {after}, was {before}"


def _entries_of_runs(runs: Iterable[Mapping[str, Figures]]) -> dict[str, Entry]:
    merged: dict[str, Entry] = {}
    for figures in runs:
        for origin, entry in entries_of(figures).items():
            merged[origin] = merged[origin].widened(entry) if origin in merged else entry
    return merged


def _shape(entries: Mapping[str, Entry]) -> str:
    return json.dumps(sorted(entries.items()))
