"""The summary at the end of a run, in lines."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_keepalive._amount import count_of
from pytest_keepalive._reports._prose import printable, wrapped
from pytest_keepalive._summary import RunSummary, Waste

_MOST_SITES = 5
_MOST_ORIGINS = 10
# Of a narrow window, this much is left to what stands behind an origin.
_WIDEST_FIGURES = 50


def summary_lines(summary: RunSummary, width: int) -> Iterator[str]:
    """Write the whole summary.

    Args:
        summary: Of the run.
        width: In columns.
    """
    yield from totals_lines(summary, width)
    wasted = summary.wasted
    if summary.total.connections:
        yield from wrapped(_cost(wasted), width)
    for each in wasted[:_MOST_SITES]:
        site = each.site or "a line that was not seen"
        yield from wrapped(f"{each.connections} × {each.cause} at {site}", width, "  ", "    ")
    if len(wasted) > _MOST_SITES:
        yield f"  ... and {count_of(len(wasted) - _MOST_SITES, 'more line')}"
    yield from _origins(summary, width)


def totals_lines(summary: RunSummary, width: int) -> Iterator[str]:
    """Write the totals, and which tests could not be measured exactly."""
    yield from wrapped(_totals(summary), width)
    broken = {node for node, _ in summary.broken}
    if broken:
        verb = "breaks a limit" if len(broken) == 1 else "break limits"
        yield f"{count_of(len(broken), 'test')} {verb}"
    inexact = sum(not each.exact for each in summary.tests.values())
    if inexact:
        yield from wrapped(
            f"in {count_of(inexact, 'test')} connections were opened that no observer saw: all "
            "figures are at least",
            width,
        )


def _totals(summary: RunSummary) -> str:
    total, tests = summary.total, len(summary.connected)
    if not tests:
        return "no test used a connection"
    share = f" ({100 * total.reused / total.exchanges:.0f} %)" if total.exchanges else ""
    return (
        f"{count_of(tests, 'test')} used {count_of(total.connections, 'connection')} for "
        f"{count_of(total.exchanges, 'exchange')}, {total.reused}{share} of them reused one"
    )


def _cost(wasted: list[Waste]) -> str:
    proved = [each for each in wasted if each.avoidable]
    avoidable = sum(each.connections for each in proved)
    measured = sum(each.measured for each in proved)
    if not avoidable:
        return f"no connection {'is known to be' if wasted else 'was'} avoidable"
    least = "" if measured == avoidable else "at least "
    spent = f"{least}{sum(each.seconds for each in proved) * 1000:.1f} ms in handshakes"
    cost = spent if measured else "time not measured"
    return f"{count_of(avoidable, 'connection')} avoidable, {cost}"


def _origins(summary: RunSummary, width: int) -> Iterator[str]:
    origins = sorted(summary.origins.items(), key=lambda pair: (-pair[1].connections, pair[0]))
    widest = max((len(printable(origin)) for origin, _ in origins[:_MOST_ORIGINS]), default=0)
    for origin, each in origins[:_MOST_ORIGINS]:
        shown = printable(origin).ljust(min(widest, width - _WIDEST_FIGURES))
        carried = f"{count_of(each.exchanges, 'exchange')}, {each.reused} reused"
        yield f"  {shown}  {count_of(each.connections, 'connection')}, {carried}"
    if len(origins) > _MOST_ORIGINS:
        yield f"  ... and {count_of(len(origins) - _MOST_ORIGINS, 'more origin')}"
