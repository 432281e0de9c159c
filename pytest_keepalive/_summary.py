"""What a run did with its connections, as figures: test, then origin, then the run.

Rules
1. Only plain data leaves a process: ``as_dict`` gives what JSON and execnet carry.
2. A test that ran several times counts once, with its last run.
3. An origin is the same in each run: the port of a loopback server that the operating system
   chose is written ``*``, and the figures of all such origins of one host are one entry.
4. A connection is avoidable when the diagnosis proves its cause, and does not say that it was
   needed; its cost is what was measured of its TCP and TLS handshakes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from pytest_keepalive._diagnosis import Finding
    from pytest_keepalive._limits import Violation
    from pytest_keepalive._origin import Address, Origin
    from pytest_keepalive._recording import Recording

# Linux gives out ports from here on (ip(7)), the others from 49152 on (RFC 6335, section 6). It
# is a fixed figure, since a baseline must read the same on each machine.
_FIRST_EPHEMERAL = 32768
_LOOPBACK_NAMES = ("localhost", "::1")
_UNPROVED = "unknown"


class Figures(NamedTuple):
    """What was done towards one origin, or in all.

    Args:
        connections: How many counted.
        exchanges: How many they carried.
        reused: How many of these were not the first on their connection.
        opened: How many of the connections were established in the window.
    """

    connections: int = 0
    exchanges: int = 0
    reused: int = 0
    opened: int = 0

    @property
    def first(self) -> int:
        """How many exchanges were the first on their connection."""
        return self.exchanges - self.reused

    def plus(self, other: Figures) -> Figures:
        """Add up."""
        connections, exchanges, reused, opened = self
        return Figures(
            connections + other[0], exchanges + other[1], reused + other[2], opened + other[3]
        )


class Waste(NamedTuple):
    """Connections that one line of code opened for one cause, without a proof of their need.

    Args:
        site: The line, such as ``tests/test_api.py:41``; empty where not seen.
        cause: The id of the cause.
        connections: How many.
        seconds: What was measured of their handshakes.
        measured: Of how many of them a time was measured.
    """

    site: str
    cause: str
    connections: int = 0
    seconds: float = 0.0
    measured: int = 0

    @property
    def avoidable(self) -> bool:
        """Whether their cause is proved (rule 4)."""
        return self.cause != _UNPROVED

    def plus(self, other: Waste) -> Waste:
        """Add up, for the same line and cause."""
        sums = (mine + theirs for mine, theirs in zip(self[2:], other[2:], strict=True))
        return Waste(self.site, self.cause, *sums)  # type: ignore[arg-type]


class Broken(NamedTuple):
    """One broken promise of a test.

    Args:
        kind: Which promise, such as ``count`` or ``baseline``.
        sentence: The whole story.
        path: The file of the line to look at, from the root of the tests.
        line: Counted from 1.
        why: The cause and its remedy; empty where nothing was found.
    """

    kind: str
    sentence: str
    path: str = ""
    line: int = 0
    why: str = ""


class Place(NamedTuple):
    """Where a test stands.

    Args:
        path: Of its file, from the root of the tests.
        line: Counted from 1.
        root: The folder from which the tests are named.
    """

    path: str
    line: int
    root: str = ""


@dataclass(frozen=True)
class TestSummary:
    """What one run of one test did.

    Args:
        test: The test's id, the same in each run.
        origins: The figures for each origin.
        wasted: Its connections that were not needed, as far as is known.
        broken: The promises that it broke.
        exact: Whether nothing escaped the observers.
        outcome: What pytest made of it: ``passed``, ``failed``, ``xfailed`` ...
        causes: How many of its connections have each cause.
    """

    __test__ = False

    test: str
    origins: Mapping[str, Figures] = field(default_factory=dict)
    wasted: tuple[Waste, ...] = ()
    broken: tuple[Broken, ...] = ()
    exact: bool = True
    outcome: str = "passed"
    causes: Mapping[str, int] = field(default_factory=dict)

    @property
    def total(self) -> Figures:
        """The figures of all origins."""
        return _sum_of(self.origins.values())

    @property
    def failed(self) -> bool:
        """Whether it broke a promise, and that was not what was expected of it."""
        return bool(self.broken) and self.outcome == "failed"

    @property
    def avoidable(self) -> int:
        """How many of its connections could have been saved."""
        return sum(each.connections for each in self.wasted if each.avoidable)

    def as_dict(self) -> dict[str, Any]:
        """Give plain data that ``from_dict`` reads."""
        return {
            "test": self.test,
            "origins": {origin: list(figures) for origin, figures in self.origins.items()},
            "wasted": [list(each) for each in self.wasted],
            "broken": [list(each) for each in self.broken],
            "exact": self.exact,
            "outcome": self.outcome,
            "causes": dict(self.causes),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> TestSummary:
        """Read what ``as_dict`` gave."""
        return cls(
            data["test"],
            {origin: Figures(*figures) for origin, figures in data["origins"].items()},
            tuple(Waste(*each) for each in data["wasted"]),
            tuple(Broken(*each) for each in data["broken"]),
            data["exact"],
            data["outcome"],
            data["causes"],
        )


class RunSummary:
    """What the tests of a run did, by their node ids."""

    def __init__(self) -> None:
        self.tests: dict[str, TestSummary] = {}

    def add(self, node: str, summary: TestSummary) -> None:
        """Take in a run of a test (rule 2)."""
        self.tests[node] = summary

    def fail(self, node: str) -> None:
        """Take back that a test passed."""
        test = self.tests.get(node)
        if test is not None and test.outcome == "passed":
            self.tests[node] = replace(test, outcome="failed")

    def merge(self, other: RunSummary) -> None:
        """Take in another run, such as the one of a worker; its tests come last."""
        self.tests.update(other.tests)

    @property
    def connected(self) -> dict[str, TestSummary]:
        """The tests that used a connection."""
        return {node: each for node, each in self.tests.items() if each.total.connections}

    @property
    def total(self) -> Figures:
        """The figures of the whole run."""
        return _sum_of(each.total for each in self.tests.values())

    @property
    def origins(self) -> dict[str, Figures]:
        """The figures for each origin."""
        return _summed(pair for each in self.tests.values() for pair in each.origins.items())

    @property
    def wasted(self) -> list[Waste]:
        """The connections that were not needed, as far as is known, the worst line first."""
        found = (each for summary in self.tests.values() for each in summary.wasted)
        return sorted(_folded(found), key=lambda each: (-each.connections, each[:2]))

    @property
    def broken(self) -> list[tuple[str, Broken]]:
        """The broken promises of failed tests, each with the node id of its test."""
        failed = ((node, test) for node, test in self.tests.items() if test.failed)
        return [(node, each) for node, test in failed for each in test.broken]

    def by_test(self) -> Iterator[tuple[str, list[TestSummary]]]:
        """Give the runs of each test under its id: pytest-repeat makes several."""
        groups: dict[str, list[TestSummary]] = {}
        for summary in self.tests.values():
            groups.setdefault(summary.test, []).append(summary)
        return iter(groups.items())

    def as_dict(self) -> dict[str, Any]:
        """Give plain data that ``from_dict`` reads."""
        return {node: summary.as_dict() for node, summary in self.tests.items()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> RunSummary:
        """Read what ``as_dict`` gave."""
        run = cls()
        for node, summary in data.items():
            run.add(node, TestSummary.from_dict(summary))
        return run

    def __repr__(self) -> str:
        return f"<RunSummary {len(self.tests)} tests {self.total}>"


def figures_of(recording: Recording) -> dict[str, Figures]:
    """Count what a recording shows, for each origin (rule 3)."""
    sums: dict[tuple[Origin, Address], list[int]] = {}
    for each in recording.connections:
        counts = sums.setdefault((each.origin, each.peer), [0, 0, 0, 0])
        counts[0] += 1
        counts[1] += len(each.exchanges)
        counts[2] += sum(exchange.reused for exchange in each.exchanges)
        counts[3] += each.opened_here
    return _summed((steady_origin(*place), Figures(*counts)) for place, counts in sums.items())


def steady_origin(origin: Origin, peer: Address | None = None) -> str:
    """Write an origin so that it is the same in each run (rule 3).

    Args:
        origin: Any.
        peer: Where it was found, since other names lead to loopback, too.
    """
    hosts = (
        (origin.host, peer[0]) if peer is not None and peer[1] == origin.port else (origin.host,)
    )
    if origin.port < _FIRST_EPHEMERAL or not any(map(_is_loopback, hosts)):
        return str(origin)
    return f"{origin.rpartition(':')[0]}:*"


def _is_loopback(host: str) -> bool:
    return host in _LOOPBACK_NAMES or host.startswith("127.")


def waste_of(findings: Iterable[Finding]) -> tuple[Waste, ...]:
    """Count the connections that were not needed, as far as is known."""
    return tuple(_folded(map(_waste, (each for each in findings if not each.legitimate))))


def broken_of(
    violations: Iterable[Violation], findings: Iterable[Finding], place: Place
) -> tuple[Broken, ...]:
    """Put broken promises where somebody can mend them.

    Args:
        violations: Of one test.
        findings: Of the same test; the line that most of them name is the one to look at.
        place: Of the test, for when there is none.
    """
    promises = tuple(violations)
    if not promises:
        return ()
    blamed = Counter(
        (each.call_site, f"{each.cause}: {each.remedy}".rstrip(": "))
        for each in findings
        if each.call_site is not None and not each.legitimate
    ).most_common(1)
    path, line, root = place
    why = ""
    if blamed and blamed[0][0][0] is not None:
        (site, why), _ = blamed[0]
        path, line = site.below(root), site.line
    return tuple(Broken(str(each.broken), each.sentence, path, line, why) for each in promises)


def _waste(finding: Finding) -> Waste:
    connection = finding.connection
    times = (connection.connect_seconds, connection.handshake_seconds)
    known = [time for time in times if time is not None]
    return Waste(str(finding.call_site or ""), str(finding.cause), 1, sum(known), int(bool(known)))


def _folded(found: Iterable[Waste]) -> list[Waste]:
    sums: dict[tuple[str, str], Waste] = {}
    for each in found:
        key = each.site, each.cause
        sums[key] = sums[key].plus(each) if key in sums else each
    return list(sums.values())


def _summed(pairs: Iterable[tuple[str, Figures]]) -> dict[str, Figures]:
    sums: dict[str, Figures] = {}
    for origin, figures in pairs:
        sums[origin] = sums[origin].plus(figures) if origin in sums else figures
    return sums


def _sum_of(figures: Iterable[Figures]) -> Figures:
    several = tuple(figures)
    return reduce(Figures.plus, several) if several else Figures()
