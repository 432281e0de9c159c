"""How a connection ended: who closed it, when, and what its last exchange shows.

Rules
1. A request that was sent on a connection which the peer had closed before, or which its client
   found that it could not use after all, is no exchange here: what counts is the one before it.
2. The peer's silence counts from the moment when the client had read the last response to its
   end. Where the FIN came while the client was still reading, the kernel's own count from the
   last payload stands; over TLS it cannot, since a server says goodbye in payload.
3. A FIN that comes as good as at once is no idle timer's.
4. A client that gives a connection up for a reason of its own says goodbye over TLS, and its
   peer's FIN may be the first then: what counts is who wanted it.
"""

from __future__ import annotations

from pytest_keepalive._connection import Connection, Exchange
from pytest_keepalive._events import CloseTrigger, Ending, Side

# A FIN this soon behind the last byte is no idle timer's (seconds).
AT_ONCE = 0.09
# The kernel counts in ticks of some milliseconds.
_TICK = 0.01
# What clients raise when they read the end of a connection in the place of a response.
_END_OF_FILE = frozenset(("RemoteDisconnected", "RemoteProtocolError", "ServerDisconnectedError"))
_NOT_TRIED = "ConnectionNotAvailable"


_OF_ITS_OWN = frozenset(
    (
        CloseTrigger.BODY_UNREAD,
        CloseTrigger.CLIENT_CLOSED,
        CloseTrigger.EVICTED,
        CloseTrigger.EXPIRED,
        CloseTrigger.KEEPALIVE_OFF,
        CloseTrigger.POOL_DISPOSED,
        CloseTrigger.SETTINGS_CHANGED,
    )
)


def last_exchange(connection: Connection) -> Exchange | None:
    """Give the last exchange that counts, a request that could not be sent among them."""
    exchanges = connection.exchanges
    last = exchanges[-1] if exchanges else None
    unsent = connection.unsent
    if (
        unsent is not None
        and unsent.error != _NOT_TRIED
        and (last is None or unsent.started_at > last.started_at)
    ):
        return last if _came_too_late(connection, unsent) else unsent
    if last is not None and _came_too_late(connection, last):
        return exchanges[-2] if len(exchanges) > 1 else None
    return last


def closed_by_peer(connection: Connection) -> bool:
    """Tell whether the peer closed first."""
    if connection.closing is not None and connection.closing.trigger is CloseTrigger.DROPPED:
        return True
    return connection.closed_by is Side.PEER and not _was_given_up_before(connection)


def silence_of(connection: Connection) -> float | None:
    """Tell how long after its last response the peer closed, in seconds, where that was seen."""
    fin_at, last = fin_came_at(connection), last_exchange(connection)
    if last is None or last.ended_at is None:
        return None
    if fin_at is None:
        return _noticed_after(connection, last.ended_at)
    if fin_at >= last.ended_at - _TICK:
        return max(0.0, fin_at - last.ended_at)
    if connection.origin.scheme == "http":
        return connection.silence
    came_with_head = last.head_at is not None and fin_at - last.head_at < AT_ONCE
    return 0.0 if came_with_head else None


def fin_came_at(connection: Connection) -> float | None:
    """Tell when the peer's FIN came, in seconds, where it was the first and that was seen."""
    if connection.peer_closed_at is not None:
        return connection.peer_closed_at
    last = connection.exchanges[-1] if connection.exchanges else None
    met = last is not None and _came_too_late(connection, last)
    return connection.heard_at if met else None


def hung_up(connection: Connection) -> bool:
    """Tell whether the peer closed right behind a response, or in its midst."""
    last, silence = last_exchange(connection), silence_of(connection)
    if last is None or last.ending in (Ending.FAILED, Ending.UNSENT):
        return False
    return closed_by_peer(connection) and silence is not None and silence < AT_ONCE


def _came_too_late(connection: Connection, exchange: Exchange) -> bool:
    """Tell whether a request was sent when the peer's FIN had long come.

    The client read the end of the connection, and nothing but a reset came behind the request.
    """
    fin_at = connection.peer_closed_at
    if fin_at is None and exchange.error in _END_OF_FILE:
        fin_at = connection.heard_at
    failed = exchange.ending in (Ending.FAILED, Ending.UNSENT) and exchange.status is None
    return failed and fin_at is not None and fin_at < exchange.started_at - _TICK


def _was_given_up_before(connection: Connection) -> bool:
    """Tell whether the client had given it up when the peer's FIN came (rule 4)."""
    closing, fin_at = connection.closing, connection.peer_closed_at
    if closing is None or closing.trigger not in _OF_ITS_OWN or fin_at is None:
        return False
    return fin_at > closing.at - _TICK


def _noticed_after(connection: Connection, ended_at: float) -> float | None:
    """Tell when a client noticed the peer's close, where that was so soon that it tells enough."""
    closing = connection.closing
    if closing is None or closing.trigger is not CloseTrigger.DROPPED:
        return None
    if connection.closed_at is not None and connection.closed_at < closing.at:
        # An event loop read the end of it when it came, closed it, and then told the client.
        return max(0.0, connection.closed_at - ended_at)
    noticed = max(0.0, closing.at - ended_at)
    return noticed if noticed < AT_ONCE else None
