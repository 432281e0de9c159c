"""What GitHub shows: annotations at the lines to mend, and a summary in Markdown.

Rules
1. The data of a workflow command escapes ``%``, CR and LF; its properties ``:`` and ``,`` too
   (GitHub's documentation of workflow commands), so that no text can begin a command of its own.
2. Text from outside stands in Markdown between backquotes, with those that it holds taken out.
3. Of a text that is too long both ends are shown: GitHub shows nothing of a summary that is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice

from pytest_keepalive._amount import count_of
from pytest_keepalive._reports._prose import printable
from pytest_keepalive._summary import Broken, RunSummary, Waste

# GitHub shows ten annotations a step, and one mebibyte of summary.
_MOST_ANNOTATIONS = 10
_MOST_ROWS = 50
_LONGEST_CELL = 500


def annotated(
    broken: Iterable[tuple[str, Broken]], shown: Callable[[str], str] = str
) -> Iterator[str]:
    """Write a workflow command for each broken promise.

    Args:
        broken: With the node ids of their tests.
        shown: Gives the path of a file as GitHub knows it.
    """
    for node, each in islice(broken, _MOST_ANNOTATIONS):
        message = f"{node}: {each.sentence}" + (f"\n{each.why}" if each.why else "")
        place = f"file={_property(shown(each.path))},line={each.line}" if each.path else ""
        yield f"::error {place},title=keep-alive::{_data(message)}".replace(" ,", " ", 1)


def markdown(summary: RunSummary, shown: Callable[[str], str] = str) -> str:
    """Write the summary of a run.

    Args:
        summary: Of the run.
        shown: Gives the path of a file as GitHub knows it.
    """
    total, wasted = summary.total, summary.wasted
    lines = [
        "## Connections",
        "",
        f"{count_of(len(summary.connected), 'test')}, "
        f"{count_of(total.connections, 'connection')}, "
        f"{count_of(total.exchanges, 'exchange')}, {total.reused} reused",
        "",
        *_broken(summary, shown),
        *_wasted("Avoidable connections", [each for each in wasted if each.avoidable]),
        *_wasted("Unexplained connections", [each for each in wasted if not each.avoidable]),
        *_origins(summary),
    ]
    return "\n".join(lines) + "\n"


def _broken(summary: RunSummary, shown: Callable[[str], str]) -> Iterator[str]:
    broken = summary.broken
    if broken:
        yield from ("### Broken limits", "", "| test | what happened | where |", "|---|---|---|")
        for node, each in broken[:_MOST_ROWS]:
            where = f"{shown(each.path)}:{each.line}" if each.path else ""
            yield f"| {_code(node)} | {_code(each.sentence)} | {_code(where)} |"
        yield from _more(len(broken))


def _wasted(title: str, wasted: Sequence[Waste]) -> Iterator[str]:
    if wasted:
        yield from (f"### {title}", "", "| where | cause | connections | ms |")
        yield "|---|---|---:|---:|"
        for each in wasted[:_MOST_ROWS]:
            cost = f"{each.seconds * 1000:.1f}" if each.measured else ""
            yield f"| {_code(each.site)} | {_code(each.cause)} | {each.connections} | {cost} |"
        yield from _more(len(wasted))


def _origins(summary: RunSummary) -> Iterator[str]:
    origins = sorted(summary.origins.items(), key=lambda pair: -pair[1].connections)
    if origins:
        yield from ("### Origins", "", "| origin | connections | exchanges | reused |")
        yield "|---|---:|---:|---:|"
        for origin, each in origins[:_MOST_ROWS]:
            yield f"| {_code(origin)} | {each.connections} | {each.exchanges} | {each.reused} |"
        yield from _more(len(origins))


def _more(count: int) -> Iterator[str]:
    yield from (("", f"... and {count - _MOST_ROWS} more", "") if count > _MOST_ROWS else ("",))


def _code(text: str) -> str:
    half = _LONGEST_CELL // 2
    cut = text if len(text) <= _LONGEST_CELL else f"{text[:half]}…{text[-half:]}"
    # Of two backslashes the second one is escaped, and not what stands behind it.
    shown = printable(cut).replace("`", "'").replace("\\|", "\\ |").replace("|", "\\|")
    return f"`{shown}`" if shown else ""


def _data(text: str) -> str:
    shown = "\n".join(printable(line) for line in text.splitlines())
    return shown.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
