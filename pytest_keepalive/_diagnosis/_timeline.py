"""What is known of a connection and its predecessor, where no cause could be proved."""

from __future__ import annotations

from pytest_keepalive._amount import count_of
from pytest_keepalive._connection import Connection, Exchange
from pytest_keepalive._diagnosis._case import Case, need_of
from pytest_keepalive._diagnosis._pool import closed_at


def timeline_of(case: Case) -> tuple[str, ...]:
    """Tell what happened, in seconds before the connect of the connection.

    Args:
        case: What has to be explained.
    """
    closed = case.pool.lost
    before = case.predecessor if closed is None else closed
    lines = [_begin(before, case), *_last(before, case), _end(before, case)]
    if case.pool.in_use:
        lines.append(f"{count_of(case.pool.in_use, 'connection')} of the pool in use at 0")
    return tuple(lines)


def _begin(connection: Connection, case: Case) -> str:
    carried = count_of(len(connection.exchanges), "exchange")
    if not connection.exchanges_seen:
        least = f"at least {carried}" if connection.exchanges else ""
        carried = least or "exchanges that were not seen"
    if connection.opened_at is None:
        return f"#{connection.index} was open before, and carried {carried}"
    at = _time(need_of(connection).at, case)
    return f"{at} connect of #{connection.index}, which carried {carried}"


def _last(connection: Connection, case: Case) -> tuple[str, ...]:
    last = connection.unsent or next(reversed(connection.exchanges), None)
    if last is None:
        return ()
    end = "not ended" if last.ended_at is None else f"until {_time(last.ended_at, case)}"
    return (f"{_time(last.started_at, case)} {last.method} {last.url}: {_answer(last)}, {end}",)


def _end(connection: Connection, case: Case) -> str:
    ended = closed_at(connection)
    if ended is None:
        return f"#{connection.index} was not closed; connect of #{case.connection.index} at 0"
    why = connection.close_reason or "closed"
    return f"{_time(ended, case)} {why}; connect of #{case.connection.index} at 0"


def _answer(exchange: Exchange) -> str:
    ending = "" if exchange.ending is None else f", {exchange.ending}"
    return f"{exchange.error or exchange.status or 'no response'}{ending}"


def _time(at: float, case: Case) -> str:
    return f"{at - case.at:+.3f} s"
