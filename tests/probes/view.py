"""Short questions to a view: where there is one connection, what came last, why it was closed."""

from __future__ import annotations

from pytest_keepalive import Connection, Exchange
from pytest_keepalive._events import CloseTrigger
from pytest_keepalive._view import View


def only(seen: View) -> Connection:
    (connection,) = seen.connections
    return connection


def last(seen: View) -> Exchange:
    return seen.exchanges[-1]


def triggers(seen: View) -> list[CloseTrigger | None]:
    return [each.closing.trigger if each.closing else None for each in seen.connections]


def closing_of(seen: View, index: int = 0) -> tuple[CloseTrigger, str]:
    closing = seen.connections[index].closing
    assert closing is not None
    return closing.trigger, closing.detail
