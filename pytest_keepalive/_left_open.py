"""Which connections the operating system still shows open; psutil asks it."""

from __future__ import annotations

from collections.abc import Iterable

from pytest_keepalive._connection import Connection
from pytest_keepalive._origin import Pair, pair_of

_OPEN = ("ESTABLISHED", "CLOSE_WAIT")


def left_open(connections: Iterable[Connection]) -> tuple[Connection, ...]:
    """Keep the connections that this process has open now.

    Args:
        connections: Any; those whose local end was not seen cannot be told and are left out.
    """
    mine = tuple(connections)
    if not mine:
        return ()
    still_open = _open_pairs()
    return tuple(
        each
        for each in mine
        if each.local is not None and Pair(each.local, each.peer) in still_open
    )


def _open_pairs() -> set[Pair]:
    import psutil

    process = psutil.Process()
    # psutil before 6 has only the older name.
    ask = getattr(process, "net_connections", None) or process.connections
    pairs = (
        pair_of(tuple(each.laddr), tuple(each.raddr))
        for each in ask(kind="tcp")
        if each.status in _OPEN and each.raddr
    )
    return {pair for pair in pairs if pair is not None}
