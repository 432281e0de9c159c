"""What a marker promises, and how it was broken: pure functions over a recording.

Rules
1. A limit is about the connections that count in the window: established in it, or used in it.
2. Nothing passes vacuously: where a limit promises something above zero and nothing was seen,
   it is broken, as nothing was measured.
3. What was not seen proves nothing: a number of exchanges cannot be promised for connections
   whose exchanges no probe watched.
4. For the same ``to``, the closest marker wins key by key; ``None`` lifts a limit again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from enum import Enum

from pytest_keepalive._amount import count_of
from pytest_keepalive._connection import Connection, Tally
from pytest_keepalive._destination import parse_destination
from pytest_keepalive._recording import Recording

_MOST_ORIGINS_NAMED = 3


class Broken(str, Enum):
    """Which promise was broken."""

    NOTHING_MEASURED = "nothing-measured"
    NOT_SEEN = "not-seen"
    COUNT = "count"
    OPENED = "opened"
    REQUESTS = "requests"
    REUSE = "reuse"
    LEFT_OPEN = "left-open"
    BLIND = "blind"
    BASELINE = "baseline"

    __str__ = str.__str__


@dataclass(frozen=True)
class Limit:
    """What is promised of the connections of a window; see the ``connections`` marker.

    Args:
        exactly: The number of connections, neither more nor fewer.
        at_most: The greatest number of connections.
        opened_at_most: The greatest number of connections established in the window.
        requests: The exact number of exchanges.
        min_reuse: The least part of the exchanges that are not the first on their
            connection, from 0 to 1.
        left_open_at_most: The greatest number of connections that may still be open after
            the test's fixtures were torn down.
        per_origin: Whether each origin is held to the limit separately.
        used_only: Whether connections that carried nothing are left out.
        to: The destinations that it is about; all of them where ``None``.
    """

    exactly: int | None = None
    at_most: int | None = None
    opened_at_most: int | None = None
    requests: int | None = None
    min_reuse: float | None = None
    left_open_at_most: int | None = None
    per_origin: bool = False
    used_only: bool = False
    to: str | None = None

    @property
    def bounds_from_above(self) -> bool:
        """Whether it promises that there was no more than something, or exactly something."""
        bounds = (self.exactly, self.at_most, self.opened_at_most, self.requests, self.min_reuse)
        return any(bound is not None for bound in bounds)

    @property
    def promises_something(self) -> bool:
        """Whether it can only be kept by a window in which something was measured (rule 2)."""
        bounds = (self.exactly, self.at_most, self.opened_at_most, self.requests, self.min_reuse)
        return any(bound is not None and bound > 0 for bound in bounds)


@dataclass(frozen=True)
class Violation:
    """How a limit was broken.

    Args:
        broken: Which promise.
        sentence: The whole story in one sentence, without a full stop.
        observed: The figure that was seen.
        allowed: The figure that was promised.
        target: The destinations that it is about, in words.
    """

    broken: Broken
    sentence: str
    observed: float
    allowed: float
    target: str

    def __str__(self) -> str:
        return self.sentence


class ConnectionLimitExceeded(AssertionError):
    """A test did not keep what its marker promises.

    Args:
        violations: At least one.
        evidence: The text that shows what was seen; may be empty.
        by_marker: Whether a marker, and no line of the test, promised it.
    """

    # What a failure shows is where users import it from.
    __module__ = "pytest_keepalive"

    def __init__(
        self, violations: tuple[Violation, ...], evidence: str = "", by_marker: bool = False
    ) -> None:
        super().__init__(violations, evidence, by_marker)
        self.violations = violations
        self.evidence = evidence
        self.by_marker = by_marker

    def __str__(self) -> str:
        sentences = "\n".join(violation.sentence for violation in self.violations)
        return f"{sentences}\n\n{self.evidence}" if self.evidence else sentences


def judge(
    recording: Recording, limit: Limit, silence: tuple[str, ...] = ()
) -> tuple[Violation, ...]:
    """Hold a recording to a limit.

    Args:
        recording: Of the whole window; ``to`` is applied here.
        limit: ``left_open_at_most`` is not judged here, since only the operating system
            knows, and only after teardown.
        silence: What may be behind a recording without connections, a sentence each.
    """
    about = recording.to(limit.to) if limit.to is not None else recording
    if limit.used_only:
        about = about.used()
    if recording.unmeasurable and limit.bounds_from_above:
        return (_unmeasurable(recording, limit),)
    if not about.connections and limit.promises_something:
        return (_nothing_measured(recording, limit, silence),)
    parts = list(about.per_origin().values()) if limit.per_origin else [about]
    return tuple(found for part in parts for found in _broken(part, limit))


def judge_left_open(left_open: Iterable[Connection], limit: Limit) -> Violation | None:
    """Hold the connections that a test left open to a limit.

    Args:
        left_open: Those that the operating system still shows open.
        limit: Only ``left_open_at_most``, ``per_origin`` and ``to`` matter.
    """
    recording = Recording(connections=Tally(left_open))
    about = recording.to(limit.to) if limit.to is not None else recording
    parts = list(about.per_origin().values()) if limit.per_origin else [about]
    for part in parts:
        if limit.left_open_at_most is not None and part.count > limit.left_open_at_most:
            target = _target_of(part, limit)
            sentence = (
                f"left {count_of(part.count, 'connection')} to {target} open, "
                f"limit is {limit.left_open_at_most}"
            )
            return Violation(
                Broken.LEFT_OPEN, sentence, part.count, limit.left_open_at_most, target
            )
    return None


def judge_blindness(recording: Recording) -> tuple[Violation, ...]:
    """Break a promise that cannot be trusted, since connections certainly escaped the observers."""
    return tuple(
        Violation(Broken.BLIND, str(spot), spot.opens, 0, "anywhere")
        for spot in recording.blind_spots
        if spot.certain
    )


def limit_from(keywords: Mapping[str, object]) -> Limit:
    """Read the keywords of a marker.

    Raises:
        ValueError: One is unknown, or its value is not of its kind; the text names it.
    """
    for name, value in keywords.items():
        check = _CHECKS.get(name)
        if check is None:
            raise ValueError(f"unknown argument {name!r}; known are {', '.join(_CHECKS)}")
        if value is not None:
            check(name, value)
    return Limit(**{k: v for k, v in keywords.items() if v is not None})  # type: ignore[arg-type]


def merge(layers: Iterable[Mapping[str, object]]) -> tuple[Limit, ...]:
    """Put the markers of a test together (rule 4).

    Args:
        layers: The keywords of each, the closest marker first.

    Raises:
        ValueError: A keyword is unknown, or its value is not of its kind.
    """
    merged: dict[object, dict[str, object]] = {}
    for keywords in layers:
        limit_from(keywords)
        mine = merged.setdefault(keywords.get("to"), {})
        for name, value in keywords.items():
            mine.setdefault(name, value)
    return tuple(limit_from(keywords) for keywords in merged.values())


def _broken(about: Recording, limit: Limit) -> Iterator[Violation]:
    target = _target_of(about, limit)
    yield from _broken_counts(about, limit, target)
    if (limit.requests is not None or limit.min_reuse is not None) and not about.exchanges_seen:
        unseen = sum(not each.exchanges_seen for each in about.connections)
        sentence = f"{_unseen(about, unseen, target)}, so requests and min_reuse cannot be checked"
        yield Violation(Broken.NOT_SEEN, sentence, unseen or len(about.unplaced), 0, target)
        return
    yield from _broken_exchanges(about, limit, target)


def _unseen(about: Recording, unseen: int, target: str) -> str:
    if not unseen:
        exchanges = count_of(len(about.unplaced), "exchange")
        return f"the connections of {exchanges} to {target} were not seen"
    some = any(each.exchanges for each in about.connections if not each.exchanges_seen)
    which = "not all exchanges of" if some else "the exchanges of"
    return f"{which} {count_of(unseen, 'connection')} to {target} were {'' if some else 'not '}seen"


def _broken_counts(about: Recording, limit: Limit, target: str) -> Iterator[Violation]:
    count, opened = about.count, len(about.opened)
    used = _subject(count, opened)
    bounds = [bound for bound in (limit.exactly, limit.at_most) if bound is not None]
    if bounds and count > min(bounds):
        sentence = f"{used} to {target}, limit is {min(bounds)}{_empty_ones(about)}"
        yield Violation(Broken.COUNT, sentence, count, min(bounds), target)
    elif limit.exactly is not None and count < limit.exactly:
        sentence = f"{used} to {target}, expected exactly {limit.exactly}"
        yield Violation(Broken.COUNT, sentence, count, limit.exactly, target)
    most = limit.opened_at_most
    if most is not None and opened > most:
        sentence = f"opened {count_of(opened, 'connection')} to {target}, opened_at_most is {most}"
        yield Violation(Broken.OPENED, sentence, opened, most, target)


def _broken_exchanges(about: Recording, limit: Limit, target: str) -> Iterator[Violation]:
    made, reused = len(about.exchanges), len(about.reused)
    if limit.requests is not None and made != limit.requests:
        sentence = f"made {count_of(made, 'request')} to {target}, expected exactly " + str(
            limit.requests
        )
        yield Violation(Broken.REQUESTS, sentence, made, limit.requests, target)
    if limit.min_reuse is not None and made and reused / made < limit.min_reuse:
        sentence = (
            f"reused connections for {reused} of {count_of(made, 'exchange')} "
            f"({reused / made:.2f}) to {target}, min_reuse is {limit.min_reuse}"
        )
        yield Violation(Broken.REUSE, sentence, reused / made, limit.min_reuse, target)


def _unmeasurable(recording: Recording, limit: Limit) -> Violation:
    target = limit.to or "anywhere"
    sentence = (
        f"cannot be measured here: {'; '.join(recording.unmeasurable)} "
        f"(seen: at least {count_of(recording.count, 'connection')}, sampled)"
    )
    return Violation(Broken.NOT_SEEN, sentence, recording.count, 0, target)


def _nothing_measured(recording: Recording, limit: Limit, silence: tuple[str, ...]) -> Violation:
    where = f" to {limit.to}" if limit.to else ""
    sentence = f"nothing was measured: no connection{where} was seen"
    if limit.used_only and recording.connections:
        sentence = f"nothing was measured: no connection{where} carried anything"
    elif recording.connections:
        seen = _target_of(recording, Limit())
        sentence += f", only {count_of(recording.count, 'connection')} to {seen}"
    elif recording.left_out:
        left_out = count_of(recording.left_out, "connection")
        sentence += f", only {left_out} to destinations that never count (keepalive_ignore)"
    elif silence:
        sentence += f" ({'; '.join(silence)})"
    promised = limit.exactly or limit.at_most or limit.opened_at_most or limit.requests or 0
    return Violation(Broken.NOTHING_MEASURED, sentence, 0, promised, limit.to or "anywhere")


def _subject(count: int, opened: int) -> str:
    if opened == count:
        return f"opened {count_of(count, 'connection')}"
    return f"used {count_of(count, 'connection')} ({opened} opened here)"


def _empty_ones(about: Recording) -> str:
    empty = sum(each.carried_nothing for each in about.connections)
    return f" ({empty} of them carried nothing)" if empty else ""


def _target_of(about: Recording, limit: Limit) -> str:
    origins = list(about.per_origin())
    if not origins:
        return limit.to or "anywhere"
    if len(origins) == 1:
        return str(origins[0])
    named = ", ".join(origins[:_MOST_ORIGINS_NAMED])
    more = ", ..." if len(origins) > _MOST_ORIGINS_NAMED else ""
    return f"{len(origins)} origins ({named}{more})"


def _whole(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"{name} must be a whole number, 0 or more, not {value!r}")


def _part(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
        raise ValueError(f"{name} must be a number from 0 to 1, not {value!r}")


def _switch(name: str, value: object) -> None:
    if not isinstance(value, bool):
        raise ValueError(f"{name} must be True or False, not {value!r}")


def _destination(name: str, value: object) -> None:
    try:
        parse_destination(value)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


_KINDS: dict[str, Callable[[str, object], None]] = {
    "min_reuse": _part,
    "per_origin": _switch,
    "used_only": _switch,
    "to": _destination,
}
_CHECKS = {field.name: _KINDS.get(field.name, _whole) for field in fields(Limit)}
