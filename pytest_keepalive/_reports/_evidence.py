"""The evidence as text: what a failure shows below its sentence.

Rules
1. One line a connection; lines that say the same are folded into one, unless asked otherwise.
2. Everything fits the width: a sentence is wrapped, and a cell that is too long loses its
   beginning, since the end of a path and of a name tells more.
3. What came from outside is shown with its control characters made visible.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from functools import lru_cache

from pytest_keepalive._amount import count_of
from pytest_keepalive._call_site import CallSite
from pytest_keepalive._connection import Connection, Exchange
from pytest_keepalive._diagnosis import Finding
from pytest_keepalive._events import Attempted, CloseTrigger, Outcome, Side
from pytest_keepalive._origin import Origin
from pytest_keepalive._recording import Recording, Unplaced
from pytest_keepalive._reports._findings import findings_text
from pytest_keepalive._reports._prose import printable, wrapped

WIDTH = 80
_HEADINGS = ("destination", "client", "call site", "carried", "ended")
# Which column gives way first, and down to which width: the call site, then the destination.
_SHRINKING = ((2, 12), (0, 12), (2, 7), (0, 7))
_MOST_FAILURES = 5
_ENDS = {
    CloseTrigger.SERVER_SAID_CLOSE: "server said close",
    CloseTrigger.DROPPED: "dropped while idle",
    CloseTrigger.EXPIRED: "expired",
    CloseTrigger.EVICTED: "evicted",
    CloseTrigger.KEEPALIVE_OFF: "keep-alive is off",
    CloseTrigger.BODY_UNREAD: "body not read",
    CloseTrigger.FAILED: "exchange failed",
    CloseTrigger.CLIENT_CLOSED: "client closed",
    CloseTrigger.POOL_DISPOSED: "pool dropped",
    CloseTrigger.SETTINGS_CHANGED: "TLS changed",
}
_CLOSERS = {Side.PEER: "peer closed", Side.CLIENT: "client closed", None: "closed"}

Row = tuple[str, ...]


def evidence_of(
    recording: Recording,
    findings: Iterable[Finding] = (),
    verbose: bool = False,
    width: int = WIDTH,
) -> str:
    """Write down what a recording shows: first what to change, then what was seen.

    Args:
        recording: Any.
        findings: Those of the recording.
        verbose: Whether every connection gets its lines, with its exchanges.
        width: In columns; only kept while not verbose.
    """
    lines = list(findings_text(findings, width))
    lines += wrapped(_totals(recording), width)
    if recording.connections:
        lines += _table(recording.connections, verbose, width)
    for sentence in _unplaced(recording.unplaced, verbose):
        lines += wrapped(sentence, width)
    remarks = [
        f"! {remark}" for remark in (*recording.blind_spots, *recording.doubts, *recording.notes)
    ]
    for sentence in (*_failures(recording.attempts), *_partly(recording.connections), *remarks):
        lines += wrapped(sentence, width)
    return "\n".join(lines)


def _totals(recording: Recording) -> str:
    opened = len(recording.opened)
    used = "" if opened == recording.count else f", {recording.count - opened} opened earlier"
    exchanges = "exchanges not seen"
    if recording.exchanges_seen or recording.exchanges:
        made, reused = len(recording.exchanges), len(recording.reused)
        fewest = "" if recording.exchanges_seen and recording.exact else "at least "
        exchanges = f"{fewest}{count_of(made, 'exchange')}, {reused} of them reused a connection"
    least = "" if recording.exact else "at least "
    sampled = " (sampled)" if recording.unmeasurable else ""
    left_out = f"; {recording.left_out} ignored" if recording.left_out else ""
    seen = f"{least}{count_of(recording.count, 'connection')}{used}{sampled}"
    return f"{seen}; {exchanges}{left_out}"


def _table(connections: Iterable[Connection], verbose: bool, width: int) -> Iterator[str]:
    rows = [(f"#{each.index}", _row(each), each) for each in connections]
    same = Counter(row for _, row, _ in rows)
    shown = rows if verbose else _first_of_each(rows)
    indexes = max(len(index) for index, _, _ in shown)
    widths = _widths([row for _, row, _ in shown], width - indexes - 2, verbose)
    yield f"{'#':<{indexes}}  {_line(_HEADINGS, widths)}"
    for index, row, connection in shown:
        yield f"{index:<{indexes}}  {_line(row, widths)}"
        if verbose:
            yield from (f"{'':<{indexes}}    {_told(each)}" for each in connection.exchanges)
        elif same[row] > 1:
            yield f"{'':<{indexes}}  × {same[row] - 1}, same line"


def _unplaced(unplaced: Iterable[Unplaced], verbose: bool) -> Iterator[str]:
    """Tell of the exchanges of which nobody saw the connection, each line of the user's once."""
    if verbose:
        yield from (f"{_told(each.exchange)}, connection not seen" for each in unplaced)
        return
    places = Counter((each.adoption.client, each.exchange.call_site) for each in unplaced)
    for (client, site), times in places.items():
        where = f" at {site}" if site else ""
        yield f"{count_of(times, 'exchange')} of {client}{where}, connection not seen"


def _partly(connections: Iterable[Connection]) -> Iterator[str]:
    clients = {
        each.client: None for each in connections if each.adoption and not each.exchanges_seen
    }
    for client in clients:
        yield f"{client} tells of no redirect that it follows, so there may be more exchanges"


def _first_of_each(
    rows: list[tuple[str, Row, Connection]],
) -> list[tuple[str, Row, Connection]]:
    firsts: dict[Row, tuple[str, Row, Connection]] = {}
    for entry in rows:
        firsts.setdefault(entry[1], entry)
    return list(firsts.values())


def _row(connection: Connection) -> Row:
    client = connection.client or connection.process_name
    place = _place(connection.origin, client, connection.call_site)
    return *place, _carried(connection), _ended(connection)


@lru_cache(maxsize=256)
def _place(origin: Origin, client: str, site: CallSite | None) -> tuple[str, str, str]:
    """Give the cells that the connections of a loop have in common."""
    scheme, _, authority = origin.partition("://")
    return (
        printable(authority if scheme in ("http", "https") else str(origin)),
        printable(client) or "not seen",
        printable(str(site or "not seen")),
    )


def _carried(connection: Connection) -> str:
    if not connection.exchanges_seen and connection.exchanges:
        # With the noun, a line of 80 columns had no room for the rest.
        return f"at least {len(connection.exchanges)}"
    if not connection.exchanges_seen:
        return "nothing" if connection.carried_nothing else "not seen"
    return count_of(len(connection.exchanges), "exchange") if connection.exchanges else "nothing"


def _ended(connection: Connection) -> str:
    if connection.closing is not None:
        return _ENDS[connection.closing.trigger]
    if connection.closed_at is None:
        return "open"
    last = connection.exchanges[-1] if connection.exchanges else None
    if last is not None and last.will_close:
        return _ENDS[CloseTrigger.SERVER_SAID_CLOSE]
    return _CLOSERS[connection.closed_by]


def _told(exchange: Exchange) -> str:
    idle = "" if exchange.idle_before is None else f", after {exchange.idle_before:.3f} s idle"
    answer = exchange.status or exchange.error or "no response"
    site = f", at {exchange.call_site}" if exchange.call_site else ""
    place = "" if exchange.connection_index is None else f"{exchange.index}: "
    return printable(f"{place}{exchange.method} {exchange.url} {answer}{idle}{site}")


def _widths(rows: list[Row], room: int, verbose: bool) -> list[int]:
    widths = [max(map(len, column)) for column in zip(_HEADINGS, *rows, strict=True)]
    gaps = 2 * (len(widths) - 1)
    for column, narrowest in () if verbose else _SHRINKING:
        excess = sum(widths) + gaps - room
        widths[column] = max(min(widths[column], narrowest), widths[column] - max(0, excess))
    return widths


def _line(cells: Row, widths: list[int]) -> str:
    return "  ".join(
        f"{_cut(cell, width):<{width}}" for cell, width in zip(cells, widths, strict=True)
    ).rstrip()


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"…{text[len(text) - width + 1 :]}"


def _failures(attempts: Iterable[Attempted]) -> Iterator[str]:
    failed = Counter(
        (attempt.peer, attempt.error) for attempt in attempts if attempt.outcome is Outcome.FAILED
    )
    for ((host, port), error), times in failed.most_common(_MOST_FAILURES):
        why = f": {error}" if error else ""
        yield f"{count_of(times, 'attempt')} to {_authority(host, port)} failed{why}"
    if len(failed) > _MOST_FAILURES:
        yield f"... and {count_of(len(failed) - _MOST_FAILURES, 'more kind')} of failed attempts"


def _authority(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
