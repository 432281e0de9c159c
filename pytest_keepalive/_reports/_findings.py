"""The findings as text: what happened, where, what proves it, and what to change.

Rules
1. Findings of one cause at one line are one entry; the line of the user's code comes first.
2. The evidence is that of the first of them, in three lines at the most.
3. The cost counts measured times only, and connections that could have been saved.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pytest_keepalive._amount import count_of
from pytest_keepalive._call_site import CallSite
from pytest_keepalive._diagnosis import Cause, Finding
from pytest_keepalive._reports._prose import wrapped
from pytest_keepalive._reports._quotation import quoted

_MOST_EVIDENCE = 3
_LONGEST_SOURCE = 60


def findings_text(findings: Iterable[Finding], width: int) -> Iterator[str]:
    """Write findings down, folded, each entry some lines.

    Args:
        findings: Of one recording.
        width: In columns.
    """
    found = tuple(findings)
    for group in _folded(found):
        yield from _entry(group, width)
    cost = _cost(found)
    if cost:
        yield cost


def _folded(findings: Iterable[Finding]) -> list[list[Finding]]:
    groups: dict[tuple[str, str, str | None], list[Finding]] = {}
    for finding in findings:
        key = (finding.cause, finding.story, finding.call_site)
        groups.setdefault(key, []).append(finding)
    return list(groups.values())


def _entry(group: list[Finding], width: int) -> Iterator[str]:
    first = group[0]
    head = f"{count_of(len(group), 'connection')}: {first.cause} — {first.story}"
    if first.call_site is not None:
        head = f"{head} at {_quoted(first.call_site)}"
    yield from wrapped(head, width)
    for sentence in first.evidence[:_MOST_EVIDENCE]:
        yield from wrapped(sentence, width, "  - ", "    ")
    if first.remedy:
        yield from wrapped(first.remedy, width, "  > ", "    ")


def _quoted(site: CallSite) -> str:
    source = quoted(site.source, _LONGEST_SOURCE)
    return f"{site} `{source}`" if source else str(site)


def _is_avoidable(finding: Finding) -> bool:
    return not finding.legitimate and finding.cause is not Cause.UNKNOWN


def _cost(findings: Iterable[Finding]) -> str:
    avoidable = [each.connection for each in findings if _is_avoidable(each)]
    if not avoidable:
        return ""
    times = [each.connect_seconds for each in avoidable if each.connect_seconds is not None]
    handshakes = [each.handshake_seconds for each in avoidable if each.handshake_seconds]
    what = "TCP and TLS handshakes" if handshakes else "TCP handshakes"
    count = count_of(len(avoidable), "avoidable connection")
    if not times and not handshakes:
        return f"{count}, time not measured"
    spent = sum(times) + sum(handshakes)
    least = "" if len(times) == len(avoidable) else "at least "
    return f"{count}, {least}{_milliseconds(spent)} in {what}"


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms" if seconds < 0.01 else f"{seconds * 1000:.0f} ms"
